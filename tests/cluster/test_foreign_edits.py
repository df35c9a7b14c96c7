"""Somebody else's change of a target in the middle of a rollout, on a real API server: frozen, told, settled."""

import pytest

from rollwright.cluster import names, steps
from rollwright.cluster.errors import ConflictError, MissingError, RefusedError, SupersededError
from rollwright.cluster.ledger import Rejection
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Blocked, Step, plan
from rollwright.rollout.spec import Change, Strategy
from tests.cluster.conftest import NAME, USERS, Real, fence
from tests.devcluster.standin.namespace import Json, until

pytestmark = pytest.mark.real


def in_hand(partition: int, groups: int = 3) -> Step:
    """Where the partition in force is this."""
    return Step(action=Action.REPLACE, partition=partition, groups=groups)


SLOW = {"devcluster.rollwright.io/ready-after": "1h"}
OURS = Change(patch={"workerTemplate": {"metadata": {"annotations": SLOW | {"ours": "yes"}}}})
THEIR_TEMPLATE = {"workerTemplate": {"metadata": {"annotations": SLOW | {"theirs": "yes"}}}}
WITHOUT_THEIRS = {"workerTemplate": {"metadata": {"annotations": {"theirs": None}}}}
EVERYTHING: Json = {
    "rolloutStrategy": {"rollingUpdateConfiguration": {"partition": 0, "maxUnavailable": 3, "maxSurge": 1}},
    "leaderWorkerTemplate": THEIR_TEMPLATE,
}
THEIRS = "the template (leaderWorkerTemplate.workerTemplate.metadata.annotations.theirs)"
WORDS = "partition 2 -> 0, maxUnavailable 1 -> 3, maxSurge 0 -> 1, "
HELD = {"partition": 3, "maxUnavailable": 1, "maxSurge": 0}


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step sees what it has written before it returns, also on a slow machine."""
    monkeypatch.setattr(steps, "_ARRIVAL_SECONDS", 30.0)


async def under_way(real: Real) -> str:
    """A rollout that has released one of three groups, which takes its time; the name of its template."""
    await real.is_ready(3)
    ours = await real.keep(OURS)
    step = Step(action=Action.PREPARE, partition=3, groups=3)
    await steps.prepare(real.target, step, await real.generation(), fence(1), template_name=ours)
    await until(real.target.read, lambda snapshot: snapshot.shows(3))
    step = Step(action=Action.LOWER_PARTITION, partition=2, groups=3)
    await steps.lower_partition(real.target, step, await real.generation(), fence(2))
    await until(real.target.read, lambda snapshot: "ours" in annotations_of(snapshot, 2))
    return ours


def annotations_of(snapshot: Snapshot, ordinal: int) -> dict[str, str]:
    leader = snapshot.leaders.get(ordinal)
    return leader["metadata"]["annotations"] if leader else {}


async def edit(real: Real, **spec: Json | int) -> None:
    await real.namespace.patch_set(NAME, {"spec": spec})


async def look(target: LiveTarget, ours: str) -> Observation:
    return (await target.read()).observe(digest_of_kept(ours), 0, now())


async def freeze(target: LiveTarget, ours: str, number: int) -> Observation:
    """As planned on what is seen; what is seen then."""
    seen = await look(target, ours)
    step = plan(Strategy(), seen)
    assert isinstance(step, Step)
    assert step.action is Action.FREEZE
    await steps.freeze(target, step, seen.generation, fence(number))
    return await look(target, ours)


async def record_of(real: Real) -> Record:
    record = Record.of(await real.target.read_object())
    assert record
    return record


async def test_all_that_somebody_sets_in_one_write_is_frozen_in_one_write(real: Real) -> None:
    ours = await under_way(real)
    assert (await look(real.target, ours)).edited == ""
    await edit(real, **EVERYTHING)
    assert (await look(real.target, ours)).edited == f"{WORDS}the template"
    generation = await real.generation()
    seen = await freeze(real.target, ours, 3)
    assert await real.settings() == HELD
    assert await real.generation() == generation + 1
    assert (seen.edited, seen.dispute) == ("", WORDS + THEIRS)
    assert isinstance(plan(Strategy(), seen), Blocked)
    await until(real.target.read, lambda snapshot: snapshot.is_settled and snapshot.reflected_partition == 3)


async def test_their_template_can_be_had_from_the_ledger(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, **EVERYTHING)
    seen = await freeze(real.target, ours, 3)
    found = (await record_of(real)).found
    assert found
    assert found.template
    theirs = (await real.target.read_object()).template
    assert await real.target.ledger.template(found.template) == theirs
    assert seen.template == digest_of_kept(found.template)


async def test_a_freeze_may_run_twice_late_and_after_a_newer_one(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, **EVERYTHING)
    planned_on = await real.generation()
    step = Step(action=Action.FREEZE, partition=3, groups=3)
    await steps.freeze(real.target, step, planned_on, fence(3))
    generation = await real.generation()
    await steps.freeze(real.target, step, planned_on, fence(3))
    with pytest.raises(ConflictError):
        await steps.freeze(real.target, step, planned_on, fence(4))
    with pytest.raises(SupersededError):
        await steps.freeze(real.target, step, generation, fence(2))
    assert await real.generation() == generation
    assert (await look(real.target, ours)).dispute == WORDS + THEIRS


async def test_a_second_change_while_frozen_is_frozen_too_and_told_with_the_first(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, leaderWorkerTemplate=THEIR_TEMPLATE)
    assert (await freeze(real.target, ours, 3)).dispute == THEIRS
    await edit(real, rolloutStrategy={"rollingUpdateConfiguration": {"partition": 1}})
    assert (await look(real.target, ours)).edited == "partition 3 -> 1"
    assert (await freeze(real.target, ours, 4)).dispute == f"partition 2 -> 1, {THEIRS}"
    assert await real.settings() == HELD


async def test_there_is_no_dispute_any_more_once_they_have_taken_it_back(real: Real) -> None:
    ours = await under_way(real)
    before = (await real.target.read_object()).template
    await edit(real, leaderWorkerTemplate=THEIR_TEMPLATE)
    await freeze(real.target, ours, 3)
    await edit(real, leaderWorkerTemplate={**before["leaderWorkerTemplate"], **WITHOUT_THEIRS})
    seen = await freeze(real.target, ours, 4)
    assert (seen.edited, seen.dispute, seen.on_target) == ("", "", True)


@pytest.mark.parametrize(
    ("edits", "agreed"),
    [
        pytest.param({"leaderWorkerTemplate": THEIR_TEMPLATE}, True, id="the template alone"),
        pytest.param(EVERYTHING, False, id="and what else is held"),
    ],
)
async def test_who_goes_towards_the_template_that_was_found_agrees_with_it(
    real: Real, edits: Json, agreed: bool
) -> None:
    ours = await under_way(real)
    await edit(real, **edits)
    assert not (await freeze(real.target, ours, 3)).agreed
    found = (await record_of(real)).found
    assert found
    assert found.template
    seen = await look(real.target, found.template)
    assert (bool(seen.dispute), seen.on_target, seen.agreed) == (True, True, agreed)


async def replace(real: Real, spec: Json) -> None:
    """As `kubectl replace` does with a manifest that has no annotations."""
    whole: list[Json] = [
        {"op": "replace", "path": "/spec", "value": spec},
        {"op": "remove", "path": "/metadata/annotations"},
    ]
    await real.namespace.patch_set(NAME, whole)


async def test_theirs_become_the_users_settings_and_their_template_the_target(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, **EVERYTHING)
    await freeze(real.target, ours, 3)
    theirs = await steps.settle(real.target, fence(4), theirs=True)
    assert await steps.settle(real.target, fence(4), theirs=True) == theirs, "also when it runs twice"
    seen = await look(real.target, theirs)
    assert (seen.on_target, seen.edited, seen.dispute, seen.unheld) == (True, "", "", False)
    record = await record_of(real)
    assert (record.partition, record.max_unavailable, record.max_surge) == (0, 3, 1)
    assert record.template != theirs, "a rollback goes where it would have gone before"
    assert await real.settings() == HELD | {"maxUnavailable": 3}, "as narrow as they have it now"
    assert await steps.restore(real.target, await real.generation(), fence(5)) == ""
    assert await real.settings() == {"partition": 0, "maxUnavailable": 3, "maxSurge": 1}


async def test_a_template_that_was_rejected_does_not_hold_because_somebody_has_put_it_there(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, leaderWorkerTemplate=THEIR_TEMPLATE)
    await freeze(real.target, ours, 3)
    lws = await real.target.read_object()
    theirs = next(kept for kept in await real.target.ledger.entries(lws) if kept.template == lws.template)
    await real.target.ledger.reject(theirs, Rejection(actor="ann", reason="slow", at="today"))
    with pytest.raises(RefusedError, match="ann has rejected"):
        await steps.settle(real.target, fence(4), theirs=True)
    assert (await look(real.target, ours)).dispute


async def test_ours_leaves_the_users_settings_and_has_our_template_put_in_place_again(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, **EVERYTHING)
    await freeze(real.target, ours, 3)
    assert await steps.settle(real.target, fence(4), theirs=False) == ""
    seen = await look(real.target, ours)
    assert (seen.edited, seen.dispute, seen.on_target) == ("", "", False)
    step = plan(Strategy(), seen)
    assert isinstance(step, Step)
    assert step.action is Action.PREPARE
    await steps.prepare(real.target, step, seen.generation, fence(5), template_name=ours)
    seen = await look(real.target, ours)
    assert (seen.edited, seen.dispute, seen.on_target) == ("", "", True)
    record = await record_of(real)
    assert (record.partition, record.max_unavailable, record.max_surge) == (0, "50%", 1)


@pytest.mark.parametrize("theirs", [True, False])
async def test_what_has_changed_again_since_it_was_frozen_is_not_settled(real: Real, theirs: bool) -> None:
    """People have decided on what they were shown."""
    ours = await under_way(real)
    await edit(real, leaderWorkerTemplate=THEIR_TEMPLATE)
    await freeze(real.target, ours, 3)
    await edit(real, rolloutStrategy={"rollingUpdateConfiguration": {"partition": 0}})
    assert await steps.settle(real.target, fence(4), theirs=theirs) == ""
    seen = await look(real.target, ours)
    assert (seen.edited, seen.dispute) == ("partition 3 -> 0", THEIRS)


async def test_replicas_alone_are_a_wish_and_no_dispute(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, replicas=5)
    seen = await look(real.target, ours)
    assert (seen.edited, seen.dispute, seen.replicas) == ("", "", 5)


async def test_replicas_in_one_write_with_the_template_are_a_wish_as_well(real: Real) -> None:
    ours = await under_way(real)
    await edit(real, replicas=5, leaderWorkerTemplate=THEIR_TEMPLATE)
    seen = await freeze(real.target, ours, 3)
    assert (seen.dispute, seen.replicas) == (THEIRS, 5)
    assert (await real.settings())["partition"] == 5, "the groups that come do not come on their template"
    assert await steps.settle(real.target, fence(4), theirs=False) == ""
    assert (await look(real.target, ours)).replicas == 5


async def knowing(real: Real) -> LiveTarget:
    """The target as a step has it: with the record as it was last read."""
    text = (await real.target.read()).record_text
    return LiveTarget(real.api, real.watches, real.named, record=text)


@pytest.mark.parametrize(
    "annotations",
    [
        pytest.param({names.RECORD: None}, id="the record is gone"),
        pytest.param({names.RECORD: None, names.FENCE: None}, id="all is gone"),
        pytest.param({names.RECORD: "nonsense", names.FENCE: "nonsense"}, id="nothing can be read"),
    ],
)
async def test_annotations_that_somebody_removes_or_spoils_heal(real: Real, annotations: dict[str, str | None]) -> None:
    ours = await under_way(real)
    target = await knowing(real)
    before = await record_of(real)
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": annotations}})
    seen = await look(target, ours)
    assert (seen.unheld, seen.edited, seen.replicas) == (True, "", 3)
    await steps.take_in_hand(target, in_hand(seen.partition), seen.generation, fence(3))
    assert await record_of(real) == before
    assert Fence.of((await target.read_object()).manifest) == fence(3)
    assert not (await look(target, ours)).unheld


async def test_an_object_put_back_from_git_is_frozen_though_it_has_no_annotations(real: Real) -> None:
    """`kubectl replace`: the template and the settings of before, and none of our annotations."""
    await real.is_ready(3)
    before = await real.target.read_object()
    ours = await under_way(real)
    target = await knowing(real)
    await replace(real, before.manifest["spec"])
    seen = await freeze(target, ours, 3)
    assert seen.dispute.startswith("partition 2 -> 0, maxSurge 0 -> 1, the template (")
    assert await real.settings() == HELD
    record = await record_of(real)
    assert (record.replicas, record.max_unavailable, record.max_surge) == (3, "50%", 1)


async def test_a_record_that_can_not_be_read_and_is_not_known_is_for_people_to_mend(real: Real) -> None:
    await under_way(real)
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {names.RECORD: "nonsense"}}})
    ignorant = LiveTarget(real.api, real.watches, real.named)
    with pytest.raises(RefusedError, match="mend it, or remove it"):
        await steps.take_in_hand(ignorant, in_hand(2), await real.generation(), fence(3))


async def test_a_partition_that_somebody_lowers_during_a_release_has_no_more_groups_deleted(real: Real) -> None:
    """Opened for our release, LWS follows theirs at once; those groups are not ours to delete."""
    await under_way(real)
    before = await real.uids()

    class Edited(LiveTarget):
        async def read(self) -> Snapshot:
            """Somebody lowers the partition once the step has written, and before it looks."""
            if Fence.of((await self.read_object()).manifest) == fence(3):
                await edit(real, rolloutStrategy={"rollingUpdateConfiguration": {"partition": 0}})
            return await super().read()

    edited = Edited(real.api, real.watches, real.named)
    step = Step(action=Action.LOWER_PARTITION, partition=1, groups=3)
    with pytest.raises(ConflictError, match="partition 1 -> 0"):
        await steps.lower_partition(edited, step, await real.generation(), fence(3))
    after = await real.uids()
    assert [after[f"{NAME}-{ordinal}"] for ordinal in (0, 1)] == [before[f"{NAME}-{ordinal}"] for ordinal in (0, 1)]


async def test_settings_are_not_put_back_over_a_change_of_somebody_else(real: Real) -> None:
    await under_way(real)
    await edit(real, leaderWorkerTemplate=THEIR_TEMPLATE)
    with pytest.raises(ConflictError, match="the template"):
        await steps.restore(real.target, await real.generation(), fence(3))
    assert (await real.settings())["partition"] == 2


async def test_settings_that_were_put_back_are_not_put_back_again(real: Real) -> None:
    """The record travels with the request, so its absence alone doesn't tell."""
    await under_way(real)
    target = await knowing(real)
    await steps.restore(target, await real.generation(), fence(3))
    await edit(real, rolloutStrategy={"rollingUpdateConfiguration": {"maxUnavailable": 2}})
    assert await steps.restore(target, await real.generation(), fence(4)) == ""
    assert await real.settings() == USERS | {"maxUnavailable": 2}


async def test_settings_put_back_without_an_answer_are_no_edit_of_somebody_else(real: Real) -> None:
    """The API server may go away right after it has taken them up: then they are held, and put back, once more."""
    ours = await under_way(real)
    step = Step(action=Action.LOWER_PARTITION, partition=0, groups=3)
    await steps.lower_partition(real.target, step, await real.generation(), fence(3))
    target = await knowing(real)
    await steps.restore(target, await real.generation(), fence(4))
    assert await real.settings() == USERS
    seen = await look(target, ours)
    assert (seen.edited, seen.dispute, seen.unheld) == ("", "", True)
    await edit(real, rolloutStrategy={"rollingUpdateConfiguration": {"maxUnavailable": 2}})
    assert "maxUnavailable" in (await look(target, ours)).edited


async def test_settings_are_not_put_back_over_a_spec_that_nobody_has_looked_at(real: Real) -> None:
    """A step that was let go of may land late: what was seen to be at its end may have begun anew."""
    await under_way(real)
    generation = await real.generation()
    await edit(real, replicas=4)
    with pytest.raises(ConflictError, match="its spec has changed"):
        await steps.restore(real.target, generation, fence(3))
    assert (await real.settings())["partition"] == 2


async def test_settings_are_put_back_though_the_record_is_gone(real: Real) -> None:
    await under_way(real)
    target = await knowing(real)
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {names.RECORD: None}}})
    await steps.restore(target, await real.generation(), fence(3))
    assert await real.settings() == USERS


async def test_neither_a_dispute_nor_the_settings_of_an_object_made_anew_are_touched(real: Real) -> None:
    await under_way(real)
    text = (await real.target.read()).record_text
    before = LiveTarget(real.api, real.watches, real.named, uid="of the one before", record=text)
    with pytest.raises(ConflictError, match="made anew"):
        await steps.settle(before, fence(3), theirs=True)
    with pytest.raises(ConflictError, match="made anew"):
        await steps.restore(before, await real.generation(), fence(3))


async def test_an_object_that_was_deleted_is_missing_for_good(real: Real) -> None:
    await under_way(real)
    await real.cluster.kubectl("delete", "lws", NAME, "-n", real.namespace.name, "--wait=true")
    for step in (
        steps.restore(real.target, 3, fence(3)),
        steps.settle(real.target, fence(3), theirs=True),
        steps.freeze(real.target, Step(action=Action.FREEZE, partition=3, groups=3), 3, fence(3)),
    ):
        with pytest.raises(MissingError, match="does not exist"):
            await step
