"""Rollouts go on from where they stand, whatever is taken away from them for a while."""

import asyncio

import pytest

from rollwright.devcluster.parts import Part
from rollwright.rollout.observation import Cause
from rollwright.workflows.contract import Message, Phase, RolloutStatus
from tests.e2e.documented import TWO_TWO, assert_done_once, outlive_a_restart_of_temporal, play
from tests.e2e.scene import BY_HAND, Scene

pytestmark = pytest.mark.real

API_SERVER_AWAY_SECONDS = 20
NO_ANSWER = "is the API server up?"
AT_ONCE_SECONDS = 3  # it takes some hundredths; a worker found dead costs 5


async def test_of_two_workers_the_one_at_work_may_die(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await scene.start_worker()
        await rollout.reaches(2, 6)
        await (await rollout.waiting()).worker.kill()
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_a_worker_told_to_end_hands_its_wait_to_another_at_once(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await scene.start_worker()
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await rollout.until(nothing_changes, within_seconds=60)  # what it waits with ends for nothing else
        before = await rollout.waiting()
        assert await before.worker.terminate() == 0
        async with asyncio.timeout(AT_ONCE_SECONDS):
            after = await rollout.waiting()
        assert after.worker is not before.worker
        # Not found dead by a timeout.
        assert any("this worker is shutting down" in why for why in after.handed_on)
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


def nothing_changes(now: RolloutStatus) -> bool:
    """Whether all that was started runs, and is shown to wait to be made ready by hand."""
    started = [group.cause for group in now.observation.groups if group.updated] if now.observation else []
    return started == [Cause.UNREADY] * 4


async def test_temporal_may_be_restarted_on_its_database(scene: Scene) -> None:
    await outlive_a_restart_of_temporal(scene)


async def test_the_api_server_may_be_away(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        async with scene.without(Part.API_SERVER):
            away = asyncio.create_task(asyncio.sleep(API_SERVER_AWAY_SECONDS))
            stalled = await rollout.until_phase(Phase.STALLED, NO_ANSWER)
            await rollout.send(Message.PAUSE)
            await rollout.send(Message.RESUME)
            still = await rollout.until_phase(Phase.STALLED, NO_ANSWER)
            await away
        result = await play(scene, rollout)
    assert still.observation == stalled.observation is not None
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_nothing_is_deleted_while_the_lws_controller_is_away(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        async with scene.without(Part.LWS_STAND_IN):
            await scene.make_ready(4, 5)
            await rollout.reaches(0, 6)
            await rollout.until(lambda now: now.reason == "The controllers have not taken up the last change yet")
            assert len(rollout.seen.leaders[0]) == len(rollout.seen.leaders[1]) == 1
        result = await play(scene, rollout, first=(0, 6))
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)
