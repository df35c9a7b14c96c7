"""Workers that follow: a template that changes under a frozen partition is rolled out by itself, and left frozen."""

import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from rollwright.devcluster.watcher import Watcher
from rollwright.workflows.contract import Message, Phase, RolloutStatus
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.processes import Process
from tests.e2e.rights import account, grant
from tests.e2e.scene import (
    AT_ONCE,
    BY_HAND,
    NAME,
    NEW,
    OLD,
    RECORD,
    Rollout,
    Scene,
    assert_left_alone,
    assert_never_touched,
    assert_replaced_once,
)

pytestmark = pytest.mark.real

FROZEN = {"partition": 2147483647, "maxUnavailable": 1, "maxSurge": 0}
IMAGE = "/spec/leaderWorkerTemplate/workerTemplate/spec/containers/0/image"
READY_AFTER = "/spec/leaderWorkerTemplate/workerTemplate/metadata/annotations/devcluster.rollwright.io~1ready-after"
NEXT = "model:3"
POLICY = "careful"
TWO_TWO = "strategy: {maxUnavailable: 2, maxSurge: 2}"
HALF_WAY = "strategy: {maxUnavailable: 2, maxSurge: 2, steps: [{until: 2}]}"
HALF_WAY_IN_PLACE = "strategy: {maxUnavailable: 2, steps: [{until: 2}]}"
LONGEST_SECONDS = 60.0


async def write_policy(scene: Scene, text: str) -> None:
    await scene.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "rollwright-policies", "namespace": scene.namespace.name},
            "data": {POLICY: text},
        }
    )


async def create_followed(scene: Scene, policy: str = TWO_TWO, *, ready_after: str = AT_ONCE) -> None:
    """A target that is frozen, and its policy."""
    await scene.create(ready_after=ready_after, update=FROZEN)
    await scene.namespace.patch_set(NAME, {"metadata": {"annotations": {"rollwright.io/policy": POLICY}}})
    if policy:
        await write_policy(scene, policy)


async def follow(scene: Scene, kubeconfig: Path | None = None) -> Process:
    """Start a worker that follows."""
    return await scene.start_worker(kubeconfig, "--follow", f"--follow-namespace={scene.namespace.name}")


async def commit(scene: Scene, image: str, *, ready_after: str = AT_ONCE) -> None:
    """Change the template, as a tool does that leaves the strategy alone."""
    changes = [
        {"op": "replace", "path": IMAGE, "value": image},
        {"op": "replace", "path": READY_AFTER, "value": ready_after},
    ]
    await scene.namespace.patch_set(NAME, changes)


async def open_rollout(scene: Scene, seen: Watcher) -> Rollout:
    """The rollout of the target, once there is one."""
    handle: WorkflowHandle[Any, RolloutStatus] = scene.client.get_workflow_handle(
        scene.target.workflow_id, result_type=RolloutStatus
    )
    await until(partial(_exists, handle), bool, LONGEST_SECONDS)
    return Rollout(seen, handle, scene.workers)


async def half_way(rollout: Rollout, *, but_not: str = "") -> RolloutStatus:
    """Wait until it stands at its gate, on the way to another revision than that."""
    return await rollout.until(
        lambda status: status.phase is Phase.GATED and status.revision != but_not, LONGEST_SECONDS
    )


@asynccontextmanager
async def on_its_way(scene: Scene) -> AsyncIterator[Rollout]:
    """A rollout that a follower has started, which stands half way at its gate, and is watched from its beginning."""
    await create_followed(scene, HALF_WAY)
    await follow(scene)
    async with watching(scene) as seen:
        await commit(scene, NEW)
        rollout = await open_rollout(scene, seen)
        await half_way(rollout)
        yield rollout


async def _exists(handle: WorkflowHandle[Any, RolloutStatus]) -> bool:
    try:
        await handle.describe()
    except RPCError:
        return False
    return True


async def frozen_again(scene: Scene) -> Json:
    """The target, once nothing of a rollout is left on it and it is frozen as before."""
    lws = await until(scene.lws, lambda lws: RECORD not in lws["metadata"]["annotations"], LONGEST_SECONDS)
    assert_left_alone(lws, update=FROZEN)
    return lws


async def runs(scene: Scene, image: str) -> None:
    """Wait until all groups run this image, and all is as before."""
    await until(scene.images, lambda images: images == {image}, LONGEST_SECONDS)
    await frozen_again(scene)


async def event(scene: Scene, reason: str, words: str = "") -> Json:
    """The Event of this reason on the target that says so, once it is there; it is the only one."""
    (found,) = await until(partial(_events, scene, reason, words), bool, LONGEST_SECONDS)
    return found


async def _events(scene: Scene, reason: str, words: str) -> list[Json]:
    items = json.loads(await scene.kubectl("get", "events", "--output=json"))["items"]
    return [item for item in items if item["reason"] == reason and words in item["message"]]


async def image_of_template(scene: Scene) -> str:
    pod = (await scene.lws())["spec"]["leaderWorkerTemplate"]["workerTemplate"]
    image: str = pod["spec"]["containers"][0]["image"]
    return image


def watching(scene: Scene) -> Watcher:
    return Watcher(scene.cluster.kubeconfig, scene.namespace.name, NAME, scene.kind)


def assert_promise_kept(seen: Watcher) -> None:
    """Two missing at most, and two surplus."""
    assert seen.available_min >= 2, seen.moments
    assert seen.groups_max <= 6, seen.moments


async def test_a_new_template_is_rolled_out_by_its_policy_and_left_frozen(scene: Scene) -> None:
    await create_followed(scene)
    await follow(scene)
    async with watching(scene) as seen:
        wanted = copy.deepcopy(scene.manifest)
        wanted["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]["image"] = NEW
        await scene.apply(wanted)  # the whole of it, as from git
        result = await (await open_rollout(scene, seen)).result()
        await frozen_again(scene)
    assert result.phase is Phase.COMPLETED
    assert (result.by.actor, result.by.reason) == ("rollwright follow", f"template changed under policy {POLICY}")
    assert await scene.images() == {NEW}
    assert_promise_kept(seen)
    assert seen.groups_max == 6  # by the policy
    assert_replaced_once(seen)


async def test_two_workers_start_it_once(scene: Scene) -> None:
    await create_followed(scene)
    await follow(scene)
    await follow(scene)
    async with watching(scene) as seen:
        await commit(scene, NEW)
        rollout = await open_rollout(scene, seen)
        assert (await rollout.result()).phase is Phase.COMPLETED
        await frozen_again(scene)
        await commit(scene, NEXT)  # by now both have seen to the one before
        await runs(scene, NEXT)
        assert (await rollout.result()).phase is Phase.COMPLETED
    logs = "".join(worker.log.read_text() for worker in scene.workers)
    assert logs.count(f"a rollout by policy '{POLICY}'") == 2
    assert_promise_kept(seen)


async def test_a_change_that_is_reverted_in_the_middle_ends_where_it_began(scene: Scene) -> None:
    async with on_its_way(scene) as rollout:
        await commit(scene, OLD)
        status = await rollout.result()
        await frozen_again(scene)
    assert status.phase is Phase.COMPLETED
    assert await scene.images() == {OLD}
    assert [event.actor for event in status.events if event.what.startswith("retarget")] == ["rollwright follow"]
    assert_never_touched(rollout.seen, 0, 1)
    assert_promise_kept(rollout.seen)


async def test_a_next_change_in_the_middle_is_the_new_target(scene: Scene) -> None:
    async with on_its_way(scene) as rollout:
        first = await half_way(rollout)
        await commit(scene, NEXT)
        await half_way(rollout, but_not=first.revision)
        await rollout.send(Message.PROMOTE)
        result = await rollout.result()
        await frozen_again(scene)
    assert (result.phase, result.before) == (Phase.COMPLETED, first.before)
    assert await scene.images() == {NEXT}
    assert_promise_kept(rollout.seen)


async def test_a_rollout_that_was_aborted_is_not_started_again_and_the_next_template_is(scene: Scene) -> None:
    async with on_its_way(scene) as rollout:
        await rollout.send(Message.ABORT)
        assert (await rollout.result()).phase is Phase.ABORTED
        held = await event(scene, "HeldBack", "aborted")
        assert f"rollwright start --target lws/{NAME} -n {scene.namespace.name}" in held["message"]
        await follow(scene)  # also by one that has seen nothing of it
        await scene.workers[-1].says("HeldBack")
        assert (await rollout.result()).phase is Phase.ABORTED
        await write_policy(scene, TWO_TWO)
        await commit(scene, NEXT)
        await runs(scene, NEXT)
    assert_promise_kept(rollout.seen)


async def test_what_a_rollback_has_taken_back_can_be_put_in_place_again_without_a_start(scene: Scene) -> None:
    async with on_its_way(scene) as rollout:
        await rollout.send(Message.ROLLBACK)
        assert (await rollout.result()).phase is Phase.ROLLED_BACK
        assert await scene.images() == {OLD}
        await frozen_again(scene)
        await commit(scene, NEW)  # the tool does what git says
        await event(scene, "HeldBack", "rolled back")
        assert await scene.images() == {OLD}
        assert_never_touched(rollout.seen, 0, 1)
        await scene.rollwright("start")  # as the Event says
        await runs(scene, NEW)
    assert_promise_kept(rollout.seen)


async def test_a_policy_that_is_missing_is_told_on_the_target_and_nothing_is_started(scene: Scene) -> None:
    await create_followed(scene, "")
    await follow(scene)
    await commit(scene, NEW)
    told = await event(scene, "PolicyUnusable", f"'{POLICY}' is missing")
    assert told["type"] == "Warning"
    assert told["involvedObject"]["name"] == NAME
    await write_policy(scene, "strategy: {maxSurge: many}")
    await event(scene, "PolicyUnusable", "strategy.maxSurge")
    assert await scene.images() == {OLD}
    await write_policy(scene, TWO_TWO)
    await runs(scene, NEW)


async def test_a_template_that_is_put_back_during_its_rollback_is_told_and_settled_by_a_revert(scene: Scene) -> None:
    await create_followed(scene, HALF_WAY_IN_PLACE, ready_after=BY_HAND)
    await follow(scene)
    async with watching(scene) as seen:
        await commit(scene, NEW)
        rollout = await open_rollout(scene, seen)
        await half_way(rollout)
        await rollout.send(Message.ROLLBACK)  # half way, as the old version is made ready by hand
        await until(partial(image_of_template, scene), lambda image: image == OLD, LONGEST_SECONDS)
        await commit(scene, NEW)  # a tool that heals the target
        told = await event(scene, "TemplatePutBack")
        assert f"rollwright resume lws/{NAME} -n {scene.namespace.name} --theirs" in told["message"]
        await commit(scene, OLD, ready_after=BY_HAND)
        await scene.make_ready(3, 2, image=OLD)
        assert (await rollout.result()).phase is Phase.ROLLED_BACK
        await runs(scene, OLD)
    assert_never_touched(seen, 0, 1)
    assert_promise_kept(seen)


async def test_the_documented_rights_are_enough_to_follow(scene: Scene) -> None:
    await create_followed(scene)
    await grant(scene, following=True)
    worker = await follow(scene, await account(scene))
    await commit(scene, NEW)
    await runs(scene, NEW)
    await scene.namespace.patch_set(NAME, {"metadata": {"annotations": {"rollwright.io/policy": "another"}}})
    await event(scene, "PolicyUnusable", "'another' is missing")
    assert "not permitted" not in worker.log.read_text()


async def test_a_template_that_was_rejected_is_not_started(scene: Scene) -> None:
    await create_followed(scene)
    await follow(scene)
    async with watching(scene):
        for image in (NEW, NEXT):
            await commit(scene, image)
            await runs(scene, image)
        await scene.rollwright("reject", "2", "--reason", "answers in Klingon")
        await commit(scene, NEW)
        await event(scene, "TemplateRejected", "answers in Klingon")
        assert await scene.images() == {NEXT}


async def test_a_statefulset_is_followed_too(scene: Scene) -> None:
    frozen = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2147483647}}
    await scene.create_statefulset(ready_after=AT_ONCE, updateStrategy=frozen)
    await write_policy(scene, TWO_TWO)
    await follow(scene)
    async with watching(scene) as seen:
        wanted = copy.deepcopy(scene.manifest)
        wanted["metadata"]["annotations"] = {"rollwright.io/policy": POLICY}
        wanted["spec"]["template"]["spec"]["containers"][0]["image"] = NEW
        await scene.apply(wanted)
        rollout = await open_rollout(scene, seen)
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert (await scene.statefulset())["spec"]["updateStrategy"]["rollingUpdate"]["partition"] == 2147483647
    assert await scene.images() == {NEW}
    assert_promise_kept(seen)
    assert_replaced_once(seen)
