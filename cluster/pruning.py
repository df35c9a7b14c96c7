"""What a shared watch keeps of an object: what this package reads of it. A worker holds thousands of pods.

Pure. Whoever reads something else of a pod adds it here; the tests read pods that went through here.
"""

from collections.abc import Collection

from rollwright.cluster import names
from rollwright.cluster.api import ENDPOINT_SLICES, PODS, STATEFUL_SETS, Kind, Manifest
from rollwright.cluster.objects import controller_of

_METADATA = (
    *("name", "uid", "resourceVersion", "generation", "creationTimestamp", "ownerReferences"),
    *("deletionTimestamp", "deletionGracePeriodSeconds", "finalizers"),
)
_LABELS = (names.NAME, names.GROUP_INDEX, names.WORKER_INDEX, names.REVISION, names.CONTROLLER_REVISION)
_ANNOTATIONS = (names.SIZE, names.FENCE)
_OWNER = ("name", "uid", "controller")
_SPEC = ("nodeName", "schedulingGates")
_STATUS = ("phase", "reason", "message", "podIP")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")
_CONTAINERS = ("containerStatuses", "initContainerStatuses")
_CONTAINER = ("name", "ready", "started", "state", "lastState", "restartCount")
_ENDPOINT = ("conditions", "targetRef")
_TEMPLATES = ("template", "volumeClaimTemplates")


def pruned(kind: Kind, item: Manifest) -> Manifest:
    """The object without what nobody reads. What a target itself is, is kept whole."""
    if kind == PODS:
        return _pod(item)
    if kind == ENDPOINT_SLICES:
        return _slice(item)
    kept = {**item, "metadata": {name: value for name, value in item["metadata"].items() if name != "managedFields"}}
    if kind == STATEFUL_SETS and controller_of(item):  # LWS's: no target itself, and there is one for each group
        kept["spec"] = {name: value for name, value in item["spec"].items() if name not in _TEMPLATES}
    return kept


def _pod(pod: Manifest) -> Manifest:
    metadata, status = _only(_METADATA, pod["metadata"]), pod.get("status", {})
    for name, wanted in (("labels", _LABELS), ("annotations", _ANNOTATIONS)):
        if name in pod["metadata"]:
            metadata[name] = _only(wanted, pod["metadata"][name])
    metadata["ownerReferences"] = [_only(_OWNER, owner) for owner in metadata.get("ownerReferences", ())]
    kept = _only(_STATUS, status)
    kept["conditions"] = [_only(_CONDITION, condition) for condition in status.get("conditions", ())]
    kept |= {name: [_only(_CONTAINER, one) for one in status[name]] for name in _CONTAINERS if name in status}
    return {"metadata": metadata, "spec": _only(_SPEC, pod.get("spec", {})), "status": kept}


def _slice(item: Manifest) -> Manifest:
    metadata = _only(_METADATA, item["metadata"])
    metadata["labels"] = _only((names.SERVICE_NAME,), item["metadata"].get("labels", {}))
    return {"metadata": metadata, "endpoints": [_only(_ENDPOINT, one) for one in item.get("endpoints") or ()]}


def _only(wanted: Collection[str], found: Manifest) -> Manifest:
    return {name: found[name] for name in wanted if name in found}
