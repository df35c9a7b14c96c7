"""The groups of a rollout as a list that fits: each by itself where there is room, else those alike together. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from rollwright.cli.outputs import Slow, Status
from rollwright.cli.text import one_line
from rollwright.rollout.aim import Course
from rollwright.rollout.observation import Cause, Group
from rollwright.rollout.stages import Mark
from rollwright.workflows.describing import ordinals
from rollwright.workflows.details import MARKS
from rollwright.workflows.expecting import roughly

if TYPE_CHECKING:
    from rollwright.cluster.places import Place  # loads the Kubernetes client, which whoever looks need not have

FAILED_MARK = "❌"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))


class Weight(IntEnum):
    """How much a group needs to be looked at."""

    QUIET = 0
    ROLLING = 1
    SLOW = 2
    FAILED = 3


@dataclass(frozen=True)
class Entry:
    """One line: a group, or several that are alike."""

    mark: str
    ordinals: str
    revision: str
    state: str
    why: str = ""
    age: str = ""
    node: str = ""
    weight: Weight = Weight.QUIET


def singles(status: Status, places: "Mapping[int, Place]", now: datetime) -> list[Entry]:
    """All groups in order."""
    slow = {group.ordinal: group for group in status.slow}
    return [_entry(group, status, slow.get(group.ordinal), places.get(group.ordinal), now) for group in status.groups]


def fitting(found: Sequence[Entry], room: int) -> list[Entry]:
    """All of them if they fit into `room` lines; else the quiet ones that are alike together, then the worst first."""
    if len(found) <= room:
        return list(found)
    alike: dict[tuple[str, str, str], list[int]] = {}
    for entry in found:
        if entry.weight is Weight.QUIET:
            alike.setdefault((entry.mark, entry.revision, entry.state), []).append(int(entry.ordinals))
    merged = [Entry(mark, ordinals(numbers), revision, state) for (mark, revision, state), numbers in alike.items()]
    others = [entry for entry in found if entry.weight is not Weight.QUIET]
    return [*merged, *sorted(others, key=lambda entry: -entry.weight)]


def counts(status: Status) -> str:
    """How many there are of each kind, worst first: as in "6: 1 failed, 1 new not ready, 4 old ready"."""
    slow = {group.ordinal for group in status.slow}
    found = Counter(_kind(group, status, is_slow=group.ordinal in slow) for group in status.groups)
    told = ", ".join(f"{found[kind]} {kind.words}" for kind in sorted(found, key=lambda kind: kind.order))
    return f"{len(status.groups)}: {told}"


class _Kind(NamedTuple):
    order: int
    words: str


def _kind(group: Group, status: Status, *, is_slow: bool) -> _Kind:
    revision = _revision(group, status.course)
    if group.failed:
        return _Kind(0, "failed")
    if is_slow and not group.available:
        return _Kind(1, "slow")
    if group.terminating:
        return _Kind(3, "leaving")
    return _Kind(4, f"{revision} ready") if group.available else _Kind(2, f"{revision} not ready")


def _entry(group: Group, status: Status, slow: Slow | None, place: "Place | None", now: datetime) -> Entry:
    weight = _weight(group, status, is_slow=slow is not None)
    return Entry(
        mark=FAILED_MARK if weight is Weight.FAILED else MARKS[_mark(group, _partition(status))],
        ordinals=str(group.ordinal),
        revision=_revision(group, status.course),
        state=_state(group, weight),
        why=_why(group, slow if weight is Weight.SLOW else None),
        age=age(now, place.since) if place else "",
        node=one_line(place.node) if place else "",
        weight=weight,
    )


def _weight(group: Group, status: Status, *, is_slow: bool) -> Weight:
    if group.failed:
        return Weight.FAILED
    if is_slow and not group.available:
        return Weight.SLOW
    quiet = group.available and _mark(group, _partition(status)) is not Mark.ROLLING
    return Weight.QUIET if quiet else Weight.ROLLING


def _partition(status: Status) -> int:
    """Until the first step is taken nothing is released, whatever stands there."""
    return status.stage.partition if status.stage and status.stage.stage > 1 else len(status.groups)


def _mark(group: Group, partition: int) -> Mark:
    if group.done:
        return Mark.UPDATED
    return Mark.ROLLING if group.updated or group.ordinal >= partition else Mark.OUTDATED


def _revision(group: Group, course: Course) -> str:
    """On the way back what is wanted is the old one."""
    return "new" if group.updated is (course is not Course.BACK) else "old"


def _state(group: Group, weight: Weight) -> str:
    if weight is Weight.FAILED:
        return "failed"
    if group.terminating:
        return "leaving"
    if group.available:
        return "ready" if weight is Weight.QUIET else "released"
    return "slow" if weight is Weight.SLOW else (group.cause or Cause.UNREADY).value


def _why(group: Group, slow: Slow | None) -> str:
    """What the state alone doesn't say."""
    cause = group.cause.value if group.cause else ""
    told = one_line(group.reason)
    named = f"{cause}: {told}" if group.failed and cause and told else told or cause
    parts = [
        "" if told == _state(group, Weight.ROLLING) or group.terminating else named,
        f"for more than {roughly(slow.seconds)}" if slow else "",
        f"usual are {roughly(slow.usual_seconds)}" if slow and slow.usual_seconds is not None else "",
    ]
    return "; ".join(filter(None, parts))


def age(now: datetime, since: datetime) -> str:
    """As kubectl has it, in the largest unit alone: "12m"."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, letter in _UNITS:
        if seconds >= 2 * unit:
            return f"{seconds // unit}{letter}"
    return f"{seconds}s"
