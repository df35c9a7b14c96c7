"""Workers that wake up late, parts that restart on the way back, and a workflow that somebody has terminated."""

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from rollwright.devcluster.parts import Part
from rollwright.rollout.spec import Change, Strategy
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import until
from tests.e2e.documented import TWO_TWO
from tests.e2e.line import Line, line_to
from tests.e2e.scene import AT_ONCE, BY_HAND, CAPTAIN, OLD, Scene, assert_left_alone, assert_never_touched, broken

pytestmark = pytest.mark.real

SLOWLY = "500ms"


@pytest_asyncio.fixture(loop_scope="session")
async def line(scene: Scene) -> AsyncIterator[Line]:
    async with line_to(scene.cluster.kubeconfig, scene.folder) as line:
        yield line


async def test_a_release_by_a_worker_that_was_frozen_until_after_a_rollback_changes_nothing(
    scene: Scene, line: Line
) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO, kubeconfig=line.kubeconfig) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        release = line.hold("PATCH", "leaderworkersets")
        await scene.make_ready(4, 5)
        await release.arrived.wait()
        rollout.worker.freeze()
        await scene.start_worker()
        await rollout.replaced(0, 1)  # by the retry on the other worker
        await rollout.send(Message.ROLLBACK)
        await rollout.seen.until(lambda: rollout.seen.partition_replicas[-1] == (6, 6))

        rollout.worker.thaw()
        assert await release.get_through() == [422]
        await scene.make_ready(0, 1, 2, 3, image=OLD)
        result = await rollout.result()
    assert rollout.seen.partition_replicas.count((0, 6)) == 1  # that of the retry
    assert result.phase is Phase.ROLLED_BACK
    assert [len(rollout.seen.leaders[ordinal]) for ordinal in range(4)] == [3, 3, 3, 3]
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def test_deletes_by_a_worker_that_was_frozen_until_after_the_way_back_began_hit_nothing(
    scene: Scene, line: Line
) -> None:
    await scene.create(ready_after=BY_HAND)
    deletes = line.hold("DELETE", "pods")
    async with scene.rollout(TWO_TWO, kubeconfig=line.kubeconfig) as forward:
        await forward.reaches(2, 6)
        await deletes.arrived.wait()
        forward.worker.freeze()
        await forward.handle.terminate()  # or the retry on another worker would delete them
    await scene.start_worker()
    async with scene.rollout(TWO_TWO, Change(images={"model": OLD})) as back:
        # Its first tasks may go to the frozen worker, and come back only when they time out.
        await back.until(lambda now: now.steps > 0, within_seconds=60)
        forward.worker.thaw()
        assert set(await deletes.get_through()) == {409}
        result = await back.result()
    assert result.phase is Phase.COMPLETED
    assert_never_touched(forward.seen, *range(4))
    assert_never_touched(back.seen, *range(4))
    assert_left_alone(await scene.lws())


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(None, id="temporal"),
        *(pytest.param(part, id=part) for part in (Part.API_SERVER, Part.CONTROLLER_MANAGER, Part.LWS_STAND_IN)),
    ],
)
async def test_a_rollback_survives_a_restart_of(scene: Scene, part: Part | None) -> None:
    await scene.create(ready_after=SLOWLY)
    strategy = Strategy(max_unavailable=1, failure_grace=1)
    async with scene.rollout(strategy, broken("image-pull", 1)) as rollout:
        await rollout.until_phase(Phase.STALLED, "group 1 has failed")
        await rollout.send(Message.ROLLBACK)
        await rollout.seen.until(lambda: rollout.seen.partition_replicas.count((4, 4)) == 2)  # on both ways
        if part is None:
            await scene.server.kill()
            await scene.server.start()
        else:
            async with scene.without(part):
                pass
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert [len(rollout.seen.leaders[ordinal]) for ordinal in range(4)] == [1, 3, 3, 3]
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def test_what_a_terminated_workflow_has_left_is_found_and_goes_on(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await rollout.handle.terminate()
    await is_found(scene)
    async with scene.rollout(TWO_TWO, begun_by=("doctor", "--repair", "resume")) as repaired:
        await scene.make_ready(*range(5, -1, -1))
        result = await repaired.result()
    assert result.phase is Phase.COMPLETED
    assert_never_touched(repaired.seen, 2, 3)
    assert_left_alone(await scene.lws())


async def test_what_a_terminated_workflow_has_left_goes_back_where_that_is_asked_for(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(TWO_TWO, broken("not-ready")) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await rollout.handle.terminate()
    await is_found(scene)
    repair = ("doctor", "--repair", "rollback", "--actor", CAPTAIN, "--reason", "nothing gets ready")
    async with scene.rollout(TWO_TWO, begun_by=repair) as repaired:
        result = await repaired.result()
    assert result.phase is Phase.COMPLETED
    assert (result.by.actor, result.by.reason) == (CAPTAIN, "nothing gets ready")
    assert_never_touched(repaired.seen, 0, 1)
    assert [len(repaired.seen.leaders[ordinal]) for ordinal in (2, 3)] == [2, 2]
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())
    assert "nothing found" in await scene.rollwright("doctor")


async def is_found(scene: Scene) -> None:
    """Wait until the target is known to have been left half way."""

    async def troubles() -> list[str]:
        found = json.loads(await scene.rollwright("doctor", "--json", code=1))
        return [finding["trouble"] for finding in found["findings"]]

    await until(troubles, lambda troubles: troubles == ["left half way"])
