"""A real HorizontalPodAutoscaler on the target: replicas is its own, and LWS's maxSurge carries the surge."""

import json

import pytest

from rollwright.rollout.spec import SurgeBy
from rollwright.workflows.contract import Phase
from tests.devcluster.standin.namespace import until
from tests.e2e.documented import TWO_TWO
from tests.e2e.scene import AT_ONCE, BY_HAND, NAME, NEW, Rollout, Scene, assert_left_alone

pytestmark = pytest.mark.real

A_SYNC_LATER = "1500ms"
"""Each group takes longer than the autoscaler takes to look again."""


async def test_an_autoscaler_finds_replicas_as_it_has_set_them_all_the_time(scene: Scene) -> None:
    await scene.create(ready_after=A_SYNC_LATER)
    await scale_automatically(scene, 4)
    async with scene.rollout(TWO_TWO) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert {moment.replicas for moment in rollout.seen.moments} == {4}
    assert rollout.seen.groups_max == 6
    assert replacements(rollout, 4) == [1, 1, 1, 1]
    assert_left_alone(await scene.lws())


async def test_what_an_autoscaler_sets_in_the_middle_is_the_new_wish(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    await scale_automatically(scene, 4)
    async with scene.rollout(TWO_TWO, scaled_to=5) as rollout:
        await rollout.reaches(2, 4)
        await rollout.replaced(2, 3)
        await keep_at(scene, 5)
        await rollout.reaches(2, 5)
        await scene.make_ready(*range(6, -1, -1))  # of five groups, two may be surplus
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert replacements(rollout, 5) == [1, 1, 1, 1, 0]
    assert await scene.images() == {NEW}
    assert_left_alone(await scene.lws(), replicas=5)


async def test_a_surge_by_replicas_beside_an_autoscaler_is_refused_with_the_way_out(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await scale_automatically(scene, 4)
    before = (await scene.lws())["metadata"]["generation"]
    rollout = scene.folder / "rollout.json"
    strategy = {"maxSurge": 2, "surgeBy": SurgeBy.REPLICAS}
    rollout.write_text(json.dumps({"change": {"images": {"model": NEW}}, "strategy": strategy}))
    await scene.start_worker()
    refused = " ".join((await scene.rollwright("start", "--file", rollout, "--wait", code=1)).split())
    assert f"the HorizontalPodAutoscaler {NAME} writes its replicas, and would take the surge down" in refused
    assert "give surgeBy auto or maxSurge, or maxSurge 0, or remove the autoscaler for the rollout" in refused
    assert (await scene.lws())["metadata"]["generation"] == before
    assert_left_alone(await scene.lws())


def replacements(rollout: Rollout, replicas: int) -> list[int]:
    """How often each group was replaced; the surge groups left out, which LWS gives back by a formula of its own."""
    return [len(rollout.seen.leaders[ordinal]) - 1 for ordinal in range(replicas)]


async def scale_automatically(scene: Scene, replicas: int) -> None:
    """Have an autoscaler keep so many groups, and see that it does."""
    await keep_at(scene, replicas)
    await scene.scale(replicas + 1)
    await until(scene.lws, lambda lws: lws["spec"]["replicas"] == replicas)
    await until(scene.namespace.pods, lambda pods: len(pods) == replicas)


async def keep_at(scene: Scene, replicas: int) -> None:
    """Tell the autoscaler how many groups there are to be."""
    target = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": NAME}
    await scene.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": NAME},
            "spec": {"scaleTargetRef": target, "minReplicas": replicas, "maxReplicas": replicas},
        }
    )
