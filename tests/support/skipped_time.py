"""A rollout on a Temporal server that skips time, with a simulated cluster."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import WORKFLOW_TYPE, Phase, RolloutInput, RolloutStatus
from rollwright.workflows.rollout import RolloutWorkflow
from tests.support.fakes import FakeCluster

Handle = WorkflowHandle[Any, RolloutStatus]
TWO_TWO = Strategy(max_unavailable=2, max_surge=2)


@asynccontextmanager
async def rollout(
    server: WorkflowEnvironment, cluster: FakeCluster, strategy: Strategy = TWO_TWO
) -> AsyncIterator[Handle]:
    """A started rollout and a worker that plays its cluster."""
    queue = str(uuid.uuid4())
    spec = RolloutSpec(target=Target(name="llm"), change=Change(images={"model": "m:new"}), strategy=strategy)
    async with Worker(server.client, task_queue=queue, workflows=[RolloutWorkflow], activities=cluster.activities()):
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
    """Wait for something that must come."""
    async with asyncio.timeout(20):
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
