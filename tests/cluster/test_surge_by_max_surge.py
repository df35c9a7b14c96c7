"""Whole rollouts whose surge LWS's own maxSurge carries, each watched by an independent witness at the API server."""

from datetime import UTC, datetime

import pytest

from rollwright.cluster import steps
from rollwright.cluster.record import Fence
from rollwright.devcluster.watcher import Watcher
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import Change, Pacing, Reclaim, Strategy, SurgeBy
from tests.cluster.conftest import NAME, USERS, Real
from tests.cluster.loop import Rollout
from tests.devcluster.standin.namespace import Json, until

pytestmark = pytest.mark.real

SOON = {"devcluster.rollwright.io/ready-after": "200ms"}
LATER = {"devcluster.rollwright.io/ready-after": "3s"}
"""Late enough for somebody to come in between."""
LATE = {"devcluster.rollwright.io/ready-after": "1h"}


def change(annotations: dict[str, str]) -> Change:
    return Change(patch={"workerTemplate": {"metadata": {"annotations": annotations}}})


async def rollout(
    real: Real, strategy: Strategy, *, replicas: int = 5, to: Change | None = None, by: SurgeBy = SurgeBy.MAX_SURGE
) -> Rollout:
    await real.namespace.patch_set(NAME, {"spec": {"replicas": replicas}})
    await real.is_ready(replicas)
    return Rollout(real.target, await real.keep(to or change(SOON)), strategy, by)


def watcher(real: Real) -> Watcher:
    return Watcher(real.cluster.kubeconfig, real.namespace.name, NAME)


async def restore(real: Real) -> None:
    await steps.restore(real.target, await real.generation(), Fence(datetime.now(UTC), "w"))


@pytest.mark.parametrize(
    ("replicas", "strategy"),
    [
        pytest.param(4, Strategy(max_unavailable=2, max_surge=2), id="as in the documentation of LWS"),
        pytest.param(5, Strategy(max_unavailable=0, max_surge=2), id="nothing may be missing"),
        pytest.param(5, Strategy(max_unavailable=1, max_surge=3, reclaim=Reclaim.PROMPT), id="more surge, prompt"),
        pytest.param(5, Strategy(max_unavailable=2, max_surge=2, pacing=Pacing.EAGER), id="eager"),
        pytest.param(1, Strategy(max_unavailable=0, max_surge=1), id="a single group"),
        pytest.param(2, Strategy(max_unavailable=1, max_surge=2), id="as much surge as replicas"),
    ],
)
async def test_a_rollout_keeps_its_promise_and_leaves_replicas_alone(
    real: Real, replicas: int, strategy: Strategy
) -> None:
    budget = strategy.budget(replicas)
    going = await rollout(real, strategy, replicas=replicas)
    async with watcher(real) as watch:
        seen = await going.until_done()
        await restore(real)
    assert all(group.done for group in seen.asked)
    assert {asked for _, asked in watch.partition_replicas} == {replicas}
    assert watch.available_min >= budget.floor
    assert replicas < watch.groups_max <= budget.ceiling
    assert await real.settings() == USERS


async def test_what_a_scaler_writes_in_the_middle_is_the_wish(real: Real) -> None:
    going = await rollout(real, Strategy(max_unavailable=1, max_surge=2), replicas=4)
    async with watcher(real) as watch:
        await going.until(lambda seen, _: seen.partition < 4 and seen.on_target)
        await real.namespace.patch_set(NAME, {"spec": {"replicas": 6}}, subresource="/scale")
        await going.until(lambda seen, _: seen.replicas == 6 and seen.settled)
        await real.namespace.patch_set(NAME, {"spec": {"replicas": 3}}, subresource="/scale")
        seen = await going.until_done()
    assert (seen.replicas, seen.groups_asked) == (3, 3)
    assert [asked for _, asked in watch.partition_replicas if asked not in (4, 6, 3)] == []
    assert watch.available_min >= 2, "of the least that was wanted"


async def test_held_at_a_partition_nothing_is_left_for_lws_to_surge_with(real: Real) -> None:
    going = await rollout(real, Strategy(max_unavailable=1, max_surge=2, partition=3))
    seen = await going.until_done()
    assert (seen.partition, seen.groups_asked) == (3, 5)
    assert await real.settings() == {"partition": 3, "maxUnavailable": 2, "maxSurge": 0}


async def test_an_abort_gives_the_surge_back_for_good(real: Real) -> None:
    going = await rollout(real, Strategy(max_unavailable=0, max_surge=2), to=change(LATE))
    async with watcher(real) as watch:
        await going.until(lambda seen, _: seen.on_target and seen.settled and seen.groups_asked == 7)
        going.hold = 5
        seen = await going.until_done()
        assert (seen.groups_asked, (await real.settings())["maxSurge"]) == (5, 0)
        await real.namespace.delete_pod(f"{NAME}-0")
        await until(real.uids, lambda uids: f"{NAME}-0" not in uids or uids[f"{NAME}-0"] != "")
        await real.is_ready(5)
    assert watch.groups_max == 7


@pytest.mark.parametrize("with_template", [False, True])
async def test_a_change_by_somebody_else_is_frozen_with_the_surge_standing(real: Real, with_template: bool) -> None:
    """Given back with the freeze it would be missed: of what it stands in for, groups are gone already.

    A template alone costs surge groups, though: LWS lets go of all above the replicas before anybody else can act.
    """
    going = await rollout(real, Strategy(max_unavailable=0, max_surge=2), to=change(LATER))
    async with watcher(real) as watch:
        await going.until(lambda _, verdict: isinstance(verdict, Step) and verdict.action is Action.LOWER_PARTITION)
        before = await real.uids()
        edited: Json = {"rolloutStrategy": {"rollingUpdateConfiguration": {"partition": 0}}}
        if with_template:
            edited["leaderWorkerTemplate"] = {"workerTemplate": {"metadata": {"annotations": {"theirs": "yes"}}}}
        await real.namespace.patch_set(NAME, {"spec": edited})
        seen = await going.until(lambda seen, _: seen.dispute)
        assert await real.settings() == {"partition": 7, "maxUnavailable": 0, "maxSurge": 2}
        assert (seen.replicas, seen.groups_asked) == (5, 7)
        await until(real.target.read, lambda snapshot: snapshot.is_settled and snapshot.reflected_partition == 7)
        after = await real.uids()
        kept = [ordinal for ordinal in range(7) if after.get(f"{NAME}-{ordinal}") == before.get(f"{NAME}-{ordinal}")]
        assert set(kept) >= ({0, 1, 2} if with_template else {0, 1, 2, 5, 6})
        assert await steps.settle(real.target, Fence(datetime.now(UTC), "w"), theirs=False) == ""
        seen = await going.until_done()
    assert all(group.done for group in seen.asked)
    assert watch.groups_max == 7


async def test_a_surge_by_replicas_goes_on_by_max_surge(real: Real) -> None:
    """As after a second change with another strategy; and back again."""
    going = await rollout(real, Strategy(max_unavailable=1, max_surge=2), to=change(LATE), by=SurgeBy.REPLICAS)
    await going.until(lambda seen, _: seen.on_target and seen.settled and seen.groups_asked == 7)
    leaders = {ordinal: (await real.leader(ordinal))["metadata"]["uid"] for ordinal in (5, 6)}
    assert (await real.spec())["replicas"] == 7
    for by, replicas, max_surge in ((SurgeBy.MAX_SURGE, 5, 2), (SurgeBy.REPLICAS, 7, 0)):
        going.surge_by = by
        seen = await going.until(lambda seen, verdict: seen.settled and not isinstance(verdict, Step))
        assert ((await real.spec())["replicas"], (await real.settings())["maxSurge"]) == (replicas, max_surge)
        assert (seen.replicas, seen.groups_asked) == (5, 7)
        assert {ordinal: (await real.leader(ordinal))["metadata"]["uid"] for ordinal in (5, 6)} == leaders
