"""The rollout of the LWS documentation: 4 groups, maxUnavailable 2, maxSurge 2."""

from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Phase, RolloutStatus
from tests.e2e.scene import BY_HAND, Rollout, Scene, assert_left_alone, assert_replaced_once

TWO_TWO = Strategy(max_unavailable=2, max_surge=2)
STAGES = [(0, 4), (4, 6), (2, 6), (0, 6), (0, 5), (0, 4)]
RELEASED_BY = {(2, 6): (2, 3), (0, 6): (0, 1), (0, 5): ()}
"""Which groups a stage releases: all of them are replaced before one of them, or of the surge, is ready."""
READY_AFTER = {(2, 6): (4, 5), (0, 6): (3, 2), (0, 5): (1, 0)}
"""Which groups become ready next."""


async def play(scene: Scene, rollout: Rollout, *, first: tuple[int, int] = (2, 6)) -> RolloutStatus:
    """Let the groups become ready in the documented order, from a stage on, to the end."""
    stages = list(READY_AFTER)
    for stage in stages[stages.index(first) :]:
        await rollout.reaches(*stage)
        await rollout.replaced(*RELEASED_BY[stage])
        await scene.make_ready(*READY_AFTER[stage])
    return await rollout.result()


async def assert_done_once(scene: Scene, rollout: Rollout) -> None:
    """As if nothing had happened on the way."""
    assert rollout.seen.partition_replicas == STAGES
    assert_replaced_once(rollout.seen)
    assert_left_alone(await scene.lws())


async def outlive_a_restart_of_temporal(scene: Scene) -> None:
    """Roll out, and have the server killed on the way, and started on what it has kept."""
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await scene.server.kill()
        await scene.make_ready(*READY_AFTER[2, 6])
        await scene.server.start()
        result = await play(scene, rollout, first=(0, 6))
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)
