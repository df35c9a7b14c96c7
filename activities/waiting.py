"""The wait: follows the shared watches, and returns when the planner would act or there is something to show."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from rollwright.activities.estimating import Estimator
from rollwright.activities.lasting import last_heard, lasting
from rollwright.activities.messages import Heard, Sight, WaitReadiness
from rollwright.activities.succession import Succession
from rollwright.cluster.errors import TemporaryError
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.observation import Observation
from rollwright.rollout.ordeals import Ordeal, follow, placed_surge
from rollwright.rollout.planner import Action, Blocked, Done, Failed, Step, Wait
from rollwright.rollout.spec import Strategy

_LOOK_EVERY_SECONDS = 1.0
"""Also without a change: blips end and heartbeats are due."""
_REST = 3
"""So many times as long as a look took is rested before the next: with thousands of groups it takes a while, and a
worker has others to look after."""
_PATIENCE_SECONDS = 5.0
"""How long trouble, or a write that isn't taken up, may last before people are told."""

Looked = Callable[[WaitReadiness, Observation], None]


def unheard(request: WaitReadiness, seen: Observation) -> None:
    """Tell nobody what a look has seen."""


class Waiter:
    """One wait on one target."""

    def __init__(
        self,
        target: LiveTarget,
        request: WaitReadiness,
        *,
        looked: Looked = unheard,
        succession: Succession | None = None,
    ) -> None:
        """`looked`: is told what each look has seen."""
        self._looked = looked
        self._target = target
        self._request = request
        self._succession = succession or Succession()
        self._available_min: int | None = None
        self._surge_limit: int | None = None
        self._ordeals: Mapping[int, Ordeal] = request.ordeals
        self._record = request.record
        self._estimator = Estimator(request)
        self._began = time.monotonic()
        self._took = 0.0
        self._trouble = ""
        self._trouble_began = self._began

    async def wait(self) -> Sight:
        """Return what is worth waking the workflow for. Raises ClusterError; moves on when the worker stops."""
        heard = last_heard(Heard)
        self._ordeals = heard.ordeals if heard else self._request.ordeals
        return await lasting(
            self._follow(),
            told=lambda: Heard(ordeals=self._ordeals),
            early=self._trouble_to_tell,
            every=_LOOK_EVERY_SECONDS,
        )

    def _trouble_to_tell(self) -> Sight | None:
        tells = self._is_in_trouble and not self._request.trouble
        return self._sight(self._request.known, self._trouble) if tells else None

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
            self._took = 0.0
            if sight := await self._look():
                return sight
            self._trouble = ""
            await asyncio.sleep(_REST * self._took)
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), _LOOK_EVERY_SECONDS)

    async def _look(self) -> Sight | None:
        """Look at what the watches have; what seems worth waking for is read anew, and decided on that."""
        last_seen = await self._target.last_seen()
        if last_seen and not self._request.trouble:
            glimpse = self._observe(last_seen)
            if not self._is_worth_waking(glimpse) and not self._tells_otherwise(last_seen, glimpse):
                return None
        snapshot = await self._target.read()
        seen = self._observe(snapshot)
        lowest = seen.available if self._available_min is None else self._available_min
        self._available_min = min(seen.available, lowest)
        if self._request.trouble or self._is_worth_waking(seen) or self._tells_otherwise(snapshot, seen):
            return self._sight(seen)
        return None

    def _sight(self, seen: Observation | None, trouble: str = "") -> Sight:
        return Sight(
            observation=seen,
            ordeals=self._ordeals,
            record=self._record,
            available_min=self._available_min,
            trouble=trouble,
            surge_limit=self._surge_limit,
            estimate=self._estimator.latest,
            seen_at=now().timestamp(),
        )

    def _observe(self, snapshot: Snapshot) -> Observation:
        request, moment, began = self._request, now(), time.thread_time()
        strategy = request.aim.effective
        target_digest = digest_of_kept(request.template) if request.template else None
        seen = snapshot.observe(target_digest, strategy.unready_grace, moment, request.surge_by)
        self._took += time.thread_time() - began
        self._record = snapshot.record_text or self._record
        if seen.on_target and seen.settled:
            self._ordeals = follow(
                self._ordeals,
                seen.asked,
                snapshot.starts(seen),
                moment.timestamp(),
                strategy,
            )
        self._surge_limit = placed_surge(
            self._ordeals,
            replicas=seen.replicas,
            groups_asked=seen.groups_asked,
            patience_seconds=strategy.surge_patience,
            now=moment.timestamp(),
        )
        judged = _judged(seen, self._ordeals, strategy, moment.timestamp())
        self._looked(request, judged)
        return judged

    def _is_worth_waking(self, seen: Observation) -> bool:
        request, known = self._request, self._request.known
        if known is None or seen.uid != known.uid or seen.dispute != known.dispute:
            return True
        if self._surge_limit not in (None, request.aim.surge_limit) or self._succession.ends(self._began):
            return True
        verdict = request.aim.plan(seen)
        match verdict:
            case Wait() if not seen.settled:
                return verdict != request.aim.plan(known) and self._waited(_PATIENCE_SECONDS)
            case Wait():
                return self._shows_otherwise(seen, known)
            case Blocked() | Failed():
                other = verdict != request.aim.plan(known) and self._waited(_PATIENCE_SECONDS)
                return other or self._shows_otherwise(seen, known)
            case Step(action=Action.REPLACE | Action.FREEZE):
                return True  # also while paused: what was opened for a release, or by others, must not stay open
            case Done() if request.gated:
                return self._shows_otherwise(seen, known)
            case _ if not request.acting:
                return self._shows_otherwise(seen, known)
            case _:
                return True

    def _tells_otherwise(self, snapshot: Snapshot, seen: Observation) -> bool:
        """Whether it is time to tell people another end than they were told: nothing else is to be done now."""
        self._estimator.renew(snapshot, seen, now())
        return self._estimator.has_news and self._waited(self._request.show_after_seconds)

    def _shows_otherwise(self, seen: Observation, known: Observation) -> bool:
        """Whether it is time to show what a person would see a difference in."""
        different = seen.model_copy(update={"generation": known.generation}) != known
        return different and self._waited(self._request.show_after_seconds)

    @property
    def _is_in_trouble(self) -> bool:
        return bool(self._trouble) and time.monotonic() - self._trouble_began >= _PATIENCE_SECONDS

    def _waited(self, seconds: float) -> bool:
        return time.monotonic() - self._began >= seconds


def _judged(seen: Observation, ordeals: Mapping[int, Ordeal], strategy: Strategy, moment: float) -> Observation:
    """The observation with the groups marked that have failed."""
    groups = []
    for group in seen.groups:
        ordeal = ordeals.get(group.ordinal)
        starts = group.updated or group.ordinal >= seen.partition
        why = ordeal.failure(strategy, moment) if ordeal and starts and not group.available else ""
        groups.append(group.model_copy(update={"failed": True, "reason": f"{group.reason}, {why}"}) if why else group)
    return seen.model_copy(update={"groups": tuple(groups)})
