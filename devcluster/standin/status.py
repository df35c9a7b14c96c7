"""The status of a LeaderWorkerSet, just as misleading as LWS's own. Pure.

Source: LWS v0.9.0, updateStatus and updateConditions: readyReplicas counts old groups, updatedReplicas unready ones,
Available may be True with a partition above 0, and of two conditions that change at once the second waits for the next
reconciliation.
"""

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from rollwright.devcluster.standin import labels
from rollwright.devcluster.standin.formula import GroupState, Strategy
from rollwright.devcluster.standin.manifests import Manifest

_AVAILABLE: Final = "Available"
_UPDATING: Final = "UpdateInProgress"
_PROGRESSING: Final = "Progressing"
_REASONS: Final = {
    _AVAILABLE: ("AllGroupsReady", "All replicas are ready"),
    _UPDATING: ("GroupsUpdating", "Rolling Upgrade is in progress"),
    _PROGRESSING: ("GroupsProgressing", "Replicas are progressing"),
}
_EXCLUDED_BY: Final = {
    _AVAILABLE: {_UPDATING, _PROGRESSING},
    _UPDATING: {_AVAILABLE},
    _PROGRESSING: {_AVAILABLE},
}


class Counts(NamedTuple):
    """What the status is made of, counted over the leader pods that exist (with their workers, if they need any)."""

    ready: int
    updated: int
    wanted_ready: int
    released: int
    released_updated: int
    released_done: int


def count(groups: dict[int, GroupState], strategy: Strategy) -> Counts:
    """Count `groups` by ordinal: all of them, those wanted (below replicas), those released (from the partition up)."""
    wanted = {ordinal: group for ordinal, group in groups.items() if ordinal < strategy.replicas}
    released = [group for ordinal, group in wanted.items() if ordinal >= strategy.partition]
    return Counts(
        ready=sum(group.ready for group in groups.values()),
        updated=sum(group.updated for group in groups.values()),
        wanted_ready=sum(group.ready for group in wanted.values()),
        released=len(released),
        released_updated=sum(group.updated for group in released),
        released_done=sum(group.ready and group.updated for group in released),
    )


def is_complete(counts: Counts, strategy: Strategy) -> bool:
    """Whether every wanted group is updated and ready with nothing held back: then old revisions go."""
    return strategy.partition == 0 and counts.released_done == strategy.replicas


def next_status(lws: Manifest, *, leaders: int, counts: Counts, strategy: Strategy) -> Manifest:
    """Return the status of `lws`; `leaders` is the leader StatefulSet's status.replicas. Zeros are left out."""
    status: Manifest = copy.deepcopy(lws.get("status", {}))
    numbers = {"replicas": leaders, "readyReplicas": counts.ready, "updatedReplicas": counts.updated}
    for field, number in numbers.items():
        status.pop(field, None)
        if number:
            status[field] = number
    status["observedGeneration"] = lws["metadata"]["generation"]
    status["hpaPodSelector"] = f"{labels.SET_NAME}={lws['metadata']['name']},{labels.WORKER_INDEX}=0"
    conditions = status.setdefault("conditions", [])
    for true_type in _true_types(counts, strategy):
        if _set_true(conditions, true_type, status["observedGeneration"]):
            break
    for condition in conditions:
        condition["observedGeneration"] = status["observedGeneration"]
    return status


def _true_types(counts: Counts, strategy: Strategy) -> Sequence[str]:
    if counts.released_updated < counts.released:
        return (_UPDATING, _PROGRESSING)
    if counts.wanted_ready == strategy.replicas and counts.released_done == counts.released:
        return (_AVAILABLE,)
    return (_PROGRESSING,)


def _set_true(conditions: list[Manifest], true_type: str, generation: int) -> bool:
    """Make a condition True and those it excludes False; return whether that changed anything."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    reason, message = _REASONS[true_type]
    new = {
        "type": true_type,
        "status": "True",
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": now,
    }
    changed = False
    for position, condition in enumerate(conditions):
        if condition["type"] == true_type:
            if condition["status"] != "True" or condition["observedGeneration"] != generation:
                conditions[position] = new
                changed = True
        elif condition["type"] in _EXCLUDED_BY[true_type] and condition["status"] == "True":
            condition.update(status="False", observedGeneration=generation, lastTransitionTime=now)
            changed = True
    if all(condition["type"] != true_type for condition in conditions):
        conditions.append(new)
        changed = True
    return changed
