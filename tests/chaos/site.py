"""What the rounds of a run share: a cluster, a Temporal server, and what is taken away from all of them for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException
from temporalio.client import Client, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part
from tests.chaos.plan import Kind
from tests.e2e.processes import TemporalServer

Value = TypeVar("Value")
_AGAIN_AFTER_SECONDS = 0.2
_LONGEST_SECONDS = 90.0


class Outage(NamedTuple):
    """Something that all rounds need was away."""

    kind: Kind
    began: float
    ended: float
    seconds: float
    """How long it was not even started again."""
    seed: int
    """Of the round whose plan asked for it."""


@dataclass
class Site:
    """Where rounds take place."""

    cluster: DevCluster
    server: TemporalServer
    client: Client
    api: ApiClient
    outages: list[Outage] = field(default_factory=list)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take_away(self, kind: Kind, seconds: float, seed: int) -> None:
        """Kill it and start it again after a while."""
        async with self._one_at_a_time:
            began = time.time()
            match kind:
                case Kind.RESTART_TEMPORAL:
                    await self.server.kill()
                    await asyncio.sleep(seconds)
                    await self.server.start()
                case Kind.RESTART_API_SERVER:
                    await self._restart(Part.API_SERVER, seconds)
                    # Alone they come back after up to a minute, which is not what is tried here.
                    for part in (Part.CONTROLLER_MANAGER, Part.SCHEDULER, Part.KWOK):
                        await self._restart(part)
                case _:
                    await self._restart(Part.LWS_STAND_IN, seconds)
            self.outages.append(Outage(kind, began, time.time(), seconds, seed))

    async def _restart(self, part: Part, seconds: float = 0.0) -> None:
        await self.cluster.stop_part(part)
        await asyncio.sleep(seconds)
        await self.cluster.start_part(part)


async def persistently(call: Callable[[], Awaitable[Value]]) -> Value:
    """Call until it is answered: the API server or Temporal may be away."""
    async with asyncio.timeout(_LONGEST_SECONDS):
        while True:
            try:
                return await call()
            except ApiException as error:
                if error.status is not None and error.status < 500 and error.status != 429:
                    raise
            except RPCError as error:
                if error.status.name in ("NOT_FOUND", "ALREADY_EXISTS", "INVALID_ARGUMENT", "FAILED_PRECONDITION"):
                    raise
            except (aiohttp.ClientError, OSError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
                pass
            await asyncio.sleep(_AGAIN_AFTER_SECONDS)
