"""Objects as the API server returns them, as far as the cluster package reads them."""

from collections.abc import Sequence
from typing import Any

from rollwright.cluster import names
from rollwright.cluster.api import PODS
from rollwright.cluster.leaderworkerset import LeaderWorkerSet
from rollwright.cluster.pruning import pruned

Json = dict[str, Any]

NAME = "llm"
TEMPLATE: Json = {
    "leaderWorkerTemplate": {"size": 1, "workerTemplate": {"spec": {"containers": [{"name": "model", "image": "m:1"}]}}}
}


def as_watched(pods: Sequence[Json]) -> list[Json]:
    """Pods as a shared watch keeps them: what isn't read of them is gone."""
    return [pruned(PODS, pod) for pod in pods]


def lws(
    replicas: int = 4,
    *,
    partition: int = 0,
    max_unavailable: int | str = 1,
    max_surge: int | str = 0,
    generation: int = 1,
    observed: int | None = None,
    annotations: dict[str, str] | None = None,
    template: Json | None = None,
) -> LeaderWorkerSet:
    """A LeaderWorkerSet; `observed`: the generation its controller has seen, the present one unless given."""
    metadata: Json = {"name": NAME, "namespace": "default", "uid": "u-lws", "generation": generation}
    if annotations is not None:
        metadata["annotations"] = annotations
    update = {"partition": partition, "maxUnavailable": max_unavailable, "maxSurge": max_surge}
    return LeaderWorkerSet(
        {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": metadata,
            "spec": {
                "replicas": replicas,
                "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": update},
                **(template or TEMPLATE),
            },
            "status": {"observedGeneration": generation if observed is None else observed},
        }
    )


def leader_set(
    replicas: int = 4, *, partition: int = 0, revision: str = "new", current: str = "", observed: int = 1
) -> Json:
    """The StatefulSet of the leaders."""
    return {
        "metadata": {"name": NAME, "uid": "u-leaders", "generation": 1, "labels": {names.REVISION: revision}},
        "spec": {"replicas": replicas, "updateStrategy": {"rollingUpdate": {"partition": partition}}},
        "status": {"observedGeneration": observed, "currentRevision": current},
    }


def pod(
    ordinal: int,
    *,
    worker: int = 0,
    revision: str = "old",
    ready: bool = True,
    leaving: bool = False,
    size: int = 1,
    status: Json | None = None,
    controller_hash: str = "",
    created: str = "2026-01-01T11:00:00Z",
) -> Json:
    """A pod of a group, its leader unless `worker` is given."""
    name = f"{NAME}-{ordinal}" + (f"-{worker}" if worker else "")
    metadata: Json = {
        "name": name,
        "uid": f"u-{name}-{revision}",
        "resourceVersion": "1",
        "creationTimestamp": created,
        "labels": {
            names.GROUP_INDEX: str(ordinal),
            names.WORKER_INDEX: str(worker),
            names.REVISION: revision,
            "controller-revision-hash": controller_hash,
        },
        "annotations": {names.SIZE: str(size)},
    }
    if leaving:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    conditions = [{"type": "Ready", "status": str(ready)}]
    status = status or {"conditions": conditions}
    placed = all(found["type"] != "PodScheduled" or found["status"] == "True" for found in status.get("conditions", []))
    spec = {"nodeName": "node-1"} if placed else {}
    return {"metadata": metadata, "spec": spec, "status": status}


def worker_set(
    ordinal: int, *, revision: str = "old", owner: str | None = None, ready: int = 1, observed: int = 1
) -> Json:
    """The StatefulSet of a group's workers, owned by its leader unless another `owner` is given."""
    return {
        "metadata": {
            "name": f"{NAME}-{ordinal}",
            "generation": 1,
            "labels": {names.REVISION: revision},
            "ownerReferences": [{"uid": owner or f"u-{NAME}-{ordinal}-{revision}"}],
        },
        "spec": {"replicas": 1},
        "status": {"observedGeneration": observed, "readyReplicas": ready},
    }
