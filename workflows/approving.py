"""The gates that are open, and approvals: what is there to be approved, and whether that is what stands. Pure."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from rollwright.rollout.aim import Course
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Phase, RolloutState, Waits

_SEEN = "seen"


class Asked(NamedTuple):
    """An approval that is waited for, or has been given at the gate that is open."""

    gate: ApprovalGate
    number: int
    """Of the gate among those of the step."""
    progress: Progress
    step: int
    """From 1."""
    seen: str
    """What an approval must be of."""


def open_gates(state: RolloutState, strategy: Strategy) -> list[tuple[AnyGate, Progress]]:
    """The gates of the step that waits, each with how it stands; none where people only promote, or nothing waits."""
    gates = () if state.waiting is None else strategy.gates_at(state.waiting)
    return list(zip(gates, state.gating, strict=False))


def waits_for(phase: Phase, gates: Sequence[tuple[AnyGate, Progress]]) -> Waits | None:
    """What a rollout waits for in a phase, with these gates open; None where it goes on by itself."""
    pending = [gate for gate, progress in gates if progress.finding is Finding.PENDING]
    match phase:
        case Phase.PAUSED:
            return Waits.PAUSED
        case Phase.STALLED:
            return Waits.STALLED
        case Phase.GATED if any(not gate.BY_PEOPLE for gate in pending):
            return Waits.GATES
        case Phase.GATED if pending or not gates:
            return Waits.APPROVAL
        case _:
            return None


def asked(state: RolloutState, strategy: Strategy) -> Asked | None:
    """The approval that is asked for where the rollout waits, if one is."""
    step = state.waiting
    if step is None or state.course is not Course.FORWARD:
        return None
    for number, (gate, progress) in enumerate(open_gates(state, strategy)):
        if isinstance(gate, ApprovalGate):
            return Asked(gate, number, progress, step + 1, _digest(state, strategy, step))
    return None


def bound(progress: Progress, seen: str) -> Progress:
    """The same, with what its approvals are of."""
    return progress.model_copy(update={"memory": {_SEEN: seen}})


def is_of_something_else(found: Asked) -> bool:
    """Whether approvals were given to something that has changed since."""
    return bool(found.progress.approvals) and found.progress.memory.get(_SEEN) != found.seen


def _digest(state: RolloutState, strategy: Strategy, step: int) -> str:
    """Of the plan (what is rolled out, and how), and of the target as it stands."""
    seen = state.observation
    stands = (seen.uid, seen.generation) if seen else ("", 0)
    parts = (state.template, strategy.model_dump_json(), step, *stands)
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:12]
