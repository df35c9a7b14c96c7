"""Other shapes and strategies, with groups that take their time; and people who scale in the middle."""

from collections.abc import Iterable

import pytest

from rollwright.devcluster.watcher import Moment
from rollwright.rollout.spec import Pacing, Strategy
from rollwright.workflows.contract import Phase
from tests.e2e.documented import TWO_TWO
from tests.e2e.scene import AT_ONCE, BY_HAND, NEW, Scene, assert_left_alone, assert_replaced_once

pytestmark = pytest.mark.real

JITTER = "300ms-1500ms"


@pytest.mark.parametrize(
    ("strategy", "replicas", "size"),
    [
        pytest.param(TWO_TWO, 4, 1, id="size 1"),
        pytest.param(TWO_TWO, 4, 3, id="size 3"),
        pytest.param(Strategy(max_unavailable=2, max_surge=0), 4, 2, id="no surge"),
        pytest.param(Strategy(max_unavailable=0, max_surge=2), 4, 2, id="nothing unavailable"),
        pytest.param(Strategy(max_unavailable="25%", max_surge="25%"), 8, 1, id="percentages"),
        pytest.param(Strategy(max_unavailable=2, max_surge=1, pacing=Pacing.EAGER), 6, 1, id="eager"),
        pytest.param(Strategy(max_unavailable=0, max_surge=1), 1, 2, id="one group"),
    ],
)
async def test_every_group_is_replaced_once_within_the_budget(
    scene: Scene, strategy: Strategy, replicas: int, size: int
) -> None:
    await scene.create(replicas, size=size, ready_after=JITTER)
    async with scene.rollout(strategy) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_replaced_once(rollout.seen, replicas)
    assert_left_alone(await scene.lws(), replicas=replicas)
    images = {pod["spec"]["containers"][0]["image"] for pod in (await scene.namespace.pods()).values()}
    assert images == {NEW}


async def test_percentages_of_eight_groups_use_the_whole_budget(scene: Scene) -> None:
    await scene.create(8, ready_after=BY_HAND)
    async with scene.rollout(Strategy(max_unavailable="25%", max_surge="25%")) as rollout:
        await rollout.reaches(6, 10)
        await rollout.replaced(6, 7)
        await scene.make_ready(*range(9, 5, -1))
        await rollout.reaches(2, 10)
        await scene.make_ready(*range(5, -1, -1))
        await rollout.result()
    assert (rollout.seen.available_min, rollout.seen.groups_max) == (6, 10)


async def test_eager_pacing_passes_a_straggler(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(Strategy(max_unavailable=2, pacing=Pacing.EAGER)) as rollout:
        for partition, ready in ((2, 2), (1, 1), (0, 0)):
            await rollout.reaches(partition, 4)
            await scene.make_ready(ready)
        await scene.make_ready(3)
        await rollout.result()
    assert rollout.seen.partition_replicas == [(0, 4), (4, 4), (2, 4), (1, 4), (0, 4)]


async def test_a_canary_stays_and_a_second_rollout_goes_on_from_it(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(TWO_TWO.model_copy(update={"partition": 3})) as canary:
        result = await canary.result()
    assert result.phase is Phase.COMPLETED
    assert {ordinal: len(leaders) for ordinal, leaders in canary.seen.leaders.items()} == {0: 1, 1: 1, 2: 1, 3: 2, 4: 1}
    held = await scene.lws()
    assert held["spec"]["replicas"] == 4
    assert held["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] | {"maxUnavailable": 0} == {
        "partition": 3,
        "maxUnavailable": 0,
        "maxSurge": 0,  # LWS must not surge by itself while a part is held back
    }

    async with scene.rollout(TWO_TWO) as rest:
        assert (await rest.result()).phase is Phase.COMPLETED
    assert len(rest.seen.leaders[3]) == 1  # done already, never touched
    assert_left_alone(await scene.lws())


async def test_groups_added_in_the_middle_start_on_the_new_revision(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO, scaled_to=7) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await scene.scale(7)
        await rollout.reaches(2, 9)  # of seven groups, two may be surplus
        await scene.make_ready(*range(8, -1, -1))
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert [len(leaders) for leaders in rollout.seen.leaders.values()] == [2, 2, 2, 2, 1, 1, 1, 1, 1]
    assert_never_below_again(rollout.seen.moments, 7 - 2)
    assert_left_alone(await scene.lws(), replicas=7)


async def test_groups_taken_away_in_the_middle_are_not_waited_for(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(Strategy(max_unavailable=1, max_surge=1), scaled_to=2) as rollout:
        await rollout.reaches(3, 5)
        await rollout.replaced(3)
        await scene.scale(2)
        await rollout.reaches(1, 3)
        await scene.make_ready(2)  # with the other one ready too, the surge would go in the same step
        await rollout.reaches(0, 3)
        await scene.make_ready(1, 0)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_left_alone(await scene.lws(), replicas=2)


def assert_never_below_again(moments: Iterable[Moment], floor: int) -> None:
    """Once so many groups serve, no fewer do."""
    reached = False
    for moment in moments:
        reached = reached or moment.available >= floor
        assert not reached or moment.available >= floor, moment
