"""Checks of Temporal before a rollout: another open one, and a worker that would carry it out."""

import asyncio

from temporalio.client import Client, WorkflowExecutionStatus

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.outputs import Checked, Verdict
from rollwright.cli.polling import Needed, are_there
from rollwright.rollout.spec import Target

_CONNECTING_SECONDS = 10.0
_OTHER, _WORKER = "other rollout", "worker"


async def check(target: Target, task_queue: str) -> list[Checked]:
    """What Temporal knows; if it can't be asked, that."""
    try:
        async with asyncio.timeout(_CONNECTING_SECONDS):
            client = await temporal.connect()
    except CommandError as error:
        return [Checked(about=about, verdict=Verdict.NOT_CHECKED, what=error.what) for about in (_OTHER, _WORKER)]
    except TimeoutError:
        what = f"Temporal does not answer within {_CONNECTING_SECONDS:g} s"
        return [Checked(about=about, verdict=Verdict.NOT_CHECKED, what=what) for about in (_OTHER, _WORKER)]
    return [await _other(client, target), await _worker(client, Needed(task_queue, target.cluster))]


async def _other(client: Client, target: Target) -> Checked:
    rollout = target.workflow_id
    try:
        described = await temporal.look_up(client, target)
    except CommandError as error:
        return Checked(about=_OTHER, verdict=Verdict.NOT_CHECKED, what=error.what)
    if described is None or described.status is not WorkflowExecutionStatus.RUNNING:
        return Checked(about=_OTHER, verdict=Verdict.OK, what="none of this target is open")
    return Checked(
        about=_OTHER,
        verdict=Verdict.FAILED,
        what=f"{rollout} is open",
        todo=f"Follow it: rollwright watch {rollout}; or start with --on-conflict retarget, or queue.",
    )


async def _worker(client: Client, needed: Needed) -> Checked:
    try:
        served = await are_there(client, needed)
    except CommandError as error:
        return Checked(about=_WORKER, verdict=Verdict.NOT_CHECKED, what=error.what)
    if served:
        return Checked(about=_WORKER, verdict=Verdict.OK, what=f"one takes tasks from the queue {needed.queue}")
    return Checked(
        about=_WORKER,
        verdict=Verdict.FAILED,
        what=f"none takes tasks from the queue {needed.queue}, so the rollout would not begin",
        todo=f"Run one: {needed.command}; or plan with the --task-queue that has one.",
    )
