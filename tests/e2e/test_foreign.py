"""Somebody else changes a target in the middle: frozen, told, and settled by people; or taken as their wish."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import pytest

from rollwright.activities.messages import Side
from rollwright.rollout.spec import GatedStep
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.documented import TWO_TWO, assert_done_once, play
from tests.e2e.scene import (
    AT_ONCE,
    BY_HAND,
    FENCE,
    NAME,
    NEW,
    OLD,
    RECORD,
    USERS,
    Scene,
    assert_left_alone,
    assert_never_touched,
)

pytestmark = pytest.mark.real

THEIRS = "model:theirs"
HALF_WAY = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2),)})
IMAGE = "/spec/leaderWorkerTemplate/workerTemplate/spec/containers/0/image"
SETTINGS = "/spec/rolloutStrategy/rollingUpdateConfiguration"


def template_to(image: str) -> str:
    """How a difference of the templates is told."""
    return f'the template (leaderWorkerTemplate.workerTemplate.spec.containers[model].image "{NEW}" -> "{image}")'


async def apply_the_original(scene: Scene) -> None:
    await scene.apply(scene.manifest)


async def change_the_template(scene: Scene) -> None:
    await scene.namespace.patch_set(NAME, [{"op": "replace", "path": IMAGE, "value": THEIRS}])


async def lower_the_partition(scene: Scene) -> None:
    await scene.namespace.patch_set(NAME, [{"op": "replace", "path": f"{SETTINGS}/partition", "value": 0}])


async def raise_max_unavailable(scene: Scene) -> None:
    await scene.namespace.patch_set(NAME, [{"op": "replace", "path": f"{SETTINGS}/maxUnavailable", "value": 10}])


class Edit(NamedTuple):
    """What somebody does while half of the groups are updated, and what comes of it."""

    make: Callable[[Scene], Awaitable[None]]
    told: str
    image: str
    """That all groups run in the end if theirs holds."""
    settings: Json
    """That stand in the end if theirs holds."""


EDITS = [
    pytest.param(
        Edit(apply_the_original, f"partition 2 -> 0, maxSurge 0 -> 1, {template_to(OLD)}", OLD, USERS),
        id="the manifest",
    ),
    pytest.param(Edit(change_the_template, template_to(THEIRS), THEIRS, USERS), id="the template"),
    pytest.param(Edit(lower_the_partition, "partition 2 -> 0", NEW, USERS), id="the partition"),
    pytest.param(
        Edit(raise_max_unavailable, "maxUnavailable 2 -> 10", NEW, {**USERS, "maxUnavailable": 10}),
        id="maxUnavailable",
    ),
]


@pytest.mark.parametrize("side", Side, ids=str)
@pytest.mark.parametrize("edit", EDITS)
async def test_a_change_by_somebody_else_is_frozen_until_people_say_whose_it_shall_be(
    scene: Scene, edit: Edit, side: Side
) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(HALF_WAY) as rollout:
        await rollout.until_phase(Phase.GATED)
        await edit.make(scene)
        stalled = await rollout.until_phase(Phase.STALLED)
        assert stalled.reason.startswith(f"frozen, since somebody else has changed {edit.told}")
        partition, replicas = rollout.seen.partition_replicas[-1]
        assert partition >= replicas
        await rollout.send(Message.RESUME, side=side)
        await rollout.until(lambda now: now.phase is Phase.GATED or now.phase.is_final)
        await rollout.send(Message.PROMOTE, full=True)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    theirs = side is Side.THEIRS
    told = "somebody else has set" if theirs else "was asked for here"
    assert f"resume: goes on with what {told}" in result.events[0].what
    assert await scene.images() == {edit.image if theirs else NEW}
    assert_left_alone(await scene.lws(), update=edit.settings if theirs else USERS)


async def test_the_original_manifest_applied_while_a_surge_is_up_ends_within_the_promise(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await scene.apply(scene.manifest)
        await rollout.until_phase(Phase.STALLED, "the template")
        assert_never_touched(rollout.seen, 0, 1)
        await rollout.send(Message.RESUME, side=Side.OURS)
        await scene.make_ready(*range(5, -1, -1))
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert await scene.images() == {NEW}
    assert_left_alone(await scene.lws())


async def test_a_rollback_needs_no_word_about_a_change_by_somebody_else(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(HALF_WAY) as rollout:
        await rollout.until_phase(Phase.GATED)
        await change_the_template(scene)
        await rollout.until_phase(Phase.STALLED, "the template")
        await rollout.send(Message.ROLLBACK)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


@pytest.mark.parametrize("text", [None, "garbled"], ids=["removed", "garbled"])
async def test_annotations_spoilt_by_somebody_else_lose_nothing(scene: Scene, text: str | None) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await scene.namespace.patch_set(NAME, {"metadata": {"annotations": {RECORD: text, FENCE: text}}})
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_a_target_that_is_deleted_ends_its_rollout_and_nothing_else(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(HALF_WAY) as rollout:
        await rollout.until_phase(Phase.GATED)
        await scene.namespace.delete_set(NAME)
        result = await rollout.result()
    assert result.phase is Phase.DELETED
    assert "does not exist" in result.reason

    await until(scene.namespace.pods, lambda pods: not pods)
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(TWO_TWO) as another:
        assert (await another.result()).phase is Phase.COMPLETED
    assert len(scene.workers) == 1


async def test_a_target_that_is_made_anew_is_another_one(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(HALF_WAY, scaled_to=0) as rollout:  # no group serves where the target is deleted
        await rollout.until_phase(Phase.GATED)
        rollout.worker.freeze()
        await scene.namespace.delete_set(NAME)
        await scene.create(ready_after=AT_ONCE)
        rollout.worker.thaw()
        result = await rollout.result()
    assert result.phase is Phase.DELETED
    assert result.reason == "it was deleted, and made anew under its name; the new one is left alone"
    anew = await scene.lws()
    assert anew["metadata"]["generation"] == 1
    assert FENCE not in anew["metadata"].get("annotations", {})
    await until(scene.images, lambda images: images == {OLD})
