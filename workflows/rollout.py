"""The durable loop: observe, plan, act, until done. What to do is the planner's; who may steer it, `steering` says."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from rollwright.activities.messages import (
        Outcome,
        Restore,
        SettleDispute,
        Side,
        Sight,
        TakeStep,
        WaitReadiness,
    )
    from rollwright.rollout.aim import Course
    from rollwright.rollout.observation import Observation
    from rollwright.rollout.planner import Action, Blocked, Done, Failed, Step, Verdict, Wait
    from rollwright.rollout.spec import Change
    from rollwright.rollout.stages import COMPLETED, extend, first_stage, gate_note
    from rollwright.workflows import calls, describing, details, steering
    from rollwright.workflows.contract import (
        WORKFLOW_TYPE,
        Message,
        Phase,
        RolloutInput,
        RolloutStatus,
        Steering,
    )
    from rollwright.workflows.gating import FOLLOWS, Due
    from rollwright.workflows.telling import Telling

_EVENTS_A_RUN = 1000
_BYTES_A_RUN = 4_000_000
"""Of a history: each look at thousands of groups takes tens of kilobytes. The server ends runs of 50 MB."""
# A wait that returns only to show something costs events, so later rows come at most once a minute.
_FIRST_STAGES = 40
_SHOW_FIRST_AFTER_SECONDS = 0.5
_SHOWN_SOON = 2
"""So much is shown soon after a step: that groups were taken down, that one of several is ready. Later news waits."""
_SHOW_AFTER_SECONDS = 60.0
_FRUITLESS_STEPS = 3
_FIRST_PAUSE_SECONDS = 1
_LONGEST_PAUSE_SECONDS = 60
_ENDS = {
    Course.FORWARD: (Phase.COMPLETED, COMPLETED),
    Course.BACK: (Phase.ROLLED_BACK, "Rolled back"),
    Course.STOP: (Phase.ABORTED, "Rolling update aborted"),
}
_URGENT = (Action.REPLACE, Action.FREEZE)
"""Also while paused: what was opened for a release, or by somebody else, must not stay open."""


_UNDOES = (Action.FREEZE, Action.PREPARE, Action.LOWER_PARTITION)
"""At a gate these say that its step isn't done any more, as somebody has scaled or changed the target."""


class _Interrupted(Exception):  # noqa: N818 - not an error: somebody steers
    """Somebody steers: look again before anything else."""


@workflow.defn(name=WORKFLOW_TYPE)
class RolloutWorkflow(Telling):
    """One rollout of one target, for as long as it takes."""

    @workflow.init
    def __init__(self, given: RolloutInput) -> None:
        super().__init__(given)
        self._last_step: Step | None = None
        self._fruitless = 0
        self._shown = 0
        """How often something was looked at since the last step."""
        self._seen_at = 0.0
        """When that was, by the clock of whoever looked."""

    @workflow.run
    async def run(self, given: RolloutInput) -> RolloutStatus:
        """Roll the target out. The result tells how it ended, also when it was aborted.

        A request to cancel the workflow is an abort, taken like one: what is under way is never let go of half done.
        """
        rolling = asyncio.ensure_future(self._telling(self._roll_out()))
        while True:
            try:
                return await asyncio.shield(rolling)
            except asyncio.CancelledError:
                if rolling.done() or workflow.cancellation_reason() is None:
                    raise  # not for the rollout: the worker lets go of this workflow
                self._take(Message.ABORT, Steering(actor="Temporal", reason="cancellation was requested"))

    async def _roll_out(self) -> RolloutStatus:
        self._remember(started_at=self._state.started_at or workflow.now().isoformat())
        self._show()
        while not self._phase.is_final:
            try:
                await self._begin_anew_if_due()
                await self._go_on()
            except _Interrupted:
                continue
        self._let_checks_go()
        if self._state.gates_leave:
            await self._clean_up_after_gates()
        if self._phase is not Phase.DELETED:
            await self._record_outcome(self._state.template, f"{self._phase} {self._finished_at}")
        await workflow.wait_condition(workflow.all_handlers_finished)
        return self.status()

    async def _begin_anew_if_due(self) -> None:
        if self._is_to_begin_anew:
            self._begins_anew = True
            await workflow.wait_condition(workflow.all_handlers_finished)
            self._let_checks_go()
            state = self._state.model_copy(update={"phase": self._phase})
            workflow.continue_as_new(
                self._given.model_copy(update={"state": state}),
                memo=workflow.memo(),  # what was set since the run began is lost else
                initial_versioning_behavior=workflow.ContinueAsNewVersioningBehavior.AUTO_UPGRADE,
            )

    @property
    def _is_to_begin_anew(self) -> bool:
        return self._may_begin_anew and (_is_long(workflow.info()) or _is_to_move())

    @property
    def _may_begin_anew(self) -> bool:
        to_be_answered = self._pending is not None and self._failures == 0
        # People who can't be told hold it up for a while only.
        tells = self._tells and not _is_long(workflow.info(), times=2)
        return not to_be_answered and not tells

    async def _go_on(self) -> None:
        """One turn of the loop."""
        if self._steered:
            self._steered = False
            self._looks_anew = True
            self._shown = 0
            self._enter(self._phase_by_will)
        if self._state.course is Course.STOP and not self._state.prepared and not self._pending:
            self._finish(Phase.ABORTED, "nothing had been changed")
            return
        self._go_by_gates()
        self._close_window_if_over()
        if self._is_to_clean_up:
            self._let_checks_go()
            await self._clean_up_after_gates()
        try:
            await self._turn()
        except ActivityError as error:
            await self._fail_or_stall(error)
        else:
            self._failures = 0

    async def _turn(self) -> None:
        if self._pending:
            await self._take_up(self._pending)
        if not self._state.template:
            await self._keep_template()
        if self._state.settle:
            await self._settle(self._state.settle)
        known = self._state.observation
        sight = await self._look()
        self._take_in(sight)
        seen = sight.observation
        if sight.trouble or seen is None:
            self._remember(reason=sight.trouble)
            self._enter(Phase.STALLED)
        elif known and known.uid != seen.uid:
            self._finish(Phase.DELETED, "it was deleted, and made anew under its name; the new one is left alone")
        elif self._was_edited_before(seen):
            self._remember(template="")
        elif seen.dispute and not seen.edited and (seen.agreed or not self._state.placed):
            self._remember(settle=Side.OURS)
        else:
            await self._follow(seen, self._aim.plan(seen))

    async def _follow(self, seen: Observation, verdict: Verdict) -> None:
        self._record_stage(seen, verdict)
        match verdict:
            case Done() if not self._state.paused:
                await self._end_or_wait(seen)
            case Step() if verdict.action not in _URGENT and self._close_window_if_over():
                pass  # it was planned inside of it
            case Step() if not self._state.paused or verdict.action in _URGENT:
                await self._act(seen, verdict)
            case Step() | Done():
                self._remember(reason=self._reason_by_will)
                self._enter(Phase.PAUSED)
            case Failed() if not self._state.paused and self._takes_itself_back(verdict):
                pass
            case Wait() | Blocked() | Failed():
                self._remember(reason=verdict.reason)
                stands = not isinstance(verdict, Wait) and not self._state.paused
                self._enter(Phase.STALLED if stands else self._phase_by_will)

    def _was_edited_before(self, seen: Observation) -> bool:
        """Whether somebody has changed the template since the change was tried on it: then it is tried anew.

        Once something of ours is on the target such a change is one of what a rollout holds, and asked about.
        """
        known = (self._state.standing, self._state.template)
        return not self._state.record and not any(name.endswith(f"-{seen.template}") for name in known)

    def _takes_itself_back(self, failed: Failed) -> bool:
        """Do what the strategy says about too many failures, if that is more than to wait for people."""
        message = FOLLOWS[self._aim.effective.on_stall]
        return message is not Message.PAUSE and isinstance(self._take_by_itself(message, failed.reason), steering.Taken)

    async def _settle(self, side: Side) -> None:
        seen = self._state.observation
        request = SettleDispute(
            target=self._given.spec.target, uid=seen.uid if seen else "", side=side, record=self._state.record
        )
        try:
            theirs = await calls.settle_dispute(self._given.activity_queue, request)
        except ActivityError as error:
            if self._state.settle is side and not describing.is_worth_trying_again(error):
                self._remember(settle=None)  # people are asked again
            raise
        if self._state.settle is not side:
            return  # somebody has decided otherwise meanwhile
        self._remember(settle=None)
        if theirs and theirs != self._wanted:
            replaced = self._state.template
            self._remember(template=theirs, **steering.TOWARDS_ANOTHER)
            self._respecify(change=Change(revision=theirs))
            self._answer_request("")  # it is not what was asked for
            await self._record_outcome(replaced, f"replaced by somebody else's template {workflow.now().isoformat()}")

    async def _look(self) -> Sight:
        """Wait for something to do or to show. A message ends the wait at once: it only reads, so it is let go."""
        state = self._state
        request = WaitReadiness(
            target=self._given.spec.target,
            aim=self._aim,
            template=self._wanted,
            surge_by=state.surge_by,
            acting=not state.paused,
            gated=state.waiting is not None,
            known=None if self._looks_anew else state.observation,
            ordeals=state.ordeals,
            record=state.record,
            trouble="" if self._looks_anew else state.trouble,
            start_ups=state.start_ups,
            estimate=None if self._looks_anew else state.estimate,
            show_after_seconds=self._show_after_seconds,
        )
        self._begin_checks(state.observation)
        summary = describing.waiting(state.observation, state.reason)
        waiting = calls.wait_readiness(self._given.activity_queue, request, summary)
        try:
            await self._wait_for(waiting)
        finally:
            if not waiting.done():
                waiting.add_done_callback(lambda let_go: let_go.exception())  # nobody asks how it ended
                waiting.cancel()
        if self._steered or not waiting.done():  # what was seen may be of the course before
            raise _Interrupted
        sight = await waiting
        self._looks_anew = False
        self._shown += 1
        return sight

    @property
    def _show_after_seconds(self) -> float:
        """While models load, estimates change all the time: such news is told ever more rarely."""
        if len(self._state.stages) >= _FIRST_STAGES:
            return _SHOW_AFTER_SECONDS
        return min(_SHOW_FIRST_AFTER_SECONDS * 4.0 ** max(0, self._shown - _SHOWN_SOON), _SHOW_AFTER_SECONDS)

    async def _wait_for(self, waiting: workflow.ActivityHandle[Sight]) -> None:
        """Until the wait returns, somebody steers, a gate is decided, or something is due."""
        while True:
            due = self._deadlines
            first = min(due, default=None)
            timeout = None if first is None else timedelta(seconds=max(1.0, first - workflow.time()))
            try:
                await workflow.wait_condition(
                    lambda: waiting.done() or self._steered or self._has_news_of_gates or self._moves,
                    timeout=timeout,
                    timeout_summary=None if first is None else describing.short_line(due[first].what),
                )
            except TimeoutError:
                for moment, (_, act) in due.items():
                    if moment == first:
                        act()
                return
            if waiting.done() or self._steered or self._take_in_checks() or self._is_to_begin_anew:
                return
            self._begin_checks(self._state.observation)

    @property
    def _moves(self) -> bool:
        return _is_to_move() and self._may_begin_anew

    @property
    def _deadlines(self) -> dict[float, Due]:
        due = super()._deadlines
        if self._state.surge_limit is not None:
            due[self._state.surge_again_at] = Due("until more surge is asked for again", self._ask_for_surge_again)
        return due

    def _ask_for_surge_again(self) -> None:
        self._remember(surge_limit=None, surge_again_at=0.0)

    async def _act(self, seen: Observation, step: Step) -> None:
        self._remember(prepared=True, reason="")
        if step.action in _UNDOES:
            self._leave_gates()
        self._enter(self._phase_by_will)
        self._shown = 0
        request = TakeStep(
            target=self._given.spec.target,
            template=self._wanted,
            step=step,
            uid=seen.uid,
            generation=seen.generation,
            floor=self._given.spec.strategy.budget(seen.replicas).floor,
            surge_by=self._state.surge_by,
            record=self._state.record,
            before=self._state.before,
            seen_at=self._seen_at,
        )
        self._acting = True
        try:
            outcome = await calls.take_step(self._given.activity_queue, request, describing.step(seen, step))
        finally:
            self._acting = False
        if outcome is Outcome.DONE:
            placed = self._state.placed or step.action is Action.PREPARE
            self._remember(steps=self._state.steps + 1, placed=placed)
            self._name_the_change_by_its_template()
        await self._rest_if_fruitless(step, outcome)

    async def _rest_if_fruitless(self, step: Step, outcome: Outcome) -> None:
        """Steps that change nothing would follow each other without a pause."""
        fruitless = outcome is Outcome.OUTDATED or step == self._last_step
        self._fruitless = self._fruitless + 1 if fruitless else 0
        self._last_step = step
        if self._fruitless >= _FRUITLESS_STEPS:
            reason = f"{step.action}: {outcome}, again and again; does something else act on the target?"
            await self._rest(reason, self._fruitless - _FRUITLESS_STEPS)

    async def _end_or_wait(self, seen: Observation) -> None:
        gate = self._aim.gate_ahead(seen.replicas)
        if gate is not None:
            if gate != self._state.waiting:
                self._open(gate)
            self._remember(reason=self._reason_at_gate)
            self._enter(self._phase_by_will)
            return
        self._enter(Phase.RESTORING)
        held = seen.partition > 0
        summary = f"hold at partition {seen.partition}" if held else "put the user's own settings back"
        request = Restore(
            target=self._given.spec.target,
            uid=seen.uid,
            generation=seen.generation,
            record=self._state.record,
            before=self._state.before,
            held=held,
            complete=self._state.course is not Course.STOP and not seen.failed,
        )
        note = await calls.restore(self._given.activity_queue, request, summary)
        phase, _ = _ENDS[self._state.course]
        self._finish(phase, describing.ending(seen, self._state.course, note))

    async def _fail_or_stall(self, error: ActivityError) -> None:
        """Before the first step an error ends the rollout: nothing is touched. After it, it stands until mended."""
        cause = error.cause
        message = describing.failure(error, self._given)
        permanent = describing.is_permanent(error)
        self._looks_anew = True
        kind = getattr(cause, "type", None)
        if permanent and self._state.prepared and kind == "GoneError":
            self._finish(Phase.DELETED, message)
            return
        if permanent and not self._state.prepared and not self._pending:
            self._remember(reason=message)
            await self._record_outcome(self._state.template, f"refused {workflow.now().isoformat()}")
            self._details_due = True  # nothing is shown over this any more
            workflow.set_current_details(details.refused(message))
            raise ApplicationError(message, type=kind, non_retryable=True) from error
        self._failures += 1
        await self._rest(message, self._failures - 1)

    async def _rest(self, reason: str, times: int) -> None:
        """Stand for a while, longer with the times it has stood before; a message ends it."""
        self._remember(reason=reason)
        self._enter(Phase.STALLED)
        pause = min(_FIRST_PAUSE_SECONDS * 2**times, _LONGEST_PAUSE_SECONDS)
        try:
            await workflow.wait_condition(
                lambda: self._steered,
                timeout=timedelta(seconds=pause),
                timeout_summary="until it is tried again",
            )
        except TimeoutError:
            return

    def _take_in(self, sight: Sight) -> None:
        seen, state = sight.observation, self._state
        self._seen_at = sight.seen_at
        if sight.surge_limit not in (None, state.surge_limit):
            self._keep_surge_event(sight.surge_limit or 0)
            self._remember(surge_limit=sight.surge_limit, surge_again_at=self._surge_again_at)
        lowest = [count for count in (state.available_min, sight.available_min) if count is not None]
        asked = seen.groups_asked if seen else None
        since_then = workflow.time() - state.looked_at if state.looked_at else 0.0
        most = [count for count in (state.groups_max, asked) if count is not None]
        self._remember(
            trouble=sight.trouble,
            available_min=min(lowest, default=None),
            groups_max=max(most, default=None),
            observation=seen or state.observation,
            ordeals=sight.ordeals,
            record=sight.record,
            estimate=sight.estimate,
            cost=state.cost.plus(state.observation, since_then) if state.observation else state.cost,
            looked_at=workflow.time(),
            placed=state.placed or bool(seen and seen.on_target and not seen.dispute and not seen.edited),
        )
        if seen and not state.stages:
            self._remember(stages=(first_stage(seen),))

    def _keep_surge_event(self, limit: int) -> None:
        what = f"surge groups find no nodes: goes on with {limit}, and tries for more later"
        if not any(event.what == what for event in self._state.events):
            self._keep_event(what)

    def _record_stage(self, seen: Observation, verdict: Verdict) -> None:
        waits = self._state.paused and isinstance(verdict, Step)
        if waits or seen.edited or seen.dispute or (seen.on_target and not seen.settled):
            return
        gate = self._aim.gate_ahead(seen.replicas)
        _, ending = _ENDS[self._state.course]
        ending = ending if gate is None else gate_note(gate)
        self._remember(stages=extend(self._state.stages, seen, verdict, ending=ending))
        self._show()

    def _finish(self, phase: Phase, reason: str) -> None:
        self._finished_at = workflow.now().isoformat()
        self._turn_down("the rollout has ended; start another one")
        self._remember(reason=reason)
        self._enter(phase)


def _is_long(run: workflow.Info, times: int = 1) -> bool:
    events, size = run.get_current_history_length(), run.get_current_history_size()
    return events > times * _EVENTS_A_RUN or size > times * _BYTES_A_RUN


def _is_to_move() -> bool:
    """Whether another build is current than the one this run is pinned to. A new run begins on the current one.

    Only between two steps, so that none is carried out by both; and it needs no `workflow.patched`, as no history that
    was written before there were versions says so.
    """
    return workflow.info().is_target_worker_deployment_version_changed()
