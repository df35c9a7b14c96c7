"""A simulated cluster in which only that happens which a test says, and which is waited for as a real one is."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from temporalio import activity
from temporalio.exceptions import ApplicationError

from rollwright.activities.errors import told_apart
from rollwright.activities.messages import (
    ActivityName,
    KeepTemplate,
    Kept,
    Outcome,
    SettleDispute,
    Sight,
    TakeStep,
    WaitReadiness,
)
from rollwright.activities.waiting import Waiter
from rollwright.cluster.errors import GoneError, TemporaryError
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action
from rollwright.rollout.startups import StartUps
from tests.support.fakes import FakeCluster, revision_of

PATIENCE_SECONDS = 0.02


@dataclass
class PlayedCluster(FakeCluster):
    """Its groups become ready when they are told to. Call `touch` after whatever was done to it."""

    edited: str = ""
    """What somebody else has changed, until it is frozen."""
    is_away: bool = False
    """The API server doesn't answer."""
    is_deleted: bool = False
    version: int = 0
    waiter: "PlayedWaiter | None" = None
    """The wait that was begun last."""
    taken: list[tuple[TakeStep, int]] = field(default_factory=list)
    """Steps, each with the version it was taken at."""

    def touch(self) -> None:
        self.version += 1

    def become_ready(self, everything: bool = False) -> None:
        """The next group that is starting serves, or all of them."""
        starting = [o for o, pod in self.world.pods.items() if not pod.ready and pod.revision not in self.broken]
        for ordinal in sorted(starting, reverse=True)[: None if everything else 1]:
            self.world.become_ready(ordinal)
        self.touch()

    def is_edited(self, revision: str) -> None:
        """Somebody writes another template."""
        self.world._set_spec(self.world.spec._replace(revision=revision))
        self._settle()
        self.edited = f"the template to {revision}"
        self.touch()

    def observe(self, revision: str) -> Observation:
        return super().observe(revision).model_copy(update={"edited": self.edited})

    @activity.defn(name=ActivityName.KEEP_TEMPLATE)
    async def keep_template(self, request: KeepTemplate) -> Kept:
        await self._held(ActivityName.KEEP_TEMPLATE)
        if "m:refused" in (request.change.images or {}).values():
            raise ApplicationError("there is no such container", type="RefusedError", non_retryable=True)
        return await super().keep_template(request)

    @activity.defn(name=ActivityName.WAIT_READINESS)
    async def wait_readiness(self, request: WaitReadiness) -> Sight:
        self.waiter = PlayedWaiter(self, request)
        with told_apart():
            return await self.waiter.wait()

    @activity.defn(name=ActivityName.SETTLE_DISPUTE)
    async def settle_dispute(self, request: SettleDispute) -> str:
        self._answer()
        theirs = await super().settle_dispute(request)
        self.touch()
        return theirs

    async def take(self, name: ActivityName, request: TakeStep) -> Outcome:
        await self._held(name)
        self._answer()
        self.taken.append((request, self.version))
        if request.step.action is Action.FREEZE:
            self.edited, self.dispute = "", self.edited
        outcome = await super().take(name, request)
        self.touch()
        return outcome

    def _answer(self) -> None:
        if self.is_away:
            raise ApplicationError("the API server doesn't answer")

    @property
    def is_looked_at_in_vain(self) -> bool:
        """Whether the wait that was begun last has nothing to tell of what there is."""
        waiter = self.waiter
        return waiter is not None and (waiter.in_vain == self.version or (self.is_away and waiter.knows_trouble))


class PlayedSnapshot:
    """What is read of the cluster."""

    def start_ups(self, observation: Observation, now: datetime) -> StartUps:
        """Nothing is known of how long groups took: no time passes here."""
        return StartUps()


class PlayedTarget:
    """What a wait needs of a target."""

    def __init__(self, cluster: PlayedCluster) -> None:
        self._cluster = cluster

    def __str__(self) -> str:
        return "lws/llm"

    async def last_seen(self) -> None:
        return None

    async def read(self) -> PlayedSnapshot:
        if self._cluster.is_away:
            raise TemporaryError("the API server doesn't answer")
        if self._cluster.is_deleted:
            raise GoneError("lws/llm does not exist")
        return PlayedSnapshot()

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        yield asyncio.Event()


class PlayedWaiter(Waiter):
    """A wait that decides what is worth telling as it does for a real target."""

    def __init__(self, cluster: PlayedCluster, request: WaitReadiness) -> None:
        super().__init__(cast("LiveTarget", PlayedTarget(cluster)), request)
        self.request = request
        self.in_vain: int | None = None
        """The version of the cluster that was last found to be nothing new."""
        self._cluster = cluster
        self._can_tell_at = time.monotonic() + PATIENCE_SECONDS

    @property
    def knows_trouble(self) -> bool:
        return bool(self.request.trouble)

    async def _look(self) -> Sight | None:
        version, ripe = self._cluster.version, time.monotonic() > self._can_tell_at
        sight = await super()._look()
        if ripe and sight is None:
            self.in_vain = version
        return sight

    def _observe(self, snapshot: Snapshot | Any) -> Observation:
        world = self._cluster.world
        self._record = self._cluster.record
        return self._cluster.observe(revision_of(self.request.template) or world.spec.revision)
