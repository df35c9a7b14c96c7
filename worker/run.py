"""The worker: takes workflow tasks, and activity tasks for the targets of one cluster."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from rollwright.activities.recipients import Recipients
from rollwright.cluster.api import connect
from rollwright.cluster.events import Events
from rollwright.cluster.probing import Prober
from rollwright.cluster.watching import Watches
from rollwright.worker import temporal
from rollwright.worker.beside import Work, beside
from rollwright.worker.follower import Follower
from rollwright.worker.making import Parts, make_workers
from rollwright.worker.observing import Observed
from rollwright.worker.permissions import tell_missing
from rollwright.worker.policies import Policies
from rollwright.worker.rollouts import Rollouts
from rollwright.worker.settings import Settings
from rollwright.worker.versions import accompanied

_log = logging.getLogger(__name__)


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; then waits move to another worker at once and mutations are finished.

    Raises NotifyFileError and EndpointError if what is to be used for those can't be, and what `temporal.connect` and
    `cluster.api.connect` raise.
    """
    recipients = Recipients(settings.notify) if settings.notify else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    observed = Observed(settings.endpoints)
    client = await temporal.connect()
    async with connect(settings.kubeconfig, settings.context) as api:
        watches, prober = Watches(api), Prober()
        parts = Parts(client, api, watches, prober, recipients, observed.meters)
        try:
            rights = partial(tell_missing, api, settings.targets, follow=settings.follow, policies=settings.policies)
            others = beside({"permissions": rights, **_followers(parts, settings)})
            builds = accompanied(client, settings.versioned, parts.succession)
            async with _working(parts, settings, observed), builds, others:
                await stop.wait()
                _log.info("shutting down: waits move on, steps are finished")
        finally:
            await prober.close()
            await watches.close()


@asynccontextmanager
async def _working(parts: Parts, settings: Settings, observed: Observed) -> AsyncIterator[None]:
    """A while in which tasks are taken."""
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(worker) for worker in make_workers(parts, settings)]
        await stack.enter_async_context(
            observed.served(workers, parts.client, settings.task_queue, api=parts.api, watches=parts.watches)
        )
        for worker in workers:
            _log.info("taking tasks from the queue %s", worker.task_queue)
        yield


def _followers(parts: Parts, settings: Settings) -> dict[str, Work]:
    """One for each namespace whose targets are followed, by what it is called."""
    events, rollouts = Events(parts.api), Rollouts(parts.client, settings.task_queue)
    return {
        f"follow {namespace}": Follower(
            parts.api,
            parts.watches,
            events,
            rollouts,
            policies=Policies(parts.watches, settings.policies, namespace),
            namespace=namespace,
            cluster=settings.cluster,
        ).run
        for namespace in settings.follow
    }
