"""No nodes for the surge: nothing is released for it, and nothing waits for ever."""

import pytest

from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Phase
from tests.e2e.scene import AT_ONCE, NEW, Scene, assert_left_alone, assert_never_touched

pytestmark = pytest.mark.real

NODES = 8
GPUS = 8  # of each
OTHER = "other"
IMPATIENT = Strategy(max_unavailable=1, max_surge=2, surge_patience=1)


async def test_a_surge_without_nodes_is_given_back_and_the_rollout_goes_on_in_place(scene: Scene) -> None:
    await scene.create(NODES // 2, gpus=GPUS, size=2, ready_after=AT_ONCE)
    async with scene.rollout(IMPATIENT) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert rollout.seen.partition_replicas[:4] == [(0, 4), (4, 6), (4, 4), (3, 4)]
    assert "surge groups find no nodes: goes on with 0, and tries for more later" in [e.what for e in result.events]
    assert_left_alone(await scene.lws())


async def test_a_single_group_without_nodes_for_another_stalls_until_there_are_some(scene: Scene) -> None:
    await take_a_node(scene)
    await scene.create(1, gpus=GPUS, size=NODES // 2, ready_after=AT_ONCE)
    async with scene.rollout(Strategy(max_unavailable=0, max_surge=1, surge_patience=2)) as rollout:
        stalled = await rollout.until_phase(Phase.STALLED)
        assert stalled.reason == (
            "no surge group finds a node and maxUnavailable comes to 0 at 1 replicas; free nodes, or raise it"
        )
        assert rollout.seen.partition_replicas[-1] == (1, 1)  # nothing is left half scheduled
        assert_never_touched(rollout.seen, 0)
        await scene.namespace.delete_pod(OTHER)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert await scene.images() == {NEW}
    assert_left_alone(await scene.lws(), replicas=1)


async def take_a_node(scene: Scene) -> None:
    """Have a pod of somebody else use all GPUs of a node."""
    container = {"name": "other", "image": "other:1", "resources": {"limits": {"nvidia.com/gpu": str(GPUS)}}}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    await scene.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": OTHER}, "spec": spec})
    await scene.kubectl("wait", "--for=condition=Ready", f"pod/{OTHER}", "--timeout=30s")
