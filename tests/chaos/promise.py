"""The promise, judged at every event that the API server made, by what was asked of the controllers until then.

Groups are certain as long as no write takes them down, whichever of the writes still in flight the controllers act on.
Nothing may lower their number below the floor, or below what it was if that was less, except what rollwright has no
part in: a pod that somebody else deletes or that dies, and what users do to the number of replicas. And no write comes
after one of a newer step: the fence only grows.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from rollwright.devcluster.history import GroupSet, Pod, Spec
from rollwright.devcluster.watcher import Frame
from rollwright.rollout.invariants import Running, Written, certain
from tests.chaos.losses import Losses

WISH = "chaos.rollwright.io/wish"
"""On the target: the replicas the user wants, and the number of that wish. Written together with spec.replicas."""
RECORD = "rollwright.io/record"
"""On the target while a rollout holds it: what the user had set."""
_FENCE = "rollwright.io/fence"
"""Which step wrote last: when it was scheduled, and by which workflow."""


class Limits(NamedTuple):
    """How many groups must serve and how many may be asked for, for so many replicas wanted."""

    floor: int
    ceiling: int


def wanted(spec: Spec) -> int:
    """The replicas the user wants."""
    return int(spec.annotations[WISH].partition("/")[0])


def running(frame: Frame) -> dict[int, Running]:
    """Each group as it is."""
    return {ordinal: Running(pod.image, ordinal in frame.serving) for ordinal, pod in frame.leaders.items()}


def written(spec: Spec) -> Written:
    """What a spec asks for. LWS's own maxSurge carries a surge while a rollout holds it; else it is the user's."""
    surge = spec.max_surge if isinstance(spec.max_surge, int) and RECORD in spec.annotations else 0
    return Written(spec.image, spec.partition, spec.replicas + surge)


def scheduled(spec: Spec) -> float:
    """When the step was scheduled that wrote last, by the fence it left; 0 if none did."""
    fence = spec.annotations.get(_FENCE)
    return datetime.fromisoformat(fence.partition(" ")[0]).timestamp() if fence else 0.0


class InFlight:
    """The writes that the controllers may still act on, the last of them being in force."""

    def __init__(self) -> None:
        self._specs: dict[int, Spec] = {}

    @property
    def writes(self) -> list[Written]:
        """All of them, oldest first."""
        return [written(spec) for spec in self._specs.values()]

    @property
    def generations(self) -> list[int]:
        """Of the spec, that each made."""
        return list(self._specs)

    @property
    def wishes(self) -> list[int]:
        """The replicas that the user wanted at each."""
        return [wanted(spec) for spec in self._specs.values()]

    def take(self, spec: Spec, leaders: GroupSet | None) -> None:
        """A generation is settled once LWS has passed it on, and the StatefulSet controller has seen that."""
        self._specs[spec.generation] = spec
        if leaders and leaders.observed == leaders.generation:
            self._specs = {
                generation: write for generation, write in self._specs.items() if generation >= spec.observed
            }


class Judge:
    """Takes the frames of a watcher in their order."""

    def __init__(
        self,
        limits: Callable[[int], Limits],
        losses: Losses,
        looked_since: Callable[[float], float] = lambda scheduled: scheduled,
    ) -> None:
        """`looked_since`: when that may have been read at the earliest what a step scheduled then was decided on."""
        self._limits, self._own_losses, self._looked_since = limits, losses, looked_since
        self._in_flight = InFlight()
        self._before: Frame | None = None
        self._past: list[Frame] = []
        """What held under the spec that stands."""
        self._newest = 0.0
        self.losses = 0
        """Groups that were lost by themselves."""
        self.broken: list[str] = []
        """What broke the promise, in words."""
        self.excused = 0
        """Steps that would have, but for what became of groups since they were decided on."""
        self.spare_min = 1000
        """The fewest groups certain beyond those that must be: 0 where the budget was used to the full."""

    def take(self, frame: Frame) -> None:
        """Judge what has changed."""
        before, spec = self._before, frame.spec
        if before and before.spec and spec:
            lost = self._is_lost_by_itself(before, frame)
            wished = spec.annotations[WISH] != before.spec.annotations[WISH]
            if frame.known and not lost and not wished:
                self._judge(before, before.spec, frame, spec)
            if not wished and _is_written(before.spec, spec):
                self._judge_fence(frame, spec)
            if spec.generation != before.spec.generation:
                self._past = []  # a step is carried out on no other spec than the one it was planned on
        if spec:
            self._in_flight.take(spec, frame.leader_set)
            self._newest = max(self._newest, scheduled(spec))
        self._before = frame
        self._past.append(frame)

    def _judge(self, before: Frame, spec_before: Spec, frame: Frame, spec: Spec) -> None:
        writes = self._in_flight.writes
        is_write = spec.generation != spec_before.generation
        after = [*writes, written(spec)] if is_write else writes
        limits = self._limits(wanted(spec))
        kept_before, kept = certain(running(before), writes), certain(running(frame), after)
        self.spare_min = min(self.spare_min, kept - min(limits.floor, kept_before))
        if kept < min(limits.floor, kept_before):
            since = self._looked_since(scheduled(spec))
            if is_write:
                excused = self._write_was_fine(after, limits.floor, since)
            else:
                excused = self._deletion_was_fine(before, frame, since)
            if excused:
                self.excused += 1
            else:
                self.broken.append(
                    f"{frame.change.at:.2f} {frame.change.of} {frame.change.name}: the certain groups fall from "
                    f"{kept_before} to {kept}, floor {limits.floor}; in flight {after}; before {running(before)}; "
                    f"after {running(frame)}"
                )
        if is_write and after[-1].groups > max(limits.ceiling, written(spec_before).groups):
            self.broken.append(
                f"{frame.change.at:.2f} asks for {after[-1].groups} groups, of which {limits.ceiling} are allowed"
            )

    def _judge_fence(self, frame: Frame, spec: Spec) -> None:
        if scheduled(spec) < self._newest:
            self.broken.append(
                f"{frame.change.at:.2f} written under the fence {spec.annotations.get(_FENCE, 'of nobody')}, "
                f"{self._newest - scheduled(spec):.2f} s older than one before it: {written(spec)}"
            )

    def _is_lost_by_itself(self, before: Frame, frame: Frame) -> bool:
        lost = self._own_losses.take(before, frame)
        self.losses += len(before.serving - frame.serving) if lost else 0
        return lost is not None

    def _write_was_fine(self, after: list[Written], floor: int, since: float) -> bool:
        """Whether it was at a moment at which it may have been decided on: groups fail and recover meanwhile."""
        return any(
            certain(running(frame), after) >= min(floor, certain(running(frame), after[:-1]))
            for frame in self._held(since)
        )

    def _deletion_was_fine(self, before: Frame, frame: Frame, since: float) -> bool:
        """Whether it is one, and all groups lost with it have come to serve since it may have been decided on."""
        lost = before.serving - frame.serving
        return _is_deletion(frame) and all(self._was_unavailable(before.leaders[ordinal], since) for ordinal in lost)

    def _was_unavailable(self, leader: Pod, since: float) -> bool:
        """Whether the group of this very leader was at a moment from then on."""
        return any(
            leader.ordinal not in frame.serving and leader.uid == frame.leaders[leader.ordinal].uid
            for frame in self._held(since)
            if leader.ordinal in frame.leaders
        )

    def _held(self, since: float) -> Iterator[Frame]:
        """What held from then on, the latest first."""
        for frame in reversed(self._past):
            yield frame
            if frame.change.at < since:
                return


def _is_deletion(frame: Frame) -> bool:
    """Whether somebody has asked for the deletion of a leader."""
    pod = frame.change.item
    return isinstance(pod, Pod) and pod.is_leader and pod.terminating


def _is_written(before: Spec, spec: Spec) -> bool:
    """Whether rollwright has written, if the user hasn't: nobody else does."""
    return spec.generation != before.generation or spec.annotations.get(_FENCE) != before.annotations.get(_FENCE)
