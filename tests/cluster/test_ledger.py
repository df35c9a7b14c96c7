"""The ledger on a real API server: what is kept, in which order, for how long, and what is refused."""

import asyncio
import json

import pytest

from rollwright.cluster import names, patches, startups
from rollwright.cluster.api import CONTROLLER_REVISIONS, Manifest
from rollwright.cluster.errors import ConflictError, MissingError, RefusedError
from rollwright.cluster.ledger import KeptTemplate, Rejection
from rollwright.cluster.templates import controller_revision, kept_name
from rollwright.rollout.spec import Change
from tests.cluster.conftest import NAME, Real, fence
from tests.devcluster.standin.namespace import Json, until

pytestmark = pytest.mark.real

NO = Rejection(actor="bob", reason="eats the tokenizer", at="2026-01-02T03:04:05+00:00")


def to(image: int) -> Change:
    return Change(images={"model": f"m:{image}"})


async def entries(real: Real) -> list[KeptTemplate]:
    return await real.target.ledger.entries(await real.target.read_object())


async def kept(real: Real) -> dict[int, str]:
    """Images by number."""
    return {entry.number: ",".join(entry.images) for entry in await entries(real)}


async def put_in_place(real: Real, name: str) -> None:
    lws = await real.target.read_object()
    await real.namespace.patch_set(NAME, patches.template(await real.target.ledger.template(name), lws))


async def entry(real: Real, image: int) -> KeptTemplate:
    return next(entry for entry in await entries(real) if entry.images == (f"model=m:{image}",))


async def preview(real: Real, change: Change) -> Manifest:
    return await real.target.ledger.preview(await real.target.read_object(), change, "")


async def test_a_preview_shows_the_template_as_the_api_server_would_keep_it(real: Real) -> None:
    bare = {"size": 1, "workerTemplate": {"spec": {"containers": [{"name": "model", "image": "m:2"}]}}}
    manifest = {"kind": "LeaderWorkerSet", "metadata": {"name": NAME}, "spec": {"leaderWorkerTemplate": bare}}
    after = await preview(real, Change(manifest=manifest))
    assert after["networkConfig"] == {"subdomainPolicy": "Shared"}
    assert after["leaderWorkerTemplate"]["restartPolicy"]
    assert await real.generation() == 1, "a preview changes nothing"
    await real.write(1, patches.template(after, await real.target.read_object()))
    assert (await real.target.read_object()).template == after


async def test_a_template_that_the_api_server_refuses_is_not_kept(real: Real) -> None:
    with pytest.raises(RefusedError, match="size"):
        await real.keep(Change(patch={"size": 0}))
    assert await kept(real) == {}


async def test_templates_before_and_after_are_kept_and_survive_the_clean_up_of_lws(real: Real) -> None:
    old = (await real.target.read_object()).template
    first = await real.keep(to(2))
    assert await kept(real) == {1: "model=m:1", 2: "model=m:2"}
    await put_in_place(real, first)
    await real.is_ready(3)
    await until(lambda: real.namespace.apps("controllerrevisions"), lambda found: len(_of_lws(found)) == 1)
    assert await kept(real) == {1: "model=m:1", 2: "model=m:2"}
    assert await real.target.ledger.template((await entry(real, 1)).name) == old


def _of_lws(revisions: dict[str, Json]) -> list[Json]:
    """LWS's own; the StatefulSet controller makes others."""
    return [
        item
        for item in revisions.values()
        if names.REVISION in item["metadata"]["labels"]
        and item["metadata"]["ownerReferences"][0]["kind"] == "LeaderWorkerSet"
    ]


async def test_it_is_told_who_asked_for_a_template_when_and_why(real: Real) -> None:
    await real.keep(to(2), 7)
    found, asked = await entries(real)
    assert (found.actor, found.reason) == ("", "found on the target")
    assert (asked.actor, asked.reason, asked.kept_at) == ("ann", "step 7", "2026-01-01T00:00:07+00:00")


async def test_a_template_kept_again_becomes_the_newest_and_what_was_told_of_it_is_told_anew(real: Real) -> None:
    name = await real.keep(to(2), 1)
    await real.keep(to(3), 2)
    await real.target.ledger.record_outcome(name, "completed", fence(3))
    assert await real.keep(to(2), 4) == name
    # The template that stands comes just before it: that is where `undo` goes.
    assert await kept(real) == {4: "model=m:3", 5: "model=m:1", 6: "model=m:2"}
    again = await entry(real, 2)
    assert (again.reason, again.kept_at, again.outcome) == ("step 4", "2026-01-01T00:00:04+00:00", "")
    assert (await entry(real, 1)).reason == "found on the target"


async def test_the_newest_template_kept_again_keeps_its_number(real: Real) -> None:
    await put_in_place(real, await real.keep(to(2), 1))
    await real.keep(to(2), 2)
    assert await kept(real) == {1: "model=m:1", 2: "model=m:2"}
    assert (await entry(real, 2)).reason == "step 2"


async def test_a_step_that_runs_twice_or_late_changes_nothing(real: Real) -> None:
    await real.keep(to(2), 1)
    await real.keep(to(3), 2)
    before = await entries(real)
    await real.keep(to(3), 2)
    await real.keep(to(2), 1)
    assert await entries(real) == before


async def test_a_template_with_any_characters_is_kept_as_it_is_and_can_be_kept_again(real: Real) -> None:
    letters = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x10000), 0x1F600]))
    odd = {"env": [{"name": "A", "value": letters}, {"name": "B", "value": "1e3"}], "args": ["yes", "a && b < c > d"]}
    containers = [{"name": "model", "image": "m:1", **odd}]
    change = Change(patch={"workerTemplate": {"spec": {"containers": containers}}})
    name = await real.keep(change, 1)
    assert await real.target.ledger.template(name) == await preview(real, change)
    await real.target.ledger.record_outcome(name, "completed", fence(2))
    await real.keep(to(2), 3)
    assert await real.keep(change, 4) == name
    assert await real.target.ledger.template(name) == await preview(real, change)


async def test_an_attempt_that_is_overtaken_while_it_writes_is_a_conflict(real: Real) -> None:
    await real.keep(to(2), 1)
    read = await entry(real, 2)
    await real.target.ledger.record_outcome(read.name, "completed", fence(3))
    with pytest.raises(ConflictError, match="by another step at this very moment"):
        await real.target.ledger._write(read, fence(2), patches.annotate({names.OUTCOME: "aborted"}))
    assert (await entry(real, 2)).outcome == "completed"


async def test_templates_kept_at_the_same_moment_get_numbers_of_their_own(real: Real) -> None:
    await real.keep(to(2), 1)
    await asyncio.gather(*(real.keep(to(image), image) for image in range(3, 9)), return_exceptions=True)
    # What met another at the very same entry is tried again, as an activity would be.
    for image in range(3, 9):
        await real.keep(to(image), image)
    listed = await entries(real)
    assert len({entry.number for entry in listed}) == len(listed) == 8


async def test_two_attempts_at_the_same_moment_keep_one_template(real: Real) -> None:
    done = await asyncio.gather(real.keep(to(2), 1), real.keep(to(2), 1), return_exceptions=True)
    assert all(isinstance(result, str | ConflictError) for result in done)
    await real.keep(to(2), 1)
    assert sorted((await kept(real)).values()) == ["model=m:1", "model=m:2"]


async def test_the_last_ten_are_kept(real: Real) -> None:
    for step in range(2, 14):
        await put_in_place(real, await real.keep(to(step), step))
    assert list((await kept(real)).values()) == [f"model=m:{image}" for image in range(4, 14)]


async def test_templates_in_use_are_kept_however_old_they_are_and_rejected_ones_do_not_count(real: Real) -> None:
    for image in (2, 3):
        await real.keep(to(image), image)
    await real.target.ledger.reject(await entry(real, 2), NO)
    annotations = {names.HISTORY_LIMIT: "2", names.RECORD: json.dumps({"found": (await entry(real, 3)).name})}
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": annotations}})
    for image in (4, 5, 6):
        await real.keep(to(image), image)
    # 1 stands, and so comes just before the last each time; 2 is rejected; 3 is named by the record.
    assert list((await kept(real)).values()) == [f"model=m:{image}" for image in (2, 3, 1, 6)]


async def test_the_template_to_go_back_to_is_the_one_that_stood_before_anything_was_begun(real: Real) -> None:
    lws = await real.target.read_object()
    first = await real.target.ledger.keep(lws, to(2), "", fence(1), actor="ann", reason="")
    old = kept_name(lws, lws.template)
    assert (first.before, first.standing) == (old, old)

    await put_in_place(real, first.template)
    begun = {"metadata": {"annotations": {names.RECORD: _record(await entry(real, 1))}}}
    await real.namespace.patch_set(NAME, begun)
    second = await real.target.ledger.keep(await real.target.read_object(), to(3), "", fence(2), actor="ann", reason="")
    assert (second.before, second.standing) == (old, first.template)


def _record(before: KeptTemplate) -> str:
    return f'{{"replicas":3,"groups":3,"maxUnavailable":1,"maxSurge":0,"partition":0,"template":"{before.name}"}}'


@pytest.mark.parametrize("by_revision", [False, True])
async def test_what_the_groups_run_already_is_told_who_asks_for_it_again(real: Real, by_revision: bool) -> None:
    running = (await real.target.read_object()).template
    await put_in_place(real, await real.keep(to(2), 1))
    old = await entry(real, 1)
    await real.target.ledger.record_outcome(old.name, "completed", fence(2))
    change = Change(revision=old.name) if by_revision else to(1)
    lws = await real.target.read_object()
    names = await real.target.ledger.keep(lws, change, "", fence(3), actor="bob", reason="back", running=running)
    assert (names.template, names.before) == (old.name, old.name)
    assert await kept(real) == {2: "model=m:2", 3: "model=m:1"}
    again = await entry(real, 1)
    assert (again.actor, again.reason, again.outcome) == ("bob", "back", "")


async def test_a_limit_that_is_no_number_is_refused_with_where_it_stands(real: Real) -> None:
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {names.HISTORY_LIMIT: "many"}}})
    with pytest.raises(RefusedError, match=r"rollwright.io/history-limit is 'many'; write a whole number"):
        await real.keep(to(2))


async def test_a_rejected_template_is_refused_however_it_is_asked_for_until_that_is_taken_back(real: Real) -> None:
    name = await real.keep(to(2), 1)
    await real.target.ledger.reject(await entry(real, 2), NO)
    back = rf"rollwright reject lws/llm 2 -n {real.namespace.name} --undo"
    for change in (to(2), Change(revision=name), Change(patch=_image("m:2"))):
        with pytest.raises(RefusedError, match=r"revision 2, which bob has rejected \(2026-.*eats the tokenizer.*"):
            await preview(real, change)
        with pytest.raises(RefusedError, match=back):
            await real.keep(change, 2)
    await real.target.ledger.reject(await entry(real, 2), None)
    await real.target.ledger.reject(await entry(real, 2), None)
    assert await real.keep(to(2), 2) == name


async def test_a_rejected_template_is_refused_also_where_the_api_server_would_add_to_it(real: Real) -> None:
    bare = {"leaderWorkerTemplate": {"workerTemplate": {"spec": {"containers": [{"name": "model", "image": "m:2"}]}}}}
    kept_before = controller_revision(await real.target.read_object(), bare, 1, {names.KEPT_AT: "2025-01-01T00:00:00Z"})
    await real.api.create(CONTROLLER_REVISIONS, real.namespace.name, kept_before)
    change = Change(revision=kept_before["metadata"]["name"])
    assert await preview(real, change) != bare
    await real.target.ledger.reject(await entry(real, 2), NO)
    with pytest.raises(RefusedError, match="bob has rejected"):
        await preview(real, change)


def _image(image: str) -> Json:
    return {"workerTemplate": {"spec": {"containers": [{"name": "model", "image": image}]}}}


async def test_a_rejection_that_somebody_has_damaged_still_rejects(real: Real) -> None:
    await real.keep(to(2))
    damaged = patches.annotate({names.REJECTED: "not JSON"})
    await real.api.patch(CONTROLLER_REVISIONS, real.namespace.name, (await entry(real, 2)).name, damaged)
    with pytest.raises(RefusedError, match=r"somebody has rejected \(at some time\): not JSON"):
        await preview(real, to(2))


async def test_an_outcome_is_that_of_the_last_rollout(real: Real) -> None:
    name = await real.keep(to(2), 1)
    await real.target.ledger.record_outcome(name, "aborted", fence(2))
    await real.target.ledger.record_outcome(name, "aborted", fence(2))
    assert (await entry(real, 2)).outcome == "aborted"
    await real.keep(to(2), 4)
    await real.target.ledger.record_outcome(name, "completed", fence(3))  # late
    assert (await entry(real, 2)).outcome == ""


async def test_start_ups_are_kept_with_the_outcome_and_stay_where_another_rollout_begins(real: Real) -> None:
    name = await real.keep(to(2), 1)
    await real.target.ledger.record_outcome(name, "completed", fence(2), start_ups="10,20")
    await real.keep(to(2), 3)
    again = await entry(real, 2)
    assert (again.outcome, startups.read([again.item])) == ("", (10.0, 20.0))
    await real.target.ledger.record_outcome(name, "aborted", fence(4))
    assert startups.read([(await entry(real, 2)).item]) == (10.0, 20.0)


async def last_outcome(real: Real) -> str | None:
    return await real.target.ledger.last_outcome(await real.target.read_object())


async def test_the_last_outcome_is_that_of_what_stands_also_where_a_freeze_has_made_another_the_newest(
    real: Real,
) -> None:
    ledger = real.target.ledger
    assert await last_outcome(real) is None
    name = await real.keep(to(2), 1)
    old = await entry(real, 1)
    await ledger.record_outcome(old.name, "completed 2025-12-31T00:00:00+00:00", fence(2))
    await ledger.keep_standing(await real.target.read_object(), fence(3))
    assert await kept(real) == {2: "model=m:2", 3: "model=m:1"}
    await ledger.record_outcome(name, "rolled back 2026-01-01T00:00:04.5+00:00", fence(4))
    assert await last_outcome(real) is None, "of what stands nothing was heard since"
    await put_in_place(real, name)
    assert await last_outcome(real) == "rolled back 2026-01-01T00:00:04.5+00:00"
    other = await real.keep(to(3), 6)
    assert await last_outcome(real) is None, "another was asked for since"
    await ledger.record_outcome(other, "completed 2026-01-01T00:00:07+00:00", fence(7))
    assert await last_outcome(real) is None
    await put_in_place(real, other)
    assert await last_outcome(real) == "completed 2026-01-01T00:00:07+00:00"


async def test_the_outcome_of_a_template_that_is_gone_is_nobodys_trouble(real: Real) -> None:
    await real.target.ledger.record_outcome("no-such-template", "completed", fence(1))


async def test_only_templates_kept_for_the_target_can_be_asked_for(real: Real) -> None:
    await real.is_ready(3)
    for name in ("no-such-template", *_by_lws(await real.namespace.apps("controllerrevisions"))):
        with pytest.raises(RefusedError, match=f"no template is kept for it under the name {name}"):
            await preview(real, Change(revision=name))


def _by_lws(revisions: dict[str, Json]) -> list[str]:
    assert revisions, "LWS has its own"
    return list(revisions)


async def test_another_template_under_the_same_name_is_never_taken_for_ours(real: Real) -> None:
    lws = await real.target.read_object()
    after = await preview(real, to(2))
    other = controller_revision(lws, after, 1, {}) | {"data": {"leaderWorkerTemplate": {"size": 9}}}
    await real.api.create(CONTROLLER_REVISIONS, real.namespace.name, other)
    with pytest.raises(RefusedError, match="keeps another template of the same digest"):
        await real.keep(to(2))


async def test_a_kept_template_that_somebody_has_made_anew_is_neither_put_in_place_nor_gone_back_to(real: Real) -> None:
    """What was approved is named by its content; whoever may make ControllerRevisions changes no target by that."""
    name = await real.keep(to(2))
    genuine = (await entry(real, 2)).item
    await real.api.delete(CONTROLLER_REVISIONS, real.namespace.name, name, {"uid": genuine["metadata"]["uid"]})
    metadata = {key: genuine["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    theirs = json.loads(json.dumps(genuine["data"]).replace("m:2", "m:miner"))
    await real.api.create(CONTROLLER_REVISIONS, real.namespace.name, genuine | {"metadata": metadata, "data": theirs})
    with pytest.raises(RefusedError, match="somebody has made it anew"):
        await real.target.ledger.template(name)
    with pytest.raises(RefusedError, match="somebody has made it anew"):
        await preview(real, Change(revision=name))


async def test_what_was_kept_goes_with_its_target_and_is_not_taken_for_that_of_the_next_one(real: Real) -> None:
    old = await real.target.read_object()
    first = await real.keep(to(2))
    await real.namespace.delete_set(NAME)
    await until(lambda: _exists(real), lambda exists: not exists)
    again = {key: old.manifest[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": NAME}}
    await real.namespace.create_set(again)
    second = await real.keep(to(2), 1)
    assert second != first
    await until(
        lambda: real.namespace.apps("controllerrevisions"),
        lambda found: all(item["metadata"]["labels"].get(names.TARGET_UID) != old.uid for item in found.values()),
    )
    assert second == kept_name(await real.target.read_object(), await preview(real, to(2)))
    assert await kept(real) == {1: "model=m:1", 2: "model=m:2"}


async def _exists(real: Real) -> bool:
    try:
        await real.target.read_object()
    except MissingError:
        return False
    return True
