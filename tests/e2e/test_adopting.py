"""A template that somebody has put in place under a frozen partition: adopted, gone back from, and left frozen."""

import copy
import json

import pytest

from rollwright.cluster.names import RECORD
from rollwright.rollout.spec import Change, GatedStep
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import until
from tests.e2e.documented import TWO_TWO
from tests.e2e.scene import AT_ONCE, NAME, NEW, OLD, Scene, assert_left_alone, assert_never_touched

pytestmark = pytest.mark.real

FOREVER = 2147483647
FROZEN = {"partition": FOREVER, "maxUnavailable": 1, "maxSurge": 0}
HALF_WAY = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2),)})
IMAGE = "/spec/leaderWorkerTemplate/workerTemplate/spec/containers/0/image"
AS_IT_STANDS = Change()


async def put_in_place(scene: Scene) -> None:
    """Another template, which no ledger has seen; LWS has seen it once this returns."""
    await scene.namespace.patch_set(NAME, [{"op": "replace", "path": IMAGE, "value": NEW}])
    await until(
        scene.statefulset, lambda found: found["status"]["updateRevision"] != found["status"]["currentRevision"]
    )


async def test_it_is_rolled_out_and_left_frozen(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE, update=FROZEN)
    await put_in_place(scene)
    async with scene.rollout(TWO_TWO, AS_IT_STANDS) as rollout:
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert_left_alone(await scene.lws(), update=FROZEN)
    assert await scene.images() == {NEW}


async def test_held_without_any_step_the_way_back_is_written_down(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE, update=FROZEN)
    await put_in_place(scene)
    async with scene.rollout(TWO_TWO.model_copy(update={"partition": FOREVER}), AS_IT_STANDS) as rollout:
        ended = await rollout.result()
    assert ended.phase is Phase.COMPLETED
    assert await scene.images() == {OLD}
    record = json.loads((await scene.lws())["metadata"]["annotations"][RECORD])
    assert record["template"] == ended.before != ended.revision


async def test_after_an_abort_the_way_back_is_known(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE, update=FROZEN)
    await put_in_place(scene)
    async with scene.rollout(HALF_WAY, AS_IT_STANDS) as rollout:
        await rollout.until_phase(Phase.GATED)
        await rollout.send(Message.ABORT)
        assert (await rollout.result()).phase is Phase.ABORTED
    assert await scene.images() == {OLD, NEW}
    async with scene.rollout(TWO_TWO, begun_by=("rollback",)) as back:
        assert (await back.result()).phase is Phase.COMPLETED
    assert_left_alone(await scene.lws(), update=FROZEN)
    assert_never_touched(back.seen, 0, 1)
    assert await scene.images() == {OLD}


async def test_a_statefulset_goes_back_to_what_its_pods_ran(scene: Scene) -> None:
    frozen = {"type": "RollingUpdate", "rollingUpdate": {"partition": FOREVER}}
    await scene.create_statefulset(ready_after=AT_ONCE, updateStrategy=frozen)
    wanted = copy.deepcopy(scene.manifest)
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = NEW
    await scene.apply(wanted)
    async with scene.rollout(HALF_WAY, AS_IT_STANDS) as rollout:
        await rollout.until_phase(Phase.GATED)
        await rollout.send(Message.ROLLBACK)
        assert (await rollout.result()).phase is Phase.ROLLED_BACK
    spec = (await scene.statefulset())["spec"]
    assert spec["updateStrategy"]["rollingUpdate"]["partition"] == FOREVER
    assert spec["template"]["spec"]["containers"][0]["image"] == OLD
    assert_never_touched(rollout.seen, 0, 1)
    assert await scene.images() == {OLD}
