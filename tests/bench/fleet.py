"""Many rollouts at once: what they cost, how fast they react, and whether each keeps its promise."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from rollwright.rollout.spec import Pacing
from tests.bench.case import Case, TargetKind
from tests.bench.reactions import Reactions
from tests.bench.site import Site, report
from tests.bench.updates import History, completed, create, history, start
from tests.bench.witness import Witness

_AT_ONCE = 50
"""So many targets are made at a time: all at once they would only wait for each other."""


@dataclass(frozen=True)
class Fleet:
    """What so many rollouts of one case, all at once, came to."""

    case: Case
    count: int
    seconds: float
    """Until the last of them has ended."""
    kept: int
    """How many kept their promise, as the witness saw."""
    histories: list[History]
    cpu_seconds: float
    """Of all workers that lasted."""
    peak_bytes: int
    """Of the worker that held most."""
    requests: Counter[str]
    """To the API server, of all workers that lasted."""
    reactions: list[float] = field(repr=False)
    """Milliseconds."""

    @property
    def groups(self) -> int:
        return self.count * self.case.replicas

    def told(self) -> dict[str, Any]:
        return {
            "rollouts": self.count,
            "groups_each": self.case.replicas,
            "seconds": round(self.seconds, 1),
            "promises_kept": self.kept,
            "cost": self.cost,
        }

    @property
    def cost(self) -> dict[str, Any]:
        activities: Counter[str] = sum((one.activities for one in self.histories), Counter())
        events, size = sum(one.events for one in self.histories), sum(one.bytes for one in self.histories)
        requests = sum(self.requests.values())
        totals = {
            "events": events,
            "activities": activities.total(),
            "history_bytes": size,
            "api_requests": requests,
            "worker_cpu_ms": 1000 * self.cpu_seconds,
        }
        return {
            "per_rollout": {name: round(total / self.count, 1) for name, total in totals.items()},
            "per_group": {name: round(total / self.groups, 2) for name, total in totals.items()},
            "api_requests": dict(sorted(self.requests.items())),
            "activities": dict(sorted(activities.items())),
            "runs_most": max(one.runs for one in self.histories),
            "events_most_in_a_run": max(one.events_longest for one in self.histories),
            "bytes_most_in_a_run": max(one.bytes_longest for one in self.histories),
            "bytes_most_in_an_event": max(one.largest_event_bytes for one in self.histories),
            "workflow_tasks_timed_out": sum(one.timed_out for one in self.histories),
            "activity_retries": sum(one.retries for one in self.histories),
            "worker_peak_mib": round(self.peak_bytes / 2**20, 1),
        }


async def roll_out(
    site: Site,
    witness: Witness,
    kind: TargetKind,
    case: Case,
    count: int,
    *,
    prefix: str = "t",
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> Fleet:
    """Make so many targets and update all of them at once. `meanwhile`: what else happens once they have begun."""
    names = [f"{prefix}-{number}" for number in range(count)]
    await _create_all(site, witness, kind, names, case)
    report(f"{count} of {case.replicas} groups: made")
    reactions = Reactions(site.api, kind, witness)
    following = asyncio.create_task(reactions.follow())
    await reactions.listed.wait()
    before = [await worker.usage() for worker in site.workers]
    for name in names:
        witness.seen[name].begin()
    began = time.perf_counter()
    handles = await asyncio.gather(*(start(site, witness, kind, name, case, Pacing.EAGER) for name in names))
    report(f"{count} of {case.replicas} groups: begun after {time.perf_counter() - began:.1f} s")
    if meanwhile:
        await meanwhile()
    await asyncio.gather(*(completed(handle) for handle in handles))
    seconds = time.perf_counter() - began
    following.cancel()
    report(f"{count} of {case.replicas} groups: done after {seconds:.1f} s")
    seen = [witness.seen[name] for name in names]
    kept = [one for one in seen if one.fewest >= case.budget.floor and one.most <= case.budget.ceiling]
    lasting = [pair for pair in zip(site.workers, before, strict=True) if pair[0].process.returncode is None]
    used = [(await worker.usage(), earlier) for worker, earlier in lasting]
    return Fleet(
        case=case,
        count=count,
        seconds=seconds,
        kept=len(kept),
        histories=[await history(site, handle) for handle in handles],
        cpu_seconds=sum(now.cpu_seconds - earlier.cpu_seconds for now, earlier in used),
        peak_bytes=max(worker.peak_bytes for worker, _ in lasting),
        requests=sum((now.requests - earlier.requests for now, earlier in used), Counter()),
        reactions=reactions.milliseconds,
    )


async def _create_all(site: Site, witness: Witness, kind: TargetKind, names: list[str], case: Case) -> None:
    for first in range(0, len(names), _AT_ONCE):
        await asyncio.gather(*(create(site, witness, kind, name, case) for name in names[first : first + _AT_ONCE]))
