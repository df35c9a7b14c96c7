"""`make bench`: how long rollouts take, how fast they react, what they cost, and how that grows, on the real parts.

`python -m tests.bench [--only NAME]` prints one JSON object on stdout, and tells on stderr what it does. Times come
from one process that watches the API server. They depend on the machine: compare within a run.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from tests.bench import pacing
from tests.bench.command import measure_command
from tests.bench.makespan import measure_makespan, measure_stragglers
from tests.bench.scale import measure_cost, measure_fleet, measure_growth, measure_reaction
from tests.bench.site import report
from tests.bench.steering import measure_steering

Part = Callable[[], Awaitable[dict[str, Any]]]

_PACING_CASES = 2000


async def measure_pacing() -> dict[str, Any]:
    """Ordered against eager in virtual time, over many budgets and start-up times: a cluster could play few of them."""
    return pacing.compare(_PACING_CASES, seed=1)


PARTS: dict[str, Part] = {
    "command": measure_command,
    "stragglers": measure_stragglers,
    "makespan": measure_makespan,
    "pacing": measure_pacing,
    "reaction": measure_reaction,
    "cost": measure_cost,
    "growth": measure_growth,
    "fleet": measure_fleet,
    "steering": measure_steering,
}


async def measure(names: list[str]) -> dict[str, Any]:
    """Run parts one after another."""
    found = {}
    for name in names:
        began, (load, *_) = time.perf_counter(), os.getloadavg()
        report(f"{name}: the load before it is {load:.1f} on {os.cpu_count()} cores")
        found[name] = {"load_before": round(load, 1), **await PARTS[name]()}
        report(f"{name}: measured in {time.perf_counter() - began:.0f} s")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS)
    only = parser.parse_args().only
    # What children print to stdout goes to stderr.
    stdout = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    found = asyncio.run(measure([only] if only else list(PARTS)))
    machine = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    with stdout:
        print(json.dumps({**machine, **(found[only] if only else found)}, indent=2), file=stdout)


if __name__ == "__main__":
    main()
