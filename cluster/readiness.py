"""Whether a group serves, and why not. LWS's own status counts other things, so it isn't asked."""

from datetime import datetime, timedelta

from rollwright.cluster import names
from rollwright.cluster.api import Manifest

_FIRST_CONDITIONS = timedelta(seconds=5)
_MOST_CHARACTERS = 200


def group_unreadiness(leader: Manifest, workers: Manifest | None, pods: list[Manifest]) -> str:
    """Why the group of this leader isn't ready; empty if it is.

    Ready: the leader is, and all workers of the StatefulSet that this very leader owns are, on its revision. The size
    is the group's own, not that of the template to come.
    """
    if "deletionTimestamp" in leader["metadata"]:
        return "leaving"
    if not _is_ready(leader):
        return _why(pods)
    size = int(leader["metadata"].get("annotations", {}).get(names.SIZE, "1"))
    if size == 1:
        return ""
    if workers is None or not _owns(leader, workers) or _revision(workers) != _revision(leader):
        return "its workers are being started"
    if any("deletionTimestamp" in pod["metadata"] for pod in pods):
        return "a worker is leaving"
    ready = workers.get("status", {}).get("readyReplicas", 0)
    observed = workers.get("status", {}).get("observedGeneration") == workers["metadata"]["generation"]
    if ready < size - 1 or not observed:
        return _why(pods)
    return ""


def is_unscheduled(pod: Manifest) -> bool:
    """Whether the scheduler has found no node for it."""
    scheduled = _condition(pod, "PodScheduled")
    return scheduled.get("status") == "False"


def is_unscheduled_for(pod: Manifest, patience: timedelta, now: datetime) -> bool:
    """Whether the scheduler has found no node for it for longer than the patience."""
    since = _condition(pod, "PodScheduled").get("lastTransitionTime")
    return is_unscheduled(pod) and since is not None and now - datetime.fromisoformat(since) > patience


def is_blip(pod: Manifest, grace: timedelta, now: datetime) -> bool:
    """Whether the pod was ready until less than `grace` ago.

    A pod that never was carries a Ready condition too, as old as its scheduling.
    """
    ready, scheduled = _condition(pod, "Ready"), _condition(pod, "PodScheduled")
    if ready.get("status") != "False" or "lastTransitionTime" not in ready or "lastTransitionTime" not in scheduled:
        return False
    changed, placed = (datetime.fromisoformat(at["lastTransitionTime"]) for at in (ready, scheduled))
    return changed - placed > _FIRST_CONDITIONS and now - changed < grace


def _why(pods: list[Manifest]) -> str:
    """The first pod that says what it lacks, in its own words."""
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if words := _pod_trouble(pod):
            return f"{pod['metadata']['name']}: {words}"[:_MOST_CHARACTERS]
    return "starting"


def _pod_trouble(pod: Manifest) -> str:
    if is_unscheduled(pod):
        scheduled = _condition(pod, "PodScheduled")
        return f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}"
    status = pod.get("status", {})
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"{waiting['reason']}: {waiting.get('message', '')}".rstrip(": ")
    return f"{status['reason']}: {status.get('message', '')}" if "reason" in status else ""


def _condition(pod: Manifest, kind: str) -> Manifest:
    conditions: list[Manifest] = pod.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def _is_ready(pod: Manifest) -> bool:
    return bool(_condition(pod, "Ready").get("status") == "True")


def _owns(leader: Manifest, workers: Manifest) -> bool:
    owners = workers["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == leader["metadata"]["uid"] for owner in owners)


def _revision(item: Manifest) -> str:
    revision: str = item["metadata"].get("labels", {}).get(names.REVISION, "")
    return revision
