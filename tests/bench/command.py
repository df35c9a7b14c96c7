"""How long the command line itself takes, before any server or cluster is asked."""

import asyncio
import resource
import statistics
import sys
import time
from typing import Any

_RUNS = 9
_COMMANDS = {"help": ["--help"], "help of a verb": ["status", "--help"]}


async def measure_command() -> dict[str, Any]:
    """From the start of the process to its end; on a busy machine the processor's time tells more than the clock's."""
    return {name: await _measure(arguments) for name, arguments in _COMMANDS.items()}


async def _measure(arguments: list[str]) -> dict[str, float]:
    seconds, processor_seconds = [], []
    for _ in range(_RUNS):
        began, used = time.perf_counter(), _used()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rollwright.cli.main", *arguments), stdout=asyncio.subprocess.DEVNULL
        )
        assert await process.wait() == 0
        seconds.append(time.perf_counter() - began)
        processor_seconds.append(_used() - used)
    return {
        "median_seconds": round(statistics.median(seconds), 3),
        "most_seconds": round(max(seconds), 3),
        "median_processor_seconds": round(statistics.median(processor_seconds), 3),
    }


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
