"""How a worker is observed from outside: its metrics and its health, each at an address of its own, if any."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import aiohttp
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from temporalio.client import Client
from temporalio.worker import Worker

from rollwright.cluster.api import Api
from rollwright.cluster.watching import Watches
from rollwright.worker.beside import beside
from rollwright.worker.census import Census
from rollwright.worker.cluster_reach import ClusterReach
from rollwright.worker.endpoints import Address, Handler, served
from rollwright.worker.health import Health
from rollwright.worker.meters import Meters
from rollwright.worker.sdk import SdkMetrics, set_up

_log = logging.getLogger(__name__)
_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Endpoints(NamedTuple):
    """Where a worker is to be observed; None: not at all."""

    metrics: Address | None = None
    health: Address | None = None


NO_ENDPOINTS = Endpoints()


class Observed:
    """What is told of one worker. Made before anything connects to Temporal."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.meters = Meters()
        self._endpoints = endpoints
        self._sdk = set_up(metrics=endpoints.metrics is not None)

    @asynccontextmanager
    async def served(
        self, workers: Sequence[Worker], client: Client, task_queue: str, *, api: Api, watches: Watches
    ) -> AsyncIterator[None]:
        """A while in which it is told. Raises EndpointError."""
        async with AsyncExitStack() as stack:
            if self._endpoints.health:
                health = Health(workers, client, watches)
                at = await stack.enter_async_context(served(self._endpoints.health, health.handlers))
                _log.info("health is told at http://%s/healthz and /readyz", at)
            if self._endpoints.metrics and self._sdk:
                registry, census = self.meters.registry, Census(client, task_queue)
                registry.register(census)
                registry.register(ClusterReach(api, watches))
                at = await stack.enter_async_context(served(self._endpoints.metrics, _metrics(registry, self._sdk)))
                await stack.enter_async_context(beside({"census": census.keep}))
                _log.info("metrics are at http://%s/metrics", at)
            yield


def _metrics(registry: CollectorRegistry, sdk: SdkMetrics) -> dict[str, Handler]:
    async def metrics(_: web.Request) -> web.Response:
        own = generate_latest(registry)
        try:
            others = await sdk.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("Temporal's SDK does not tell its metrics: %s", error)
            others = b""
        return web.Response(body=own + others, headers={"Content-Type": _TEXT})

    return {"/metrics": metrics}
