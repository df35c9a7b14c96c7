"""The rollout of the LWS documentation, stage by stage, whichever worker dies on the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.state import ClusterSettings
from rollwright.workflows.contract import Phase
from tests.e2e.conftest import make_scene
from tests.e2e.documented import STAGES, TWO_TWO, assert_done_once, play
from tests.e2e.processes import TemporalServer
from tests.e2e.scene import BY_HAND, Scene

pytestmark = pytest.mark.real


GATE = "MaxUnavailableStatefulSet"


async def is_on(cluster: DevCluster, gate: str) -> bool:
    metrics = await cluster.kubectl("get", "--raw=/metrics")
    (value,) = [
        line.split()[-1] for line in metrics.splitlines() if f'kubernetes_feature_enabled{{name="{gate}"' in line
    ]
    return value == "1"


@pytest_asyncio.fixture(loop_scope="session")
async def gated_scene(temporal: TemporalServer, devcluster: DevCluster, tmp_path: Path) -> AsyncIterator[Scene]:
    """In a cluster whose StatefulSet controller replaces several pods at once."""
    async with AsyncExitStack() as stack:
        cluster = DevCluster(f"{devcluster.name}-gate")
        stack.push_async_callback(cluster.down)
        await DevCluster.up(cluster.name, ClusterSettings(feature_gates={GATE: True}))
        yield await make_scene(cluster, temporal, tmp_path, stack)


async def assert_documented(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    assert (rollout.seen.available_min, rollout.seen.groups_max) == (2, 6)
    await assert_done_once(scene, rollout)


async def test_it_goes_through_the_documented_stages_where_statefulsets_replace_one_at_a_time(scene: Scene) -> None:
    assert not await is_on(scene.cluster, GATE)
    await assert_documented(scene)


async def test_it_goes_through_the_documented_stages_where_statefulsets_replace_several(gated_scene: Scene) -> None:
    assert await is_on(gated_scene.cluster, GATE)
    await assert_documented(gated_scene)


@pytest.mark.parametrize("changes", range(len(STAGES)), ids=map(str, STAGES))
async def test_a_worker_killed_at_any_stage_loses_nothing_and_nothing_is_done_twice(scene: Scene, changes: int) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout, asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(play(scene, rollout))
        await rollout.seen.until(lambda: len(rollout.seen.partition_replicas) > changes)
        await rollout.worker.kill()
        await scene.start_worker()
        result = await playing
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)
