"""Whether a rollout has ended in the state that was asked for, once its pods have settled."""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime

from rollwright.workflows.contract import RolloutStatus
from tests.chaos.differences import Past, differences, gone_through
from tests.chaos.expectation import End, as_taken, ends
from tests.chaos.plan import MOST_REPLICAS
from tests.chaos.round import Round
from tests.chaos.site import persistently

_SETTLED_SECONDS = 45.0
_QUIET_SECONDS = 1.5
_AGAIN_AFTER_SECONDS = 0.3


async def wrong_end(played: Round, result: RolloutStatus) -> list[str]:
    """What is wrong about the end, in words. Pods deleted last have a while to be back, and then it must stay so."""
    right = ends(played.plan, as_taken(played.told, result.events), 2 * MOST_REPLICAS)
    candidates = [end for end in right if end.phase is result.phase]
    if not candidates:
        return [f"ended {result.phase} ({result.reason}), where {_words(right)} was asked for"]
    await persistently(played.seen.catch_up)
    decided = datetime.fromisoformat(result.finished_at).timestamp()
    past = gone_through(played.seen.frames(), played.looked_since(decided))
    deadline = time.time() + _SETTLED_SECONDS
    while True:
        found = await _differences(played, candidates, past)
        if not found:
            await asyncio.sleep(_QUIET_SECONDS)
            found = await _differences(played, candidates, past)
        if not found or time.time() > deadline:
            return found
        await asyncio.sleep(_AGAIN_AFTER_SECONDS)


def _words(right: Iterable[End]) -> str:
    return " or ".join(sorted(f"{end.phase} with version {end.version}" for end in right))


async def _differences(played: Round, candidates: list[End], past: Past) -> list[str]:
    """How what there is differs from the candidate that comes nearest."""
    lws, pods = await played.target.lws(), await played.target.pods()
    found = [differences(played.plan, end, past, lws, pods) for end in candidates]
    return min(found, key=len)
