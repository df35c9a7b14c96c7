"""The patches: what each tests, and where."""

import json
from datetime import UTC, datetime

import pytest

from rollwright.cluster import names, patches
from rollwright.cluster.objects import Settings
from rollwright.cluster.record import Asked, Fence, Record
from tests.cluster.objects import TEMPLATE, Json, lws, pod

FENCE = Fence(datetime(2026, 1, 1, tzinfo=UTC), "w")
FENCE_PATH = "/metadata/annotations/rollwright.io~1fence"
RECORD_PATH = "/metadata/annotations/rollwright.io~1record"


def assumed(patch: list[Json]) -> dict[str, object]:
    return {operation["path"]: operation["value"] for operation in patch if operation["op"] == "test"}


def test_a_patch_assumes_the_object_the_spec_and_the_fence_that_were_read() -> None:
    patch = patches.guarded(lws(generation=7, annotations={names.FENCE: "before w"}).manifest, FENCE, [])
    assert assumed(patch) == {"/metadata/uid": "u-lws", "/metadata/generation": 7, FENCE_PATH: "before w"}
    assert patch[-1] == {"op": "add", "path": FENCE_PATH, "value": str(FENCE)}


def test_annotations_are_made_where_there_are_none() -> None:
    patch = patches.guarded(lws().manifest, FENCE, [])
    assert assumed(patch)["/metadata/annotations"] is None
    assert assumed(patch)[FENCE_PATH] is None
    paths = [operation["path"] for operation in patch if operation["op"] == "add"]
    assert paths == ["/metadata/annotations", FENCE_PATH]


def test_annotations_of_others_are_left_alone() -> None:
    patch = patches.guarded(lws(annotations={"theirs": "x"}).manifest, FENCE, [])
    assert "/metadata/annotations" not in [operation["path"] for operation in patch]


def test_an_object_without_a_generation_is_known_by_its_uid() -> None:
    assert "/metadata/generation" not in assumed(patches.guarded(pod(0), FENCE, []))


def test_what_is_asked_for_is_written_down_in_the_same_patch() -> None:
    record = Record(replicas=4, groups=6, max_unavailable="25%", max_surge=1, partition=0, template="llm-rw-old")
    asked = Asked(partition=6, max_unavailable=2, template="llm-rw-new")
    scaled, paced, written = patches.hold(lws(annotations={}), record, asked)
    assert scaled["value"] == 6
    assert paced["value"]["rollingUpdateConfiguration"] == {"partition": 6, "maxUnavailable": 2, "maxSurge": 0}
    assert written["path"] == RECORD_PATH
    assert json.loads(written["value"]) == {
        "version": 1, "replicas": 4, "groups": 6, "maxUnavailable": "25%", "maxSurge": 1, "partition": 0,
        "template": "llm-rw-old",
        "asked": {"partition": 6, "maxUnavailable": 2, "maxSurge": 0, "template": "llm-rw-new"},
    }  # fmt: skip
    assert Record.parse(written["value"]) == record.model_copy(update={"asked": asked})


def test_changes_come_after_what_they_assume() -> None:
    patch = patches.guarded(lws().manifest, FENCE, patches.scale(6))
    assert patch[-1] == {"op": "replace", "path": "/spec/replicas", "value": 6}
    operations = [operation["op"] for operation in patch]
    assert "test" not in operations[operations.index("replace") :]


def test_pacing_keeps_settings_it_does_not_know() -> None:
    target = lws()
    target.manifest["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]["later"] = "x"
    (operation,) = target.pace(Settings(2, 3))
    expected = {"partition": 2, "maxUnavailable": 3, "maxSurge": 0, "later": "x"}
    assert operation["value"] == {"type": "RollingUpdate", "rollingUpdateConfiguration": expected}


def test_pacing_works_where_nothing_was_set() -> None:
    target = lws()
    del target.manifest["spec"]["rolloutStrategy"]
    (operation,) = target.pace(Settings(2, 3))
    assert operation["op"] == "add"
    assert operation["path"] == "/spec/rolloutStrategy"


def test_a_template_is_put_in_place_part_by_part() -> None:
    template = {**TEMPLATE, "networkConfig": {"subdomainPolicy": "Shared"}}
    paths = [operation["path"] for operation in patches.template(template, lws())]
    assert paths == ["/spec/leaderWorkerTemplate", "/spec/networkConfig"]


def test_a_part_that_the_new_template_lacks_is_removed() -> None:
    standing = lws(template={**TEMPLATE, "networkConfig": {"subdomainPolicy": "Shared"}})
    assert patches.template(TEMPLATE, standing)[1:] == [{"op": "remove", "path": "/spec/networkConfig"}]


def test_the_record_is_forgotten_in_the_end() -> None:
    assert patches.forget(lws(annotations={names.RECORD: "{}"})) == [{"op": "remove", "path": RECORD_PATH}]


@pytest.mark.parametrize("annotations", [None, {}, {"theirs": "x"}])
def test_a_record_that_is_gone_needs_no_forgetting(annotations: dict[str, str] | None) -> None:
    """To remove what isn't there is an error, which would hold up the end of a rollout."""
    assert patches.forget(lws(annotations=annotations)) == []
