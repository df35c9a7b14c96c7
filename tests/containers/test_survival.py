"""Rollouts by workers in containers, whatever happens to those, and to what they need."""

import asyncio
from contextlib import suppress

import pytest
from temporalio.service import RPCError

from rollwright.workflows.contract import Message, Phase
from tests.containers.site import ContainedScene
from tests.containers.workers import ContainedWorker
from tests.devcluster.standin.namespace import until
from tests.e2e.documented import READY_AFTER, TWO_TWO, assert_done_once, outlive_a_restart_of_temporal, play
from tests.e2e.scene import BY_HAND, Rollout

pytestmark = pytest.mark.real

TAKEN_OVER_SECONDS = 90.0
"""Temporal may hand the wait to each of the five polls that a worker has left open, one after another's timeout."""


async def test_of_two_workers_the_one_at_work_may_be_killed(scene: ContainedScene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await scene.start_worker()
        await rollout.reaches(2, 6)
        await (await at_work(rollout)).kill()
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_the_worker_at_work_may_be_paused_and_come_back(scene: ContainedScene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await scene.start_worker()
        await rollout.reaches(2, 6)
        frozen = await at_work(rollout)
        frozen.freeze()
        await taken_over_from(frozen, rollout)
        await scene.make_ready(*READY_AFTER[2, 6])
        await rollout.reaches(0, 6)
        frozen.thaw()
        result = await play(scene, rollout, first=(0, 6))
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_a_worker_whose_network_was_cut_works_again_once_it_is_back(scene: ContainedScene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await scene.start_worker()
        await rollout.reaches(2, 6)
        alone = await at_work(rollout)
        alone.cut()
        other = await taken_over_from(alone, rollout)
        await scene.make_ready(*READY_AFTER[2, 6])
        await rollout.reaches(0, 6)
        alone.join()
        await other.kill()
        result = await play(scene, rollout, first=(0, 6))
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_temporal_may_be_restarted_with_its_volume(scene: ContainedScene) -> None:
    await outlive_a_restart_of_temporal(scene)


async def test_temporal_may_have_no_room_to_write_for_a_while(scene: ContainedScene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await scene.site.disk.fill()
        await refused(rollout)
        await scene.make_ready(*READY_AFTER[2, 6])
        await scene.site.disk.free()
        result = await play(scene, rollout, first=(0, 6))
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def at_work(rollout: Rollout) -> ContainedWorker:
    """The worker that holds the wait."""
    worker = (await rollout.waiting()).worker
    assert isinstance(worker, ContainedWorker)
    return worker


async def taken_over_from(worker: ContainedWorker, rollout: Rollout) -> ContainedWorker:
    """The other one, once it holds the wait."""

    async def now() -> ContainedWorker:
        return await at_work(rollout)

    return await until(now, lambda now: now is not worker, TAKEN_OVER_SECONDS)


async def refused(rollout: Rollout) -> None:
    """Send until Temporal can't keep it: for a while it has room in the files that it has already."""
    async with asyncio.timeout(120):
        with suppress(RPCError):
            while True:
                await rollout.send(Message.RESUME)
