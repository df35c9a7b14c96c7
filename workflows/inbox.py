"""What may be said to a rollout: signals, updates for those who want an answer, and what comes of them.

Each takes anything: from the Temporal UI messages come with no input, with text, or with two. A handler with a required
parameter would wedge the workflow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from rollwright.workflows import approving, describing, steering
    from rollwright.workflows.contract import (
        MOST_REASON,
        RETARGET,
        STEER,
        Intervention,
        Message,
        Phase,
        Retarget,
        RolloutInput,
        Steering,
    )
    from rollwright.workflows.standing import Standing

_STEER = (
    "The same as the signals, with an answer, or refused with the reason. "
    'Data: {"message": "pause", "actor": "you", "reason": "why"}.'
)
_RETARGET = (
    "Go on towards another change; the answer is the name of its template. "
    'Data: {"actor": "you", "change": {"images": {"CONTAINER": "IMAGE"}}}.'
)
_Handler = TypeVar("_Handler", bound=Callable[..., None])


def _signal(name: str) -> Callable[[_Handler], _Handler]:
    """A signal whose docstring the Temporal UI shows beside its name."""

    def decorate(handler: _Handler) -> _Handler:
        return workflow.signal(name=name, description=" ".join((handler.__doc__ or "").split()))(handler)

    return decorate


@dataclass(eq=False)
class Pending:
    """Another change that is asked for, until the loop has taken it up or turned it down."""

    asked: Retarget
    template: str = ""
    """Name of its template, once it is taken up."""
    refusal: str = ""
    """Why it is turned down."""

    @property
    def is_answered(self) -> bool:
        """Whether it is known what becomes of it."""
        return bool(self.template or self.refusal)


class Inbox(Standing):
    """A rollout that takes messages."""

    def __init__(self, given: RolloutInput) -> None:
        super().__init__(given)
        asked = given.state.asked
        self._pending = Pending(asked) if asked else None
        self._begins_anew = False
        """The history is about to be begun anew, which waits for every handler."""

    @_signal(Message.PAUSE)
    def pause(self, *given: Any) -> None:
        """Take no new step; groups already released go on loading. Data: none, or {"actor": "you", "reason": "why"}."""
        self._take(Message.PAUSE, describing.steering(given))

    @_signal(Message.RESUME)
    def resume(self, *given: Any) -> None:
        """Go on after a pause, a failure, or a lack of nodes. Data: none, or {"actor": "you", "reason": "why"}.

        After somebody else's change of the target: {"side": "ours"} or {"side": "theirs"}.
        """
        self._take(Message.RESUME, describing.steering(given))

    @_signal(Message.ABORT)
    def abort(self, *given: Any) -> None:
        """Update nothing further and give the surge back. Data: none, or {"actor": "you", "reason": "why"}."""
        self._take(Message.ABORT, describing.steering(given))

    @_signal(Message.ROLLBACK)
    def rollback(self, *given: Any) -> None:
        """Go back to the revision it started from. Data: none, or {"actor": "you", "reason": "why"}.

        With {"fast": true} in any order of groups, as far as the promise allows.
        """
        self._take(Message.ROLLBACK, describing.steering(given))

    @_signal(Message.PROMOTE)
    def promote(self, *given: Any) -> None:
        """Pass the gate that waits, whatever it has found. Data: none, or {"actor": "you", "reason": "why"}.

        With {"full": true} all later gates too.
        """
        self._take(Message.PROMOTE, describing.steering(given))

    @_signal(Message.APPROVE)
    def approve(self, *given: Any) -> None:
        """Approve what is there to be seen at an approval gate.

        Data: {"actor": "you", "seen": "..."}, as the details of the rollout have it.
        """
        self._take(Message.APPROVE, describing.steering(given))

    @_signal(Message.REJECT)
    def reject(self, *given: Any) -> None:
        """Reject what is there to be seen at an approval gate, which has failed then.

        Data: none, or {"actor": "you", "reason": "why"}.
        """
        self._take(Message.REJECT, describing.steering(given))

    @_signal(RETARGET)
    def retarget_signal(self, *given: Any) -> None:
        """Go on towards another change. Data: {"actor": "you", "change": {"images": {"CONTAINER": "IMAGE"}}}."""
        try:
            asked = describing.retarget(given[0] if given else None)
        except ValidationError as error:
            self._keep_event(f"{RETARGET} refused: {describing.short(error)}", describing.steering(given))
            return
        answer = self._ask_for(asked)
        if isinstance(answer, steering.Refused):
            self._keep_event(f"{RETARGET} refused: {answer.why}", asked)

    @workflow.signal(dynamic=True, description="Any other name: kept among the events, and nothing else follows.")
    def unknown(self, name: str, given: Sequence[RawValue]) -> None:
        """Keep a signal that nobody knows for people to see."""
        self._keep_event(f"a message was not understood: {name[:50]}", Intervention(reason=f"{len(given)} inputs"))

    @workflow.update(name=STEER, description=_STEER)
    def steer(self, given: Any = None) -> str:
        """Take a message, as the signal of its name does, and answer in words what comes of it."""
        message, steer = describing.message(given)
        taken = self._take(message, steer)
        return taken.effect if isinstance(taken, steering.Taken) else taken.why

    @steer.validator
    def _check_steer(self, given: Any = None) -> None:
        message, steer = describing.message(given)
        answer = steering.answer(message, steer, self._situation)
        if isinstance(answer, steering.Refused):
            raise describing.refusal(answer.why, over=self._phase.is_final)

    @workflow.update(name=RETARGET, description=_RETARGET)
    async def retarget(self, given: Any = None) -> str:
        """Go on towards another change.

        Answers with its template's name; with nothing where that will be known by a history that is begun anew only.
        """
        answer = self._ask_for(describing.retarget(given))
        if isinstance(answer, steering.Refused):
            raise describing.refusal(answer.why, over=self._is_over_for_changes)
        pending = self._pending
        if pending is None:
            return self._state.template  # the same request, sent again
        await workflow.wait_condition(lambda: pending.is_answered or self._begins_anew)
        if pending.refusal:
            raise describing.refusal(pending.refusal, over=self._phase.is_final)
        return pending.template

    @retarget.validator
    def _check_retarget(self, given: Any = None) -> None:
        try:
            describing.retarget(given)
        except ValidationError as error:
            raise describing.refusal(describing.short(error)) from error
        answer = steering.answer(RETARGET, Steering(), self._situation)
        if isinstance(answer, steering.Refused):
            raise describing.refusal(answer.why, over=self._is_over_for_changes)

    @property
    def _is_over_for_changes(self) -> bool:
        """Whether another change is for the next rollout: a moment later it would find this one ended."""
        return self._phase.is_final or self._phase is Phase.RESTORING

    @property
    def _situation(self) -> steering.Situation:
        strategy = self._given.spec.strategy
        approval = approving.asked(self._state, strategy)
        return steering.Situation(self._phase, self._state, strategy, approval, workflow.time())

    def _take(self, message: Message, given: Steering) -> steering.Answer:
        """Take a message, or keep among the events why not. What is taken shows at once, whatever is under way."""
        answer = steering.answer(message, given, self._situation)
        if isinstance(answer, steering.Refused):
            self._keep_event(f"{message} refused: {answer.why}", given)
            return answer
        if answer is not steering.STANDS:
            if message in steering.OVERRULING:
                self._turn_down(f"{message} was sent after it")
            self._remember(**steering.changed(message, given, self._situation))
            self._note(f"{message}: {answer.effect}", given)
        return answer

    def _take_by_itself(self, message: Message, why: str) -> steering.Answer:
        """The same of the rollout's own accord. A cluster may have more to tell than a message holds."""
        return self._take(message, Steering(actor="rollwright", reason=why[:MOST_REASON]))

    def _note(self, what: str, by: Intervention) -> None:
        self._steered = True
        self._failures = 0
        self._remember(reason=self._reason_by_will)
        self._enter(self._phase_by_will)
        self._keep_event(what, by)

    @property
    def _reason_by_will(self) -> str:
        """Why it stands so: what else stood in the way is looked at anew."""
        return ""

    def _ask_for(self, asked: Retarget) -> steering.Answer:
        """Take another change, to be taken up by the loop before anything else. Sent twice it is one request."""
        answer = steering.answer(RETARGET, Steering(), self._situation)
        known = self._pending.asked.request_id if self._pending else self._given.request_id
        if isinstance(answer, steering.Refused) or (asked.request_id and asked.request_id == known):
            return answer
        self._turn_down("another change was asked for after it")
        self._pending = Pending(asked)
        self._remember(asked=asked, asked_at=workflow.now().isoformat())
        self._note(f"{RETARGET}: {answer.effect}", asked)
        self._remember(reason=steering.TAKING_UP)
        return answer

    def _turn_down(self, why: str) -> None:
        """Forget the change that is asked for, if there is one, and tell whoever has asked."""
        if self._pending:
            self._pending.refusal = why
            self._keep_event(f"{RETARGET} refused: {why}", self._pending.asked)
        self._pending = None
        self._remember(asked=None)
