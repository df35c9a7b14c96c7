"""The wait: follows the shared watches, and returns when the planner would act or there is something to show."""

import asyncio
import time
from contextlib import suppress
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from rollwright.activities.messages import Sight, WaitReadiness
from rollwright.cluster.errors import TemporaryError
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LeaderWorkerSet
from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Blocked, Step, Verdict, Wait, plan

_LOOK_EVERY_SECONDS = 1.0
"""Also without a change: blips end and heartbeats are due."""
_PATIENCE_SECONDS = 5.0
"""How long trouble, or a write that isn't taken up, may last before people are told."""
_SURGE_PATIENCE = timedelta(seconds=60)
"""How long a surge group may look for a node before the rollout goes on without it."""
_MOVING_ON = "this worker is shutting down, another one goes on"


class Waiter:
    """One wait on one target."""

    def __init__(self, target: LeaderWorkerSet, request: WaitReadiness) -> None:
        self._target = target
        self._request = request
        self._available_min: int | None = None
        self._surge_limit: int | None = None
        self._began = time.monotonic()
        self._trouble = ""
        self._trouble_began = self._began

    async def wait(self) -> Sight:
        """Return what is worth waking the workflow for. Raises ClusterError; moves on when the worker stops."""
        following = asyncio.ensure_future(self._follow())
        stopping = asyncio.ensure_future(activity.wait_for_worker_shutdown())
        try:
            while not following.done():
                activity.heartbeat()
                await asyncio.wait(
                    [following, stopping], timeout=_LOOK_EVERY_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if stopping.done() and not following.done():
                    raise ApplicationError(_MOVING_ON, next_retry_delay=timedelta(milliseconds=1))
                if self._is_in_trouble and not self._request.trouble:
                    return Sight(observation=self._request.known, trouble=self._trouble)
            return following.result()
        finally:
            following.cancel()
            stopping.cancel()
            await asyncio.gather(following, stopping, return_exceptions=True)

    async def _follow(self) -> Sight:
        self._trouble = f"{self._target} can't be watched: the API server doesn't answer"
        while True:
            try:
                async with self._target.changes() as changed:
                    return await self._look_at_every(changed)
            except TemporaryError as error:
                if not self._trouble:
                    self._trouble_began = time.monotonic()
                self._trouble = str(error)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def _look_at_every(self, changed: asyncio.Event) -> Sight:
        while True:
            changed.clear()
            if sight := await self._look():
                return sight
            self._trouble = ""
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LOOK_EVERY_SECONDS)

    async def _look(self) -> Sight | None:
        """Look at what the watches have; what seems worth waking for is read anew, and decided on that."""
        last_seen = await self._target.last_seen()
        if last_seen and not self._request.trouble and not self._is_worth_waking(self._observe(last_seen)):
            return None
        seen = self._observe(await self._target.read())
        lowest = seen.available if self._available_min is None else self._available_min
        self._available_min = min(seen.available, lowest)
        if not self._request.trouble and not self._is_worth_waking(seen):
            return None
        return Sight(observation=seen, available_min=self._available_min, surge_limit=self._surge_limit)

    def _observe(self, snapshot: Snapshot) -> Observation:
        request = self._request
        target_digest = digest_of_kept(request.template) if request.template else None
        seen = snapshot.observe(target_digest, request.strategy.unready_grace, now())
        self._surge_limit = snapshot.placed_surge(seen.replicas, _SURGE_PATIENCE, now())
        return seen

    def _is_worth_waking(self, seen: Observation) -> bool:
        known = self._request.known
        if known is None or self._surge_limit not in (None, self._request.surge_limit):
            return True
        verdict = self._plan(seen)
        match verdict:
            case Wait() if not seen.settled:
                return verdict != self._plan(known) and self._waited(_PATIENCE_SECONDS)
            case Wait():
                return _shows_otherwise(seen, known) and self._waited(self._request.show_after_seconds)
            case Blocked():
                return verdict != self._plan(known) and self._waited(_PATIENCE_SECONDS)
            case Step(action=Action.REPLACE):
                return True  # also while paused: what was opened for a release must not stay open
            case _ if not self._request.acting:
                return _shows_otherwise(seen, known) and self._waited(self._request.show_after_seconds)
            case _:
                return True

    def _plan(self, seen: Observation) -> Verdict:
        request = self._request
        return plan(request.strategy, seen, hold=request.hold, surge_limit=request.surge_limit)

    @property
    def _is_in_trouble(self) -> bool:
        return bool(self._trouble) and time.monotonic() - self._trouble_began >= _PATIENCE_SECONDS

    def _waited(self, seconds: float) -> bool:
        return time.monotonic() - self._began >= seconds


def _shows_otherwise(seen: Observation, known: Observation) -> bool:
    """Whether a person would see a difference; what differs besides is of no interest until the planner acts."""
    return seen.model_copy(update={"generation": known.generation}) != known
