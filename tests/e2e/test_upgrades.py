"""Workers are upgraded while rollouts run: these move to the new build as they stand, and the old one drains."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.worker import deployments
from rollwright.worker.builds import Standing
from rollwright.workflows.contract import Message, Phase, RolloutStatus
from tests.devcluster.standin.namespace import until
from tests.e2e.conftest import make_scene
from tests.e2e.documented import TWO_TWO, assert_done_once, play
from tests.e2e.processes import Process, TemporalServer
from tests.e2e.scene import AT_ONCE, BY_HAND, PROGRAM, Rollout, Scene, assert_left_alone

pytestmark = pytest.mark.real

MOVED_WITHIN_SECONDS = 90.0
CANARY = Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=(ApprovalGate(),)),))
OTHER = """
from temporalio import workflow
from rollwright.cli.main import main
from rollwright.workflows.rollout import RolloutWorkflow

roll_out = RolloutWorkflow._roll_out

async def roll_out_otherwise(rollout):
    await workflow.sleep(0.01)
    return await roll_out(rollout)

RolloutWorkflow._roll_out = roll_out_otherwise
main()
"""
"""A build that can't replay what another one has begun: it would be stuck with it."""


class Scenes(NamedTuple):
    """Two targets in namespaces of their own, and workers that serve both."""

    one: Scene
    another: Scene


@pytest_asyncio.fixture(loop_scope="session")
async def scenes(devcluster: DevCluster, temporal: TemporalServer, tmp_path: Path) -> AsyncIterator[Scenes]:
    async with AsyncExitStack() as stack:
        one, another = [await make_scene(devcluster, temporal, tmp_path, stack) for _ in range(2)]
        another.shared_queue, another.workers = one.queue, one.workers
        yield Scenes(one, another)


async def start_build(scene: Scene, build: str, *options: str, program: Sequence[str] = PROGRAM) -> Process:
    return await scene.start_worker(
        None, f"--deployment={scene.queue}", f"--build-id={build}", *options, program=program
    )


async def is_current(scene: Scene, build: str) -> None:
    """Wait until rollouts go to this build."""
    await until(lambda: deployments.describe(scene.client, scene.queue), lambda known: known and known.current == build)


async def standing(scene: Scene, build: str) -> Standing | None:
    known = await deployments.describe(scene.client, scene.queue)
    return next((found.standing for found in known.builds if found.build_id == build), None) if known else None


async def build_of(rollout: Rollout) -> str:
    """Which build it is pinned to; empty if to none."""
    described = (await rollout.handle.describe()).raw_description
    pinned: str = described.workflow_execution_info.versioning_info.deployment_version.build_id
    return pinned


async def moves_to(build: str, *rollouts: Rollout) -> None:
    for rollout in rollouts:
        await until(partial(build_of, rollout), lambda found: found == build, MOVED_WITHIN_SECONDS)


def mind(status: RolloutStatus) -> tuple[object, ...]:
    """What a rollout is about, and what it has come to know and to decide."""
    gates = tuple((gate.name, gate.progress.finding, gate.progress.since) for gate in status.open_gates)
    return (
        *(status.spec, status.revision, status.before, status.course, status.by, status.started_at, status.events),
        *(status.phase, status.stage, status.steps, status.gate, gates, status.seen),
        *(status.available_min, status.groups_max),
    )


async def test_rollouts_under_way_move_to_another_build_as_they_stand_and_the_old_one_drains(scenes: Scenes) -> None:
    one, another = scenes
    await one.create(ready_after=BY_HAND)
    await another.create(ready_after=AT_ONCE)
    old = await start_build(one, "a", "--become-current")
    await is_current(one, "a")
    async with one.rollout(TWO_TWO) as rolling, another.rollout(CANARY) as gated:
        await rolling.reaches(2, 6)
        await rolling.replaced(2, 3)
        await rolling.until(lambda now: now.available_min == 2)  # it has seen that, too
        await gated.until(lambda now: now.seen)
        before = [mind(await rollout.status()) for rollout in (rolling, gated)]

        await start_build(one, "b", "--become-current", program=("-c", OTHER))
        await moves_to("b", rolling, gated)
        assert [mind(await rollout.status()) for rollout in (rolling, gated)] == before
        await until(lambda: standing(one, "a"), lambda found: found is Standing.DRAINED, MOVED_WITHIN_SECONDS)
        assert await old.terminate() == 0

        await gated.send(Message.APPROVE, seen=(await gated.status()).seen)
        completed = await play(one, rolling, first=(2, 6)), await gated.result()
    assert [result.phase for result in completed] == [Phase.COMPLETED] * 2
    await assert_done_once(one, rolling)
    assert_left_alone(await another.lws())


async def test_a_rollout_goes_back_from_a_bad_build_without_anybody_touching_it(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await start_build(scene, "a", "--become-current")
    await is_current(scene, "a")
    async with scene.rollout(CANARY) as rollout:
        before = mind(await rollout.until(lambda now: now.seen))
        bad = await start_build(scene, "b", "--become-current", program=("-c", OTHER))
        await moves_to("b", rollout)
        await until(
            lambda: builds(scene), lambda told: told == {"a": ("drained", 0), "b": ("current", 1)}, MOVED_WITHIN_SECONDS
        )
        again = await start_build(scene, "a", "--become-current")
        await again.says("that is left as it is")

        assert (await builds(scene, "--make-current=a"))["a"][0] == "current"
        await moves_to("a", rollout)
        assert await bad.terminate() == 0
        assert mind(await rollout.status()) == before
        await rollout.send(Message.APPROVE, seen=(await rollout.status()).seen)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_left_alone(await scene.lws())


async def builds(scene: Scene, *options: str) -> dict[str, tuple[str, int]]:
    """What `rollwright versions` tells of each."""
    shown = json.loads(await scene.run("versions", f"--deployment={scene.queue}", "--json", *options))
    return {build["build_id"]: (build["standing"], build["rollouts"]) for build in shown["builds"]}


async def test_a_rollout_that_began_without_builds_goes_on_under_the_first_one(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    without = await scene.start_worker()
    async with scene.rollout(CANARY) as rollout:
        before = mind(await rollout.until(lambda now: now.seen))
        first = await start_build(scene, "a", "--become-current")
        await is_current(scene, "a")
        assert await without.terminate() == 0
        assert (await rollout.waiting()).worker is first
        assert mind(await rollout.status()) == before
        await rollout.send(Message.APPROVE, seen=(await rollout.status()).seen)
        result = await rollout.result()
        assert await build_of(rollout) == "a"
    assert result.phase is Phase.COMPLETED
    assert_left_alone(await scene.lws())
