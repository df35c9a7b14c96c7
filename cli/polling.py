"""The workers that a rollout needs, and whether they are there."""

import shlex
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from rollwright.cli.temporal import ANSWER, explained
from rollwright.workflows.contract import activity_queue

_POLLS_AGAIN_WITHIN = timedelta(minutes=2)
"""A worker asks anew for tasks each minute; the server goes on naming one that is gone for five."""


class Needed(NamedTuple):
    """Which workers a rollout needs."""

    task_queue: str
    cluster: str | None = None
    build: str = ""
    """Which it is pinned to, as DEPLOYMENT:ID; empty: to none."""

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

    In a queue of a cluster's own there are activities only; who takes them takes workflows, too.
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
    builds = (poller.deployment_options for poller in polling)
    return any(needed.build in ("", f"{found.deployment_name}:{found.build_id}") for found in builds)
