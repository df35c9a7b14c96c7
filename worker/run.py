"""The worker: takes workflow tasks, and activity tasks for the targets of one cluster."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.activities.connections import PLAIN_REACH, Reach
from rollwright.activities.messages import LONGEST_MUTATION
from rollwright.activities.recipients import Recipients
from rollwright.activities.rollout import RolloutActivities
from rollwright.activities.telling import TellingActivities
from rollwright.cluster.api import Api, connect
from rollwright.cluster.events import Events
from rollwright.cluster.probing import Prober
from rollwright.cluster.watching import Watches
from rollwright.worker import temporal
from rollwright.worker.follower import Follower
from rollwright.worker.policies import DEFAULT_PLACE, Place, Policies
from rollwright.worker.rollouts import Rollouts
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, activity_queue
from rollwright.workflows.rollout import RolloutWorkflow

_log = logging.getLogger(__name__)

# Every open rollout holds a slot by its wait; the default of 100 would stop all others from being steered.
_MOST_ACTIVITIES = 1000


def make_workers(
    client: Client,
    api: Api,
    watches: Watches,
    prober: Prober,
    task_queue: str,
    *,
    cluster: str | None = None,
    reach: Reach = PLAIN_REACH,
    recipients: Recipients | None = None,
) -> list[Worker]:
    """Everything registered: in two workers where the cluster has a name, as its activities have their own queue."""
    events = Events(api)
    activities = [
        *RolloutActivities(api, watches, prober, events, reach=reach).all(),
        *TellingActivities(events, recipients).all(),
    ]
    queue = activity_queue(task_queue, cluster)
    if queue == task_queue:
        return [_worker(client, queue, workflows=[RolloutWorkflow], activities=activities)]
    return [_worker(client, task_queue, workflows=[RolloutWorkflow]), _worker(client, queue, activities=activities)]


def _worker(
    client: Client,
    task_queue: str,
    *,
    workflows: Sequence[type] = (),
    activities: Sequence[Callable[..., object]] = (),
) -> Worker:
    """A dead workflow worker costs 10 s unless the sticky queue gives up sooner.

    The tests run the workflow in Temporal's sandbox, which refuses what couldn't be replayed; here it would only import
    the workflow's module anew for every rollout, and stand between it and Python, for more than half of its CPU time.
    """
    return Worker(
        client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=_MOST_ACTIVITIES,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        default_heartbeat_throttle_interval=timedelta(seconds=2),
        graceful_shutdown_timeout=LONGEST_MUTATION,
    )


async def run_worker(
    *,
    task_queue: str = DEFAULT_TASK_QUEUE,
    cluster: str | None = None,
    kubeconfig: str | None = None,
    context: str | None = None,
    profile: str | None = None,
    reach: Reach = PLAIN_REACH,
    notify: Path | None = None,
    follow: Sequence[str] = (),
    policies: Place = DEFAULT_PLACE,
) -> None:
    """Work until SIGTERM or SIGINT; then waits move to another worker at once and mutations are finished.

    `cluster`: the name of its cluster, where workers of several share a Temporal namespace.
    `notify`: the file that says whom to tell. `follow`: the namespaces whose targets are followed, by the policies of
    that place. Raises NotifyFileError if that can't be used, and what
    `temporal.connect` and `cluster.api.connect` raise.
    """
    recipients = Recipients(notify) if notify else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = await temporal.connect(profile)
    async with connect(kubeconfig, context) as api:
        watches, prober = Watches(api), Prober()
        try:
            async with AsyncExitStack() as stack:
                for worker in make_workers(
                    client, api, watches, prober, task_queue, cluster=cluster, reach=reach, recipients=recipients
                ):
                    await stack.enter_async_context(worker)
                    _log.info("taking tasks from the queue %s", worker.task_queue)
                rollouts = Rollouts(client, task_queue)
                async with _followed(follow, api, watches, rollouts, place=policies, cluster=cluster):
                    await stop.wait()
                _log.info("shutting down: waits move on, steps are finished")
        finally:
            await prober.close()
            await watches.close()


@asynccontextmanager
async def _followed(
    namespaces: Sequence[str], api: Api, watches: Watches, rollouts: Rollouts, *, place: Place, cluster: str | None
) -> AsyncIterator[None]:
    """A while in which the targets of these namespaces are followed."""
    events = Events(api)
    tasks = []
    for namespace in namespaces:
        policies = Policies(watches, place, namespace)
        follower = Follower(api, watches, events, rollouts, policies=policies, namespace=namespace, cluster=cluster)
        tasks.append(asyncio.create_task(follower.run(), name=f"follow {namespace}"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
