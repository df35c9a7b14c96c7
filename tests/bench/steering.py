"""How soon a message shows, whatever the rollout waits for."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part
from rollwright.workflows.contract import STATUS, Message, Phase, RolloutStatus
from tests.bench.case import LWS, Case
from tests.bench.reactions import percentiles
from tests.bench.site import site
from tests.bench.updates import Handle, create, start

_STEERED = Case("steered", 4, 1, 0, default_seconds=3.0)
_ROUNDS = 15
_SHOWN = {Message.PAUSE: Phase.PAUSED, Message.RESUME: Phase.PROGRESSING}
_DEADLINE_SECONDS = 60


async def measure_steering() -> dict[str, Any]:
    """Run one rollout to which something is said all the time, and abort it."""
    async with site("steering") as here, here.namespace("steering") as witness:
        await here.start_worker()
        await create(here, witness, LWS, "steered", _STEERED)
        handle = await start(here, witness, LWS, "steered", _STEERED)
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while (await handle.query(STATUS, result_type=RolloutStatus)).steps < 2:
                await asyncio.sleep(0.1)
        shown = await _shown_milliseconds(handle, here.cluster)
        began = time.perf_counter()
        await handle.signal(Message.ABORT, {"actor": "bench"})
        result = await asyncio.wait_for(handle.result(), _DEADLINE_SECONDS)
        seconds = time.perf_counter() - began
    return {
        "result": result.phase,
        "message_shown_ms": {when: percentiles(found) for when, found in shown.items()},
        "abort_to_result_seconds": round(seconds, 2),
    }


async def _shown_milliseconds(handle: Handle, cluster: DevCluster) -> dict[str, list[float]]:
    """From a message's sending until the status tells of it, with all well and with parts of the cluster away."""
    found = {"all is well": await _measure(handle)}
    async with _frozen(cluster, Part.API_SERVER):
        found["the API server is frozen"] = await _measure(handle)
    async with _frozen(cluster, Part.LWS_STAND_IN):
        found["the LWS controller is frozen"] = await _measure(handle)
    return found


async def _measure(handle: Handle) -> list[float]:
    return [await _shown(handle, message) for _ in range(_ROUNDS) for message in _SHOWN]


async def _shown(handle: Handle, message: Message) -> float:
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
