"""The durable loop: observe, plan, act, until done. What to do is the planner's; who may stop it is decided here."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from rollwright.activities.messages import KeepTemplate, Outcome, Restore, Sight, TakeStep, WaitReadiness
    from rollwright.rollout.observation import Observation
    from rollwright.rollout.planner import Action, Blocked, Done, Step, Verdict, Wait, plan
    from rollwright.rollout.spec import Change
    from rollwright.rollout.stages import extend, first_stage
    from rollwright.workflows import calls, describing
    from rollwright.workflows.contract import (
        MEMO,
        PHASE_ATTRIBUTE,
        REVISION_ATTRIBUTE,
        TARGET_ATTRIBUTE,
        WORKFLOW_TYPE,
        Event,
        Intervention,
        Phase,
        RolloutInput,
        RolloutState,
        RolloutStatus,
        StageTable,
    )

_EVENTS_A_RUN = 1000
_EVENTS_KEPT = 20
# A wait that returns only to show something costs events, so later rows come at most once a minute.
_FIRST_STAGES = 40
_SHOW_FIRST_AFTER_SECONDS = 0.5
_SHOW_AFTER_SECONDS = 60.0
_FRUITLESS_STEPS = 3
_FOREIGN_TEMPLATE = "the template was changed by somebody else; resume puts this rollout's back, abort leaves theirs"
_FIRST_PAUSE_SECONDS = 1
_LONGEST_PAUSE_SECONDS = 60


class _Interrupted(Exception):  # noqa: N818 - not an error: somebody steers
    """Somebody steers: look again before anything else."""


@workflow.defn(name=WORKFLOW_TYPE)
class RolloutWorkflow:
    """One rollout of one target, for as long as it takes."""

    @workflow.init
    def __init__(self, given: RolloutInput) -> None:
        self._given = given
        self._spec = given.spec
        self._state: RolloutState = given.state
        self._finished_at = ""
        self._steered = False
        self._failures = 0
        self._last_step: Step | None = None
        self._fruitless = 0
        self._phase = self._phase_by_will

    @workflow.run
    async def run(self, given: RolloutInput) -> RolloutStatus:
        """Roll the target out. The result tells how it ended, also when it was aborted."""
        self._remember(started_at=self._state.started_at or workflow.now().isoformat())
        self._show()
        while not self._phase.is_final:
            if workflow.info().get_current_history_length() > _EVENTS_A_RUN:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(given.model_copy(update={"spec": self._spec, "state": self._state}))
            try:
                await self._go_on()
            except _Interrupted:
                continue
            except asyncio.CancelledError:
                self._abort(Intervention(actor="Temporal", reason="cancellation was requested"))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.status()

    async def _go_on(self) -> None:
        """One turn of the loop."""
        if self._steered:
            self._steered = False
            self._enter(self._phase_by_will)
        if self._state.aborting and not self._state.prepared:
            self._finish(Phase.ABORTED, "nothing had been changed")
            return
        try:
            await self._turn()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise asyncio.CancelledError from error
            await self._fail_or_stall(error)
        else:
            self._failures = 0

    async def _turn(self) -> None:
        if not self._state.template:
            await self._keep_template()
        sight = await self._look()
        self._take_in(sight)
        if sight.trouble or sight.observation is None:
            self._remember(reason=sight.trouble)
            self._enter(Phase.STALLED)
        else:
            await self._follow(sight.observation, self._plan(sight.observation))

    async def _follow(self, seen: Observation, verdict: Verdict) -> None:
        if not self._is_foreign:
            self._record_stage(seen, verdict)
        match verdict:
            case Done():
                await self._end(seen)
            case Step(action=Action.PREPARE) if self._is_foreign:
                self._remember(reason=_FOREIGN_TEMPLATE)
                self._enter(Phase.STALLED)
            case Step() if not self._state.paused or verdict.action is Action.REPLACE:
                await self._act(seen, verdict)
            case Step():
                self._remember(reason="")
                self._enter(Phase.PAUSED)
            case Wait() | Blocked():
                self._remember(reason=verdict.reason)
                blocked = isinstance(verdict, Blocked) and not self._state.paused
                self._enter(Phase.STALLED if blocked else self._phase_by_will)

    @property
    def _phase_by_will(self) -> Phase:
        """The phase as people have steered it, whatever stands in the way."""
        if self._state.paused:
            return Phase.PAUSED
        if self._state.aborting:
            return Phase.ABORTING
        return Phase.PROGRESSING if self._state.prepared else Phase.PREPARING

    def _plan(self, seen: Observation) -> Verdict:
        return plan(self._spec.strategy, seen, hold=self._hold, surge_limit=self._state.surge_limit)

    @property
    def _hold(self) -> int:
        """An abort holds every ordinal: nothing further is released, and the surge is given back."""
        return self._state.observation.replicas if self._state.aborting and self._state.observation else 0

    @property
    def _is_foreign(self) -> bool:
        """Whether somebody else has changed the template since it was in place."""
        seen = self._state.observation
        return self._state.placed and seen is not None and not seen.on_target

    async def _keep_template(self) -> None:
        request = KeepTemplate(target=self._spec.target, change=self._spec.change, restarted_at=self._state.started_at)
        name = await calls.keep_template(self._given.task_queue, request)
        self._remember(template=name)
        if self._spec.change.patch or self._spec.change.manifest:  # kept in the cluster; it may be large, and private
            self._spec = self._spec.model_copy(update={"change": Change(revision=name)})
        if self._has_attributes:
            workflow.upsert_search_attributes([REVISION_ATTRIBUTE.value_set(name)])

    async def _look(self) -> Sight:
        """Wait for something to do or to show. A message ends the wait at once: it only reads, so it is let go."""
        few = len(self._state.stages) < _FIRST_STAGES
        request = WaitReadiness(
            target=self._spec.target,
            strategy=self._spec.strategy,
            template="" if self._state.aborting else self._state.template,
            hold=self._hold,
            acting=not (self._state.paused or self._is_foreign),
            known=self._state.observation,
            trouble=self._state.trouble,
            surge_limit=self._state.surge_limit,
            show_after_seconds=_SHOW_FIRST_AFTER_SECONDS if few else _SHOW_AFTER_SECONDS,
        )
        waiting = calls.wait_readiness(self._given.task_queue, request, self._state.reason or "wait for readiness")
        try:
            await workflow.wait_condition(lambda: waiting.done() or self._steered)
        finally:
            if not waiting.done():
                waiting.add_done_callback(lambda let_go: let_go.exception())  # nobody asks how it ended
                waiting.cancel()
        if not waiting.done():
            raise _Interrupted
        return await waiting

    async def _act(self, seen: Observation, step: Step) -> None:
        self._remember(prepared=True, reason="")
        self._enter(self._phase_by_will)
        request = TakeStep(
            target=self._spec.target,
            template=self._state.template,
            step=step,
            uid=seen.uid,
            generation=seen.generation,
        )
        outcome = await calls.take_step(self._given.task_queue, request, describing.step(seen, step))
        if outcome is Outcome.DONE:
            placed = self._state.placed or step.action is Action.PREPARE
            self._remember(steps=self._state.steps + 1, placed=placed)
        await self._rest_if_fruitless(step, outcome)

    async def _rest_if_fruitless(self, step: Step, outcome: Outcome) -> None:
        """Steps that change nothing would follow each other without a pause."""
        fruitless = outcome is Outcome.OUTDATED or step == self._last_step
        self._fruitless = self._fruitless + 1 if fruitless else 0
        self._last_step = step
        if self._fruitless >= _FRUITLESS_STEPS:
            reason = f"{step.action}: {outcome}, again and again; does something else act on the target?"
            await self._rest(reason, self._fruitless - _FRUITLESS_STEPS)

    async def _end(self, seen: Observation) -> None:
        note = ""
        if seen.partition == 0:
            self._enter(Phase.RESTORING)
            note = await calls.restore(self._given.task_queue, Restore(target=self._spec.target))
        if self._state.aborting:
            self._finish(Phase.ABORTED, describing.split(seen))
        else:
            self._finish(Phase.COMPLETED, note)

    async def _fail_or_stall(self, error: ActivityError) -> None:
        """Before the first step an error ends the rollout: nothing is touched. After it, it stands until mended."""
        cause = error.cause
        message = describing.failure(error, self._given.task_queue)
        permanent = isinstance(cause, ApplicationError) and cause.non_retryable
        if permanent and (not self._state.prepared or cause.type == "MissingError"):  # type: ignore[union-attr]
            self._remember(reason=message)
            raise ApplicationError(message, type=getattr(cause, "type", None), non_retryable=True) from error
        self._failures += 1
        await self._rest(message, self._failures - 1)

    async def _rest(self, reason: str, times: int) -> None:
        """Stand for a while, longer with the times it has stood before; a message ends it."""
        self._remember(reason=reason)
        self._enter(Phase.STALLED)
        pause = min(_FIRST_PAUSE_SECONDS * 2**times, _LONGEST_PAUSE_SECONDS)
        try:
            await workflow.wait_condition(
                lambda: self._steered, timeout=timedelta(seconds=pause), timeout_summary=f"again in {pause} s"
            )
        except TimeoutError:
            return

    def _take_in(self, sight: Sight) -> None:
        seen = sight.observation
        if sight.surge_limit not in (None, self._state.surge_limit):
            self._keep_event(f"surge groups find no nodes: goes on with {sight.surge_limit}; resume tries for more")
        lowest = [count for count in (self._state.available_min, sight.available_min) if count is not None]
        asked = seen.groups_asked if seen else None
        most = [count for count in (self._state.groups_max, asked) if count is not None]
        self._remember(
            trouble=sight.trouble,
            surge_limit=self._state.surge_limit if sight.surge_limit is None else sight.surge_limit,
            available_min=min(lowest, default=None),
            groups_max=max(most, default=None),
            observation=seen,
            placed=self._state.placed or bool(seen and seen.on_target),
        )
        if seen and not self._state.stages:
            self._remember(stages=(first_stage(seen),))

    def _record_stage(self, seen: Observation, verdict: Verdict) -> None:
        if (seen.settled or not seen.on_target) and not (self._state.paused and isinstance(verdict, Step)):
            ending = "Rolling update aborted" if self._state.aborting else "Rolling update completed"
            self._remember(stages=extend(self._state.stages, seen, verdict, ending=ending))
            self._show()

    def _finish(self, phase: Phase, reason: str) -> None:
        self._finished_at = workflow.now().isoformat()
        self._remember(reason=reason)
        self._enter(phase)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._show()

    def _show(self) -> None:
        """What the Temporal UI shows. Attributes only where they were set at the start, so they are registered."""
        status = self.status()
        workflow.set_current_details(describing.details(status, self._state.stages))
        if self._has_attributes and workflow.info().typed_search_attributes.get(PHASE_ATTRIBUTE) != self._phase:
            workflow.upsert_search_attributes([PHASE_ATTRIBUTE.value_set(self._phase)])
            workflow.upsert_memo({MEMO: describing.line(status)})

    @property
    def _has_attributes(self) -> bool:
        return workflow.info().typed_search_attributes.get(TARGET_ATTRIBUTE) is not None

    def _remember(self, **changes: Any) -> None:
        self._state = self._state.model_copy(update=changes)

    # -- messages -----------------------------------------------------------------------------------------------------
    # Each takes anything: from the Temporal UI they come with no input, with text, or with two. A handler with a
    # required parameter would wedge the workflow.

    @workflow.signal
    def pause(self, *given: Any) -> None:
        """Take no further step; groups already released go on loading. Input: {"actor": ..., "reason": ...}."""
        if not self._state.paused:
            self._note("paused", describing.intervention(given))
            self._remember(paused=True)

    @workflow.signal
    def resume(self, *given: Any) -> None:
        """Go on: after a pause, a failure, a lack of nodes, or somebody's change of the template, which is undone.

        Input: {"actor": ..., "reason": ...}.
        """
        self._failures = 0
        shown = self._is_foreign and self._phase is Phase.STALLED
        self._remember(placed=self._state.placed and not shown, surge_limit=None)
        self._note("resumed", describing.intervention(given))
        self._remember(paused=False)

    @workflow.signal
    def abort(self, *given: Any) -> None:
        """Update nothing further and give the surge back. Input: {"actor": ..., "reason": ...}."""
        self._abort(describing.intervention(given))

    @workflow.signal(dynamic=True)
    def unknown(self, name: str, given: Sequence[RawValue]) -> None:
        """Keep a signal that nobody knows for people to see."""
        self._note(f"a message was not understood: {name[:50]}", Intervention(reason=f"{len(given)} inputs"))

    @workflow.query
    def status(self) -> RolloutStatus:
        """Where the rollout stands."""
        state = self._state
        return RolloutStatus(
            rollout=workflow.info().workflow_id,
            phase=self._phase,
            reason=state.reason,
            spec=self._spec,
            observation=state.observation,
            revision=state.template,
            stage=state.stages[-1] if state.stages else None,
            steps=state.steps,
            available_min=state.available_min,
            groups_max=state.groups_max,
            started_at=state.started_at,
            finished_at=self._finished_at,
            events=state.events,
        )

    @workflow.query
    def stages(self) -> StageTable:
        """The stage table so far."""
        return StageTable(stages=self._state.stages)

    def _abort(self, intervention: Intervention) -> None:
        if not self._state.aborting:
            self._note("aborted", intervention)
            self._remember(aborting=True, paused=False)

    def _note(self, what: str, intervention: Intervention) -> None:
        self._keep_event(what, intervention)
        self._steered = True

    def _keep_event(self, what: str, by: Intervention | None = None) -> None:
        by = by or Intervention(actor="rollwright")
        event = Event(at=workflow.now().isoformat(), what=what, actor=by.actor, reason=by.reason)
        self._remember(events=(*self._state.events, event)[-_EVENTS_KEPT:])
