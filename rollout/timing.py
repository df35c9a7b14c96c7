"""When a rollout would end, from any state and for given start-up times: the planner's rules, only counted.

The simulator asks the planner itself, which looks at every group anew for each step: too slow for thousands of groups
and several futures. Here each group costs the same few operations whatever their number. The tests hold the two
together: for the same start-up times they end at the same second.
"""

import heapq
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple

from rollwright.rollout.models import Model
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.spec import Budget, Pacing, Reclaim, Strategy, SurgeDuringGates

StartUp = Callable[[int], float]
"""Seconds from the start of the group with this ordinal until it serves."""


class Cost(Model):
    """What a rollout takes of the fleet, in group-seconds: groups x time."""

    out_of_service_seconds: float = 0.0
    """Of the groups that the user wants, those that don't serve."""
    surplus_seconds: float = 0.0
    """Groups asked for above them."""

    def plus(self, seen: Observation, seconds: float) -> "Cost":
        """With so much more time in this state."""
        serving = sum(1 for group in seen.groups[: seen.replicas] if group.available)
        return Cost(
            out_of_service_seconds=self.out_of_service_seconds + (seen.replicas - serving) * seconds,
            surplus_seconds=self.surplus_seconds + max(0, seen.groups_asked - seen.replicas) * seconds,
        )


class Bound(NamedTuple):
    """Where a rollout stops: at a gate, or for good."""

    ordinal: int
    """Groups below it stay as they are until then."""
    least_seconds: float = 0.0
    """What its gates take at least, from when all above are done."""
    step: int | None = None
    """Which of the strategy's steps ends there, counted from 0; None for good."""


class Took(NamedTuple):
    """How a rollout went."""

    seconds: float
    cost: Cost
    reached: tuple[float, ...]
    """Seconds until all was done at each of the bounds; what the gates there take comes on top."""


class _State(IntEnum):
    OLD = 0
    """Serves, and is to be released."""
    FREE = 1
    """To be released, and doesn't serve: that costs nothing."""
    STARTING = 2
    DONE = 3
    FAILED = 4


_UP = (_State.OLD, _State.DONE)
_TO_RELEASE = (_State.OLD, _State.FREE)
_OVER = (_State.DONE, _State.FAILED)


def run(
    strategy: Strategy,
    seen: Observation,
    start_up: StartUp,
    left: StartUp,
    *,
    bounds: Sequence[Bound] = (Bound(0),),
    surge_limit: int | None = None,
) -> Took | None:
    """Roll on from what is seen; None if that never ends by itself.

    `left`: seconds left for the groups that are starting now, by ordinal. `bounds`: what the gates ahead hold back, and
    at last the strategy. Each gate takes what it must at least, and people no time; one that is open now is counted in
    full, as what has passed of it isn't known here. What the controllers take to act isn't counted, nor is how long
    groups take to leave.
    """
    rolling = _Rolling(strategy, seen.budget(strategy, surge_limit), seen, start_up, left)
    reached: list[float] = []
    for bound in bounds:
        if not rolling.on_to(bound.ordinal):
            return None
        reached.append(rolling.now)
        rolling.stand(bound.least_seconds)
    cost = Cost(out_of_service_seconds=rolling.missing, surplus_seconds=rolling.surplus)
    return Took(rolling.now, cost, tuple(reached))


class _Rolling:
    """A rollout under way. Counts are kept up to date instead of being counted anew."""

    def __init__(self, strategy: Strategy, budget: Budget, seen: Observation, start_up: StartUp, left: StartUp) -> None:
        self.now = self.missing = self.surplus = 0.0
        self._ordered = strategy.pacing is Pacing.ORDERED
        self._gradual = strategy.reclaim is Reclaim.GRADUAL
        self._end = strategy.partition
        self._keeps_surge = strategy.surge_during_gates is SurgeDuringGates.KEEP
        self._replicas, self._floor, self._surge = budget.replicas, budget.floor, budget.surge
        self._unavailable = budget.unavailable
        self._start_up = start_up
        self._frozen = not seen.on_target
        self._groups = max(seen.groups_asked, len(seen.groups)) if self._frozen else seen.groups_asked
        self._partition = min(self._groups, self._groups if self._frozen else seen.partition)
        self._states = [_state(group, self._partition) for group in seen.groups[: self._groups]]
        self._kept = sum(state in _UP for state in self._states)
        self._serving = sum(state in _UP for state in self._states[: self._replicas])
        self._run_from = self._groups
        """Groups from here on are done, without a gap."""
        self._ready: list[tuple[float, int, int]] = []
        self._starts = [0] * len(self._states)
        """How often each was started: what was going to be ready before that isn't any more."""
        for ordinal, state in enumerate(self._states):
            if state is _State.STARTING:
                self._start(ordinal, left(ordinal))
        self._count_run()

    def on_to(self, bound: int) -> bool:
        """Roll until everything from this ordinal on is done, and the surge given back; whether that comes.

        What is released below it by now is waited for as well. Surge that is kept during gates isn't: it is asked for
        and kept for all that is yet to be updated (rule 7).
        """
        self._bound = bound if self._frozen else min(bound, self._partition)
        self._awaited = sum(state not in _OVER for state in self._states[self._bound : self._replicas])
        keeps = self._keeps_surge and self._end < self._bound and bound < self._replicas
        self._counted_from = self._end if keeps else self._bound
        ours = self._states[self._counted_from : self._replicas]
        self._failed = ours.count(_State.FAILED)
        self._unfinished = len(ours) - ours.count(_State.DONE) - self._failed
        self._unreleased = sum(state in _TO_RELEASE for state in ours)
        if self._frozen:
            self._ask_for(min(self._surge, self._unreleased) if self._gradual or self._ordered else 0)
            self._frozen = False
        while True:
            while self._release() | self._resize():
                pass
            if not self._awaited and (keeps or self._groups == self._replicas):
                return True
            if not self._ready:
                return False
            self._pass_time(self._ready[0][0])

    def stand(self, seconds: float) -> None:
        """Let so much time pass at a gate: nothing is released or reclaimed, and surge that is kept goes on loading."""
        until = self.now + seconds
        while self._ready and self._ready[0][0] < until:
            self._pass_time(self._ready[0][0])
        self._pass_time(until)

    def _release(self) -> bool:
        """Lower the partition as far as may be (the planner's rule 3); whether it was."""
        before, states = self._partition, self._states
        lowest = self._bound
        if self._ordered:
            lowest = max(lowest, self._floor - (self._groups - self._run_from))
        while self._partition > lowest:
            ordinal = self._partition - 1
            state = states[ordinal]
            if state is _State.OLD:
                if self._kept <= self._floor:
                    break
                self._kept -= 1
                self._serving -= ordinal < self._replicas
            self._partition = ordinal
            if state in _TO_RELEASE:
                self._unreleased -= ordinal < self._replicas
                states[ordinal] = _State.STARTING
                self._start(ordinal, self._start_up(ordinal))
        return self._partition < before

    def _resize(self) -> bool:
        """Ask for surge or give it back (rule 4); whether anything changed."""
        surge = self._groups - self._replicas
        wanted = self._wanted(surge)
        if wanted > surge:
            self._ask_for(wanted)
            return True
        before, lowest, kept = self._groups, self._groups, self._kept
        for groups in range(self._groups - 1, self._replicas + wanted - 1, -1):
            kept -= self._states[groups] in _UP
            if kept < self._floor:
                break
            lowest, self._kept = groups, kept
        self._groups = lowest
        self._partition = min(self._partition, lowest)
        self._run_from = min(self._run_from, lowest)
        self._count_run()
        return lowest < before

    def _wanted(self, surge: int) -> int:
        spares = not self._ordered and not self._gradual
        if self._unreleased:
            wanted = self._unfinished + self._failed
            return min(self._surge, max(wanted, surge) if spares else wanted)
        if spares:
            return 0
        if self._unfinished > self._surge:
            return min(self._surge, surge)
        at_least = self._unfinished - 1 if self._gradual else self._unfinished - self._unavailable
        return min(max(0, at_least), max(0, surge))

    def _ask_for(self, surge: int) -> None:
        groups = max(self._groups, self._replicas + surge)
        del self._states[self._groups :]
        self._starts += [0] * (groups - len(self._starts))
        for ordinal in range(self._groups, groups):
            self._states.append(_State.STARTING)
            self._start(ordinal, self._start_up(ordinal))
        if groups > self._groups:
            self._run_from = groups
        self._groups = groups

    def _start(self, ordinal: int, seconds: float) -> None:
        self._starts[ordinal] += 1
        heapq.heappush(self._ready, (self.now + seconds, ordinal, self._starts[ordinal]))

    def _pass_time(self, now: float) -> None:
        """Until this moment, in which groups may get ready; none does before."""
        self.missing += (self._replicas - self._serving) * (now - self.now)
        self.surplus += max(0, self._groups - self._replicas) * (now - self.now)
        self.now = now
        while self._ready and self._ready[0][0] <= now:
            _, ordinal, start = heapq.heappop(self._ready)
            if ordinal < self._groups and self._starts[ordinal] == start:
                self._states[ordinal] = _State.DONE
                self._kept += 1
                self._serving += ordinal < self._replicas
                self._awaited -= self._bound <= ordinal < self._replicas
                self._unfinished -= self._counted_from <= ordinal < self._replicas
        self._count_run()

    def _count_run(self) -> None:
        while self._run_from > 0 and self._states[self._run_from - 1] in _OVER:
            self._run_from -= 1


def _state(group: Group, partition: int) -> _State:
    if group.failed:
        return _State.FAILED
    if group.done or (group.updated and group.blip):
        return _State.DONE
    if group.updated or group.ordinal >= partition:
        return _State.STARTING
    return _State.OLD if group.available or group.blip else _State.FREE
