"""What a wait comes back for, and what it sits through: with a target that is told what to show."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from rollwright.activities import estimating, waiting
from rollwright.activities.messages import Sight, WaitReadiness
from rollwright.activities.waiting import Waiter
from rollwright.cluster.api import PODS, STATEFUL_SETS
from rollwright.cluster.errors import ClusterError, ForbiddenError, UnreachableError
from rollwright.cluster.leaderworkerset import LeaderWorkerSetSnapshot
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.aim import Aim
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.observation import Observation
from rollwright.rollout.ordeals import Ordeal
from rollwright.rollout.spec import GatedStep, Strategy, Target
from tests.activities.test_succession import Clock
from tests.cluster.objects import leader_set, lws, pod

AWAY = UnreachableError("list pods default: is the API server up?")
STRATEGY = Strategy(max_unavailable=1)
REQUEST = WaitReadiness(target=Target(name="llm"), aim=Aim(strategy=STRATEGY), template="", show_after_seconds=0)


def showing(*, ready: bool, partition: int = 1) -> Snapshot:
    """Two groups, of which the upper one has been released and replaced."""
    pods = [pod(0), pod(1, revision="new", ready=ready)]
    parts = {STATEFUL_SETS: [leader_set(2, partition=partition)], PODS: pods}
    return LeaderWorkerSetSnapshot(lws(2, partition=partition), parts)


class FakeTarget(LiveTarget):
    """Shows what it is told to, by its watches and when it is read."""

    def __init__(self, shows: Snapshot | ClusterError) -> None:
        self._shows = shows
        self._changed = asyncio.Event()
        self._looks = 0
        self.reads = 0

    def __str__(self) -> str:
        return "lws/llm in namespace default"

    def show(self, shows: Snapshot | ClusterError) -> None:
        self._shows = shows
        self._changed.set()

    @asynccontextmanager
    async def changes(self, *, of_pods: bool = True) -> AsyncIterator[asyncio.Event]:
        self._now()
        yield self._changed

    async def last_seen(self) -> Snapshot:
        return self._now()

    async def read(self) -> Snapshot:
        self.reads += 1
        return self._now()

    async def is_looked_at(self) -> None:
        """Wait until somebody has seen what it shows, and thought about it."""
        before = self._looks
        async with asyncio.timeout(10):
            while self._looks < before + 2:
                await asyncio.sleep(0.01)

    def _now(self) -> Snapshot:
        self._looks += 1
        if isinstance(self._shows, ClusterError):
            raise self._shows
        return self._shows


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "_PATIENCE_SECONDS", 0.2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def begin(target: FakeTarget, **request: Any) -> tuple[ActivityEnvironment, asyncio.Task[Sight]]:
    """Begin to wait."""
    environment = ActivityEnvironment()
    waiter = Waiter(target, REQUEST.model_copy(update=request))
    return environment, asyncio.ensure_future(environment.run(waiter.wait))


def known(snapshot: Snapshot) -> Observation:
    return snapshot.observe(None, 30, now())


async def sits(wait: asyncio.Task[Sight], seconds: float = 0.1) -> bool:
    return not (await asyncio.wait([wait], timeout=seconds))[0]


async def test_the_first_look_is_told_at_once() -> None:
    _, wait = begin(FakeTarget(showing(ready=False)))
    assert (await wait).observation == known(showing(ready=False))


async def test_it_sits_until_there_is_a_step_to_take_and_decides_on_a_fresh_read() -> None:
    target = FakeTarget(showing(ready=False))
    _, wait = begin(target, known=known(showing(ready=False)))
    assert await sits(wait)
    assert target.reads == 0
    target.show(showing(ready=True))
    assert (await wait).observation == known(showing(ready=True))
    assert target.reads == 1


async def test_while_paused_a_step_is_shown_and_no_more() -> None:
    target = FakeTarget(showing(ready=False))
    _, wait = begin(target, known=known(showing(ready=True)), acting=False)
    assert (await wait).observation == known(showing(ready=False))
    _, wait = begin(FakeTarget(showing(ready=True)), known=known(showing(ready=True)), acting=False)
    assert await sits(wait)
    wait.cancel()


async def test_a_cluster_that_is_away_is_told_of_after_a_while_and_again_when_it_is_back(clock: Clock) -> None:
    target = FakeTarget(AWAY)
    _, wait = begin(target, known=known(showing(ready=False)))
    await target.is_looked_at()
    clock.now += 0.1
    assert await sits(wait)
    clock.now += 0.1
    sight = await wait
    assert (sight.trouble, sight.observation) == (str(AWAY), known(showing(ready=False)))

    _, wait = begin(target, known=sight.observation, trouble=sight.trouble)
    assert await sits(wait, 0.3)
    target.show(showing(ready=False))
    assert (await wait).trouble == ""


async def test_a_cluster_that_is_away_for_a_moment_is_not_worth_a_word_however_long_the_wait(
    clock: Clock,
) -> None:
    target = FakeTarget(showing(ready=False))
    _, wait = begin(target, known=known(showing(ready=False)))
    assert await sits(wait)
    for _ in range(3):
        clock.now += 1
        await target.is_looked_at()
        target.show(AWAY)
        await target.is_looked_at()
        clock.now += 0.1
        assert await sits(wait)
        target.show(showing(ready=False))
        await target.is_looked_at()
    assert await sits(wait)
    wait.cancel()


async def test_what_is_not_permitted_is_no_matter_of_waiting() -> None:
    _, wait = begin(FakeTarget(ForbiddenError("list pods default: not permitted")))
    with pytest.raises(ForbiddenError):
        await wait


async def test_a_worker_that_ends_lets_the_wait_go_so_that_another_takes_it_at_once() -> None:
    environment, wait = begin(FakeTarget(showing(ready=False)), known=known(showing(ready=False)))
    assert await sits(wait)
    environment.worker_shutdown()
    with pytest.raises(ApplicationError, match="another one goes on") as moved:
        await wait
    assert moved.value.next_retry_delay is not None
    assert moved.value.next_retry_delay.total_seconds() < 0.01
    assert not moved.value.non_retryable


async def test_a_group_that_takes_too_long_is_told_of_as_failed() -> None:
    patience = STRATEGY.model_copy(update={"progress_deadline": 600})
    started = {1: Ordeal(since=now().timestamp() - 599.9, leader="u-1")}
    _, wait = begin(
        FakeTarget(showing(ready=False)),
        known=known(showing(ready=False)),
        aim=Aim(strategy=patience),
        ordeals=started,
        show_after_seconds=60,
    )
    sight = await wait
    assert sight.observation
    (failed,) = sight.observation.failed
    assert (failed.ordinal, failed.reason) == (1, "starting, not ready 10 min after its start")
    assert sight.ordeals[1].since == started[1].since


async def test_what_is_known_of_starts_outlives_the_worker() -> None:
    target = FakeTarget(showing(ready=False))
    environment, wait = begin(target, known=known(showing(ready=False)))
    beats: list[Any] = []
    environment.on_heartbeat = lambda *details: beats.append(details[0])
    assert await sits(wait)
    wait.cancel()

    heard = beats[-1].model_dump(mode="json", by_alias=True)
    retried = ActivityEnvironment()
    retried.info = dataclasses.replace(retried.info, heartbeat_details=[heard])
    again = Waiter(target, REQUEST)
    sight = await retried.run(again.wait)
    assert sight.ordeals[1].since == pytest.approx(beats[-1].ordeals[1].since, abs=0.1)


async def test_at_a_gate_that_everything_is_done_is_no_news() -> None:
    done = showing(ready=True, partition=1)
    aim = Aim(strategy=Strategy(max_unavailable=1, steps=(GatedStep(until=1),)))
    _, wait = begin(FakeTarget(done), known=known(done), aim=aim)
    assert await wait
    _, wait = begin(FakeTarget(done), known=known(done), aim=aim, gated=True)
    assert await sits(wait)
    wait.cancel()


async def test_it_shows_that_it_lives_while_it_waits() -> None:
    environment, wait = begin(FakeTarget(showing(ready=False)), known=known(showing(ready=False)))
    beats: list[tuple[Any, ...]] = []
    environment.on_heartbeat = lambda *details: beats.append(details)
    async with asyncio.timeout(10):
        while len(beats) < 3:
            await asyncio.sleep(0.01)
    assert await sits(wait)
    wait.cancel()


def loading(age_seconds: int) -> Snapshot:
    """Three groups: the highest took ten minutes to start, the next is at it, and the last waits."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:10:00Z"}
    done = pod(2, revision="new", status={"conditions": [ready]}, created="2026-01-01T11:00:00Z")
    began = (now() - timedelta(seconds=age_seconds)).isoformat()
    pods = [pod(0), pod(1, revision="new", ready=False, created=began), done]
    return LeaderWorkerSetSnapshot(lws(3, partition=1), {STATEFUL_SETS: [leader_set(3, partition=1)], PODS: pods})


async def test_what_is_known_of_the_end_is_told_once_and_again_where_it_has_moved() -> None:
    """A group at it for 200 of 600 s, and another one after it."""
    state = loading(200)
    _, wait = begin(FakeTarget(state), known=known(state))
    told = (await wait).estimate
    assert told is not None
    assert (told.usual_seconds, told.known) == (600, 1)
    assert told.ends_at == pytest.approx(told.at + 400 + 600, abs=2)
    later = told.model_copy(update={"at": told.at - 60})  # not made anew within some seconds
    _, wait = begin(FakeTarget(state), known=known(state), estimate=later)
    assert await sits(wait)
    wait.cancel()
    slow = loading(1500)
    _, wait = begin(FakeTarget(slow), known=known(slow), estimate=later)
    moved = (await wait).estimate
    assert moved is not None
    assert [group.ordinal for group in moved.slow] == [1]


async def test_the_end_is_not_told_anew_where_it_stands_until_people_act() -> None:
    state = loading(200)
    _, wait = begin(FakeTarget(state), known=known(state), acting=False)
    assert await sits(wait)
    wait.cancel()


async def test_no_step_waits_for_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    def estimate(*_: object, **__: object) -> Estimate:
        raise AssertionError("reckoned on the way from a readiness to a step")

    monkeypatch.setattr(estimating, "estimate", estimate)
    before = Estimate(at=1.0, known=1, usual_seconds=60.0)
    target = FakeTarget(showing(ready=True))
    _, wait = begin(target, known=known(showing(ready=False)), estimate=before)
    assert (await wait).estimate == before


async def test_however_often_it_looks_an_estimate_lasts_for_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def estimate(*_: object, now: float, **__: object) -> Estimate:
        made.append(now)
        return Estimate(at=now)

    monkeypatch.setattr(estimating, "estimate", estimate)
    state = loading(200)
    _, wait = begin(FakeTarget(state), known=known(state))
    assert await sits(wait, 0.3)
    wait.cancel()
    assert len(made) == 1


async def test_start_ups_of_earlier_rollouts_count_as_long_as_there_are_none_of_this_one() -> None:
    state = showing(ready=False)
    _, wait = begin(FakeTarget(state), known=known(state), start_ups=(300.0, 310.0, 320.0))
    told = (await wait).estimate
    assert told is not None
    assert (told.usual_seconds, told.known) == (310, 3)
