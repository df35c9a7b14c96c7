"""Several clusters under one Temporal namespace: each has workers of its own, and what they may do stays there."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Message, Phase
from tests.e2e.conftest import make_scene
from tests.e2e.processes import TemporalServer
from tests.e2e.scene import NAME, NEW, OLD, Scene, assert_left_alone, assert_replaced_once
from tests.e2e.test_upgrades import CANARY, is_current, moves_to, start_build

pytestmark = pytest.mark.real

ONE_BY_ONE = Strategy(max_unavailable=1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def other_cluster() -> AsyncIterator[DevCluster]:
    cluster = await DevCluster.up(f"test-{os.getpid()}-west", report=print)
    yield cluster
    await cluster.down()


@pytest_asyncio.fixture(loop_scope="session")
async def east(devcluster: DevCluster, temporal: TemporalServer, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        yield await make_scene(devcluster, temporal, tmp_path, stack, cluster_name="east")


@pytest_asyncio.fixture(loop_scope="session")
async def west(
    east: Scene, other_cluster: DevCluster, temporal: TemporalServer, tmp_path: Path
) -> AsyncIterator[Scene]:
    """The other cluster, with a namespace, and later a target, of the very same name."""
    folder = tmp_path / "west"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        yield await make_scene(other_cluster, temporal, folder, stack, cluster_name="west", name=east.namespace.name)


async def test_targets_of_one_name_in_two_clusters_are_rolled_out_each_by_its_own_workers(
    east: Scene, west: Scene
) -> None:
    await asyncio.gather(east.create(), west.create())
    async with (
        east.rollout(ONE_BY_ONE, begun_by=("start", "--image=model=model:2", "--max-unavailable=1")) as eastern,
        west.rollout(ONE_BY_ONE, begun_by=("start", "--image=model=model:3", "--max-unavailable=1")) as western,
    ):
        ended = await asyncio.gather(eastern.result(), western.result())
    assert [status.phase for status in ended] == [Phase.COMPLETED] * 2
    assert (await east.images(), await west.images()) == ({"model:2"}, {"model:3"})
    for scene, rollout in ((east, eastern), (west, western)):
        assert_left_alone(await scene.lws())
        assert_replaced_once(rollout.seen)
    listed = json.loads(await east.run("list", f"--namespace={east.namespace.name}", "--all", "--json"))
    assert sorted(one["target"] for one in listed["rollouts"]) == [
        f"lws/{east.namespace.name}/{NAME}@east",
        f"lws/{east.namespace.name}/{NAME}@west",
    ]


async def test_a_rollout_whose_cluster_has_no_worker_answers_by_another_clusters(east: Scene, west: Scene) -> None:
    """It says what is missing, takes a pause, and touches nothing of a cluster that isn't its own."""
    await asyncio.gather(east.create(), west.create())
    await west.start_worker()
    async with east.rollout(ONE_BY_ONE) as rollout:
        await rollout.reaches(3, 4)
        await rollout.worker.kill()
        stalled = await rollout.until(lambda status: "no worker of cluster east takes tasks" in status.reason, 90)
        assert "rollwright worker --cluster east" in stalled.reason
        await rollout.send(Message.PAUSE)
        await rollout.until_phase(Phase.PAUSED)
        await rollout.send(Message.RESUME)
        await east.start_worker()
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert (await east.images(), await west.images()) == ({NEW}, {OLD})


async def test_a_build_is_current_once_it_has_workers_in_every_cluster(east: Scene, west: Scene) -> None:
    """They are one deployment, as all of them take workflows; else a cluster's steps would be on no build."""
    await east.create()
    for scene in (east, west):
        await start_build(scene, "a", "--become-current")
    await is_current(east, "a")
    async with east.rollout(CANARY) as rollout:
        await rollout.until(lambda now: now.seen)
        first = await start_build(east, "b", "--become-current")
        await first.says(f"can't become the current one yet: it has no workers on {east.queue}@west")
        refused = await east.run("versions", f"--deployment={east.queue}", "--make-current=b", code=1)
        assert f"has no workers on {east.queue}@west" in refused
        await start_build(west, "b")
        await moves_to("b", rollout)
        await rollout.send(Message.APPROVE, seen=(await rollout.status()).seen)
        assert (await rollout.result()).phase is Phase.COMPLETED


async def test_a_doctor_looks_for_the_rollouts_of_the_cluster_that_it_is_told_of(east: Scene, west: Scene) -> None:
    """A target that is in one cluster is not missed in the other, and a target left half way has the cluster's name."""
    await east.create()
    async with east.rollout(ONE_BY_ONE) as rollout:
        await rollout.reaches(3, 4)
        await rollout.send(Message.PAUSE)
        await rollout.until_phase(Phase.PAUSED)
        inside = f"--namespace={east.namespace.name}"
        assert "nothing found" in await west.run("doctor", inside, "--cluster=west")
        await rollout.handle.terminate()
        found = await east.run("doctor", inside, "--cluster=east", code=1)
        assert f"rollwright doctor lws/{NAME}@east -n {east.namespace.name} --repair settings" in found
