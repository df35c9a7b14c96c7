"""A rollout on a Temporal server that skips time, with a simulated cluster."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import STEER, WORKFLOW_TYPE, Phase, RolloutInput, RolloutStatus
from rollwright.workflows.rollout import RolloutWorkflow
from tests.support.fakes import FakeCluster

Handle = WorkflowHandle[Any, RolloutStatus]
TWO_TWO = Strategy(max_unavailable=2, max_surge=2)


@asynccontextmanager
async def rollout(
    server: WorkflowEnvironment, cluster: FakeCluster, strategy: Strategy = TWO_TWO, *, sandboxed: bool = True
) -> AsyncIterator[Handle]:
    """A started rollout and a worker that plays its cluster.

    `sandboxed`: what can't be replayed is refused. Otherwise the workflow's module is the test's own, whose constants
    may be patched.
    """
    queue = str(uuid.uuid4())
    spec = RolloutSpec(target=Target(name="llm"), change=Change(images={"model": "m:new"}), strategy=strategy)
    async with Worker(
        server.client,
        task_queue=queue,
        workflows=[RolloutWorkflow],
        activities=cluster.activities(),
        workflow_runner=SandboxedWorkflowRunner() if sandboxed else UnsandboxedWorkflowRunner(),
        max_heartbeat_throttle_interval=timedelta(seconds=0.1),
    ):
        yield await server.client.start_workflow(
            WORKFLOW_TYPE,
            RolloutInput(spec=spec, task_queue=queue),
            id=queue,
            task_queue=queue,
            result_type=RolloutStatus,
        )


async def status(handle: Handle) -> RolloutStatus:
    answer: RolloutStatus = await handle.query("status", result_type=RolloutStatus)
    return answer


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that must come: each start-up that is skipped costs about a second."""
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.02)


async def until_phase(handle: Handle, phase: Phase) -> None:
    async def reached() -> bool:
        return (await status(handle)).phase is phase

    await until(reached)


async def steps(cluster: FakeCluster, number: int) -> None:
    """Wait until so many steps are taken."""

    async def taken() -> bool:
        return len(cluster.steps) >= number

    await until(taken)


async def steer(handle: Handle, message: str, **fields: Any) -> str:
    """Send a message by update, as ada; the answer."""
    answer: str = await handle.execute_update(STEER, {"message": message, "actor": "ada"} | fields)
    return answer


async def refusal(handle: Handle, message: str, **fields: Any) -> str:
    """Why a message is not taken."""
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await steer(handle, message, **fields)
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.message
