"""Which message can be taken in which phase, and what comes of it: one table, which the documentation shows. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from rollwright.activities.messages import Side
from rollwright.rollout.aim import Course
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.gate import Approval, Finding, Progress
from rollwright.rollout.spec import Strategy
from rollwright.workflows.approving import Asked, bound, open_gates
from rollwright.workflows.contract import RETARGET, Message, Phase, RolloutState, Steering


class Taken(NamedTuple):
    """The message is taken; what comes of it."""

    effect: str


class Refused(NamedTuple):
    """The message is not taken; why, and what to do instead."""

    why: str


Answer = Taken | Refused

_ENDED = Refused("the rollout has ended")
STANDS = Taken("stays as it is")
"""It is so already: a message that is sent twice does no harm."""

_PAUSE = Taken("no new step; groups already released go on loading")
_ABORT = Taken("updates nothing further, and gives the surge back")
_BACK = Taken("goes back to the revision it started from")
_ELSEWHERE = Taken("goes on towards the new change; what is updated by now counts as outdated")
_PAUSED_ELSEWHERE = Taken("takes the new change, and stays paused")
_NO_GATE = Refused("no gate waits now; --full passes all later gates")
_PROMOTED = Taken("passes the gate")
_SETTLED = {
    Side.OURS: Taken("goes on with what was asked for here; what somebody else has set is dropped"),
    Side.THEIRS: Taken("goes on with what somebody else has set"),
}
TAKING_UP = "another change is being taken up"
OVERRULING = (Message.ABORT, Message.ROLLBACK)
"""Messages after which another change that was asked for before them is not taken up any more."""
_NO_APPROVAL = Refused("no approval is asked for now")
_APPROVED, _REJECTED = Taken("counts as an approval"), Taken("the gate has failed")
_GATE_LEFT: Mapping[str, object] = {"waiting": None, "gating": ()}
_UNDER_NO_WINDOW: Mapping[str, object] = {"closes_at": 0.0, "closed_after": None}
_GATES_ANEW: Mapping[str, object] = {"gate": 0, **_GATE_LEFT, **_UNDER_NO_WINDOW}
"""Of another change; already where it is asked for, so that what is said of its gates right after counts."""
_TIME_ANEW: Mapping[str, object] = {"ordeals": {}, "surge_limit": None}
"""Groups and the surge have all their time again."""
TOWARDS_ANOTHER: Mapping[str, object] = {"course": Course.FORWARD, "fast": False, **_TIME_ANEW}
"""On the way to another change, whoever has asked for it."""
_NOTHING_CHANGED = Refused("nothing is changed yet; abort it")
_RESTORING = Refused("everything is done and the settings are being put back; start another rollout after it")

ANSWERS: Mapping[str, Mapping[Phase, Answer]] = {
    Message.PAUSE: {
        Phase.PREPARING: _PAUSE,
        Phase.PROGRESSING: _PAUSE,
        Phase.PAUSED: STANDS,
        Phase.STALLED: _PAUSE,
        Phase.GATED: _PAUSE,
        Phase.ROLLING_BACK: _PAUSE,
        Phase.ABORTING: Taken("gives no more of the surge back until resumed"),
        Phase.RESTORING: STANDS,
    },
    Message.RESUME: {
        Phase.PREPARING: STANDS,
        Phase.PROGRESSING: STANDS,
        Phase.PAUSED: Taken("goes on"),
        Phase.STALLED: Taken("tries again: failed groups and the surge have all their time anew"),
        Phase.GATED: Refused("a gate waits: promote it"),
        Phase.ROLLING_BACK: STANDS,
        Phase.ABORTING: STANDS,
        Phase.RESTORING: STANDS,
    },
    Message.ABORT: {
        Phase.PREPARING: Taken("ends, with nothing changed"),
        Phase.PROGRESSING: _ABORT,
        Phase.PAUSED: _ABORT,
        Phase.STALLED: _ABORT,
        Phase.GATED: _ABORT,
        Phase.ROLLING_BACK: _ABORT,
        Phase.ABORTING: STANDS,
        Phase.RESTORING: _RESTORING,
    },
    Message.ROLLBACK: {
        Phase.PREPARING: _NOTHING_CHANGED,
        Phase.PROGRESSING: _BACK,
        Phase.PAUSED: _BACK,
        Phase.STALLED: _BACK,
        Phase.GATED: _BACK,
        Phase.ROLLING_BACK: Taken("goes on; with --fast from now on as fast as the promise allows"),
        Phase.ABORTING: _BACK,
        Phase.RESTORING: _RESTORING,
    },
    Message.PROMOTE: {
        Phase.PREPARING: _NO_GATE,
        Phase.PROGRESSING: _NO_GATE,
        Phase.PAUSED: _NO_GATE,
        Phase.STALLED: _NO_GATE,
        Phase.GATED: _PROMOTED,
        Phase.ROLLING_BACK: Refused("it is on its way back"),
        Phase.ABORTING: Refused("it is being aborted"),
        Phase.RESTORING: _NO_GATE,
    },
    Message.APPROVE: dict.fromkeys((phase for phase in Phase if not phase.is_final), _NO_APPROVAL),
    Message.REJECT: dict.fromkeys((phase for phase in Phase if not phase.is_final), _NO_APPROVAL),
    RETARGET: {
        Phase.PREPARING: _ELSEWHERE,
        Phase.PROGRESSING: _ELSEWHERE,
        Phase.PAUSED: _PAUSED_ELSEWHERE,
        Phase.STALLED: _ELSEWHERE,
        Phase.GATED: _ELSEWHERE,
        Phase.ROLLING_BACK: _ELSEWHERE,
        Phase.ABORTING: _ELSEWHERE,
        Phase.RESTORING: _RESTORING,
    },
}


class Situation(NamedTuple):
    """What an answer depends on."""

    phase: Phase
    state: RolloutState
    strategy: Strategy
    approval: Asked | None = None
    """The approval that is asked for, if one is."""
    now: float = 0.0
    """Seconds since the epoch."""

    @property
    def gates(self) -> int:
        """Steps with gates there are in all."""
        return len(self.strategy.steps)


def answer(message: Message | str, given: Steering, now: Situation) -> Answer:
    """What comes of a message: what the table says, but for what depends on more than the phase."""
    state = now.state
    if now.phase.is_final:
        return _ENDED
    dispute = state.observation.dispute if state.observation else ""
    match message:
        case Message.ROLLBACK if now.phase is not Phase.RESTORING and not state.prepared:
            return _NOTHING_CHANGED
        case Message.ROLLBACK if now.phase is not Phase.RESTORING and state.before == state.template:
            return Refused("there is nothing to go back to: the template is the one it started from")
        case Message.RESUME if dispute and not given.side and not state.settle and state.course is not Course.STOP:
            return Refused(f"somebody else has changed the target ({dispute}): resume with --ours or --theirs")
        case Message.RESUME if given.side and not dispute:
            return Refused("nobody else has changed the target: resume without --ours or --theirs")
        case Message.RESUME if given.side and state.course is not Course.STOP and now.phase is not Phase.RESTORING:
            return STANDS if given.side is state.settle and not state.paused else _SETTLED[given.side]
        case Message.PROMOTE | Message.APPROVE | Message.REJECT if state.asked and now.phase is not Phase.RESTORING:
            return Refused(f"{TAKING_UP}, and its gates begin anew")
        case Message.PROMOTE if state.course is Course.FORWARD and now.phase is not Phase.RESTORING:
            return _promoted(given, now)
        case Message.APPROVE | Message.REJECT if state.course is Course.FORWARD and now.phase is not Phase.RESTORING:
            return _approved(Message(message), given, now)
    return ANSWERS[message][now.phase]


def _promoted(given: Steering, now: Situation) -> Answer:
    passed, waiting = now.state.gate, now.state.waiting
    if given.full and passed < now.gates:
        return Taken("passes all gates to come")
    if given.gate is not None and given.gate <= passed:
        return STANDS
    if waiting is None:
        return _NO_GATE if passed < now.gates else Refused("no gate is left")
    if given.gate is not None and given.gate != waiting + 1:
        return Refused(f"it waits at gate {waiting + 1}, not at gate {given.gate}")
    return _PROMOTED


def _approved(message: Message, given: Steering, now: Situation) -> Answer:
    """An approval is of what was seen. To reject needs no such proof: it only stops."""
    found = now.approval
    if given.step is not None and given.step <= now.state.gate and message is Message.APPROVE:
        return STANDS
    if found is None:
        return _NO_APPROVAL
    progress = found.progress
    if given.step not in (None, found.step):
        return Refused(f"it waits at step {found.step}, not at step {given.step}")
    if progress.finding is Finding.FAILED:
        return STANDS if message is Message.REJECT else Refused(f"it was {progress.message}; resume asks again")
    if message is Message.REJECT:
        return _REJECTED
    if given.seen != found.seen:
        changed_since = "that has changed since you looked" if given.seen else "an approval is of what was seen"
        return Refused(f"{changed_since}: look again, and send along what the status shows as seen")
    has_said = any(approval.actor == given.actor for approval in progress.approvals)
    return STANDS if has_said or progress.finding is Finding.PASSED else _APPROVED


def changed(message: Message, given: Steering, now: Situation) -> dict[str, object]:
    """What a message that is taken changes of a rollout's state."""
    state = now.state
    match message:
        case Message.PAUSE:
            return {"paused": True}
        case Message.RESUME:
            gates = _GATES_ANEW if given.side is Side.THEIRS and _stands_on_another(state) else {}
            settle = state.settle if state.course is Course.STOP else given.side or state.settle
            return {"paused": False, "settle": settle, "gating": _tried_again(now), **_TIME_ANEW, **gates}
        case Message.ABORT:
            return {"course": Course.STOP, "paused": False, "settle": None, **_GATE_LEFT}
        case Message.ROLLBACK:
            fast = given.fast or (state.course is Course.BACK and state.fast)
            return {
                "course": Course.BACK,
                "fast": fast,
                "paused": False,
                "settle": ours(state),
                **_GATE_LEFT,
                **_TIME_ANEW,
            }
        case Message.PROMOTE:
            if given.full:
                return {"gate": now.gates, **_GATE_LEFT, **_UNDER_NO_WINDOW}
            if state.waiting is None or (given.gate is not None and given.gate <= state.gate):
                return {}
            # Gates before it may be none at these replicas.
            return {"gate": state.waiting + 1, **_GATE_LEFT, **_UNDER_NO_WINDOW}
        case Message.APPROVE | Message.REJECT:
            return {"gating": _with_word(message, given, now)}


def _tried_again(now: Situation) -> tuple[Progress, ...]:
    """Gates that have failed, or could not tell, begin anew once somebody has looked at it."""
    over = (Finding.FAILED, Finding.INCONCLUSIVE)
    stand = open_gates(now.state, now.strategy)
    return tuple(gate.opened(now.now) if progress.finding in over else progress for gate, progress in stand)


def _with_word(message: Message, given: Steering, now: Situation) -> tuple[Progress, ...]:
    """What somebody has said of an approval, counted."""
    gating, found = list(now.state.gating), now.approval
    if found is not None:
        gating[found.number] = _said(message, found.gate, given, found, now.now)
    return tuple(gating)


def _said(message: Message, gate: ApprovalGate, given: Steering, found: Asked, now: float) -> Progress:
    if message is Message.REJECT:
        return gate.rejected(found.progress, given.actor, given.reason)
    approval = Approval(actor=given.actor, at=now, reason=given.reason)
    return bound(gate.approved(found.progress, approval), found.seen)


def _stands_on_another(state: RolloutState) -> bool:
    """Whether the template that stands is another than the change's."""
    seen = state.observation
    return state.course is not Course.FORWARD or seen is None or not seen.on_target


def retargeted(state: RolloutState) -> dict[str, object]:
    """What another change, once its template is kept, changes besides."""
    return {**TOWARDS_ANOTHER, **_GATES_ANEW, "settle": ours(state)}


def ours(state: RolloutState) -> Side | None:
    """Whoever sets a rollout another course decides a dispute about the target, too."""
    return Side.OURS if state.observation and state.observation.dispute else state.settle
