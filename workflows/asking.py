"""Asking a rollout for something and having it answered: for those who steer one, not for workflow code."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError

from rollwright.workflows.contract import Retarget, Steering

# What the server says of an update that was taken by a rollout that then ended.
_ENDED_BEFORE_THE_ANSWER = "AcceptedUpdateCompletedWorkflow"


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
        # Once it is taken, the client itself waits for the answer for ever; and what ends that wait it tells by an
        # error of its own, so that only a task of its own lets the caller be cancelled.
        answer: str = await asyncio.wait_for(asyncio.ensure_future(asking), patience.total_seconds())
    except WorkflowUpdateRPCTimeoutOrCancelledError as error:
        raise TimeoutError(f"{name} is not answered within {patience.total_seconds():.0f} s") from error
    except WorkflowUpdateFailedError as failed:
        if isinstance(failed.cause, ApplicationError) and failed.cause.type == _ENDED_BEFORE_THE_ANSWER:
            return ""
        raise NotTakenError(getattr(failed.cause, "message", str(failed.cause))) from failed
    return answer
