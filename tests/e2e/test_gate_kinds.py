"""Every kind of gate x what it comes to, and what may happen in the middle of it; all parts real."""

from collections.abc import AsyncIterator
from functools import partial
from typing import get_args

import pytest
import pytest_asyncio

from rollwright.devcluster.prometheus import Prometheus
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.gate_plays import FALLIBLE, PLAYS, HttpPlay, Play, Stage, stage, written
from tests.e2e.scene import AT_ONCE, OLD, Scene, assert_left_alone, assert_never_touched
from tests.support.exporter import Exporter

pytestmark = pytest.mark.real

ALL = tuple(PLAYS)


@pytest_asyncio.fixture(loop_scope="session")
async def on(scene: Scene, exporter: Exporter, prometheus: Prometheus) -> AsyncIterator[Stage]:
    """Four groups, and what gates ask."""
    await scene.create(ready_after=AT_ONCE)
    async with stage(scene, exporter, prometheus) as staged:
        yield staged


def gated(*gates: Json) -> Strategy:
    return Strategy.model_validate({"maxUnavailable": 1, "steps": [{"until": 1, "gates": list(gates)}]})


def play_of(kind: str, on: Stage) -> Play:
    return PLAYS[kind](on)


def test_every_kind_is_played() -> None:
    assert {kind.model_fields["kind"].default for kind in get_args(get_args(AnyGate)[0])} == set(PLAYS)


@pytest.mark.parametrize("kind", ALL)
async def test_a_gate_that_passes_lets_the_rest_follow(on: Stage, kind: str) -> None:
    play = play_of(kind, on)
    async with on.scene.rollout(gated(written(play))) as rollout:
        await play.begun(rollout)
        assert_never_touched(rollout.seen, 0, 1, 2)
        await play.passes(rollout)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_left_alone(await on.scene.lws())


@pytest.mark.parametrize("kind", FALLIBLE)
async def test_a_gate_that_fails_takes_back_the_one_group(on: Stage, kind: str) -> None:
    play = FALLIBLE[kind](on)
    async with on.scene.rollout(gated(written(play, onFailure="rollback"))) as rollout:
        await play.begun(rollout)
        await play.fails(rollout)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert [event.reason.partition(":")[0] for event in result.events if event.actor == "rollwright"] == [
        f"gate {kind} failed"
    ]
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert await until(on.scene.images, lambda images: len(images) == 1) == {OLD}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [("prometheus", {"inconclusiveLimit": 1}), ("http", {})],  # others: where rights are missing
)
async def test_a_gate_that_can_not_tell_waits_for_people_whatever_follows_a_failure(
    on: Stage, kind: str, changes: Json
) -> None:
    play = play_of(kind, on)
    async with on.scene.rollout(gated(written(play, onFailure="rollback", **changes))) as rollout:
        if isinstance(play, HttpPlay):
            await play.begun(rollout)
            await play.tells_nothing()
        now = await rollout.until_phase(Phase.PAUSED, f"gate {kind} inconclusive")
        assert now.next
        assert_never_touched(rollout.seen, 0, 1, 2)
        await rollout.send(Message.ABORT)
        assert (await rollout.result()).phase is Phase.ABORTED


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "bake"])  # which ends by itself
async def test_a_gate_that_takes_too_long_has_failed(on: Stage, kind: str) -> None:
    play = play_of(kind, on)
    async with on.scene.rollout(gated(written(play, onFailure="abort", timeout="3s"))) as rollout:
        if kind == "prometheus":  # which has told nothing by then: no failure, so people must decide
            await rollout.until_phase(Phase.PAUSED, "gate prometheus inconclusive: not decided within 3 s")
            await rollout.send(Message.ABORT)
        result = await rollout.result()
    assert result.phase is Phase.ABORTED
    why = next(event.reason for event in result.events if event.actor == "rollwright")
    outcome = "is inconclusive" if kind == "prometheus" else "failed"
    assert why.startswith(f"gate {kind} {outcome}: not decided within 3 s")
    assert_never_touched(rollout.seen, 0, 1, 2)


@pytest.mark.parametrize("kind", ALL)
async def test_a_gate_goes_on_with_another_worker_where_the_first_one_died(on: Stage, kind: str) -> None:
    play = play_of(kind, on)
    async with on.scene.rollout(gated(written(play))) as rollout:
        await play.begun(rollout)
        before = (await rollout.status()).open_gates[0].progress
        await rollout.worker.kill()
        await on.scene.start_worker()
        now = await rollout.until(lambda now: now.open_gates)
        assert (now.open_gates[0].progress.since, now.open_gates[0].progress.attempt) == (before.since, 1)
        await play.passes(rollout)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "window"])
async def test_a_gate_that_passes_while_paused_is_passed_on_resume(on: Stage, kind: str) -> None:
    play = play_of(kind, on)
    async with on.scene.rollout(gated(written(play))) as rollout:
        await play.begun(rollout)
        await rollout.send(Message.PAUSE)
        await play.passes(rollout)
        now = await rollout.until(lambda now: now.open_gates and now.open_gates[0].progress.finding == "passed")
        assert now.phase is Phase.PAUSED
        assert_never_touched(rollout.seen, 0, 1, 2)
        await rollout.send(Message.RESUME)
        assert (await rollout.result()).phase is Phase.COMPLETED


@pytest.mark.parametrize("kind", ALL)
async def test_a_rollback_in_the_middle_of_a_gate_lets_it_go(on: Stage, kind: str) -> None:
    play = play_of(kind, on)
    async with on.scene.rollout(gated(written(play))) as rollout:
        await play.begun(rollout)
        await rollout.send(Message.ROLLBACK)
        result = await rollout.result()
    assert (result.phase, result.open_gates) == (Phase.ROLLED_BACK, ())
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert not await until(partial(on.scene.kubectl, "get", "jobs", "--output=name"), lambda jobs: not jobs)
