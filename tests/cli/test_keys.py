"""What the keys of `watch` send, and when they are of no use: as the rollout itself would answer."""

import pytest

from rollwright.cli import keys
from rollwright.rollout.observation import Observation
from rollwright.workflows.contract import Intervention, Message, Phase, RolloutStatus, Steering
from tests.cli.test_watch_screens import ANN, told

BOB = Intervention(actor="bob@ops")


def of_no_use(seen: RolloutStatus, by: Intervention = BOB) -> dict[Message, str]:
    """The messages that would change nothing, and why."""
    found = {}
    for message in keys.MESSAGES.values():
        if why := keys.why_not(keys.verdict(message, keys.steering(message, seen, by), seen)):
            found[message] = why
    return found


def test_at_an_approval_gate_everything_but_resume_is_of_use() -> None:
    assert of_no_use(told()) == {Message.RESUME: "a gate waits: promote it"}
    assert of_no_use(told(), ANN)[Message.APPROVE] == "it is so already"


def test_while_it_goes_on_there_is_no_gate_to_pass() -> None:
    going = told(phase=Phase.PROGRESSING, gate=None, open_gates=(), seen="")
    assert of_no_use(going) == {
        Message.RESUME: "it is so already",
        Message.PROMOTE: "no gate waits now; --full passes all later gates",
        Message.APPROVE: "no approval is asked for now",
    }


def test_before_the_first_step_there_is_nothing_to_go_back_from() -> None:
    fresh = told(phase=Phase.PREPARING, gate=None, open_gates=(), seen="", steps=0)
    assert of_no_use(fresh)[Message.ROLLBACK] == "nothing is changed yet; abort it"


def test_a_dispute_is_settled_by_words_that_no_key_has() -> None:
    observation = told().observation
    assert observation
    disputed = told(phase=Phase.STALLED, observation=observation.model_copy(update={"dispute": "the template"}))
    assert of_no_use(disputed)[Message.RESUME] == (
        "somebody else has changed the target (the template): resume with --ours or --theirs"
    )


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase.is_final])
def test_once_it_has_ended_nothing_is_of_use(phase: Phase) -> None:
    assert of_no_use(told(phase=phase)) == dict.fromkeys(keys.MESSAGES.values(), "the rollout has ended")


def test_a_gate_and_an_approval_are_of_what_is_seen() -> None:
    assert keys.steering(Message.PROMOTE, told(), ANN) == Steering(message=Message.PROMOTE, gate=1, actor="ann@ops")
    assert keys.steering(Message.APPROVE, told(), ANN) == Steering(
        message=Message.APPROVE, step=1, seen="4f2a90c1d0b7", actor="ann@ops"
    )


def test_a_question_names_what_will_happen_and_who_it_is() -> None:
    given = keys.steering(Message.ROLLBACK, told(), ANN)
    assert keys.question(given, keys.verdict(Message.ROLLBACK, given, told())) == (
        "rollback: goes back to the revision it started from, by ann@ops. y/N"
    )


def test_a_hostile_dispute_stays_on_its_line() -> None:
    seen = Observation(replicas=1, groups_asked=1, partition=0, groups=(), dispute="\x1b[2J\r\nall is well")
    why = of_no_use(told(phase=Phase.STALLED, observation=seen))[Message.RESUME]
    assert why.startswith("somebody else has changed the target ([2J all is well): ")
