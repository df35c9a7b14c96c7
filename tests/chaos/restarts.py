"""Why groups were started anew, and whether one was more often than it had to be.

A group has to be started anew once for each template that it is brought to. If it stands broken below the partition,
where only its present template could be had, it may be restarted once more to come back on that. Groups that others
delete, that crash, and that are scaled away are nobody's fault.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import NamedTuple

from rollwright.devcluster.history import Pod, Spec
from rollwright.devcluster.watcher import Frame
from rollwright.rollout.invariants import Written
from tests.chaos.losses import Losses
from tests.chaos.promise import InFlight

_HISTORY_SECONDS = 10.0


class Cause(StrEnum):
    """Why a leader was taken down."""

    BY_ITSELF = "by itself"
    SCALED_AWAY = "scaled away"
    RELEASED = "released"
    UNBLOCKED = "unblocked"
    NONE = "for no reason"


class Restart(NamedTuple):
    """A leader that was taken down."""

    at: float
    ordinal: int
    uid: str
    cause: Cause
    target: int
    """Which of the templates that were rolled out one after another, counted from 0."""

    def __str__(self) -> str:
        return f"{self.at:.2f} group {self.ordinal} (template {self.target}) {self.cause}, leader {self.uid}"


def restarts(frames: Iterable[Frame], injected: Collection[str]) -> list[Restart]:
    """All leaders that were taken down, in order."""
    found: list[Restart] = []
    targets: list[str] = []
    in_flight, losses, doomed = InFlight(), Losses(injected), set[str]()
    before: Frame | None = None
    for frame in frames:
        if frame.spec:
            if targets[-1:] != [frame.spec.image]:
                targets.append(frame.spec.image)
            in_flight.take(frame.spec, frame.leader_set)
        if before and (lost := losses.take(before, frame)):
            doomed.add(lost.uid if lost.is_leader else before.leader_of_set.get(lost.owner, ""))
        pod = before.pods.get(frame.change.name) if before and frame.change.kind == "Pod" else None
        if before and frame.spec and pod and pod.is_leader and _is_taken_down(pod, frame.change.item):
            cause = Cause.BY_ITSELF if pod.uid in doomed else _cause(pod, before, frame.spec, in_flight.writes)
            target = _target(pod, in_flight.writes, targets)
            found.append(Restart(frame.change.at, pod.ordinal, pod.uid, cause, target))
        before = frame
    return found


def history(frames: Iterable[Frame], restart: Restart) -> list[str]:
    """What became of the pods of its group in the seconds before, for whoever has to find out who took it down."""
    changes = [frame.change for frame in frames if frame.change.kind == "Pod"]
    names = {
        change.name for change in changes if isinstance(change.item, Pod) and change.item.ordinal == restart.ordinal
    }
    return [
        f"  {change.at:.2f} {change.name}: {change.item}"
        for change in changes
        if change.name in names and -_HISTORY_SECONDS < change.at - restart.at <= 0
    ]


def needless(found: Iterable[Restart]) -> list[Restart]:
    """Those that were not needed."""
    times: Counter[tuple[int, Cause, int]] = Counter()
    needless = []
    for restart in found:
        times[restart.ordinal, restart.cause, restart.target] += 1
        once = restart.cause in (Cause.RELEASED, Cause.UNBLOCKED)
        if restart.cause is Cause.NONE or (once and times[restart.ordinal, restart.cause, restart.target] > 1):
            needless.append(restart)
    return needless


def _is_taken_down(pod: Pod, after: object) -> bool:
    """Whether its end begins: it is seen leaving, or is gone without that."""
    same = isinstance(after, Pod) and after.uid == pod.uid
    return not pod.terminating and (not same or (isinstance(after, Pod) and after.terminating))


def _cause(pod: Pod, before: Frame, spec: Spec, writes: list[Written]) -> Cause:
    # A surge that LWS's own maxSurge carries is given back by LWS itself.
    standing = before.leader_set.replicas if before.leader_set else 0
    if pod.ordinal >= standing or any(pod.ordinal >= write.groups for write in writes):
        return Cause.SCALED_AWAY
    if any(_releases(write, pod) for write in writes):
        return Cause.RELEASED
    if pod.ordinal not in before.serving and pod.image != spec.image:
        return Cause.UNBLOCKED
    return Cause.NONE


def _releases(write: Written, pod: Pod) -> bool:
    return pod.image != write.revision and pod.ordinal >= write.partition


def _target(pod: Pod, writes: list[Written], targets: list[str]) -> int:
    """The template for which the leader was taken down: the latest that released it, else the latest there is."""
    for number in range(len(targets) - 1, -1, -1):
        if any(write.revision == targets[number] and _releases(write, pod) for write in writes):
            return number
    return len(targets) - 1
