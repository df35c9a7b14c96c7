"""Reading Kubernetes objects as they come from the API: plain dictionaries."""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from rollwright.devcluster.standin import labels
from rollwright.devcluster.standin.formula import GroupState, Leader, Strategy, resolve

Manifest: TypeAlias = dict[str, Any]


class Key(NamedTuple):
    """The place of an object in its kind."""

    namespace: str
    name: str


def key_of(manifest: Manifest) -> Key:
    """Return the namespace and name of `manifest`."""
    return Key(manifest["metadata"]["namespace"], manifest["metadata"]["name"])


def label_of(manifest: Manifest, label: str) -> str:
    """Return the value of `label`, "" when it isn't there."""
    value: str = manifest["metadata"].get("labels", {}).get(label, "")
    return value


def set_key_of(part: Manifest) -> Key:
    """Return the place of the LeaderWorkerSet that `part` belongs to; its name is "" where it belongs to none."""
    return Key(part["metadata"]["namespace"], label_of(part, labels.SET_NAME))


def annotation_of(manifest: Manifest, annotation: str) -> str:
    """Return the value of `annotation`, "" when it isn't there."""
    value: str = manifest["metadata"].get("annotations", {}).get(annotation, "")
    return value


def holds(standing: object, wanted: object) -> bool:
    """Whether all of `wanted` is so in `standing`, which may say more."""
    if isinstance(standing, dict) and isinstance(wanted, dict):
        return all(field in standing and holds(standing[field], value) for field, value in wanted.items())
    if isinstance(standing, list) and isinstance(wanted, list):
        return len(standing) == len(wanted) and all(map(holds, standing, wanted))
    return standing == wanted


def is_terminating(manifest: Manifest) -> bool:
    """Whether somebody has asked for the deletion of `manifest`."""
    return "deletionTimestamp" in manifest["metadata"]


def controller_of(manifest: Manifest) -> Manifest | None:
    """Return the owner reference of the object that controls `manifest`."""
    references: Iterable[Manifest] = manifest["metadata"].get("ownerReferences", [])
    return next((reference for reference in references if reference.get("controller")), None)


def is_controlled_by(manifest: Manifest, owner: Manifest) -> bool:
    """Whether `owner`, this very object and no later one of its name, controls `manifest`."""
    reference = controller_of(manifest)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def is_leader(pod: Manifest) -> bool:
    """Whether `pod` leads its group."""
    return label_of(pod, labels.WORKER_INDEX) == "0"


def leader_name_of(worker: Manifest) -> str:
    """Return the name of the leader of the worker pod `worker`."""
    return re.sub(r"-\d+$", "", key_of(worker).name)


def pod_is_ready(pod: Manifest) -> bool:
    """Whether `pod` runs and is Ready; that it is terminating makes no difference, as with LWS."""
    status = pod.get("status", {})
    return status.get("phase") == "Running" and any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", [])
    )


def pod_has_restarted(pod: Manifest) -> bool:
    """Whether a container of `pod` has been restarted."""
    status = pod.get("status", {})
    if status.get("phase") not in ("Running", "Pending"):
        return False
    containers = status.get("initContainerStatuses", []) + status.get("containerStatuses", [])
    return any(container["restartCount"] > 0 for container in containers)


def statefulset_is_ready(statefulset: Manifest) -> bool:
    """Whether all pods of `statefulset` are available and it is in no update."""
    status = statefulset.get("status", {})
    return bool(
        statefulset["spec"]["replicas"] == status.get("availableReplicas", 0)
        and status.get("currentRevision") == status.get("updateRevision")
    )


def size_of(lws: Manifest) -> int:
    """Return the pods in a group of `lws`, its leader included."""
    size: int = lws["spec"]["leaderWorkerTemplate"]["size"]
    return size


def strategy_of(lws: Manifest) -> Strategy:
    """Return what `lws` asks of an update."""
    replicas = lws["spec"]["replicas"]
    update = lws["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]
    return Strategy(
        replicas=replicas,
        max_unavailable=resolve(update["maxUnavailable"], replicas, round_up=False),
        max_surge=resolve(update["maxSurge"], replicas, round_up=True),
        partition=update["partition"],
    )


def leader_of(statefulset: Manifest) -> Leader:
    """Return where the leader StatefulSet stands."""
    spec = statefulset["spec"]
    return Leader(
        replicas=spec["replicas"],
        partition=spec["updateStrategy"]["rollingUpdate"].get("partition", 0),
        wanted_then=int(annotation_of(statefulset, labels.REPLICAS)),
    )


def groups_of(
    lws: Manifest, pods: Iterable[Manifest], statefulsets: Iterable[Manifest], revision_hash: str
) -> dict[int, GroupState]:
    """Return the groups of `lws` by ordinal, those that have a leader and the workers they need, against a revision.

    `pods` and `statefulsets` are those that carry the name of `lws`.
    """
    workers = {key_of(statefulset): statefulset for statefulset in statefulsets}
    groups: dict[int, GroupState] = {}
    for leader in filter(is_leader, pods):
        if not label_of(leader, labels.GROUP_INDEX):
            continue
        ready = pod_is_ready(leader)
        updated = label_of(leader, labels.REVISION) == revision_hash
        if size_of(lws) > 1:
            statefulset = workers.get(key_of(leader))
            if statefulset is None:
                continue
            ready = ready and statefulset_is_ready(statefulset)
            updated = updated and label_of(statefulset, labels.REVISION) == revision_hash
        groups[int(label_of(leader, labels.GROUP_INDEX))] = GroupState(ready, updated)
    return groups
