"""What somebody may do in a Temporal namespace, found out by requests that nothing comes of.

Each lacks what it takes: a server that has let it in refuses it for that, and one that hasn't says so first.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    PollWorkflowTaskQueueRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cli.outputs import Checked, Verdict
from rollwright.cli.temporal import ANSWER

DENIED = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED, RPCStatusCode.UNIMPLEMENTED)
"""The last is what Temporal Cloud may say of what is done by its own command line."""


async def rights(client: Client) -> list[Checked]:
    """Of whoever is connected."""
    return [await _right(right) for right in _all(client)]


class _Right(NamedTuple):
    """One of them, the verbs that it is for, and a call that takes it."""

    about: str
    verbs: str
    ask: Callable[[], Awaitable[object]]
    is_needed: bool = False


def _all(client: Client) -> list[_Right]:
    service, name = client.workflow_service, client.namespace

    def asking(call: Any, request: type[Any]) -> Callable[[], Awaitable[object]]:
        return partial(call, request(namespace=name), timeout=ANSWER)

    return [
        _Right(
            "view",
            "list, status, watch, report",
            asking(service.count_workflow_executions, CountWorkflowExecutionsRequest),
            is_needed=True,
        ),
        _Right(
            "steer",
            "pause, approve, rollback and the like",
            asking(service.signal_workflow_execution, SignalWorkflowExecutionRequest),
        ),
        _Right("start", "start, undo", asking(service.start_workflow_execution, StartWorkflowExecutionRequest)),
        _Right("work", "worker", asking(service.poll_workflow_task_queue, PollWorkflowTaskQueueRequest)),
    ]


async def _right(right: _Right) -> Checked:
    about = f"may {right.about}"
    try:
        await right.ask()
    except RPCError as error:
        if error.status in DENIED:
            return Checked(
                about=about,
                verdict=Verdict.FAILED if right.is_needed else Verdict.WARNING,
                what=f"you may not ({right.verbs}): {error.message}",
                todo="docs/temporal.md says which role it takes.",
            )
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:
            return Checked(about=about, verdict=Verdict.NOT_CHECKED, what=f"Temporal answers: {error.message}")
    return Checked(about=about, verdict=Verdict.OK, what=f"you may ({right.verbs})")
