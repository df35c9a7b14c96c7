"""The ledger by its verbs: what ran, who wanted it and what came of it; going back, and never again."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.workflows.contract import Phase
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.documented import TWO_TWO
from tests.e2e.processes import TemporalServer
from tests.e2e.scene import (
    AT_ONCE,
    CAPTAIN,
    NAME,
    NEW,
    OLD,
    Rollout,
    Scene,
    assert_left_alone,
    assert_replaced_once,
)

pytestmark = pytest.mark.real

LATER = "model:3"
BUDGET = ("--max-unavailable", "2", "--max-surge", "2")


@pytest_asyncio.fixture(loop_scope="session")
async def empty_temporal(temporal_binary: Path, tmp_path: Path) -> AsyncIterator[TemporalServer]:
    """A Temporal server that knows of no rollout."""
    folder = tmp_path / "temporal"
    folder.mkdir()
    server = TemporalServer(temporal_binary, folder)
    await server.start()
    yield server
    await server.kill()


async def test_an_undo_is_a_rollout_with_its_stages_to_the_template_before(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await roll_out(scene, begun_by=("start", "--image", f"model={NEW}", *BUDGET, *said("a better model")))
    found, asked = await history(scene)
    assert told(found) == (1, [f"model={OLD}"], "", "found on the target", "", False)
    assert told(asked) == (2, [f"model={NEW}"], CAPTAIN, "a better model", "completed", True)

    undone = await roll_out(scene, begun_by=("undo", *said("error rate is up")))
    assert undone.seen.partition_replicas[:2] == [(0, 4), (4, 6)]  # by the strategy of the rollout before
    assert_replaced_once(undone.seen)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())
    before, brought_back = await history(scene)
    assert told(before) == (*told(asked)[:-1], False)
    assert told(brought_back) == (3, [f"model={OLD}"], CAPTAIN, "error rate is up", "completed", True)


async def test_a_rejected_template_is_refused_and_passed_over_until_it_is_allowed_again(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    for image in (NEW, LATER):
        await roll_out(scene, begun_by=("start", "--image", f"model={image}", *BUDGET))
    await scene.rollwright("reject", "2", *said("answers in Klingon"))
    await until(scene.lws, lambda lws: lws["status"]["replicas"] == 4)  # its controller reports of the surge's end
    before = (await scene.lws(), await history(scene))

    refused = await scene.rollwright("start", "--image", f"model={NEW}", code=1)
    assert f"this template is revision 2, which {CAPTAIN} has rejected" in one_line(refused)
    way_out = f"To allow it again: rollwright reject lws/{NAME} 2 -n {scene.namespace.name} --undo"
    assert f"answers in Klingon. {way_out}" in one_line(refused)
    by_worker = await scene.rollwright("start", "--image", f"model={NEW}", "--no-check", "--wait", code=1)
    assert way_out in one_line(by_worker)
    assert "answers in Klingon" in await scene.rollwright("undo", "--to-revision", "2", code=1)
    assert (await scene.lws(), await history(scene)) == before

    await roll_out(scene, begun_by=("undo",))
    assert await scene.images() == {OLD}
    await scene.rollwright("reject", "2", "--undo")
    await roll_out(scene, begun_by=("undo", "--to-revision", "2"))
    assert await scene.images() == {NEW}
    assert_left_alone(await scene.lws())


async def test_the_ledger_outlives_what_temporal_knows(scene: Scene, empty_temporal: TemporalServer) -> None:
    await scene.create(ready_after=AT_ONCE)
    await roll_out(scene, begun_by=("start", "--image", f"model={NEW}", *said("a better model")))
    known = await history(scene)

    elsewhere = replace(scene, server=empty_temporal, client=await empty_temporal.client(), workers=[])
    assert await history(elsewhere) == known
    undone = await roll_out(elsewhere, begun_by=("undo", *BUDGET))
    assert undone.seen.partition_replicas[:2] == [(0, 4), (4, 6)]
    assert_replaced_once(undone.seen)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def roll_out(scene: Scene, *, begun_by: tuple[str, ...]) -> Rollout:
    """Begin a rollout of two groups in surplus at most by a command, and see it completed."""
    async with scene.rollout(TWO_TWO, begun_by=begun_by) as rollout:
        assert (await rollout.result()).phase is Phase.COMPLETED
    return rollout


async def history(scene: Scene) -> list[Json]:
    shown: Json = json.loads(await scene.rollwright("history", "--json"))
    return list(shown["revisions"])


def told(revision: Json) -> tuple[object, ...]:
    """What people ask of a revision."""
    outcome = revision["outcome"].split(" ")[0]  # without when
    return (*(revision[field] for field in ("revision", "images", "actor", "reason")), outcome, revision["stands"])


def said(reason: str) -> tuple[str, ...]:
    """Who asks, and why."""
    return ("--actor", CAPTAIN, "--reason", reason)


def one_line(text: str) -> str:
    """As it is without the terminal's line breaks."""
    return " ".join(text.split())
