"""What a rollout is after now: forward, back, or only to stop; and which plan follows from what is seen."""

from enum import StrEnum

from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.models import Model
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Step, Verdict, plan, take_back
from rollwright.rollout.quantities import resolve
from rollwright.rollout.spec import BY_PODS, Pacing, Strategy, SurgeDuringGates
from rollwright.rollout.timing import Bound


class Course(StrEnum):
    """Where a rollout is going."""

    FORWARD = "forward"
    BACK = "back"
    """To the revision it started from."""
    STOP = "stop"
    """Nowhere: nothing further is updated, and the surge is given back."""


class Aim(Model):
    """All that people have decided about a rollout; the observation decides the rest."""

    strategy: Strategy
    course: Course = Course.FORWARD
    fast: bool = False
    """Back in any order of ordinals, as far as the promise allows."""
    gate: int = 0
    """How many of the strategy's steps are passed."""
    surge_limit: int | None = None
    """The most surge groups that find nodes, if that is known."""
    paused: bool = False
    """Nothing further is to begin."""

    @property
    def effective(self) -> Strategy:
        """The strategy on this course. Back goes all the way: groups that never were updated are there already.

        Whoever has set another course is not overruled by failures that follow. What shows that the new version serves
        may be new with it: the version to go back to might never count as ready, and the way back never end.
        """
        if self.course is Course.FORWARD:
            return self.strategy
        if self.course is Course.STOP:
            return self.strategy.model_copy(update={"on_stall": OnFailure.PAUSE})
        pacing = Pacing.EAGER if self.fast else self.strategy.pacing
        return self.strategy.model_copy(
            update={
                "partition": 0,
                "steps": (),
                "pacing": pacing,
                "on_stall": OnFailure.PAUSE,
                "readiness": BY_PODS,
            }
        )

    def plan(self, seen: Observation) -> Verdict:
        """The next step from here. On the way back a group that was broken all along keeps no other from going."""
        gate = self.gate_ahead(seen.replicas)
        strategy = self.effective
        if self.course is Course.BACK:
            strategy = strategy.model_copy(update={"max_failed_groups": seen.groups_asked})
        verdict = plan(
            strategy,
            seen,
            hold=0 if gate is None else self._hold(gate, seen),
            keep_surge=gate is not None and self._keeps_surge_at(gate, seen.replicas),
            stopping=self.course is Course.STOP,
            surge_limit=self.surge_limit,
        )
        if not isinstance(verdict, Step):
            return verdict
        releases = verdict.action is Action.LOWER_PARTITION
        step = (take_back(seen) if self.paused and releases else None) or verdict
        return step.model_copy(update={"readiness": strategy.readiness})

    def _keeps_surge_at(self, gate: int, replicas: int) -> bool:
        """Before the very first group nothing of the new version is begun, not even surge."""
        return self.strategy.surge_during_gates is SurgeDuringGates.KEEP and self._bound(gate, replicas) < replicas

    def _hold(self, gate: int, seen: Observation) -> int:
        """What the gate holds back: what is released by now is in flight, and to be waited for."""
        bound = self._bound(gate, seen.replicas)
        return min(bound, seen.partition) if seen.on_target else bound

    def gate_ahead(self, replicas: int) -> int | None:
        """Which of the steps ends at the next gate; None if none is left on this course."""
        if self.course is not Course.FORWARD:
            return None
        steps = range(self.gate, len(self.strategy.steps))
        return next((step for step in steps if self._stops_at(step, replicas)), None)

    def _stops_at(self, step: int, replicas: int) -> bool:
        """Whether there is anything to wait for: gates, also once all is updated, or people to let the rest go on."""
        gates = bool(self.strategy.steps[step].gates) and replicas > 0
        return gates or self._bound(step, replicas) > self.strategy.partition

    def range_of(self, step: int, replicas: int) -> range:
        """The ordinals that a step updates."""
        before = self._bound(step - 1, replicas) if step else replicas
        bound = max(self._bound(step, replicas), self.strategy.partition)
        return range(bound, max(bound, before))

    def bounds(self, replicas: int) -> tuple[Bound, ...]:
        """Where it stops: at one gate ahead after another, and at the end."""
        last = self.effective.partition
        gates = range(self.gate, len(self.strategy.steps)) if self.course is Course.FORWARD else ()
        return (
            *(
                Bound(max(last, self._bound(gate, replicas)), self.strategy.least_seconds_at(gate), gate)
                for gate in gates
                if self._stops_at(gate, replicas)
            ),
            Bound(last),
        )

    def _bound(self, step: int, replicas: int) -> int:
        return max(0, replicas - resolve(self.strategy.steps[step].until, replicas, round_up=True))
