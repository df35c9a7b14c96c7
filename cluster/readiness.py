"""Whether a group serves, and why not. LWS's own status counts other things, so it isn't asked."""

from datetime import datetime, timedelta

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.causes import (
    LEAVING,
    STARTING,
    Unreadiness,
    condition,
    most_telling,
    unreadiness_of,
)
from rollwright.rollout.observation import Cause

_FIRST_CONDITIONS = timedelta(seconds=5)
_MOST_CHARACTERS = 200


def group_unreadiness(
    leader: Manifest, workers: Manifest | None, pods: list[Manifest], now: datetime
) -> Unreadiness | None:
    """Why the group of this leader isn't ready, told by the pod that tells most; None if it is.

    Ready: the leader is, and all workers of the StatefulSet that this very leader owns are, on its revision. The size
    is the group's own, not that of the template to come.
    """
    if "deletionTimestamp" in leader["metadata"] or not _is_ready(leader):
        return _why(pods, now)
    size = size_of(leader)
    if size == 1:
        return None
    if workers is None or not _owns(leader, workers) or _revision(workers) != _revision(leader):
        found = _why(pods, now)  # workers of the leader before may stand in the way
        return found if found.cause is not Cause.STARTING else STARTING._replace(words="its workers are being started")
    if any("deletionTimestamp" in pod["metadata"] for pod in pods):
        return _why(pods, now)
    counted = workers.get("status", {}).get("readyReplicas", 0)
    ready = sum(1 for pod in pods if _place(pod) > 0 and _is_ready(pod))  # the count may be of a while ago
    observed = workers.get("status", {}).get("observedGeneration") == workers["metadata"]["generation"]
    if min(counted, ready) < size - 1 or not observed:
        return _why(pods, now)
    return None


def is_placed(leader: Manifest, pods: list[Manifest], *, leader_first: bool) -> bool:
    """Whether all pods of the group of this leader have nodes, also those that aren't there yet.

    `leader_first`: workers come only once the leader is ready (LWS: startupPolicy LeaderReady), and aren't waited for.
    """
    complete = len(pods) >= size_of(leader) or (leader_first and not _is_ready(leader))
    return complete and all(pod["spec"].get("nodeName") for pod in pods)


def size_of(leader: Manifest) -> int:
    """How many pods the group of this leader has."""
    return int(leader["metadata"].get("annotations", {}).get(names.SIZE, "1"))


def is_blip(pod: Manifest, grace: timedelta, now: datetime) -> bool:
    """Whether the pod was ready until less than `grace` ago.

    A pod that never was carries a Ready condition too, as old as its scheduling.
    """
    ready, scheduled = condition(pod, "Ready"), condition(pod, "PodScheduled")
    if ready.get("status") != "False" or "lastTransitionTime" not in ready or "lastTransitionTime" not in scheduled:
        return False
    changed, placed = (datetime.fromisoformat(at["lastTransitionTime"]) for at in (ready, scheduled))
    return changed - placed > _FIRST_CONDITIONS and now - changed < grace


def _why(pods: list[Manifest], now: datetime) -> Unreadiness:
    """What the most telling pod lacks, by its name; of equals the leader, then the workers in their order."""
    found = [_named(pod, unreadiness) for pod in sorted(pods, key=_place) if (unreadiness := unreadiness_of(pod, now))]
    return most_telling(found)


def _named(pod: Manifest, unreadiness: Unreadiness) -> Unreadiness:
    if unreadiness == STARTING or (unreadiness == LEAVING and _place(pod) == 0):
        return unreadiness  # of the group as a whole
    words = f"{pod['metadata']['name']}: {unreadiness.words}"
    return unreadiness._replace(words=words if len(words) <= _MOST_CHARACTERS else f"{words[: _MOST_CHARACTERS - 1]}…")


def _place(pod: Manifest) -> int:
    return int(pod["metadata"]["labels"].get(names.WORKER_INDEX, "0"))


def _is_ready(pod: Manifest) -> bool:
    return bool(condition(pod, "Ready").get("status") == "True")


def _owns(leader: Manifest, workers: Manifest) -> bool:
    owners = workers["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == leader["metadata"]["uid"] for owner in owners)


def _revision(item: Manifest) -> str:
    revision: str = item["metadata"].get("labels", {}).get(names.REVISION, "")
    return revision
