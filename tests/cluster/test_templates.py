"""Templates: what is a revision, and what each kind of change makes of it."""

import copy
import uuid
from typing import Any

import pytest

from rollwright.cluster import names
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.leaderworkerset import LeaderWorkerSet
from rollwright.cluster.templates import (
    controller_revision,
    digest,
    digest_of_kept,
    images_of,
    kept_name,
    merge_patch,
    render,
)
from rollwright.rollout.spec import Change
from tests.cluster.objects import Json, lws

AT = "2026-01-01T00:00:00+00:00"


def pod_template(*images: str, init: str = "") -> Json:
    names_ = ["model", "sidecar"]
    spec: Json = {"containers": [{"name": name, "image": image} for name, image in zip(names_, images, strict=False)]}
    if init:
        spec["initContainers"] = [{"name": "fetch", "image": init}]
    return {"spec": spec}


WORKERS_ONLY: Json = {"leaderWorkerTemplate": {"size": 2, "workerTemplate": pod_template("m:1", "s:1", init="f:1")}}
BOTH: Json = {
    "leaderWorkerTemplate": {
        "size": 2,
        "leaderTemplate": pod_template("m:1"),
        "workerTemplate": pod_template("m:1", "s:1"),
    },
    "networkConfig": {"subdomainPolicy": "Shared"},
}


def images(template: Json, role: str = "workerTemplate") -> dict[str, str]:
    spec = template["leaderWorkerTemplate"][role]["spec"]
    return {container["name"]: container["image"] for container in spec["containers"] + spec.get("initContainers", [])}


def rendered(template: Json, **change: Any) -> Json:
    target = lws(template=template)
    before = copy.deepcopy(target)
    result = render(Change(**change), target, AT)
    assert target == before, "the target that was read has been changed"
    return result


def test_a_revision_is_the_templates_and_the_network_of_the_spec() -> None:
    assert lws(7, partition=3, template=BOTH).template == BOTH
    assert lws(template=WORKERS_ONLY).template == WORKERS_ONLY


def test_no_change_adopts_the_template_as_it_stands() -> None:
    assert rendered(BOTH) == BOTH


def test_an_image_is_set_in_every_container_of_that_name() -> None:
    after = rendered(BOTH, images={"model": "m:2"})
    assert images(after, "leaderTemplate") == {"model": "m:2"}
    assert images(after) == {"model": "m:2", "sidecar": "s:1"}


def test_an_image_is_set_in_init_containers_too() -> None:
    assert images(rendered(WORKERS_ONLY, images={"fetch": "f:2"}))["fetch"] == "f:2"


def test_an_image_for_a_container_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(RefusedError, match="no container engine in the target; it has fetch, model, sidecar"):
        rendered(WORKERS_ONLY, images={"engine": "e:1"})


def test_a_patch_is_merged_into_the_templates() -> None:
    after = rendered(WORKERS_ONLY, patch={"size": 4, "workerTemplate": {"metadata": {"labels": {"a": "b"}}}})
    assert after["leaderWorkerTemplate"]["size"] == 4
    assert after["leaderWorkerTemplate"]["workerTemplate"]["metadata"] == {"labels": {"a": "b"}}
    assert images(after) == images(WORKERS_ONLY)


def test_a_restart_marks_leader_and_workers() -> None:
    both = rendered(BOTH, restart=True)["leaderWorkerTemplate"]
    for role in ("leaderTemplate", "workerTemplate"):
        assert both[role]["metadata"]["annotations"] == {names.RESTARTED_AT: AT}


def test_of_a_manifest_only_the_templates_are_taken() -> None:
    manifest = lws(99, max_unavailable=9, template=BOTH)
    assert rendered(WORKERS_ONLY, manifest=manifest.manifest) == BOTH


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "StatefulSet"}, "change.manifest is a StatefulSet llm; it must be LeaderWorkerSet llm"),
        ({"metadata": {"name": "other"}}, "LeaderWorkerSet other; it must be LeaderWorkerSet llm"),
        ({"spec": {}}, "change.manifest has no spec.leaderWorkerTemplate"),
    ],
)
def test_a_manifest_of_something_else_is_refused(change: Json, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        rendered(WORKERS_ONLY, manifest=lws().manifest | change)


def test_the_same_content_has_the_same_name_whatever_its_order() -> None:
    turned = {key: BOTH[key] for key in reversed(BOTH)}
    assert digest(turned) == digest(BOTH)
    assert digest(BOTH) != digest(WORKERS_ONLY)
    assert digest_of_kept(kept_name(lws(), BOTH)) == digest(BOTH)


def test_a_kept_template_belongs_to_its_target_and_not_to_lws() -> None:
    kept = controller_revision(lws(), BOTH, 3, {names.ACTOR: "ann"})
    assert kept["metadata"]["name"] == kept_name(lws(), BOTH)
    assert kept["metadata"]["annotations"] == {names.ACTOR: "ann"}
    assert kept["metadata"]["labels"] == {names.TARGET_UID: "u-lws"}
    assert [owner["uid"] for owner in kept["metadata"]["ownerReferences"]] == ["u-lws"]
    assert (kept["revision"], kept["data"]) == (3, BOTH)


def test_templates_of_objects_that_follow_each_other_under_one_name_have_names_of_their_own() -> None:
    first, second = lws(), lws()
    second.manifest["metadata"]["uid"] = "another"
    assert kept_name(first, BOTH) != kept_name(second, BOTH)
    assert digest_of_kept(kept_name(first, BOTH)) == digest_of_kept(kept_name(second, BOTH))


def test_the_longest_name_of_a_target_leaves_room_for_those_of_its_templates() -> None:
    longest = lws()
    longest.manifest["metadata"] |= {"name": "x" * 63, "uid": str(uuid.uuid4())}
    name = kept_name(longest, BOTH)
    assert Change(revision=name).revision == name
    assert digest_of_kept(name) == digest(BOTH)


def test_images_are_told_once_by_container() -> None:
    assert images_of(LeaderWorkerSet.pod_templates(BOTH)) == ("model=m:1", "sidecar=s:1")
    assert images_of(LeaderWorkerSet.pod_templates(WORKERS_ONLY)) == ("model=m:1", "sidecar=s:1", "fetch=f:1")


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        # RFC 7396, appendix A.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_do_what_their_standard_says(document: Any, patch: Any, expected: Any) -> None:
    assert merge_patch(document, patch) == expected
