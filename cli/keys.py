"""What the keys of `watch` do: which message each stands for, and whether a rollout would take it now. Pure."""

from collections.abc import Mapping

from rollwright.cli.text import one_line
from rollwright.workflows.approving import Asked, asked
from rollwright.workflows.contract import Intervention, Message, Phase, RolloutState, RolloutStatus, Steering
from rollwright.workflows.steering import STANDS, Answer, Refused, Situation, Taken, answer

MESSAGES: Mapping[str, Message] = {
    "p": Message.PAUSE,
    "r": Message.RESUME,
    "n": Message.PROMOTE,
    "a": Message.ABORT,
    "b": Message.ROLLBACK,
    "A": Message.APPROVE,
}
OTHERS: Mapping[str, str] = {"q": "leave", "?": "help"}
UNSEEN = Refused("nothing is seen of the rollout yet")
LEAVE, HELP, YES = "q", "?", ("y", "Y")


def steering(message: Message, seen: RolloutStatus, by: Intervention) -> Steering:
    """The message about what is seen: a gate that opens, or anything that changes, until it is sent isn't meant."""
    about: dict[str, object] = {}
    if message is Message.PROMOTE:
        about = {"gate": seen.gate}
    elif message is Message.APPROVE:
        about = {"step": seen.gate, "seen": seen.seen}
    return Steering(message=message, actor=by.actor, reason=by.reason, **about)


def verdict(message: Message, given: Steering, seen: RolloutStatus) -> Answer:
    """What would come of a message now, as far as a rollout's status tells.

    It tells less than the rollout knows, which decides: what may be taken is offered.
    """
    strategy, state = seen.spec.strategy, _state(seen)
    return answer(message, given, Situation(seen.phase, state, strategy, _asked(state, seen)))


def _state(seen: RolloutStatus) -> RolloutState:
    waiting = None if seen.gate is None else seen.gate - 1
    return RolloutState(
        template=seen.revision,
        before=seen.before,
        prepared=seen.steps > 0 or seen.phase is not Phase.PREPARING,
        paused=seen.phase is Phase.PAUSED,
        course=seen.course,
        gate=waiting or 0,
        waiting=waiting,
        gating=tuple(gate.progress for gate in seen.open_gates),
        observation=seen.observation,
    )


def _asked(state: RolloutState, seen: RolloutStatus) -> Asked | None:
    found = asked(state, seen.spec.strategy)
    return found._replace(seen=seen.seen) if found else None


def why_not(found: Answer) -> str:
    """Why a message is of no use now, in words; empty if it is."""
    match found:
        case Refused(why):
            return one_line(why)
        case Taken() if found == STANDS:
            return "it is so already"
    return ""


def question(given: Steering, found: Answer) -> str:
    """What is asked before a message is sent, on one line: as in "abort: gives the surge back. y/N"."""
    effect = found.effect if isinstance(found, Taken) else ""
    return one_line(f"{given.message}: {effect}, by {given.actor}. y/N")
