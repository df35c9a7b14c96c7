"""A group is ready once it serves: by the endpoints of a Service, with the controller that writes them at work."""

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from rollwright.rollout.observation import Cause
from rollwright.rollout.spec import InEndpoints, Serves, Strategy
from rollwright.workflows.contract import Message, Phase, RolloutStatus
from tests.e2e.rights import account, grant, without
from tests.e2e.scene import (
    AT_ONCE,
    NAME,
    NEW_IMAGE,
    OLD,
    Rollout,
    Scene,
    assert_left_alone,
    assert_never_touched,
    assert_replaced_once,
)

pytestmark = pytest.mark.real

SERVICE = "front"
IN_SERVICE = Strategy(max_unavailable=1, readiness=Serves(endpoint=InEndpoints(service=SERVICE)))


async def create(scene: Scene) -> None:
    """A target, and a Service that sends traffic to pods with a label, which none of them has."""
    await scene.create(3, ready_after=AT_ONCE)
    metadata = {"name": SERVICE, "namespace": scene.namespace.name}
    spec = {"selector": {"serves": "true"}, "ports": [{"port": 80, "targetPort": 8000}]}
    await scene.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


async def until_not_serving(rollout: Rollout, ordinal: int, why: str) -> RolloutStatus:
    """Wait until it is said of a group, whose pods are ready, that it doesn't serve."""
    told = {ordinal: (Cause.SERVING, f"{NAME}-{ordinal}: {why}")}

    def is_told(now: RolloutStatus) -> bool:
        groups = now.observation.groups if now.observation else ()
        return {group.ordinal: (group.cause, group.reason) for group in groups if not group.ready} == told

    return await rollout.until(is_told)


async def test_a_rollout_waits_for_each_group_to_be_in_the_service_and_old_ones_need_not_be(scene: Scene) -> None:
    """With the rights that are documented."""
    await create(scene)
    await grant(scene)
    async with scene.rollout(IN_SERVICE, kubeconfig=await account(scene)) as rollout:
        await until_not_serving(rollout, 2, f"service {SERVICE} has no endpoints")
        assert rollout.seen.partition_replicas == [(0, 3), (3, 3), (2, 3)]
        await scene.kubectl("label", "pod", f"{NAME}-2", "serves=true")
        await until_not_serving(rollout, 1, f"not in the endpoints of service {SERVICE}")
        assert rollout.seen.partition_replicas == [(0, 3), (3, 3), (2, 3), (1, 3)]
        await scene.kubectl("label", "pod", f"{NAME}-1", "serves=true")
        await until_not_serving(rollout, 0, f"not in the endpoints of service {SERVICE}")
        await scene.kubectl("label", "pod", f"{NAME}-0", "serves=true")
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert "not permitted" not in rollout.worker.log.read_text()
    assert_replaced_once(rollout.seen, 3)
    assert_left_alone(await scene.lws(), replicas=3)


async def test_the_way_back_does_not_wait_for_the_old_version_to_be_in_the_service(scene: Scene) -> None:
    await create(scene)
    async with scene.rollout(IN_SERVICE) as rollout:
        await until_not_serving(rollout, 2, f"service {SERVICE} has no endpoints")
        await rollout.send(Message.ROLLBACK)
        assert (await rollout.result()).phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws(), replicas=3)


async def test_a_right_to_watch_endpoints_that_is_missing_is_named_until_it_is_granted(scene: Scene) -> None:
    await create(scene)
    await grant(scene, without("endpointslices", "watch"))
    async with scene.rollout(IN_SERVICE, kubeconfig=await account(scene)) as rollout:
        await rollout.until_phase(Phase.STALLED, f"watch endpointslices in {scene.namespace.name}: not permitted")
        await grant(scene)
        await until_not_serving(rollout, 2, f"service {SERVICE} has no endpoints")
        await rollout.send(Message.ROLLBACK)
        assert (await rollout.result()).phase is Phase.ROLLED_BACK


async def test_without_the_right_to_see_endpoints_it_is_refused_before_anything_is_touched(scene: Scene) -> None:
    await create(scene)
    await grant(scene, without("endpointslices"))
    await scene.start_worker(await account(scene))
    handle = await scene.start(IN_SERVICE, NEW_IMAGE)
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert "let the worker list and watch endpointslices as in deploy/rbac.yaml" in failed.value.cause.message
    assert_left_alone(await scene.lws(), replicas=3)
