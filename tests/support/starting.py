"""Rollouts as tests start them."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.common import TypedSearchAttributes
from temporalio.exceptions import WorkflowAlreadyStartedError

from rollwright.workflows.contract import WORKFLOW_TYPE, RolloutInput, RolloutStatus

Handle = WorkflowHandle[Any, RolloutStatus]


async def started(
    server: Client, given: RolloutInput, search_attributes: TypedSearchAttributes | None = None
) -> Handle:
    """Start it as the command line does.

    A busy server may tell a result a moment before it takes another rollout of the same target.
    """
    async with asyncio.timeout(20):
        while True:
            with suppress(WorkflowAlreadyStartedError):
                return await server.start_workflow(
                    WORKFLOW_TYPE,
                    given,
                    id=given.spec.target.workflow_id,
                    task_queue=given.task_queue,
                    result_type=RolloutStatus,
                    task_timeout=timedelta(seconds=5),
                    search_attributes=search_attributes,
                )
            await asyncio.sleep(0.05)
