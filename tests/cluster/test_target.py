"""A target on a real API server: what a write assumes, who may write, what is deleted."""

import asyncio

import pytest

from rollwright.cluster import patches
from rollwright.cluster.api import LEADER_WORKER_SETS, Manifest
from rollwright.cluster.errors import ConflictError, RefusedError, SupersededError
from rollwright.cluster.record import Fence
from rollwright.devcluster.parts import Part
from tests.cluster.conftest import NAME, Real, fence
from tests.devcluster.standin.namespace import Json, until
from tests.support.restarts import restart_clients

pytestmark = pytest.mark.real


async def test_a_write_leaves_its_fence_whether_or_not_there_were_annotations(real: Real) -> None:
    assert "annotations" not in (await real.target.read_object()).manifest["metadata"]
    await real.write(1, patches.scale(4))
    await real.write(2, patches.scale(5))
    lws = await real.target.read_object()
    assert (lws.replicas, Fence.of(lws.manifest)) == (5, fence(2))


async def test_the_same_step_twice_does_nothing(real: Real) -> None:
    await real.write(1, patches.scale(4))
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 2}})
    await real.write(1, patches.scale(4))
    assert (await real.spec())["replicas"] == 2


async def test_an_older_step_after_a_newer_one_is_told_that_it_is_late(real: Real) -> None:
    await real.write(2, patches.scale(4))
    with pytest.raises(SupersededError, match="a newer step"):
        await real.write(1, patches.scale(2))
    assert (await real.spec())["replicas"] == 4


async def test_a_spec_that_has_changed_since_it_was_planned_on_is_not_written_to(real: Real) -> None:
    planned_on = (await real.target.read_object()).generation
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 2}})
    with pytest.raises(ConflictError, match="its spec has changed since the step was planned"):
        await real.target.write(await real.target.read_object(), planned_on, fence(1), patches.scale(4))


async def test_a_change_between_reading_and_writing_is_a_conflict_and_nothing_is_written(real: Real) -> None:
    read = await real.target.read_object()
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 2}})
    with pytest.raises(ConflictError, match="changed by somebody else"):
        await real.write(1, patches.scale(4), read=read)
    assert (await real.spec())["replicas"] == 2


async def test_a_step_between_reading_and_writing_is_a_conflict_too(real: Real) -> None:
    read = await real.target.read_object()
    await real.write(1, [])
    with pytest.raises(ConflictError):
        await real.write(2, patches.scale(4), read=read)


async def test_status_and_annotations_of_others_are_no_conflict(real: Real) -> None:
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {"theirs": "x"}}})
    read = await real.target.read_object()
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {"theirs": "y"}}})
    await real.is_ready(3)
    await real.write(1, patches.scale(4), read=read)
    assert (await real.spec())["replicas"] == 4


async def test_the_first_annotation_between_reading_and_writing_is_a_conflict_and_not_nonsense(real: Real) -> None:
    read = await real.target.read_object()
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {"theirs": "x"}}})
    with pytest.raises(ConflictError):
        await real.write(1, patches.scale(4), read=read)


@pytest.mark.parametrize(
    "nonsense",
    [
        pytest.param([{"op": "replace", "path": "/spec/replicas", "value": "many"}], id="by the schema"),
        pytest.param([{"op": "replace", "path": "/spec/leaderWorkerTemplate/size", "value": 0}], id="by admission"),
        pytest.param([{"op": "replace", "path": "/spec/nowhere/else", "value": 0}], id="no such path"),
    ],
)
async def test_nonsense_is_refused_and_not_taken_for_a_conflict(real: Real, nonsense: list[Manifest]) -> None:
    with pytest.raises(RefusedError):
        await real.write(1, nonsense)


async def test_a_second_write_of_a_step_needs_its_fence_to_stand(real: Real) -> None:
    await real.write(1, [])
    await real.target.amend(await real.target.read_object(), fence(1), patches.scale(4))
    await real.write(2, [])
    with pytest.raises(SupersededError, match=r"this one .* stops"):
        await real.target.amend(await real.target.read_object(), fence(1), patches.scale(2))
    assert (await real.spec())["replicas"] == 4


async def test_a_leader_is_deleted_only_as_it_was_read(real: Real) -> None:
    await real.is_ready(3)
    read = await real.leader(0)
    await real.target.fence_off(read, fence(1))
    await real.target.delete_leader(read)  # decided on before it was fenced off
    now = await real.leader(0)
    assert now["metadata"]["uid"] == read["metadata"]["uid"]
    assert "deletionTimestamp" not in now["metadata"]

    await real.target.delete_leader(now)
    await until(real.namespace.pods, lambda pods: _uid(pods, 0) not in (None, now["metadata"]["uid"]))
    await real.target.delete_leader(now)  # one that has gone
    await real.is_ready(3)


def _uid(pods: dict[str, Json], ordinal: int) -> str | None:
    pod = pods.get(f"{NAME}-{ordinal}")
    return str(pod["metadata"]["uid"]) if pod else None


async def test_a_watch_goes_on_after_the_api_server_was_away(real: Real) -> None:
    changed = asyncio.Event()
    watch = await real.watches.of(LEADER_WORKER_SETS, real.namespace.name)
    try:
        with watch.waking(NAME, changed):
            await real.cluster.stop_part(Part.API_SERVER)
            await real.cluster.start_part(Part.API_SERVER)
            await real.namespace.patch_set(NAME, {"spec": {"replicas": 5}})
            async with asyncio.timeout(30):
                while watch.owned_by(NAME)[0]["spec"]["replicas"] != 5:
                    changed.clear()
                    await changed.wait()
    finally:
        await restart_clients(real.cluster)
