"""Many rounds, some at a time, on one cluster and one Temporal server."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from tests.chaos.plan import Plan
from tests.chaos.site import Site
from tests.chaos.verdict import Outcome, Verdict, hold
from tests.e2e.processes import TemporalServer

Report = Callable[[str], None]


@asynccontextmanager
async def site(cluster: DevCluster, server: TemporalServer) -> AsyncIterator[Site]:
    """A place for rounds."""
    async with await new_client_from_config(str(cluster.kubeconfig), persist_config=False) as api:
        yield Site(cluster, server, await server.client(), api)


@asynccontextmanager
async def own_site(binary: Path, folder: Path) -> AsyncIterator[Site]:
    """A cluster and a server of its own."""
    server = TemporalServer(binary, folder)
    cluster = await DevCluster.up(f"chaos-{os.getpid()}")
    try:
        await server.start()
        async with site(cluster, server) as place:
            yield place
        await server.kill()
    finally:
        await cluster.down()


async def play(
    plans: Iterable[Plan], place: Site, folder: Path, *, lanes: int, report: Report, at_length: bool = False
) -> list[Verdict]:
    """Play all rounds, so many at a time; tell of each when it is over, and at length of those that went wrong."""
    waiting = list(plans)[::-1]
    verdicts: list[Verdict] = []

    async def lane() -> None:
        while waiting:
            plan = waiting.pop()
            try:
                verdict = await hold(plan, place, folder / str(plan.seed))
            except Exception as error:
                error.add_note(f"in the round with seed {plan.seed}")
                raise
            verdicts.append(verdict)
            report(told(verdict) if at_length or verdict.outcome is not Outcome.FINE else line(verdict))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(lanes):
            tasks.create_task(lane())
    return verdicts


def line(verdict: Verdict) -> str:
    """A round in one line."""
    plan = verdict.plan
    what = ", ".join(f"{kind} {times}" if times > 1 else kind for kind, times in verdict.kinds.items())
    return (
        f"seed {plan.seed}: {verdict.outcome}, {verdict.end or 'no end'} after {verdict.seconds} s "
        f"({plan.replicas} groups of {plan.size}{': ' if what else ''}{what})"
    )


def told(verdict: Verdict) -> str:
    """A round at length."""
    parts = [
        ("what it waits for" if verdict.outcome is Outcome.STUCK else "what is wrong", verdict.findings),
        ("what happened", verdict.happened),
        ("what was seen", verdict.seen),
        ("the plan, as it happened", [verdict.plan.to_json()]),
    ]
    return "\n".join([line(verdict), *(text for head, lines in parts if lines for text in (f"-- {head}:", *lines))])


def summary(verdicts: list[Verdict], seconds: float) -> dict[str, Any]:
    """All rounds in numbers."""
    slowest = max(verdicts, key=lambda verdict: verdict.seconds)
    return {
        "rounds": len(verdicts),
        "outcomes": _total(Counter([verdict.outcome]) for verdict in verdicts),
        "ends": _total(Counter([verdict.end]) for verdict in verdicts),
        "happened": _total(verdict.kinds for verdict in verdicts),
        "leaders_taken_down": _total(verdict.taken_down for verdict in verdicts),
        "groups_lost_by_themselves": sum(verdict.losses for verdict in verdicts),
        "steps_excused": sum(verdict.excused for verdict in verdicts),
        "certain_beyond_promised_min": min(verdict.spare_min for verdict in verdicts),
        "slowest": {"seed": slowest.plan.seed, "seconds": slowest.seconds},
        "seconds": round(seconds, 1),
        "failing_seeds": sorted(verdict.plan.seed for verdict in verdicts if verdict.outcome is not Outcome.FINE),
    }


def _total(counts: Iterable[Mapping[Any, int]]) -> dict[str, int]:
    total = Counter[str]()
    for count in counts:
        total.update({str(key): times for key, times in count.items()})
    return dict(sorted(total.items()))
