"""The stage table, made anew from what was seen and done: the rollout itself hands on its last rows only."""

from dataclasses import dataclass

from rollwright.cli.reports.happened import Began, Happened, Saw, Stepped
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Step, Verdict
from rollwright.rollout.stages import COMPLETED, Stage, extend, first_stage, gate_note

_ENDS = {Course.FORWARD: COMPLETED, Course.BACK: "Rolled back", Course.STOP: "Rolling update aborted"}


@dataclass
class Table:
    """Follows a rollout row by row."""

    stages: tuple[Stage, ...] = ()
    _seen: Saw | None = None
    """What was seen, until it is known whether a step follows from it."""

    def take(self, happened: Happened) -> None:
        """Go on by what happened next."""
        match happened:
            case Began(given=given):
                self.end()
                self.stages = self.stages or given.state.stages
            case Stepped(request=request):
                self._follow(request.step)
            case Saw():
                self.end()
                self._seen = happened

    def end(self) -> None:
        """What was seen last has led to no step."""
        self._follow(None)

    def _follow(self, step: Step | None) -> None:
        saw, self._seen = self._seen, None
        if saw is None or saw.sight.observation is None or saw.sight.trouble:
            return
        seen, aim = saw.sight.observation, saw.asked.aim
        self.stages = self.stages or (first_stage(seen),)
        verdict: Verdict = step or aim.plan(seen)
        if _is_shown(seen, verdict, paused=not saw.asked.acting):
            self.stages = extend(self.stages, seen, verdict, ending=_ending(aim, seen))


def _is_shown(seen: Observation, verdict: Verdict, *, paused: bool) -> bool:
    waits = paused and isinstance(verdict, Step)
    return not (waits or seen.edited or seen.dispute or (seen.on_target and not seen.settled))


def _ending(aim: Aim, seen: Observation) -> str:
    gate = aim.gate_ahead(seen.replicas)
    return _ENDS[aim.course] if gate is None else gate_note(gate)
