"""Which commands a rollout that has ended, or waits for people, names: those that would be taken. Pure."""

from typing import Any

import pytest

from rollwright.rollout.aim import Course
from rollwright.rollout.observation import Observation
from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.workflows.contract import Phase, RolloutState, RolloutStatus
from rollwright.workflows.describing import next_commands

HELD = Observation(replicas=4, groups_asked=4, partition=2, groups=())
RELEASED = HELD.model_copy(update={"partition": 0})
DISPUTED = HELD.model_copy(update={"dispute": "the template"})
UNTOUCHED = RolloutState(template="llm-rw-new", before="llm-rw-old")
BEGUN = UNTOUCHED.model_copy(update={"prepared": True})
FORWARD, BACK = "doctor --repair resume", "rollback"


def named(phase: Phase, state: RolloutState, seen: Observation | None, **changes: Any) -> list[str]:
    """Without `rollwright` and the target."""
    state = state.model_copy(update={"observation": seen, **changes})
    status = RolloutStatus(
        rollout="rollout/lws/inference/llm",
        phase=phase,
        spec=RolloutSpec(target=Target(namespace="inference", name="llm")),
        observation=seen,
        course=state.course,
    )
    commands = next_commands(status, state)
    assert all(command.startswith("rollwright ") for command in commands)
    return [command.removeprefix("rollwright ").replace(" lws/llm -n inference", "") for command in commands]


@pytest.mark.parametrize(
    ("phase", "seen", "commands"),
    [
        pytest.param(Phase.ABORTED, HELD, [FORWARD, BACK], id="aborted half way"),
        pytest.param(Phase.ABORTED, RELEASED, [BACK], id="aborted once every group was released"),
        pytest.param(Phase.COMPLETED, HELD, [FORWARD], id="a canary"),
        pytest.param(Phase.COMPLETED, RELEASED, [], id="completed"),
        pytest.param(Phase.ROLLED_BACK, RELEASED, [], id="rolled back"),
        pytest.param(Phase.DELETED, HELD, [], id="the target is deleted"),
    ],
)
def test_forward_only_where_the_target_is_held_and_back_only_from_an_abort(
    phase: Phase, seen: Observation, commands: list[str]
) -> None:
    assert named(phase, BEGUN, seen) == commands


@pytest.mark.parametrize("seen", [None, HELD, RELEASED])
def test_nothing_goes_on_from_an_abort_that_has_changed_nothing(seen: Observation | None) -> None:
    assert named(Phase.ABORTED, UNTOUCHED, seen) == []


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.STALLED])
@pytest.mark.parametrize("course", Course)
def test_a_dispute_asks_for_a_side_in_whichever_phase_it_is(phase: Phase, course: Course) -> None:
    commands = named(phase, BEGUN, DISPUTED, course=course)
    assert commands == ["resume --ours", "resume --theirs", "abort"]


@pytest.mark.parametrize(
    ("course", "commands"),
    [
        (Course.FORWARD, ["resume", "rollback", "abort"]),
        (Course.STOP, ["resume", "rollback"]),
        (Course.BACK, ["resume"]),
    ],
)
def test_a_stalled_rollout_goes_on_or_elsewhere(course: Course, commands: list[str]) -> None:
    assert named(Phase.STALLED, BEGUN, HELD, course=course) == commands


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(UNTOUCHED, id="nothing is changed yet"),
        pytest.param(BEGUN.model_copy(update={"before": BEGUN.template}), id="it is the template it started from"),
    ],
)
def test_a_rollback_that_would_be_refused_is_not_named(state: RolloutState) -> None:
    assert named(Phase.STALLED, state, RELEASED) == ["resume", "abort"]
    assert named(Phase.GATED, state, RELEASED, waiting=0) == ["promote"]


def test_a_gate_waits_to_be_promoted() -> None:
    assert named(Phase.GATED, BEGUN, HELD, waiting=0) == ["promote", "rollback"]


def test_a_paused_rollout_is_resumed_and_one_that_goes_on_needs_nothing() -> None:
    assert named(Phase.PAUSED, BEGUN, HELD) == ["resume"]
    assert named(Phase.PROGRESSING, BEGUN, HELD) == []
