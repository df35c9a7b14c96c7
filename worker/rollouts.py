"""What a follower asks of Temporal: the latest rollout of a target, another one, another target for it."""

import asyncio
import logging
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.spec import Change, RolloutSpec, Target
from rollwright.worker.decision import Latest, Request, Retarget, Start
from rollwright.workflows import starting
from rollwright.workflows.contract import (
    REQUEST_MEMO,
    RETARGET,
    STATUS,
    Intervention,
    RolloutInput,
    RolloutStatus,
)
from rollwright.workflows.contract import Retarget as RetargetMessage

_log = logging.getLogger(__name__)
_ANSWER = timedelta(seconds=5)
_KEEPING_SECONDS = 20.0
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
        request = Request.parse(str((await described.memo()).get(REQUEST_MEMO, "")))
        if described.status is WorkflowExecutionStatus.RUNNING:
            asks = disputed and request is not None
            status = await handle.query(STATUS, result_type=RolloutStatus, rpc_timeout=_ANSWER) if asks else None
            if status is None:
                return Latest(request, is_open=True)
            return Latest(request, is_open=True, course=status.course, before=digest_of_kept(status.before))
        refused = described.status is WorkflowExecutionStatus.FAILED
        try:
            ended = (await handle.result(rpc_timeout=_ANSWER)).phase
        except WorkflowFailureError:
            ended = None
        return Latest(request, is_open=False, ended=ended, refused=refused)

    async def start(self, target: Target, asked: Start) -> bool:
        """Start a rollout that adopts the template as it stands; False if one is open already."""
        given = RolloutInput(
            spec=RolloutSpec(target=target, strategy=asked.policy.strategy),
            task_queue=self._task_queue,
            by=Intervention(actor=_ACTOR, reason=_reason(asked)),
            request_id=str(asked.request),
        )
        try:
            started = await starting.start(self._client, given, summary=f"{starting.short(target)}: {_reason(asked)}")
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
        handle = self._client.get_workflow_handle(target.workflow_id)
        try:
            async with asyncio.timeout(_KEEPING_SECONDS):
                await handle.execute_update(RETARGET, message, result_type=str)
        except WorkflowUpdateFailedError as failed:
            return failed.cause.message if isinstance(failed.cause, ApplicationError) else str(failed.cause)
        return ""


def _reason(asked: Start | Retarget) -> str:
    return f"template changed under policy {asked.policy.name}"
