"""The steps on a real API server, with the controllers at work: what each writes and deletes, also when run twice."""

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import ClassVar

import pytest

from rollwright.cluster import names, patches, steps
from rollwright.cluster.errors import ConflictError, NotYetError, SupersededError
from rollwright.cluster.objects import Settings, TargetObject
from rollwright.cluster.record import Asked, Fence, Record
from rollwright.cluster.serving import Witness
from rollwright.cluster.snapshot import Snapshot, WhyNot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import kept_name
from rollwright.rollout.planner import Action, Step, stuck_below
from rollwright.rollout.spec import Change
from tests.cluster.conftest import NAME, USERS, Real, fence
from tests.devcluster.standin.namespace import Json, until

pytestmark = pytest.mark.real


def in_hand(partition: int, groups: int = 3) -> Step:
    """Where the partition in force is this."""
    return Step(action=Action.REPLACE, partition=partition, groups=groups)


NEW = Change(images={"model": "m:2"})
SLOW = Change(patch={"workerTemplate": {"metadata": {"annotations": {"devcluster.rollwright.io/ready-after": "1h"}}}})


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step sees what it has written before it returns, also on a slow machine."""
    monkeypatch.setattr(steps, "_ARRIVAL_SECONDS", 30.0)


async def prepare(real: Real, *, groups: int = 3, change: Change = NEW, ready: int | None = None) -> None:
    """A frozen target of three old groups and, if more are asked for, new ones; so many of all get ready."""
    await real.is_ready(3)
    template = await real.keep(change)
    step = Step(action=Action.PREPARE, partition=3, groups=groups)
    await steps.prepare(real.target, step, await real.generation(), fence(1), template_name=template)
    await until(real.target.read, lambda snapshot: snapshot.shows(3))  # no step is planned before that
    await real.is_ready(groups if ready is None else ready)


async def lower(real: Real, number: int, *, partition: int, groups: int = 3) -> None:
    step = Step(action=Action.LOWER_PARTITION, partition=partition, groups=groups)
    await steps.lower_partition(real.target, step, await real.generation(), fence(number))


async def test_prepare_puts_the_template_in_place_and_moves_nothing_but_the_surge(real: Real) -> None:
    await real.is_ready(3)
    before = await real.uids()
    old = kept_name(lws := await real.target.read_object(), lws.template)
    await prepare(real, groups=5)
    spec, after = await real.spec(), await real.uids()
    assert spec["replicas"] == 5
    assert spec["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]["image"] == "m:2"
    assert await real.settings() == {"partition": 3, "maxUnavailable": 1, "maxSurge": 0}
    assert {name: after[name] for name in before} == before
    new = kept_name(lws := await real.target.read_object(), lws.template)
    asked = Asked(partition=3, max_unavailable=1, template=new)
    assert Record.of(lws) == Record(
        replicas=3, groups=5, max_unavailable="50%", max_surge=1, partition=0, template=old, asked=asked
    )


async def test_a_surge_is_not_given_back_that_is_needed_since_the_step_was_planned(real: Real) -> None:
    await prepare(real, groups=4)
    step = Step(action=Action.RECLAIM_REPLICAS, partition=3, groups=3)
    with pytest.raises(ConflictError, match="unready since the step was planned"):
        await steps.scale(real.target, step, await real.generation(), fence(2), floor=4)
    assert (await real.spec())["replicas"] == 4
    await steps.scale(real.target, step, await real.generation(), fence(3), floor=3)
    assert (await real.spec())["replicas"] == 3


async def test_a_rollback_makes_deletes_decided_on_before_miss(real: Real) -> None:
    """The StatefulSet controller itself replaces group 2, which takes its time, and leaves group 1 for later."""
    await prepare(real, change=SLOW)
    lws = await real.target.read_object()
    await real.write(2, lws.pace(Settings(1, 2)))
    snapshot = await until(real.target.read, lambda snapshot: snapshot.shows(1))
    (stale,) = [leader for leader in snapshot.released_leaders() if leader["metadata"]["name"] == f"{NAME}-1"]
    back = await real.keep(Change(images={"model": "m:1"}))
    step = Step(action=Action.PREPARE, partition=3, groups=3)
    await steps.prepare(real.target, step, await real.generation(), fence(3), template_name=back)
    await real.target.delete_leader(stale)
    leader = await real.leader(1)
    assert leader["metadata"]["uid"] == stale["metadata"]["uid"]
    assert "deletionTimestamp" not in leader["metadata"]


async def test_a_release_planned_before_a_group_failed_is_not_carried_out(real: Real) -> None:
    await prepare(real)
    before = await real.settings()
    step = Step(action=Action.LOWER_PARTITION, partition=2, groups=3)
    with pytest.raises(ConflictError, match="unready since the step was planned"):
        await steps.lower_partition(real.target, step, await real.generation(), fence(2), floor=3)
    assert await real.settings() == before
    await steps.lower_partition(real.target, step, await real.generation(), fence(3), floor=2)
    assert (await real.settings())["partition"] == 2


async def test_what_lws_holds_back_by_itself_at_the_end_is_held_for_good(real: Real) -> None:
    """An abort in the middle of a release: LWS would go on with it by and by."""
    await prepare(real, change=SLOW)
    lws = await real.target.read_object()
    record = Record.of(lws)
    assert record
    asked = Asked(partition=1, max_unavailable=1, template=kept_name(lws, lws.template))
    await real.write(2, patches.hold(lws, record, asked))
    await until(real.target.read, lambda snapshot: snapshot.is_settled and snapshot.reflected_partition == 2)
    await steps.hold_back(real.target, await real.generation(), fence(3))
    assert await real.settings() == {"partition": 2, "maxUnavailable": 1, "maxSurge": 0}
    assert Record.of(await real.target.read_object())


@pytest.mark.parametrize("act", ["hold back", "freeze"])
async def test_a_record_that_is_begun_where_no_step_came_before_says_what_to_go_back_to(real: Real, act: str) -> None:
    await real.is_ready(3)
    target = LiveTarget(real.api, real.watches, real.named, before="llm-rw-old")
    if act == "freeze":
        step = Step(action=Action.FREEZE, partition=3, groups=3)
        await steps.freeze(target, step, await real.generation(), fence(1))
    else:
        await steps.hold_back(target, await real.generation(), fence(1))
    record = Record.of(await real.target.read_object())
    assert record
    assert record.template == "llm-rw-old"


async def test_a_release_replaces_all_it_releases_and_closes_what_it_opened(real: Real) -> None:
    await prepare(real)
    before = await real.uids()
    await lower(real, 2, partition=1)
    assert await real.settings() == {"partition": 1, "maxUnavailable": 1, "maxSurge": 0}
    await until(real.uids, lambda now: len(now) == 3 and len(set(now.values()) & set(before.values())) == 1)
    assert (await real.leader(0))["metadata"]["uid"] == before[f"{NAME}-0"]


async def test_a_release_that_runs_twice_deletes_once(real: Real) -> None:
    await prepare(real)
    generation = await real.generation()
    step = Step(action=Action.LOWER_PARTITION, partition=1, groups=3)
    await steps.lower_partition(real.target, step, generation, fence(2))
    await until(real.namespace.pods, lambda pods: len(pods) == 3 and _images(pods, 1, 2) == ["m:2", "m:2"])
    await real.is_ready(3)
    once = await real.uids()
    await steps.lower_partition(real.target, step, generation, fence(2))
    assert await real.uids() == once


async def test_a_release_that_asks_for_more_groups_is_not_held_back_by_lws(real: Real) -> None:
    """Groups that are yet to come are not done, so LWS counts none of those below them as done."""
    await prepare(real, groups=4, change=SLOW, ready=3)
    await real.namespace.make_ready(f"{NAME}-3")
    await real.is_ready(4)
    old = (await real.leader(2))["metadata"]["uid"]
    await lower(real, 2, partition=2, groups=6)
    pods = await real.namespace.pods()
    assert all("deletionTimestamp" in pod["metadata"] for pod in pods.values() if pod["metadata"]["uid"] == old)


async def test_a_release_cut_short_is_finished(real: Real) -> None:
    await prepare(real)
    before = await real.uids()
    lws = await real.target.read_object()
    await real.write(2, lws.pace(Settings(1, 2)))
    await until(real.target.read, lambda snapshot: snapshot.shows(1))
    await steps.take_in_hand(real.target, in_hand(1), await real.generation(), fence(3))
    assert (await real.settings())["maxUnavailable"] == 1
    await until(real.uids, lambda now: len(now) == 3 and len(set(now.values()) & set(before.values())) == 1)


async def test_the_users_settings_are_put_back_once(real: Real) -> None:
    await prepare(real)
    assert await steps.restore(real.target, await real.generation(), fence(2)) == ""
    assert await steps.restore(real.target, await real.generation(), fence(3)) == ""
    assert await real.settings() == USERS
    assert names.RECORD not in (await real.namespace.set(NAME))["metadata"]["annotations"]


async def test_a_release_that_lws_holds_back_is_taken_back_where_a_step_was_planned_without_it(real: Real) -> None:
    """Planned on what is in force: written beside what LWS holds back, that would be let go by and by."""
    await prepare(real, change=SLOW)
    await real.namespace.patch_set(
        NAME, {"spec": {"rolloutStrategy": {"rollingUpdateConfiguration": {"partition": 0}}}}
    )
    snapshot = await until(real.target.read, lambda snapshot: snapshot.is_settled)
    assert (snapshot.observe(None, 0, now()).loose, snapshot.reflected_partition) == (True, 2)
    await steps.scale(
        real.target, Step(action=Action.SCALE_SURGE, partition=2, groups=4), await real.generation(), fence(3)
    )
    assert (await real.settings())["partition"] == 2
    assert not (await real.target.read()).observe(None, 0, now()).loose


async def test_an_attempt_that_was_frozen_before_its_write_is_refused_after_a_later_one_has_seen_better(
    real: Real,
) -> None:
    """The later attempt finds that a group has failed meanwhile, and writes nothing but its fence."""
    await prepare(real)
    planned_on = await real.generation()
    step = Step(action=Action.LOWER_PARTITION, partition=2, groups=3)

    class Frozen(LiveTarget):
        async def write(self, lws: TargetObject, generation: int, fence: Fence, changes: list[Json]) -> None:
            with pytest.raises(ConflictError, match="unready"):
                await steps.lower_partition(real.target, step, planned_on, fence, floor=3)
            await super().write(lws, generation, fence, changes)

    frozen = Frozen(real.api, real.watches, real.named)
    with pytest.raises(ConflictError, match="at this very moment"):
        await steps.lower_partition(frozen, step, planned_on, fence(2), floor=2)
    assert (await real.settings())["partition"] == 3


async def test_a_freeze_that_is_tried_again_has_late_deletes_miss_though_the_window_is_not_known_any_more(
    real: Real,
) -> None:
    """The first attempt died between its write and the pods; by now LWS has taken the freeze up."""
    await prepare(real, change=SLOW)
    lws = await real.target.read_object()
    await real.write(2, lws.pace(Settings(1, 2)))
    snapshot = await until(real.target.read, lambda snapshot: snapshot.shows(1))
    (stale,) = [leader for leader in snapshot.released_leaders() if leader["metadata"]["name"] == f"{NAME}-1"]
    back = await real.keep(Change(images={"model": "m:1"}))
    step = Step(action=Action.PREPARE, partition=3, groups=3)
    planned_on = await real.generation()

    class Dying(LiveTarget):
        async def fence_off(self, pod: Json, fence: Fence) -> None:
            raise ConflictError("it dies")

    dying = Dying(real.api, real.watches, real.named)
    with pytest.raises(ConflictError, match="dies"):
        await steps.prepare(dying, step, planned_on, fence(3), template_name=back)
    await until(real.target.read, lambda snapshot: snapshot.shows(3) and snapshot.reflected_partition == 3)
    await steps.prepare(real.target, step, planned_on, fence(3), template_name=back)
    await real.target.delete_leader(stale)
    assert "deletionTimestamp" not in (await real.leader(1))["metadata"]


async def test_settings_that_lws_refuses_at_this_number_of_groups_are_put_back_as_numbers(real: Real) -> None:
    await real.namespace.patch_set(
        NAME,
        {
            "spec": {
                "replicas": 4,
                "rolloutStrategy": {"rollingUpdateConfiguration": {"maxUnavailable": "25%", "maxSurge": 0}},
            }
        },
    )
    await real.is_ready(4)
    template = await real.keep(NEW)
    step = Step(action=Action.PREPARE, partition=4, groups=4)
    await steps.prepare(real.target, step, await real.generation(), fence(1), template_name=template)
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 3}})
    note = await steps.restore(real.target, await real.generation(), fence(2))
    assert note == "maxUnavailable is left at 1: LWS refuses 25% at this number of replicas"
    assert await real.settings() == {"partition": 0, "maxUnavailable": 1, "maxSurge": 0}


async def test_a_rollback_puts_the_kept_template_back(real: Real) -> None:
    old = (await real.target.read_object()).template
    await prepare(real)
    name = await real.keep(Change(images={"model": "m:1"}))
    step = Step(action=Action.PREPARE, partition=3, groups=3)
    await steps.prepare(real.target, step, await real.generation(), fence(2), template_name=name)
    assert (await real.target.read_object()).template == old
    asked = Asked(partition=3, max_unavailable=1, template=name)
    assert Record.of(await real.target.read_object()) == Record(
        replicas=3, groups=3, max_unavailable="50%", max_surge=1, partition=0, template=name, asked=asked
    ), "the settings are the user's, not those of the rollout before"


def _images(pods: dict[str, Json], *ordinals: int) -> list[str]:
    return [pods[f"{NAME}-{ordinal}"]["spec"]["containers"][0]["image"] for ordinal in ordinals]


async def test_a_group_that_serves_again_is_not_restarted(real: Real) -> None:
    """A retry finds the pods that came back; so does a step planned just before a group recovered."""
    await prepare(real)
    before = await real.uids()
    step = Step(action=Action.UNBLOCK, partition=3, groups=3, delete=(0, 1))
    await steps.unblock(real.target, step, await real.generation(), fence(2))
    assert await real.uids() == before


@pytest.mark.parametrize("group_size", [2])
async def test_a_group_that_comes_to_serve_by_its_workers_while_others_are_deleted_is_not_restarted(real: Real) -> None:
    """Its leader is exactly as it was read."""
    await prepare(real, change=SLOW)
    await lower(real, 2, partition=1)
    for ordinal in (1, 2):
        await real.namespace.make_ready(f"{NAME}-{ordinal}")
    third = await real.keep(Change(images={"model": "m:3"}))
    freeze = Step(action=Action.PREPARE, partition=3, groups=3)
    await steps.prepare(real.target, freeze, await real.generation(), fence(3), template_name=third)
    await until(real.target.read, lambda snapshot: snapshot.is_settled and _stuck(snapshot) == (1, 2))
    before = await real.uids()

    class Recovering(LiveTarget):
        async def delete_leader(self, pod: Json) -> None:
            if pod["metadata"]["name"] == f"{NAME}-1":
                await real.namespace.make_ready(f"{NAME}-2-1")
                await until(self.last_seen, lambda seen: seen and _stuck(seen) == (1,))
            await super().delete_leader(pod)

    step = Step(action=Action.UNBLOCK, partition=3, groups=3, delete=(1, 2))
    recovering = Recovering(real.api, real.watches, real.named)
    await steps.unblock(recovering, step, await real.generation(), fence(4))
    await until(real.uids, lambda uids: uids.get(f"{NAME}-1", "") not in ("", before[f"{NAME}-1"]))
    served = (await real.leader(2))["metadata"]
    assert (served["uid"], "deletionTimestamp" in served) == (before[f"{NAME}-2"], False)


def _stuck(snapshot: Snapshot) -> tuple[int, ...]:
    return stuck_below(snapshot.observe(None, 0, now()))


async def test_a_second_wish_of_the_user_is_not_taken_for_the_surge(real: Real) -> None:
    await prepare(real, groups=5)
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 4}})
    assert (await real.target.read()).observe(None, 0, now()).unheld
    await steps.take_in_hand(real.target, in_hand(3, groups=4), await real.generation(), fence(2))
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 5}})
    assert (await real.target.read()).observe(None, 0, now()).replicas == 5


async def test_a_partition_of_the_users_is_not_put_back_while_groups_would_come_back_old(real: Real) -> None:
    await real.namespace.patch_set(
        NAME, {"spec": {"rolloutStrategy": {"rollingUpdateConfiguration": {**USERS, "partition": 2}}}}
    )
    await prepare(real)
    with pytest.raises(NotYetError, match="partition 2"):
        await steps.restore(real.target, await real.generation(), fence(2))


async def test_a_partition_of_the_users_waits_where_the_update_never_will_be_complete(real: Real) -> None:
    await real.namespace.patch_set(
        NAME, {"spec": {"rolloutStrategy": {"rollingUpdateConfiguration": {**USERS, "partition": 2}}}}
    )
    await prepare(real)
    note = await steps.restore(real.target, await real.generation(), fence(2), complete=False)
    assert "partition 2 can't be put back" in note
    assert names.RECORD in (await real.namespace.set(NAME))["metadata"]["annotations"]


async def test_nothing_is_deleted_once_a_newer_step_has_acted(real: Real) -> None:
    await prepare(real, change=SLOW)
    lws = await real.target.read_object()
    await real.write(2, lws.pace(Settings(1, 2)))
    await until(real.target.read, lambda snapshot: snapshot.shows(1))
    before = await real.leader(1)

    class Overtaken(LiveTarget):
        async def read(self) -> Snapshot:
            """Another step acts just before this one looks."""
            await real.write(9, [])
            return await super().read()

    overtaken = Overtaken(real.api, real.watches, real.named)
    with pytest.raises(SupersededError):
        await steps.take_in_hand(overtaken, in_hand(1), await real.generation(), fence(3))
    assert (await real.leader(1))["metadata"]["uid"] == before["metadata"]["uid"]


async def test_an_object_made_anew_under_the_same_name_is_not_written_to(real: Real) -> None:
    planned_on = LiveTarget(real.api, real.watches, real.named, uid="of-the-one-before")
    lws = await planned_on.read_object()
    with pytest.raises(ConflictError, match="made anew"):
        await planned_on.write(lws, lws.generation, fence(1), patches.scale(1))
    assert (await real.spec())["replicas"] == 3


async def test_nothing_is_taken_down_on_the_strength_of_groups_that_do_not_serve(real: Real) -> None:
    """Two surge groups whose pods are ready, of which one serves, and one that stops to once it was planned."""

    class Told(Witness):
        serving: ClassVar[set[str]] = set()

        async def last_seen(self, snapshot: Snapshot) -> WhyNot:
            return lambda leader: "" if (name := leader["metadata"]["name"]) in self.serving else f"{name}: http 503"

        read = last_seen

        async def waking(self, changed: asyncio.Event) -> AbstractContextManager[None]:
            return nullcontext()

    await prepare(real, groups=5)
    witness = Told()
    target = LiveTarget(real.api, real.watches, real.named, witness=witness)
    step = Step(action=Action.LOWER_PARTITION, partition=1, groups=5)
    before = await real.uids()
    witness.serving.add(f"{NAME}-4")
    with pytest.raises(ConflictError, match="unready since"):
        await steps.lower_partition(target, step, await real.generation(), fence(2), floor=3)
    with pytest.raises(ConflictError, match="unready since"):
        await steps.scale(
            target, step.model_copy(update={"partition": 3, "groups": 4}), await real.generation(), fence(3), floor=4
        )
    assert await real.uids() == before
    witness.serving.add(f"{NAME}-3")
    await steps.lower_partition(target, step, await real.generation(), fence(4), floor=3)
    assert (await real.settings())["partition"] == 1


async def test_a_lower_partition_set_by_somebody_else_is_not_let_loose(real: Real) -> None:
    """LWS goes down to it group by group; opening its maxUnavailable would release all of it at once."""
    await prepare(real, change=SLOW)
    await real.namespace.patch_set(
        NAME, {"spec": {"rolloutStrategy": {"rollingUpdateConfiguration": {"partition": 0}}}}
    )
    snapshot = await until(real.target.read, lambda snapshot: snapshot.is_settled)
    assert snapshot.reflected_partition == 2, "LWS itself has released one group of its maxUnavailable 1"
    first = (await real.leader(0))["metadata"]["uid"]
    await lower(real, 2, partition=1)
    assert (await real.settings())["partition"] == 1
    assert (await real.leader(0))["metadata"]["uid"] == first
