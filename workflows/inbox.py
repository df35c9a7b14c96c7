"""What may be said to a rollout: signals, updates for those who want an answer, and what comes of them.

Each takes anything: from the Temporal UI messages come with no input, with text, or with two. A handler with a required
parameter would wedge the workflow.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from rollwright.activities.messages import KeepTemplate, Kept, RecordOutcome
    from rollwright.rollout.spec import Change, Strategy
    from rollwright.workflows import calls, describing, steering
    from rollwright.workflows.contract import (
        REQUEST_MEMO,
        RETARGET,
        REVISION_ATTRIBUTE,
        STEER,
        Intervention,
        Message,
        Phase,
        Retarget,
        RolloutInput,
        Steering,
    )
    from rollwright.workflows.standing import Standing


class Inbox(Standing):
    """A rollout that takes messages."""

    def __init__(self, given: RolloutInput) -> None:
        super().__init__(given)
        self._keeping = asyncio.Lock()
        """One change after the other is made into a template."""

    @workflow.signal
    def pause(self, *given: Any) -> None:
        """Take no further step; groups already released go on loading. Input: {"actor": ..., "reason": ...}."""
        self._take(Message.PAUSE, describing.steering(given))

    @workflow.signal
    def resume(self, *given: Any) -> None:
        """Go on: after a pause, a failure, a lack of nodes, or somebody's change of the target.

        Input: {"actor": ..., "reason": ...}; after somebody's change also "side": "ours" or "theirs".
        """
        self._take(Message.RESUME, describing.steering(given))

    @workflow.signal
    def abort(self, *given: Any) -> None:
        """Update nothing further and give the surge back. Input: {"actor": ..., "reason": ...}."""
        self._take(Message.ABORT, describing.steering(given))

    @workflow.signal
    def rollback(self, *given: Any) -> None:
        """Go back to the revision it started from.

        Input: {"actor": ..., "reason": ..., "fast": true}; fast: in any order, as far as the promise allows.
        """
        self._take(Message.ROLLBACK, describing.steering(given))

    @workflow.signal
    def promote(self, *given: Any) -> None:
        """Pass the gate that waits. Input: {"actor": ..., "reason": ..., "full": true}; full: all later ones too."""
        self._take(Message.PROMOTE, describing.steering(given))

    @workflow.signal(name=RETARGET)
    async def retarget_signal(self, *given: Any) -> None:
        """Go on towards another change. Input: {"actor": ..., "reason": ..., "change": {"images": {...}}}."""
        try:
            asked = Retarget.model_validate(given[0] if given else {})
        except ValidationError as error:
            self._keep_event(f"{RETARGET} refused: {describing.short(error)}", describing.steering(given))
            return
        try:
            await self._retarget(asked)
        except ApplicationError as error:
            self._keep_event(f"{RETARGET} refused: {describing.short(error)}", asked)

    @workflow.signal(dynamic=True)
    def unknown(self, name: str, given: Sequence[RawValue]) -> None:
        """Keep a signal that nobody knows for people to see."""
        self._keep_event(f"a message was not understood: {name[:50]}", Intervention(reason=f"{len(given)} inputs"))

    @workflow.update(name=STEER)
    def steer(self, given: Any = None) -> str:
        """The same as the signals, with an answer. Input: {"message": "pause", "actor": ..., "reason": ...}."""
        message, steer = describing.message(given)
        taken = self._take(message, steer)
        return taken.effect if isinstance(taken, steering.Taken) else taken.why

    @steer.validator
    def _check_steer(self, given: Any = None) -> None:
        message, steer = describing.message(given)
        answer = steering.answer(message, steer, self._situation)
        if isinstance(answer, steering.Refused):
            raise describing.refusal(answer.why)

    @workflow.update(name=RETARGET)
    async def retarget(self, given: Any = None) -> str:
        """Go on towards another change; answers with its template's name. Input: {"change": ..., "actor": ...}."""
        return await self._retarget(Retarget.model_validate(given))

    @retarget.validator
    def _check_retarget(self, given: Any = None) -> None:
        try:
            Retarget.model_validate(given)
        except ValidationError as error:
            raise describing.refusal(describing.short(error)) from error
        answer = steering.answer(RETARGET, Steering(), self._situation)
        if isinstance(answer, steering.Refused):
            raise describing.refusal(answer.why)

    @property
    def _situation(self) -> steering.Situation:
        return steering.Situation(self._phase, self._state, self._gates)

    def _take(self, message: Message, given: Steering) -> steering.Answer:
        """Take a message, or keep among the events why not. What is taken shows at once, whatever is under way."""
        answer = steering.answer(message, given, self._situation)
        if isinstance(answer, steering.Refused):
            self._keep_event(f"{message} refused: {answer.why}", given)
            return answer
        if answer is not steering.STANDS:
            self._remember(**steering.changed(message, given, self._situation))
            self._failures = 0
            self._note(f"{message}: {answer.effect}", given)
        return answer

    def _note(self, what: str, by: Intervention) -> None:
        self._steered = True
        self._remember(reason="")  # what stood in the way is looked at anew
        self._enter(self._phase_by_will)
        self._keep_event(what, by)

    async def _retarget(self, given: Retarget) -> str:
        answer = steering.answer(RETARGET, Steering(), self._situation)
        if isinstance(answer, steering.Refused):
            raise describing.refusal(answer.why)
        async with self._keeping:
            if given.request_id and given.request_id == self._given.request_id:
                return self._state.template  # sent twice
            strategy = given.strategy or self._given.spec.strategy
            try:
                kept = await self._kept(given.change, strategy, workflow.now().isoformat(), given)
            except ActivityError as error:
                raise describing.refusal(describing.failure(error, self._given.task_queue)) from error
            if self._phase.is_final or self._phase is Phase.RESTORING:
                raise describing.refusal("it has ended meanwhile; start another rollout")
            replaced = self._state.template
            self._respecify(change=given.change, strategy=strategy)
            by = Intervention(actor=given.actor, reason=given.reason)
            self._given = self._given.model_copy(update={"by": by, "request_id": given.request_id})
            self._take_template(kept)
        workflow.upsert_memo({REQUEST_MEMO: given.request_id})
        self._remember(**steering.retargeted(self._state))
        self._note(f"{RETARGET}: {kept.template}", given)
        if replaced != kept.template:
            await self._record_outcome(replaced, f"replaced by another change {workflow.now().isoformat()}")
        return kept.template

    async def _kept(self, change: Change, strategy: Strategy, restarted_at: str, by: Intervention) -> Kept:
        request = KeepTemplate(
            target=self._given.spec.target,
            change=change,
            strategy=strategy,
            restarted_at=restarted_at,
            actor=by.actor,
            reason=by.reason,
        )
        return await calls.keep_template(self._given.task_queue, request)

    async def _record_outcome(self, template: str, outcome: str) -> None:
        """Write an end into the ledger; one that can't be written must not keep the rollout from going on."""
        seen = self._state.observation
        if not template or not seen or not self._state.prepared:
            return
        request = RecordOutcome(target=self._given.spec.target, uid=seen.uid, template=template, outcome=outcome)
        try:
            await calls.record_outcome(self._given.task_queue, request)
        except ActivityError as error:
            self._keep_event(f"not in the ledger: {outcome}: {describing.failure(error, self._given.task_queue)}")

    def _take_template(self, kept: Kept) -> None:
        begun = self._state.prepared and self._state.before
        self._remember(
            template=kept.template,
            before=self._state.before if begun else kept.before,
            standing=kept.standing,
            surge_by=kept.surge_by,
        )
        if self._state.prepared:
            self._name_the_change_by_its_template()
        if self._has_attributes:
            workflow.upsert_search_attributes([REVISION_ATTRIBUTE.value_set(kept.template)])

    def _name_the_change_by_its_template(self) -> None:
        """A patch or a manifest may be large, and private. Before the first step it may have to be made anew."""
        change = self._given.spec.change
        if change.patch or change.manifest:
            self._respecify(change=Change(revision=self._state.template))
