"""The activities: one for each thing done to a target. Each may run twice, late, or after a newer one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TypeVar

from temporalio import activity

from rollwright.activities import happenings, jobgates
from rollwright.activities.answers import Answers
from rollwright.activities.connections import PLAIN_REACH, Reach
from rollwright.activities.errors import told_apart
from rollwright.activities.gating import GateCheck
from rollwright.activities.messages import (
    ActivityName,
    CheckGate,
    EndGates,
    KeepTemplate,
    Kept,
    Outcome,
    RecordOutcome,
    Restore,
    SettleDispute,
    Side,
    Sight,
    TakeStep,
    WaitReadiness,
)
from rollwright.activities.succession import Succession
from rollwright.activities.waiting import Looked, Waiter, unheard
from rollwright.cluster import startups, steps
from rollwright.cluster.api import Api
from rollwright.cluster.errors import ClusterError, ConflictError, NotYetError, SupersededError
from rollwright.cluster.events import Events, Happening, Origin
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.probing import Prober
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.running import running_template
from rollwright.cluster.scalers import choose_surge_by
from rollwright.cluster.serving import Witness, check_rights, witness_of
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest_of_kept
from rollwright.cluster.watching import Watches
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.planner import Step
from rollwright.rollout.spec import Serves, Target

_log = logging.getLogger(__name__)
_HEARTBEAT_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
_LET_GO = timedelta(seconds=5)
_Result = TypeVar("_Result")
_StepFunction = Callable[[LiveTarget, Step, int, Fence], Awaitable[None]]
"""What carries out a step: the target, the step, the generation it was planned on, the fence."""


class RolloutActivities:
    """Activities on the targets of one cluster."""

    def __init__(
        self,
        api: Api,
        watches: Watches,
        prober: Prober,
        events: Events,
        *,
        reach: Reach = PLAIN_REACH,
        looked: Looked = unheard,
        succession: Succession | None = None,
    ) -> None:
        """`looked`: is told what each look of a wait has seen."""
        self._looked = looked
        self._api = api
        self._watches = watches
        self._prober = prober
        self._events = events
        self._answers = Answers(api, reach)
        self._succession = succession

    def all(self) -> Sequence[Callable[..., object]]:
        """Everything to register with a worker."""
        return [
            self.keep_template,
            self.wait_readiness,
            self.freeze,
            self.prepare,
            self.scale_surge,
            self.lower_partition,
            self.replace_groups,
            self.unblock_groups,
            self.reclaim_replicas,
            self.settle_dispute,
            self.restore,
            self.record_outcome,
            self.check_gate,
            self.end_gates,
        ]

    @activity.defn(name=ActivityName.KEEP_TEMPLATE)
    async def keep_template(self, request: KeepTemplate) -> Kept:
        """Keep the template after the change in the cluster, beside the one that stands."""
        with told_apart():
            return await _heartbeating(self._keep(request))

    @activity.defn(name=ActivityName.WAIT_READINESS)
    async def wait_readiness(self, request: WaitReadiness) -> Sight:
        """Wait until the planner would act, or there is something to show."""
        with told_apart():
            witness = self._witness(request.aim.effective.readiness, request.target, request.template)
            target = self._target(request.target, record=request.record, witness=witness)
            return await Waiter(target, request, looked=self._looked, succession=self._succession).wait()

    @activity.defn(name=ActivityName.FREEZE)
    async def freeze(self, request: TakeStep) -> Outcome:
        """Stop what somebody else's change of the target has set going."""
        return await self._carry_out(request, steps.freeze)

    @activity.defn(name=ActivityName.PREPARE)
    async def prepare(self, request: TakeStep) -> Outcome:
        """Put the template in place, frozen, with the surge."""
        return await self._carry_out(
            request, partial(steps.prepare, template_name=request.template, surge_by=request.surge_by)
        )

    @activity.defn(name=ActivityName.SCALE_SURGE)
    async def scale_surge(self, request: TakeStep) -> Outcome:
        """Ask for surge groups."""
        return await self._carry_out(request, partial(steps.scale, surge_by=request.surge_by))

    @activity.defn(name=ActivityName.LOWER_PARTITION)
    async def lower_partition(self, request: TakeStep) -> Outcome:
        """Release groups and replace them all together."""
        return await self._carry_out(
            request, partial(steps.lower_partition, floor=request.floor, surge_by=request.surge_by)
        )

    @activity.defn(name=ActivityName.REPLACE_GROUPS)
    async def replace_groups(self, request: TakeStep) -> Outcome:
        """Finish a release that was cut short."""
        return await self._carry_out(request, partial(steps.take_in_hand, surge_by=request.surge_by))

    @activity.defn(name=ActivityName.UNBLOCK_GROUPS)
    async def unblock_groups(self, request: TakeStep) -> Outcome:
        """Restart broken groups below the partition."""
        return await self._carry_out(request, steps.unblock)

    @activity.defn(name=ActivityName.RECLAIM_REPLICAS)
    async def reclaim_replicas(self, request: TakeStep) -> Outcome:
        """Give surge groups back."""
        return await self._carry_out(request, partial(steps.scale, floor=request.floor, surge_by=request.surge_by))

    @activity.defn(name=ActivityName.SETTLE_DISPUTE)
    async def settle_dispute(self, request: SettleDispute) -> str:
        """End a freeze; return the name of the template that stands if theirs holds."""
        target = self._target(request.target, request.uid, request.record)
        with told_apart():
            theirs = await _heartbeating(steps.settle(target, _fence(), theirs=request.side is Side.THEIRS))
        self._report(request.target, request.uid, happenings.of_dispute(request))
        return theirs

    @activity.defn(name=ActivityName.RESTORE)
    async def restore(self, request: Restore) -> str:
        """Put the user's own settings back, or hold what is held; return what could not be put back as it was."""
        target = self._target(request.target, request.uid, request.record, request.before)
        note = ""
        with told_apart():
            if request.held:
                await _heartbeating(steps.hold_back(target, request.generation, _fence()))
            else:
                restoring = steps.restore(target, request.generation, _fence(), complete=request.complete)
                note = await _heartbeating(restoring)
        self._report(request.target, request.uid, happenings.of_restore(request, note))
        return note

    @activity.defn(name=ActivityName.RECORD_OUTCOME)
    async def record_outcome(self, request: RecordOutcome) -> None:
        """Write into the ledger how the rollout of a template ended."""
        with told_apart():
            await _heartbeating(self._record(request))

    @activity.defn(name=ActivityName.CHECK_GATE)
    async def check_gate(self, request: CheckGate) -> Progress:
        """Ask a gate until it is decided, or there is something to show of it."""
        with told_apart():
            witness = self._witness(request.strategy.readiness, request.target, request.template)
            target = self._target(request.target, record=request.record, witness=witness)
            return await GateCheck(target, request, self._answers.answer).check()

    @activity.defn(name=ActivityName.END_GATES)
    async def end_gates(self, request: EndGates) -> None:
        """Clean up what the gates of a rollout have left behind."""
        with told_apart():
            info = activity.info()
            before = info.scheduled_time + _LET_GO  # a check may just have begun one
            await _heartbeating(self._answers.clean_up(request.target, str(info.workflow_id), before))

    async def _keep(self, request: KeepTemplate) -> Kept:
        target = self._target(request.target)
        item = await target.read_object()
        item.check(request.strategy)
        await check_rights(self._api, item, request.strategy.readiness)
        await jobgates.check_templates(self._api, item, request.strategy)
        surge_by = await choose_surge_by(self._api, item, request.strategy)
        seen = await (_taken_up(target) if _may_run_another(item) else _soon(target.read()))
        names = await target.ledger.keep(
            item,
            request.change,
            request.restarted_at,
            _fence(),
            actor=request.actor,
            reason=request.reason,
            running=await running_template(self._api, seen) if seen else None,
        )
        entries = await target.ledger.entries(item)
        start_ups = startups.read([kept.item for kept in entries])
        if not start_ups and seen:
            start_ups = seen.standing_start_ups(now())
        return Kept(
            template=names.template,
            before=names.before,
            standing=names.standing,
            surge_by=surge_by,
            start_ups=start_ups,
            gpus=next((kept.gpus for kept in entries if kept.name == names.template), 0),
        )

    async def _record(self, request: RecordOutcome) -> None:
        """Also how long the groups took to start that run this template now."""
        target = self._target(request.target)
        seen = await _soon(target.last_seen())
        told = seen.observe(digest_of_kept(request.template), 0, now()) if seen else None
        took = seen.start_ups(told, now()).seconds if seen and told else ()
        await target.ledger.record_outcome(
            request.template, request.outcome, _fence(), start_ups=startups.written(took)
        )

    async def _carry_out(self, request: TakeStep, step: _StepFunction) -> Outcome:
        witness = self._witness(request.step.readiness, request.target, request.template)
        target = self._target(request.target, request.uid, request.record, request.before, witness)
        with told_apart():
            try:
                await _heartbeating(step(target, request.step, request.generation, _fence()))
            except (ConflictError, SupersededError) as outdated:
                _log.info("%s", outdated)
                return Outcome.OUTDATED
        self._report(request.target, request.uid, happenings.of_step(request))
        return Outcome.DONE

    def _report(self, target: Target, uid: str, happening: Happening) -> None:
        """By and by: no step waits for its Event."""
        self._events.report(target, uid, happening, origin())

    def _target(
        self, target: Target, uid: str = "", record: str = "", before: str = "", witness: Witness | None = None
    ) -> LiveTarget:
        return LiveTarget(self._api, self._watches, target, uid=uid, record=record, before=before, witness=witness)

    def _witness(self, readiness: Serves, target: Target, template: str) -> Witness | None:
        """`template`: the kept one whose groups are asked; empty: of the one that stands."""
        digest = digest_of_kept(template) if template else None
        return witness_of(
            readiness, self._api, self._watches, self._prober, namespace=target.namespace, target_digest=digest
        )


def _may_run_another(item: TargetObject) -> bool:
    """Whether somebody may have put its template in place under a frozen partition, to be rolled out by us."""
    return 0 < item.replicas <= item.settings.partition and Record.of(item) is None


async def _taken_up(target: LiveTarget) -> Snapshot:
    """What there is once its controllers have seen the template: before that, what to go back to isn't known."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS), target.changes(of_pods=False) as changed:
            while not (seen := await target.read()).is_taken_up:
                await changed.wait()
                changed.clear()
            return seen
    raise NotYetError(f"{target}: its controllers have not seen yet how it stands, so what to go back to is not known")


async def _soon(look: Coroutine[object, object, Snapshot | None]) -> Snapshot | None:
    """What there is to be seen, if that can be had soon: no rollout waits for what this is asked for."""
    with suppress(ClusterError, TimeoutError):
        return await asyncio.wait_for(look, _PATIENCE_SECONDS)
    return None


def origin() -> Origin:
    """Which activity it is: the same over attempts."""
    info = activity.info()
    return Origin(info.scheduled_time, f"{info.workflow_run_id}/{info.activity_id}")


def _fence() -> Fence:
    """The same over attempts; larger for every later step, also after a reset of the workflow."""
    info = activity.info()
    return Fence(info.scheduled_time, str(info.workflow_id))


async def _heartbeating(step: Awaitable[_Result]) -> _Result:
    """Await a step and show meanwhile that this worker is alive, so that another takes over soon if it isn't."""
    task = asyncio.ensure_future(step)
    try:
        while not task.done():
            activity.heartbeat()
            await asyncio.wait([task], timeout=_HEARTBEAT_SECONDS)
        return await task
    finally:
        task.cancel()
