"""Why groups were started anew, and whether one was more often than it had to be.

A group has to be started anew once for each template that it is brought to. If it stands broken below the partition,
where only its present template could be had, it may be restarted once more to come back on that. Groups that others
delete and that crash are nobody's fault, and so are those above the replicas the user wants when they are given back:
but a surge comes and goes only as often as there was a reason to ask for it.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from math import inf
from typing import NamedTuple

from rollwright.devcluster.history import Pod, Spec
from rollwright.devcluster.watcher import Frame
from rollwright.rollout.invariants import Written
from tests.chaos.losses import Losses
from tests.chaos.promise import WISH, InFlight, scheduled

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
    occasions: int
    """How many reasons there were by then to ask for a surge."""

    def __str__(self) -> str:
        return f"{self.at:.2f} group {self.ordinal} (template {self.target}) {self.cause}, leader {self.uid}"


class _Occasions:
    """Counts the reasons to ask for a surge, at first or anew.

    A rollout asks for all of it at once while groups are to be updated, and from then on gives back what fewer and
    fewer unfinished groups need. So what is given back is asked for again only where there are more unfinished groups
    than before: under another template, with other replicas, where a group that was done is lost, once a gate is
    passed; or where an abort or a resume has the rollout begin anew under the same template. (That a surge without
    nodes is tried again by itself is for longer rollouts than these.) A bound for each time a group goes would be
    closer, but would have to know what a step that gave it back was decided on; over all of a round it needn't.
    """

    def __init__(self, steered: Collection[float]) -> None:
        self._steered = steered
        self._seen = 0
        self._before: tuple[str, str] | None = None

    def take(self, frame: Frame, lost: Pod | None) -> int:
        """So many by this frame."""
        self._seen += lost is not None
        if frame.spec:
            now = frame.spec.image, frame.spec.annotations[WISH]
            if self._before:
                self._seen += sum(one != other for one, other in zip(self._before, now, strict=True))
            self._before = now
        return self._seen + sum(at <= frame.change.at for at in self._steered)


def restarts(frames: Iterable[Frame], injected: Collection[str], steered: Collection[float] = ()) -> list[Restart]:
    """All leaders that were taken down, in order.

    `injected`: the pods that were deleted on purpose, by uid; `steered`: when somebody had the rollout begin anew, or
    pass a gate.
    """
    found: list[Restart] = []
    targets: list[str] = []
    in_flight, losses, doomed, occasions = InFlight(), Losses(injected), set[str](), _Occasions(steered)
    unready_until: dict[int, float] = {}
    before: Frame | None = None
    for frame in frames:
        if before:
            unready_until |= dict.fromkeys(before.leaders.keys() - before.serving, frame.change.at)
        if frame.spec:
            if targets[-1:] != [frame.spec.image]:
                targets.append(frame.spec.image)
            in_flight.take(frame.spec, frame.leader_set)
        lost = losses.take(before, frame) if before else None
        if before and lost:
            doomed.add(lost.uid if lost.is_leader else before.leader_of_set.get(lost.owner, ""))
        so_many = occasions.take(frame, lost)
        pod = before.pods.get(frame.change.name) if before and frame.change.kind == "Pod" else None
        if before and frame.spec and pod and pod.is_leader and _is_taken_down(pod, frame.change.item):
            cause = Cause.BY_ITSELF if pod.uid in doomed else _cause(pod, before, frame.spec, in_flight, unready_until)
            target = _target(pod, in_flight.writes, targets)
            found.append(Restart(frame.change.at, pod.ordinal, pod.uid, cause, target, so_many))
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
        scaled_away = restart.cause is Cause.SCALED_AWAY
        # A surge that comes under one template may go under the next, so they are counted together.
        kind = (restart.ordinal, restart.cause, 0 if scaled_away else restart.target)
        times[kind] += 1
        if times[kind] > _allowed(restart):
            needless.append(restart)
    return needless


def _allowed(restart: Restart) -> float:
    """How often a group may be taken down for this cause, by then."""
    match restart.cause:
        case Cause.NONE:
            return 0
        case Cause.RELEASED | Cause.UNBLOCKED:
            return 1
        case Cause.SCALED_AWAY:
            return restart.occasions
        case Cause.BY_ITSELF:
            return inf


def _is_taken_down(pod: Pod, after: object) -> bool:
    """Whether its end begins: it is seen leaving, or is gone without that."""
    same = isinstance(after, Pod) and after.uid == pod.uid
    return not pod.terminating and (not same or (isinstance(after, Pod) and after.terminating))


def _cause(pod: Pod, before: Frame, spec: Spec, in_flight: InFlight, unready_until: Mapping[int, float]) -> Cause:
    writes = in_flight.writes
    # A surge that LWS's own maxSurge carries is given back by LWS itself.
    standing = before.leader_set.replicas if before.leader_set else 0
    asked_for = min([standing, *(write.groups for write in writes)])
    if pod.ordinal >= max(asked_for, min(in_flight.wishes)):
        return Cause.SCALED_AWAY
    if any(_releases(write, pod) for write in writes):
        return Cause.RELEASED
    # After the step has looked a group may come to serve by its workers, which no precondition is about.
    if unready_until.get(pod.ordinal, 0.0) >= scheduled(spec) and pod.image != spec.image:
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
