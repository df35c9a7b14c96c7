"""A StatefulSet rolled out: the real controllers throughout, with the feature gate MaxUnavailableStatefulSet off."""

import json

import pytest

from rollwright.activities.messages import Side
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import Change, GatedStep, Pacing, Strategy
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import Json
from tests.e2e.documented import STAGES, TWO_TWO, play
from tests.e2e.rights import account, grant
from tests.e2e.scene import (
    AT_ONCE,
    BY_HAND,
    NEW,
    OLD,
    RECORD,
    Scene,
    assert_never_touched,
    assert_replaced_once,
    broken_pod,
)

pytestmark = pytest.mark.real

ORDERED_READY = "OrderedReady"
JITTER = "300ms-1500ms"


def broken(how: str, *groups: int) -> Change:
    """A new version that fails, in some groups or everywhere."""
    return Change(patch=broken_pod(how, *groups))


def assert_left_alone(found: Json, *, replicas: int = 4) -> None:
    """Nothing of a rollout is left on it: the user's own settings stand."""
    assert found["spec"]["replicas"] == replicas
    assert found["spec"]["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert RECORD not in found["metadata"].get("annotations", {})


@pytest.mark.parametrize(
    ("strategy", "replicas", "policy"),
    [
        pytest.param(TWO_TWO, 4, "Parallel", id="ordered"),
        pytest.param(Strategy(max_unavailable=2, max_surge=1, pacing=Pacing.EAGER), 6, "Parallel", id="eager"),
        pytest.param(Strategy(max_unavailable=0, max_surge=1), 3, "Parallel", id="nothing unavailable"),
        pytest.param(Strategy(max_unavailable=3, max_surge=2), 4, ORDERED_READY, id="OrderedReady"),
        pytest.param(Strategy(max_unavailable=2, pacing=Pacing.EAGER), 4, ORDERED_READY, id="OrderedReady, eager"),
        pytest.param(Strategy(max_unavailable=0, max_surge=1), 2, ORDERED_READY, id="OrderedReady, surge only"),
    ],
)
async def test_every_pod_is_replaced_once_within_the_budget(
    scene: Scene, strategy: Strategy, replicas: int, policy: str
) -> None:
    await scene.create_statefulset(replicas, ready_after=JITTER, policy=policy)
    async with scene.rollout(strategy) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_replaced_once(rollout.seen, replicas)
    assert_left_alone(await scene.statefulset(), replicas=replicas)
    assert await scene.images() == {NEW}


async def test_it_goes_through_the_documented_stages_with_groups_replaced_together(scene: Scene) -> None:
    """As a LeaderWorkerSet does: what a stage releases is gone before any of it is ready, without the gate."""
    await scene.create_statefulset(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        assert (await play(scene, rollout)).phase is Phase.COMPLETED
    assert rollout.seen.partition_replicas == STAGES
    assert_replaced_once(rollout.seen)
    assert_left_alone(await scene.statefulset())


async def test_of_pods_that_start_in_turn_one_at_a_time_is_taken(scene: Scene) -> None:
    """More would only wait: each starts once all below it are ready."""
    await scene.create_statefulset(4, ready_after=BY_HAND, policy=ORDERED_READY)
    async with scene.rollout(Strategy(max_unavailable=3)) as rollout:
        for ordinal in (3, 2, 1, 0):
            await rollout.reaches(ordinal, 4)
            await scene.make_ready(ordinal)
        await rollout.result()
    assert rollout.seen.available_min == 3


async def test_a_broken_version_is_rolled_back_where_kubernetes_itself_stands_still(scene: Scene) -> None:
    """Kubernetes issue 67250: under OrderedReady a broken pod keeps the controller from going back by itself."""
    await scene.create_statefulset(ready_after=AT_ONCE, policy=ORDERED_READY)
    strategy = Strategy(max_unavailable=1, failure_grace=1)
    async with scene.rollout(strategy, broken("image-pull")) as rollout:
        stalled = await rollout.until_phase(Phase.STALLED)
        assert "group 3 has failed (llm-3" in stalled.reason
        await rollout.send(Message.ROLLBACK)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.statefulset())


async def test_a_failure_that_is_tolerated_is_gone_round_and_named_at_the_end(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=AT_ONCE)
    strategy = Strategy(max_unavailable=2, failure_grace=1, max_failed_groups=1, pacing=Pacing.EAGER)
    async with scene.rollout(strategy, broken("crash-loop", 2)) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert "failed: group 2" in result.reason
    assert_replaced_once(rollout.seen)
    assert_left_alone(await scene.statefulset())


async def test_a_killed_worker_costs_nothing(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await rollout.worker.kill()
        await scene.start_worker()
        assert (await play(scene, rollout)).phase is Phase.COMPLETED
    assert rollout.seen.partition_replicas == STAGES
    assert_replaced_once(rollout.seen)


async def test_an_aborted_one_stays_as_it_is_and_the_next_goes_on_from_there(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=BY_HAND)
    async with scene.rollout(Strategy(max_unavailable=1)) as rollout:
        await rollout.reaches(3, 4)
        await rollout.replaced(3)
        await rollout.send(Message.ABORT, reason="lunch")
        await scene.make_ready(3)
        aborted = await rollout.result()
    assert aborted.phase is Phase.ABORTED
    found = await scene.statefulset()
    assert found["spec"]["updateStrategy"]["rollingUpdate"]["partition"] == 3
    assert RECORD in found["metadata"]["annotations"]
    async with scene.rollout(Strategy(max_unavailable=3)) as rest:
        await rest.reaches(0, 4)
        await scene.make_ready(2, 1, 0)
        assert (await rest.result()).phase is Phase.COMPLETED
    assert_never_touched(rest.seen, 3)
    assert_left_alone(await scene.statefulset())


@pytest.mark.parametrize(("side", "image"), [(Side.OURS, NEW), (Side.THEIRS, "model:9")])
async def test_somebody_elses_template_is_frozen_until_people_say_whose_it_shall_be(
    scene: Scene, side: Side, image: str
) -> None:
    await scene.create_statefulset(ready_after=AT_ONCE)
    half_way = Strategy(max_unavailable=1, steps=(GatedStep(until=2),))
    async with scene.rollout(half_way) as rollout:
        await rollout.until_phase(Phase.GATED)
        await scene.kubectl("set", "image", f"statefulset/{scene.target.name}", "model=model:9")
        stalled = await rollout.until_phase(Phase.STALLED)
        assert stalled.reason.startswith("frozen, since somebody else has changed the template (")
        await rollout.send(Message.RESUME, side=side)
        await rollout.until(lambda now: now.phase is Phase.GATED or now.phase.is_final)
        await rollout.send(Message.PROMOTE, full=True)
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert await scene.images() == {image}
    assert_left_alone(await scene.statefulset())


async def test_an_update_of_its_own_that_is_under_way_is_taken_over_within_the_budget(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=BY_HAND)
    await scene.kubectl("set", "image", f"statefulset/{scene.target.name}", f"model={NEW}")
    async with scene.rollout(Strategy(max_unavailable=1), Change()) as rollout:
        await rollout.reaches(4, 4)
        for ordinal in (3, 2, 1, 0):
            await rollout.reaches(ordinal, 4)
            await scene.make_ready(ordinal)
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert await scene.images() == {NEW}
    assert_left_alone(await scene.statefulset())


async def test_its_ledger_is_read_and_undone_by_the_command_line(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=AT_ONCE)
    async with scene.rollout(Strategy(max_unavailable=2)) as rollout:
        await rollout.result()
    history = json.loads(await scene.rollwright("history", "--json"))
    assert [(entry["images"], entry["stands"]) for entry in history["revisions"]] == [
        ([f"model={OLD}"], False),
        ([f"model={NEW}"], True),
    ]
    await scene.rollwright("undo", "--wait", "--max-unavailable", "2")
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.statefulset())


async def test_volumes_of_a_surge_are_made_only_where_that_is_allowed(scene: Scene) -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await scene.create_statefulset(0, ready_after=AT_ONCE, volumeClaimTemplates=[claim])
    before = (await scene.statefulset())["metadata"]["generation"]
    refused = await scene.rollwright("start", "--image", f"model={NEW}", "--max-surge", "1", code=1)
    assert "give maxSurge 0, or surgeVolumes true" in " ".join(refused.split())
    assert (await scene.statefulset())["metadata"]["generation"] == before


async def test_an_autoscaler_and_a_surge_are_refused_with_the_way_out(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=AT_ONCE)
    await scene.apply(autoscaler(scene))
    await scene.start_worker()
    refused = await scene.rollwright("start", "--image", f"model={NEW}", "--max-surge", "1", "--wait", code=1)
    assert "a StatefulSet has no maxSurge of its own; give maxSurge 0" in " ".join(refused.split())
    assert_left_alone(await scene.statefulset())


async def test_the_documented_rights_are_enough(scene: Scene) -> None:
    await scene.create_statefulset(ready_after=AT_ONCE)
    await grant(scene)
    worker = await scene.start_worker(await account(scene))
    async with scene.rollout(TWO_TWO) as rollout:
        assert (await rollout.result()).phase is Phase.COMPLETED
    strategy = Strategy(max_unavailable=1, failure_grace=1, on_stall=OnFailure.ROLLBACK)
    async with scene.rollout(strategy, broken("image-pull")) as failed:
        assert (await failed.result()).phase is Phase.ROLLED_BACK
    assert "not permitted" not in worker.log.read_text()
    assert_left_alone(await scene.statefulset())


def autoscaler(scene: Scene) -> Json:
    """A HorizontalPodAutoscaler of the target."""
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": scene.target.name}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": scene.target.name, "namespace": scene.namespace.name},
        "spec": {"scaleTargetRef": reference, "minReplicas": 4, "maxReplicas": 4},
    }
