"""How soon a message shows, whatever the rollout waits for: part of `make bench`."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import WorkflowHandle

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part
from rollwright.workflows.contract import STATUS, Message, Phase, RolloutStatus

_ROUNDS = 15
_SHOWN = {Message.PAUSE: Phase.PAUSED, Message.RESUME: Phase.PROGRESSING}
_DEADLINE_SECONDS = 60


async def shown_milliseconds(handle: WorkflowHandle[Any, RolloutStatus], cluster: DevCluster) -> dict[str, list[float]]:
    """From a message's sending until the status tells of it, with all well and with parts of the cluster away."""
    found = {"all is well": await _measure(handle)}
    async with _frozen(cluster, Part.API_SERVER):
        found["the API server is frozen"] = await _measure(handle)
    async with _frozen(cluster, Part.LWS_STAND_IN):
        found["the LWS controller is frozen"] = await _measure(handle)
    return found


async def _measure(handle: WorkflowHandle[Any, RolloutStatus]) -> list[float]:
    return [await _shown(handle, message) for _ in range(_ROUNDS) for message in _SHOWN]


async def _shown(handle: WorkflowHandle[Any, RolloutStatus], message: Message) -> float:
    began = time.perf_counter()
    await handle.signal(message, {"actor": "bench"})
    while time.perf_counter() - began < _DEADLINE_SECONDS:
        status: RolloutStatus = await handle.query(STATUS, result_type=RolloutStatus)
        if status.events and status.events[-1].what.startswith(message) and status.phase is _SHOWN[message]:
            return 1000 * (time.perf_counter() - began)
    raise TimeoutError(f"{message} does not show")


@asynccontextmanager
async def _frozen(cluster: DevCluster, part: Part) -> AsyncIterator[None]:
    cluster.freeze_part(part)
    try:
        yield
    finally:
        cluster.thaw_part(part)
