"""Why groups were started anew, and whether one was more often than it had to be.

A group has to be started anew once for each template that it is brought to. If it stands broken below the partition,
where only its present template could be had, it may be restarted once more to come back on that. Groups that others
delete and that crash are nobody's fault, and so are those above the replicas the user wants when they are given back:
but a surge comes and goes only as often as there was a reason to ask for it.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from enum import StrEnum
from math import inf
from typing import NamedTuple

from rollwright.devcluster.history import Pod, Spec, Watched
from rollwright.devcluster.watcher import Frame
from rollwright.rollout.invariants import Written
from tests.chaos.losses import Losses
from tests.chaos.promise import WISH, InFlight, scheduled, written

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
    reasons: int
    """How many there were by then to ask for a surge under that template."""

    def __str__(self) -> str:
        return f"{self.at:.2f} group {self.ordinal} (template {self.target}) {self.cause}, leader {self.uid}"


class _Templates:
    """The templates that were rolled out one after another, and how often each gave reason to ask for a surge.

    A rollout asks for all of it at once while groups are to be updated, and from then on gives back what fewer and
    fewer unfinished groups need. So what is given back is asked for again under the same template only where there are
    more unfinished groups than before: with other replicas, where a group that was done is lost, once a gate is passed;
    or where an abort or a resume has the rollout begin anew. LWS itself gives some back while a release has its
    maxUnavailable open beside a maxSurge, and asks for it again once that is closed (seen of v0.9.0, too). (That a
    surge without nodes is tried again by itself is for longer rollouts than these.) Which of these came before a group
    went, and was known to the step that gave it back, can't be told: so they are counted from the beginning of the
    template.
    """

    def __init__(self, steered: Collection[float]) -> None:
        """`steered`: when somebody had the rollout begin anew, or pass a gate."""
        self.images: list[str] = []
        self._steered = steered
        self._numbers: dict[int, int] = {}
        self._wish = ""
        self._reasons = 0
        self._reasons_before: list[int] = []

    def take(self, frame: Frame, lost: Pod | None) -> None:
        """In their order; `lost`: the pod that went by itself, if one did."""
        self._reasons += lost is not None
        if not frame.spec:
            return
        wish = frame.spec.annotations[WISH]
        self._reasons += self._wish not in ("", wish)
        self._wish = wish
        self._reasons += frame.spec.generation not in self._numbers and _is_open_beside_a_surge(frame.spec)
        if self.images[-1:] != [frame.spec.image]:
            self.images.append(frame.spec.image)
            self._reasons_before.append(self._so_far(frame.change.at))
        self._numbers[frame.spec.generation] = len(self.images) - 1

    def number(self, generation: int) -> int:
        """Of the template that a spec asked for."""
        return self._numbers[generation]

    def reasons(self, number: int, until: float) -> int:
        """How often a surge may have been asked for under a template; the original needs none to begin with."""
        return (number > 0) + self._so_far(until) - self._reasons_before[number]

    def _so_far(self, until: float) -> int:
        return self._reasons + sum(at <= until for at in self._steered)


class _Account:
    """Takes frames in their order, and says of each whether a leader was taken down by it, and why."""

    def __init__(self, injected: Collection[str], steered: Collection[float]) -> None:
        self._templates = _Templates(steered)
        self._in_flight = InFlight()
        self._standing: dict[int, int] = {}
        """What the leader StatefulSet asks for, by the generations of it that its controller may still act on."""
        self._losses = Losses(injected)
        self._doomed: set[str] = set()
        self._unready_until: dict[int, float] = {}
        self._before: Frame | None = None

    def take(self, frame: Frame) -> Restart | None:
        """The restart that begins with it, if one does."""
        before, self._before = self._before, frame
        lost = self._losses.take(before, frame) if before else None
        self._templates.take(frame, lost)
        self._take_writes(frame)
        if not before:
            return None
        self._unready_until |= dict.fromkeys(before.leaders.keys() - before.serving, frame.change.at)
        if lost:
            self._doomed.add(lost.uid if lost.is_leader else before.leader_of_set.get(lost.owner, ""))
        pod = before.pods.get(frame.change.name) if frame.change.of is Watched.PODS else None
        if frame.spec and pod and pod.is_leader and _is_taken_down(pod, frame.change.item):
            return self._restart(pod, frame.change.at, frame.spec)
        return None

    def _take_writes(self, frame: Frame) -> None:
        if frame.spec:
            self._in_flight.take(frame.spec, frame.leader_set)
        if leaders := frame.leader_set:
            asked_for = {**self._standing, leaders.generation: leaders.replicas}
            self._standing = {at: replicas for at, replicas in asked_for.items() if at >= leaders.observed}

    def _restart(self, pod: Pod, at: float, spec: Spec) -> Restart:
        cause = Cause.BY_ITSELF if pod.uid in self._doomed else self._cause(pod, spec)
        target = self._target(pod, cause)
        return Restart(at, pod.ordinal, pod.uid, cause, target, self._templates.reasons(target, at))

    def _cause(self, pod: Pod, spec: Spec) -> Cause:
        writes = self._in_flight.writes
        # A surge that LWS's own maxSurge carries is given back by LWS itself.
        asked_for = min([*self._standing.values(), *(write.groups for write in writes)])
        if pod.ordinal >= max(asked_for, min(self._in_flight.wishes)):
            return Cause.SCALED_AWAY
        if any(_releases(write, pod) for write in writes):
            return Cause.RELEASED
        # After the step has looked a group may come to serve by its workers, which no precondition is about.
        if self._unready_until.get(pod.ordinal, 0.0) >= scheduled(spec) and pod.image != spec.image:
            return Cause.UNBLOCKED
        return Cause.NONE

    def _target(self, pod: Pod, cause: Cause) -> int:
        """The template for which the leader was taken down: the latest that released it, else the latest there is.

        If it was given back, the first of those under which that may have been asked for.
        """
        if cause is Cause.SCALED_AWAY:
            return self._templates.number(min(self._in_flight.generations))
        images = self._templates.images
        for number in range(len(images) - 1, -1, -1):
            if any(write.revision == images[number] and _releases(write, pod) for write in self._in_flight.writes):
                return number
        return len(images) - 1


def restarts(frames: Iterable[Frame], injected: Collection[str], steered: Collection[float] = ()) -> list[Restart]:
    """All leaders that were taken down, in order.

    `injected`: the pods that were deleted on purpose, by uid; `steered`: when somebody had the rollout begin anew, or
    pass a gate.
    """
    account = _Account(injected, steered)
    return [restart for frame in frames if (restart := account.take(frame))]


def history(frames: Iterable[Frame], restart: Restart) -> list[str]:
    """What became of the pods of its group in the seconds before, for whoever has to find out who took it down."""
    changes = [frame.change for frame in frames if frame.change.of is Watched.PODS]
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
        kind = (restart.ordinal, restart.cause, restart.target)
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
            return restart.reasons
        case Cause.BY_ITSELF:
            return inf


def _is_open_beside_a_surge(spec: Spec) -> bool:
    """Whether a release is under way for which LWS's maxUnavailable is open, while its maxSurge carries a surge."""
    carried = written(spec).groups > spec.replicas
    return carried and isinstance(spec.max_unavailable, int) and spec.max_unavailable > 0


def _is_taken_down(pod: Pod, after: object) -> bool:
    """Whether its end begins: it is seen leaving, or is gone without that."""
    same = isinstance(after, Pod) and after.uid == pod.uid
    return not pod.terminating and (not same or (isinstance(after, Pod) and after.terminating))


def _releases(write: Written, pod: Pod) -> bool:
    return pod.image != write.revision and pod.ordinal >= write.partition
