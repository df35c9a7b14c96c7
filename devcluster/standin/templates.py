"""The objects made of a LeaderWorkerSet: StatefulSets and headless services. Pure.

Source: LWS v0.9.0, its two controllers. What differs from pod to pod is written by a policy in the API server,
manifests/lws-admission.yaml.
"""

import copy

from rollwright.devcluster.standin import labels
from rollwright.devcluster.standin.manifests import Manifest, annotation_of, label_of, size_of, strategy_of


def owner_reference(owner: Manifest) -> Manifest:
    """Return the reference that makes `owner` the controller of an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def leader_statefulset(lws: Manifest, *, partition: int, replicas: int, revision_hash: str) -> Manifest:
    """Return the StatefulSet of the leader pods, to be applied."""
    name, namespace = lws["metadata"]["name"], lws["metadata"]["namespace"]
    strategy = strategy_of(lws)
    template = lws["spec"]["leaderWorkerTemplate"]
    pod_annotations = _group_annotations(lws)
    if _has_service_each(lws):
        pod_annotations[labels.SUBDOMAIN_POLICY] = "UniquePerReplica"
    leaders = {labels.SET_NAME: name, labels.WORKER_INDEX: "0"}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {labels.SET_NAME: name, labels.REVISION: revision_hash},
            "annotations": {labels.REPLICAS: str(strategy.replicas)},
            "ownerReferences": [owner_reference(lws)],
        },
        "spec": {
            "serviceName": name,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": leaders},
            "template": _pod_template(
                template.get("leaderTemplate") or template["workerTemplate"],
                {**leaders, labels.REVISION: revision_hash},
                pod_annotations,
            ),
            "updateStrategy": {
                "type": lws["spec"]["rolloutStrategy"]["type"],
                "rollingUpdate": {
                    "partition": partition,
                    "maxUnavailable": max(1, strategy.max_unavailable + strategy.surge),
                },
            },
        },
    }


def worker_statefulset(lws: Manifest, leader: Manifest, revision: Manifest) -> Manifest:
    """Return the StatefulSet of the workers of the pod `leader`.

    The template is that of `revision`, the leader's own; the size is today's whatever the revision, as with LWS.
    """
    name, namespace = leader["metadata"]["name"], leader["metadata"]["namespace"]
    group = {
        labels.SET_NAME: lws["metadata"]["name"],
        labels.GROUP_INDEX: label_of(leader, labels.GROUP_INDEX),
        labels.GROUP_KEY: label_of(leader, labels.GROUP_KEY),
    }
    revisioned = {**group, labels.REVISION: label_of(leader, labels.REVISION)}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": revisioned,
            "ownerReferences": [owner_reference(leader)],
        },
        "spec": {
            "serviceName": name if _has_service_each(lws) else lws["metadata"]["name"],
            "replicas": size_of(lws) - 1,
            "podManagementPolicy": "Parallel",
            "ordinals": {"start": 1},
            "selector": {"matchLabels": group},
            "template": _pod_template(
                revision["data"]["spec"]["leaderWorkerTemplate"]["workerTemplate"],
                revisioned,
                {**_group_annotations(lws), labels.LEADER_NAME: name},
            ),
        },
    }


def shared_service(lws: Manifest) -> Manifest | None:
    """Return the headless service of all pods of `lws`, None when each group has its own."""
    if _has_service_each(lws):
        return None
    return _headless_service(lws, lws["metadata"]["name"], {})


def group_service(lws: Manifest, leader: Manifest) -> Manifest | None:
    """Return the headless service of the group of the pod `leader`, None when all groups share one."""
    if not _has_service_each(lws):
        return None
    group_index = {labels.GROUP_INDEX: label_of(leader, labels.GROUP_INDEX)}
    return _headless_service(lws, leader["metadata"]["name"], group_index, owner=leader)


def _has_service_each(lws: Manifest) -> bool:
    return bool(lws["spec"]["networkConfig"]["subdomainPolicy"] == "UniquePerReplica")


def _headless_service(lws: Manifest, name: str, selector: dict[str, str], owner: Manifest | None = None) -> Manifest:
    set_name = {labels.SET_NAME: lws["metadata"]["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": lws["metadata"]["namespace"],
            "labels": set_name,
            "ownerReferences": [owner_reference(owner or lws)],
        },
        "spec": {"clusterIP": "None", "selector": {**set_name, **selector}, "publishNotReadyAddresses": True},
    }


def _group_annotations(lws: Manifest) -> dict[str, str]:
    annotations = {labels.SIZE: str(size_of(lws))}
    if topology := annotation_of(lws, labels.EXCLUSIVE_TOPOLOGY):
        annotations[labels.EXCLUSIVE_TOPOLOGY] = topology
    return annotations


def _pod_template(template: Manifest, pod_labels: dict[str, str], annotations: dict[str, str]) -> Manifest:
    pod = copy.deepcopy(template)
    metadata = pod.setdefault("metadata", {})
    metadata["labels"] = {**metadata.get("labels", {}), **pod_labels}
    metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
    return pod
