"""What a rollout goes towards: its change is tried, the template kept, another one taken up, and its end recorded."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from rollwright.activities.messages import KeepTemplate, Kept, RecordOutcome
    from rollwright.rollout.spec import Change, Strategy
    from rollwright.workflows import calls, describing, steering
    from rollwright.workflows.contract import INITIATOR_ATTRIBUTE, REQUEST_MEMO, REVISION_ATTRIBUTE, Intervention
    from rollwright.workflows.inbox import Inbox, Pending


class Changing(Inbox):
    """A rollout that knows its change by the template kept of it."""

    async def _keep_template(self) -> None:
        spec = self._given.spec
        self._take_template(await self._kept(spec.change, spec.strategy, self._state.started_at, self._given.by))

    async def _take_up(self, pending: Pending) -> None:
        """Go on towards another change, once its template is kept; until then nothing further is done."""
        asked = pending.asked
        strategy = asked.strategy or self._given.spec.strategy
        try:
            kept = await self._kept(asked.change, strategy, self._state.asked_at, asked)
        except ActivityError as error:
            if self._pending is not pending:
                return
            if not describing.is_permanent(error):
                raise
            self._turn_down(describing.failure(error, self._given))
            self._looks_anew = True
            self._remember(reason="")
            return
        if self._pending is not pending:
            return  # somebody has decided otherwise meanwhile
        replaced = self._state.template
        by = Intervention(actor=asked.actor, reason=asked.reason)
        self._respecify(change=asked.change, strategy=strategy)
        self._given = self._given.model_copy(update={"by": by})
        self._answer_request(asked.request_id)
        self._take_template(kept)
        self._pending, pending.template = None, kept.template
        self._remember(**steering.retargeted(self._state), asked=None, reason="")
        self._looks_anew = True
        self._enter(self._phase_by_will)
        if replaced != kept.template:
            await self._record_outcome(replaced, f"replaced by another change {workflow.now().isoformat()}")

    def _answer_request(self, request_id: str) -> None:
        """Which request the rollout answers from now on."""
        self._given = self._given.model_copy(update={"request_id": request_id})
        workflow.upsert_memo({REQUEST_MEMO: request_id})

    async def _kept(self, change: Change, strategy: Strategy, restarted_at: str, by: Intervention) -> Kept:
        request = KeepTemplate(
            target=self._given.spec.target,
            change=change,
            strategy=strategy,
            restarted_at=restarted_at,
            actor=by.actor,
            reason=by.reason,
        )
        return await calls.keep_template(self._given.activity_queue, request)

    def _take_template(self, kept: Kept) -> None:
        begun = self._state.prepared and self._state.before
        self._remember(
            template=kept.template,
            before=self._state.before if begun else kept.before,
            standing=kept.standing,
            surge_by=kept.surge_by,
            start_ups=kept.start_ups,
            gpus=kept.gpus,
        )
        if self._state.record:
            self._name_the_change_by_its_template()
        if self._has_attributes:
            found = [REVISION_ATTRIBUTE.value_set(kept.template)]
            if workflow.info().typed_search_attributes.get(INITIATOR_ATTRIBUTE) is not None:
                found.append(INITIATOR_ATTRIBUTE.value_set(self._given.by.actor))
            workflow.upsert_search_attributes(found)

    def _name_the_change_by_its_template(self) -> None:
        """A patch or a manifest may be large, and private. Before the first step it may have to be made anew."""
        change = self._given.spec.change
        if change.patch or change.manifest:
            self._respecify(change=Change(revision=self._state.template))

    async def _record_outcome(self, template: str, outcome: str) -> None:
        """Write an end into the ledger; one that can't be written must not keep the rollout from going on."""
        if not template:
            return
        request = RecordOutcome(target=self._given.spec.target, template=template, outcome=outcome)
        try:
            await calls.record_outcome(self._given.activity_queue, request)
        except ActivityError as error:
            self._keep_event(f"not in the ledger: {outcome}: {describing.failure(error, self._given)}")
