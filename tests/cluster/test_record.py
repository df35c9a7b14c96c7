"""What is written beside the spec: the user's settings, and which step acts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rollwright.cluster import names
from rollwright.cluster.record import Fence, Record
from tests.cluster.objects import lws

RECORD = Record(replicas=4, groups=6, max_unavailable="25%", max_surge=1, partition=0)


def test_a_record_is_read_back_as_it_was_written() -> None:
    written = lws(annotations={names.RECORD: RECORD.model_dump_json(by_alias=True)})
    assert Record.of(written) == RECORD


@pytest.mark.parametrize("annotations", [None, {}, {"other": "x"}])
def test_a_target_without_a_record_has_none(annotations: dict[str, str] | None) -> None:
    assert Record.of(lws(annotations=annotations)) is None


def test_a_record_of_a_newer_version_can_be_read() -> None:
    newer = RECORD.model_dump(by_alias=True) | {"more": 1}
    assert Record.model_validate(newer) == RECORD


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
    assert Fence.of(lws(annotations={names.FENCE: str(fence)})) == fence


def test_a_fence_is_written_in_utc() -> None:
    scheduled = datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    assert str(Fence(scheduled, "w")) == "2026-01-01T12:00:00.000000+00:00 w"


@pytest.mark.parametrize("annotations", [None, {}, {names.FENCE: ""}])
def test_a_target_no_step_has_touched_has_no_fence(annotations: dict[str, str] | None) -> None:
    assert Fence.of(lws(annotations=annotations)) is None
