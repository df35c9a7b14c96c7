"""The workers that a rollout needs, and whether they are there."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from rollwright.cli.temporal import ANSWER, explained
from rollwright.cli.text import one_line
from rollwright.worker import deployments
from rollwright.workflows.contract import activity_queue

_POLLS_AGAIN_WITHIN = timedelta(minutes=2)
"""A worker asks anew for tasks each minute; the server goes on naming one that is gone for five."""


class Needed(NamedTuple):
    """Which workers a rollout needs."""

    task_queue: str
    cluster: str | None = None
    build: str = ""
    """Which it is pinned to, as DEPLOYMENT:ID; empty: to none, so it goes to the current one, or to workers of none."""

    @property
    def queue(self) -> str:
        """Where they take its steps from."""
        return activity_queue(self.task_queue, self.cluster)

    @property
    def command(self) -> str:
        """What starts one."""
        deployment, _, build_id = self.build.partition(":")
        cluster = ["--cluster", self.cluster] if self.cluster else []
        build = [f"--deployment={deployment}", f"--build-id={build_id}"] if self.build else []
        return shlex.join(["rollwright", "worker", "--task-queue", self.task_queue, *cluster, *build])


async def are_there(client: Client, needed: Needed) -> bool:
    """Whether there is one of these workers. Raises CommandError.

    Where it is on no build, workers of one that isn't current don't count. In a queue of a cluster's own there are
    activities only; who takes them takes workflows, too.
    """
    in_own_queue = needed.queue != needed.task_queue
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=needed.queue),
        task_queue_type=(
            TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY if in_own_queue else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        ),
    )
    with explained(f"the task queue {needed.queue} can't be looked up"):
        answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER)
    oldest = datetime.now(UTC) - _POLLS_AGAIN_WITHIN
    polling = [poller for poller in answer.pollers if poller.last_access_time.ToDatetime(UTC) >= oldest]
    builds = {(found.deployment_options.deployment_name, found.deployment_options.build_id) for found in polling}
    if needed.build:
        return needed.build in {f"{deployment}:{build}" for deployment, build in builds}
    return any([not build or await _is_current(client, deployment, build) for deployment, build in builds])


async def _is_current(client: Client, deployment: str, build: str) -> bool:
    """Whether what is on no build goes to this one."""
    with explained(f"the builds of {one_line(deployment)} can't be told"):
        known = await deployments.describe(client, deployment)
    return known is not None and known.current == build
