"""What is written beside the spec: the user's settings, and which step acts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rollwright.cluster import names
from rollwright.cluster.record import Asked, Fence, Found, Record
from rollwright.cluster.templates import kept_name
from tests.cluster.objects import TEMPLATE, Json, lws

RECORD = Record(replicas=4, groups=6, max_unavailable="25%", max_surge=1, partition=0)
OURS = kept_name(lws(), TEMPLATE)
ASKED = Asked(partition=4, max_unavailable=1, template=OURS)
THEIR_TEMPLATE: Json = {"leaderWorkerTemplate": {"size": 1, "workerTemplate": {"spec": {"containers": []}}}}
THEIRS = kept_name(lws(), THEIR_TEMPLATE)


def test_a_record_is_read_back_as_it_was_written() -> None:
    written = lws(annotations={names.RECORD: RECORD.model_dump_json(by_alias=True)})
    assert Record.of(written) == RECORD


@pytest.mark.parametrize("annotations", [None, {}, {"other": "x"}])
def test_a_target_without_a_record_has_none(annotations: dict[str, str] | None) -> None:
    assert Record.of(lws(annotations=annotations)) is None


def test_a_record_of_a_newer_version_can_be_read() -> None:
    newer = RECORD.model_dump(by_alias=True) | {"more": 1}
    assert Record.model_validate(newer) == RECORD


def test_a_record_from_before_there_was_anything_else_in_it_can_be_read() -> None:
    older = '{"version": 1, "replicas": 4, "groups": 6, "maxUnavailable": "25%", "maxSurge": 1, "partition": 0}'
    record = Record.of(lws(annotations={names.RECORD: older}))
    assert record == RECORD
    assert record.edited(lws(partition=3)) is None, "nobody knows what had been asked for"


@pytest.mark.parametrize("nonsense", ["", "x", "{}", "[]", '{"version": 2}'])
def test_a_record_that_can_not_be_read_counts_as_none(nonsense: str) -> None:
    assert Record.of(lws(annotations={names.RECORD: nonsense})) is None


def test_the_first_record_tells_how_the_object_stood() -> None:
    target = lws(5, partition=2, max_unavailable="20%", max_surge=1)
    assert Record.first(target) == Record(
        replicas=5, groups=5, max_unavailable="20%", max_surge=1, partition=2, template=OURS
    )


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        pytest.param({}, "", id="as asked for"),
        pytest.param({"replicas": 9}, "", id="replicas are the user's wish"),
        pytest.param({"max_unavailable": "25%"}, "", id="a percentage that comes to the same"),
        pytest.param({"max_surge": "0%"}, "", id="a percentage of nothing"),
        pytest.param({"partition": 0}, "partition 4 -> 0", id="the partition"),
        pytest.param({"max_unavailable": "50%"}, "maxUnavailable 1 -> 50%", id="maxUnavailable"),
        pytest.param({"max_surge": "10%"}, "maxSurge 0 -> 10%", id="maxSurge, which rounds up"),
        pytest.param({"template": THEIR_TEMPLATE}, "the template", id="the template"),
        pytest.param(
            {"replicas": 9, "partition": 0, "max_unavailable": 10, "max_surge": 2, "template": THEIR_TEMPLATE},
            "partition 4 -> 0, maxUnavailable 1 -> 10, maxSurge 0 -> 2, the template",
            id="everything, in one write",
        ),
    ],
)
def test_what_somebody_else_has_changed_is_told_in_words(standing: Json, words: str) -> None:
    target = lws(**{"replicas": 6, "partition": 4, **standing})
    record = RECORD.model_copy(update={"asked": ASKED})
    assert str(record.edited(target) or "") == words


def test_settings_that_were_removed_are_those_that_lws_takes_then() -> None:
    target = lws(6)
    del target.manifest["spec"]["rolloutStrategy"]
    assert str(ASKED.edited(target)) == "partition 4 -> 0"


def test_what_is_found_later_is_added_to_what_was_found_before() -> None:
    frozen = Asked(partition=6, max_unavailable=1, template=THEIRS)
    first = Found(asked=ASKED, partition=0, max_unavailable=10, template=THEIRS)
    later = Found(asked=frozen, max_unavailable=3, max_surge=1)
    assert first.with_later(later) == Found(
        asked=ASKED, partition=0, max_unavailable=3, max_surge=1, template=THEIRS
    ), "in place of what a rollout had asked for, not of the freeze"


def test_nothing_is_found_any_more_once_they_have_put_ours_back() -> None:
    frozen = Asked(partition=6, max_unavailable=1, template=THEIRS)
    assert Found(asked=ASKED, template=THEIRS).with_later(Found(asked=frozen, template=OURS)) is None


def test_what_was_found_is_read_back_as_it_was_written() -> None:
    found = Found(asked=ASKED, max_unavailable="50%", template=THEIRS)
    record = RECORD.model_copy(update={"asked": ASKED, "found": found})
    assert Record.parse(record.model_dump_json(by_alias=True, exclude_none=True)) == record
    assert found.settings == {"max_unavailable": "50%"}


def test_replicas_other_than_those_asked_for_are_what_the_user_wants() -> None:
    assert RECORD.replicas_wanted(6) == 4
    assert RECORD.replicas_wanted(7) == 7


@pytest.mark.parametrize(
    ("max_unavailable", "asked", "expected"),
    [(2, 6, 2), (0, 6, 1), ("50%", 6, 2), ("25%", 3, 1), ("50%", 9, 4)],
)
def test_between_releases_lws_may_miss_as_many_as_the_user_set_and_at_least_one(
    max_unavailable: int | str, asked: int, expected: int
) -> None:
    assert RECORD.model_copy(update={"max_unavailable": max_unavailable}).narrow(asked) == expected


def test_a_fence_is_read_back_as_it_was_written() -> None:
    fence = Fence(datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC), "rollout/lws/default/llm")
    assert Fence.of(lws(annotations={names.FENCE: str(fence)}).manifest) == fence


def test_a_fence_is_written_in_utc() -> None:
    scheduled = datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    assert str(Fence(scheduled, "w")) == "2026-01-01T12:00:00.000000+00:00 w"


@pytest.mark.parametrize("nonsense", ["x", "2026-13-45 w", "2026-01-01T00:00:00 w", "w 2026-01-01T00:00:00+00:00"])
def test_a_fence_that_can_not_be_read_counts_as_none(nonsense: str) -> None:
    assert Fence.of(lws(annotations={names.FENCE: nonsense}).manifest) is None


@pytest.mark.parametrize("annotations", [None, {}, {names.FENCE: ""}])
def test_a_target_no_step_has_touched_has_no_fence(annotations: dict[str, str] | None) -> None:
    assert Fence.of(lws(annotations=annotations).manifest) is None
