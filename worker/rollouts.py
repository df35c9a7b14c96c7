"""What a follower asks of Temporal: the latest rollout of a target, another one, another target for it."""

import logging
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.spec import Change, RolloutSpec, Target
from rollwright.worker.decision import Latest, Request, Retarget, Start, Stood
from rollwright.workflows import asking, starting
from rollwright.workflows.contract import (
    REQUEST_MEMO,
    RETARGET,
    STATUS,
    Intervention,
    Phase,
    RolloutInput,
    RolloutStatus,
)
from rollwright.workflows.contract import Retarget as RetargetMessage

_log = logging.getLogger(__name__)
_ANSWER = timedelta(seconds=5)
_KEEPING = timedelta(seconds=20)
"""How long a new change may take to be tried and kept; a request that is sent again is one and the same."""
_ACTOR = "rollwright follow"


class Rollouts:
    """The rollouts that Temporal knows, as a follower sees them. Raises RPCError if it doesn't answer."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue

    async def latest(self, target: Target, *, disputed: bool) -> Latest | None:
        """The latest one of a target, if there is one. `disputed`: where it is going, and came from, is asked too."""
        handle = self._client.get_workflow_handle(target.workflow_id, result_type=RolloutStatus)
        try:
            described = await handle.describe(rpc_timeout=_ANSWER)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        run = described.run_id
        request = Request.parse(str((await described.memo()).get(REQUEST_MEMO, "")))
        if described.status is WorkflowExecutionStatus.RUNNING:
            asks = disputed and request is not None
            status = await handle.query(STATUS, result_type=RolloutStatus, rpc_timeout=_ANSWER) if asks else None
            return _open(request, run, status)
        return _over(request, run, await self._result(target, run), described.status)

    async def _result(self, target: Target, run: str) -> RolloutStatus | None:
        """How this very run ended, None if without a result: another one may be open by now, and last for hours."""
        ended = self._client.get_workflow_handle(target.workflow_id, run_id=run, result_type=RolloutStatus)
        try:
            result: RolloutStatus = await ended.result(rpc_timeout=_ANSWER)
        except WorkflowFailureError:
            return None
        return result

    async def start(self, target: Target, asked: Start) -> bool:
        """Start a rollout that adopts the template as it stands; False if one is open already."""
        given = RolloutInput(
            spec=RolloutSpec(target=target, strategy=asked.policy.strategy),
            task_queue=self._task_queue,
            by=Intervention(actor=_ACTOR, reason=_reason(asked)),
            request_id=str(asked.request),
        )
        try:
            started = await starting.start(self._client, given, summary=f"{target.path}: {_reason(asked)}")
        except WorkflowAlreadyStartedError:
            return False  # another worker was faster, or somebody
        if started.note:
            _log.warning("%s: %s", target, started.note)
        return True

    async def retarget(self, target: Target, asked: Retarget) -> str:
        """Have the open rollout go on towards the template that stands; why it won't, empty if it does.

        Raises TimeoutError if it isn't known in time.
        """
        message = RetargetMessage(
            actor=_ACTOR,
            reason=_reason(asked),
            change=Change(),
            strategy=asked.policy.strategy,
            request_id=str(asked.request),
        )
        handle = self._client.get_workflow_handle(target.workflow_id, run_id=asked.run or None)
        # A rollout answers only so many at a time, of people too. Set another target since, it takes this one anew.
        request = f"{asked.request} {asked.asked_at}"
        try:
            await asking.update(handle, RETARGET, message, _KEEPING, request=request)
        except asking.NotTakenError as refused:
            return str(refused)
        return ""


def _open(request: Request | None, run: str, status: RolloutStatus | None) -> Latest:
    if status is None:
        return Latest(request, is_open=True, run=run)
    seen = status.observation
    return Latest(
        request,
        is_open=True,
        run=run,
        revision=status.revision,
        asked_at=_asked_at(status),
        stands=status.phase is Phase.STALLED and bool(seen and seen.dispute),
        course=status.course,
        before=digest_of_kept(status.before),
    )


def _asked_at(status: RolloutStatus) -> str:
    """When it was last set another target, or was asked to in vain; only the last events are known."""
    asked = [event.at for event in status.events if event.what.startswith(RETARGET)]
    return (asked[-1:] or [event.at for event in status.events[:1]] or [status.started_at])[0]


def _over(
    request: Request | None, run: str, result: RolloutStatus | None, ended: WorkflowExecutionStatus | None
) -> Latest:
    if result is None:
        return Latest(request, is_open=False, run=run, refused=ended is WorkflowExecutionStatus.FAILED)
    seen = result.observation
    return Latest(
        request,
        is_open=False,
        run=run,
        revision=result.revision,
        ended=result.phase,
        stood=Stood(seen.uid, seen.template) if seen else None,
    )


def _reason(asked: Start | Retarget) -> str:
    return f"template changed under policy {asked.policy.name}"
