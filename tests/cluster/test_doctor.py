"""Targets that a rollout was cut short on, on a real API server: what is told of them, and what is put back."""

import pytest

from rollwright.cluster import doctor, names
from rollwright.cluster.left import Left, Obstacle
from rollwright.cluster.record import Record
from tests.cluster.conftest import NAME, USERS, Real, fence
from tests.cluster.leaving import OLD, leave
from tests.devcluster.standin.namespace import until

pytestmark = pytest.mark.real


async def repair(real: Real) -> Left:
    repaired = await doctor.put_settings_back(real.target, fence(9))
    assert repaired
    return repaired.found


async def is_recorded(real: Real) -> bool:
    return real.named in await doctor.list_recorded(real.api, "")


async def test_a_target_without_a_record_is_of_no_interest(real: Real) -> None:
    assert not await is_recorded(real)
    assert await doctor.examine(real.target) is None
    assert await doctor.put_settings_back(real.target, fence(9)) is None


async def test_what_is_told_of_a_target_that_stands_half_way(real: Real) -> None:
    before = await leave(real, partition=2, groups=4, ready=4)
    assert await is_recorded(real)
    found = await until(
        lambda: doctor.examine(real.target), lambda found: found and found.updated == (2, 3) and not found.unready
    )
    assert found
    assert (found.partition, found.groups_asked, found.surge, found.outdated) == (2, 4, 1, (0, 1))
    assert found.settings.model_dump() == {"replicas": 3, "partition": 0, "max_unavailable": "50%", "max_surge": 1}
    assert found.since == fence(1).scheduled
    assert found.before == before
    assert found.obstacles == (Obstacle.OUTDATED, Obstacle.SURGE)


async def test_settings_are_put_back_where_all_groups_run_the_template(real: Real) -> None:
    await leave(real, image=OLD)
    before = await real.uids()
    assert (await repair(real)).obstacles == ()
    assert await real.settings() == USERS
    assert not await is_recorded(real)
    await until(real.target.read, lambda snapshot: snapshot.is_settled)
    assert await real.uids() == before


async def test_settings_that_lws_refuses_by_now_are_put_back_as_numbers_and_it_is_said(real: Real) -> None:
    settings = {"rollingUpdateConfiguration": {"maxUnavailable": "25%", "maxSurge": 0}}
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 4, "rolloutStrategy": settings}})
    await real.is_ready(4)
    await leave(real, image=OLD, partition=4, groups=4, ready=4)
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 3}})
    await until(real.target.read, lambda snapshot: snapshot.is_settled and len(snapshot.leaders) == 3)
    repaired = await doctor.put_settings_back(real.target, fence(9))
    assert repaired
    assert repaired.found.obstacles == ()
    assert repaired.note == "maxUnavailable is left at 1: LWS refuses 25% at this number of replicas"
    assert await real.settings() == {"partition": 0, "maxUnavailable": 1, "maxSurge": 0}
    assert not await is_recorded(real)


async def test_settings_wait_while_groups_are_on_two_revisions_and_none_moves(real: Real) -> None:
    await leave(real, partition=3)
    before = await real.uids()
    assert Obstacle.OUTDATED in (await repair(real)).obstacles
    assert await real.settings() == {"partition": 3, "maxUnavailable": 1, "maxSurge": 0}
    assert await is_recorded(real)
    await until(real.target.read, lambda snapshot: snapshot.is_settled)
    assert await real.uids() == before


async def test_a_release_that_was_cut_short_stops_where_it_is(real: Real) -> None:
    """The StatefulSet controller replaces the groups that are let go of one by one: group 2 first, which hangs."""
    await leave(real, ready_after="1h", partition=0, max_unavailable=3, ready=2)
    before = await real.uids()
    await repair(real)
    assert await real.settings() == {"partition": 2, "maxUnavailable": 1, "maxSurge": 0}
    await until(real.target.read, lambda snapshot: snapshot.is_settled and snapshot.reflected_partition == 2)
    await real.namespace.make_ready(f"{NAME}-2")
    await real.is_ready(3)
    after = await until(real.uids, lambda uids: len(uids) == 3)
    assert {name: after[name] for name in (f"{NAME}-0", f"{NAME}-1")} == {
        name: before[name] for name in (f"{NAME}-0", f"{NAME}-1")
    }


async def test_a_surge_is_not_taken_down(real: Real) -> None:
    await leave(real, image=OLD, groups=4, ready=4)
    assert (await repair(real)).obstacles == (Obstacle.SURGE,)
    assert (await real.spec())["replicas"] == 4
    assert len(await real.uids()) == 4
    record = Record.of(await real.target.read_object())
    assert record is not None
    assert (record.replicas, record.groups) == (3, 4), "the next rollout knows that one of them is surge"


async def test_what_somebody_has_set_since_is_the_users_setting(real: Real) -> None:
    await leave(real, image=OLD)
    await real.namespace.patch_set(NAME, strategy({"maxUnavailable": 2}))
    await until(real.target.read, lambda snapshot: snapshot.is_settled)
    found = await repair(real)
    assert found.edited == "maxUnavailable 1 -> 2"
    assert await real.settings() == {"partition": 0, "maxUnavailable": 2, "maxSurge": 1}


async def test_what_somebody_has_set_since_is_not_undone_while_groups_are_on_two_revisions(real: Real) -> None:
    await leave(real)
    await real.namespace.patch_set(NAME, strategy({"partition": 2, "maxUnavailable": 2}))
    assert (await repair(real)).edited == "partition 3 -> 2, maxUnavailable 1 -> 2"
    assert await real.settings() == {"partition": 2, "maxUnavailable": 2, "maxSurge": 0}


async def test_a_spoilt_record_is_found_and_nothing_more_is_told(real: Real) -> None:
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {names.RECORD: "spoilt"}}})
    assert await is_recorded(real)
    assert await doctor.examine(real.target) is None


def strategy(settings: dict[str, object]) -> dict[str, object]:
    return {"spec": {"rolloutStrategy": {"rollingUpdateConfiguration": settings}}}
