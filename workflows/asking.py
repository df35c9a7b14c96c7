"""Asking a rollout for something and having it answered: for those who steer one, not for workflow code."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError

from rollwright.workflows.contract import OVER, Retarget, Steering

# What the server says of an update that was taken by a rollout that then ended.
_ENDED_BEFORE_THE_ANSWER = "AcceptedUpdateCompletedWorkflow"
_ENDED = (_ENDED_BEFORE_THE_ANSWER, OVER)


class NotTakenError(Exception):
    """The rollout does not take a message; says why, and what to do instead."""


async def update(
    handle: WorkflowHandle[Any, Any],
    name: str,
    message: Steering | Retarget,
    patience: timedelta,
    *,
    request: str | None = None,
) -> str:
    """Send a message; the answer, empty if the rollout has ended before it.

    `request`: what is sent again under this name is one and the same for the server. Raises TimeoutError (it may have
    arrived all the same), NotTakenError, RPCError.
    """
    asking = handle.execute_update(name, message, id=request, result_type=str, rpc_timeout=patience)
    try:
        # Once it is taken, the client itself waits for the answer for ever.
        return await _within(patience, asking)
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise TimeoutError(f"{name} is not answered within {patience.total_seconds():.0f} s") from error
    except WorkflowUpdateFailedError as failed:
        if isinstance(failed.cause, ApplicationError) and failed.cause.type in _ENDED:
            return ""
        raise NotTakenError(getattr(failed.cause, "message", str(failed.cause))) from failed


async def _within(patience: timedelta, asking: Coroutine[Any, Any, str]) -> str:
    """An answer. Raises TimeoutError.

    The client makes an error of its own of being cancelled; whoever cancels this must see that it was.
    """
    task = asyncio.create_task(asking)
    try:
        await asyncio.wait({task}, timeout=patience.total_seconds())
        if not task.done():
            raise TimeoutError
    finally:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        task.cancel()
    return task.result()
