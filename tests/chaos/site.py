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
from tests.support.restarts import restart_clients

Value = TypeVar("Value")
_AGAIN_AFTER_SECONDS = 0.2
_LONGEST_SECONDS = 90.0
_NO_ANSWER = (
    ApiException,
    RPCError,
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
# Not FAILED_PRECONDITION: an update that meets a workflow task that fails, its commands being late, is lost.
_REFUSALS = ("NOT_FOUND", "ALREADY_EXISTS", "INVALID_ARGUMENT")
_PARTS = {Kind.RESTART_API_SERVER: Part.API_SERVER, Kind.RESTART_STAND_IN: Part.LWS_STAND_IN}


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
        """Kill it and start it again after a while. It is back whatever becomes of the round that asked for this."""
        async with self._one_at_a_time:
            began = time.time()
            try:
                await self._kill(kind)
                await asyncio.sleep(seconds)
            finally:
                await self._bring_back(kind)
                self.outages.append(Outage(kind, began, time.time(), seconds, seed))

    async def _kill(self, kind: Kind) -> None:
        if kind is Kind.RESTART_TEMPORAL:
            await self.server.kill()
        else:
            await self.cluster.stop_part(_PARTS[kind])

    async def _bring_back(self, kind: Kind) -> None:
        if kind is Kind.RESTART_TEMPORAL:
            await self.server.start()
            return
        await self.cluster.start_part(_PARTS[kind])
        if kind is Kind.RESTART_API_SERVER:
            await restart_clients(self.cluster)  # how they come back alone is not what is tried here


async def persistently(call: Callable[[], Awaitable[Value]]) -> Value:
    """Call until it is answered: the API server or Temporal may be away. Raises TimeoutError if it never is."""
    last: Exception | None = None
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            while True:
                try:
                    return await call()
                except _NO_ANSWER as error:
                    if not _may_be_away(error):
                        raise
                    last = error
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)
    except TimeoutError:
        raise TimeoutError(f"no answer in {_LONGEST_SECONDS} s; what came last: {last!r}") from last


def _may_be_away(error: Exception) -> bool:
    """Whether it is a want of an answer, and not a refusal."""
    match error:
        case ApiException():
            return error.status is None or error.status >= 500 or error.status == 429
        case RPCError():
            return error.status.name not in _REFUSALS
        case _:
            return True
