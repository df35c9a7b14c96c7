"""Reaction, cost and growth: one target or many, of few groups or many."""

import asyncio
from typing import Any

from tests.bench.case import LWS, Case
from tests.bench.fleet import Fleet, roll_out
from tests.bench.reactions import percentiles
from tests.bench.site import report, site

_EIGHT = Case(
    "8 groups that take 1 to 4.4 s to start, each another time, so that each readiness allows a step",
    8,
    2,
    1,
    {ordinal: 1.0 + 0.43 * (ordinal * 7 % 9) for ordinal in range(9)},
)
_RARELY = {
    50: Case("30 to 90 s of start-up, drawn", 8, 2, 1, drawn="30s-90s"),
    200: Case("120 to 300 s of start-up, drawn", 8, 2, 1, drawn="120s-300s"),
}
"""By how many at once: so few groups get ready a second that two cores can play the cluster, and wait for nobody."""
_ALONE = 5
_SIZES = (10, 100, 1000, 2000)


def _drawn(replicas: int) -> Case:
    return Case("1 to 5 s of start-up, drawn", replicas, "10%", "10%", drawn="1s-5s")


async def measure_reaction() -> dict[str, Any]:
    """From a readiness to the write it allows, with 1, 50 and 200 rollouts at once."""
    async with site("reaction") as here:
        await here.start_worker()
        async with here.namespace("alone") as witness:
            fleets = [await roll_out(here, witness, LWS, _EIGHT, 1, prefix=f"t{turn}") for turn in range(_ALONE)]
        reactions = [found for fleet in fleets for found in fleet.reactions]
        found = {"1": {"case": _EIGHT.name, **percentiles(reactions)}}
        for count, case in _RARELY.items():
            async with here.namespace(f"at-once-{count}") as witness:
                fleet = await roll_out(here, witness, LWS, case, count)
            found[str(count)] = {"case": case.name, **percentiles(fleet.reactions), **fleet.told()}
    return {"ready_to_patch_ms_by_rollouts_at_once": found}


async def measure_cost() -> dict[str, Any]:
    """What 100 rollouts of 8 groups cost, all at once."""
    async with site("cost") as here, here.namespace("cost") as witness:
        await here.start_worker()
        fleet = await roll_out(here, witness, LWS, _EIGHT, 100)
    return {**fleet.told(), "worker_cpu_seconds_per_100_rollouts": round(fleet.cpu_seconds, 1)}


async def measure_growth(sizes: tuple[int, ...] = _SIZES) -> dict[str, Any]:
    """One rollout of ever more groups, each with a worker of its own."""
    found = {}
    for size in sizes:
        async with site(f"growth-{size}") as here, here.namespace("growth") as witness:
            await here.start_worker()
            found[str(size)] = (await roll_out(here, witness, LWS, _drawn(size), 1)).told()
    return {"by_groups": found}


async def measure_fleet() -> dict[str, Any]:
    """200 rollouts of 8 groups by two workers, one of which is killed on the way."""
    async with site("fleet") as here, here.namespace("fleet") as witness:
        doomed, _ = await here.start_worker(), await here.start_worker()

        async def kill_one() -> None:
            await asyncio.sleep(10)
            report("a worker is killed")
            await doomed.kill()

        fleet: Fleet = await roll_out(here, witness, LWS, _EIGHT, 200, meanwhile=kill_one)
    return {**percentiles(fleet.reactions), **fleet.told()}
