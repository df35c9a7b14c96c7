"""What is asked of LWS: what carries the surge, and how wide it is opened."""

import pytest

from rollwright.cluster import asking
from rollwright.cluster.record import Asked, Record
from rollwright.cluster.templates import kept_name
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import SurgeBy
from tests.cluster.objects import TEMPLATE, lws

ASKED = Asked(partition=4, max_unavailable=0, max_surge=2, template=kept_name(lws(), TEMPLATE))
RECORD = Record(replicas=4, groups=4, max_unavailable=2, max_surge=1, partition=0, asked=ASKED)


@pytest.mark.parametrize(
    ("by", "groups", "replicas", "max_surge", "max_unavailable"),
    [
        pytest.param(SurgeBy.REPLICAS, 6, 6, 0, 2, id="by replicas"),
        pytest.param(SurgeBy.MAX_SURGE, 6, 4, 2, 0, id="by maxSurge"),
        pytest.param(SurgeBy.MAX_SURGE, 4, 4, 0, 2, id="none is left"),
    ],
)
def test_the_surge_is_in_replicas_or_in_max_surge(
    by: SurgeBy, groups: int, replicas: int, max_surge: int, max_unavailable: int
) -> None:
    record, asked = asking.closed(lws(4, partition=3), RECORD, groups, by)
    assert (record.replicas, record.groups) == (4, replicas)
    assert (asked.max_surge, asked.max_unavailable, asked.partition) == (max_surge, max_unavailable, 3)


def test_what_a_scaler_has_written_is_the_wish_that_the_surge_comes_on_top_of() -> None:
    record, asked = asking.closed(lws(5), RECORD, 7, SurgeBy.MAX_SURGE)
    assert (record.replicas, record.groups, asked.max_surge) == (5, 5, 2)


def test_a_surge_in_replicas_is_moved_into_max_surge() -> None:
    in_replicas = RECORD.model_copy(update={"groups": 6})
    record, asked = asking.closed(lws(6), in_replicas, 6, SurgeBy.MAX_SURGE)
    assert (record.replicas, record.groups, asked.max_surge) == (4, 4, 2)


@pytest.mark.parametrize(("standing", "max_surge"), [(None, 2), (0, 0), (1, 1), (5, 2)])
def test_what_is_left_as_it_is_is_no_more_than_was_asked_for_or_stands(standing: int | None, max_surge: int) -> None:
    record, asked = asking.unchanged(lws(4), RECORD, partition=6, standing=standing)
    assert (record.groups, asked.max_surge, asked.partition) == (4, max_surge, 6)
    assert asked.max_unavailable == (0 if max_surge else 2)


def test_the_first_record_takes_the_users_settings_down() -> None:
    item = lws(4, max_unavailable="25%", max_surge=1)
    record, _ = asking.closed(item, Record.first(item), 5, SurgeBy.REPLICAS)
    assert (record.replicas, record.groups, record.max_unavailable, record.max_surge) == (4, 5, "25%", 1)


@pytest.mark.parametrize(
    ("marks", "partition", "expected"),
    [
        pytest.param("OOOODD", 2, 0, id="maxSurge itself is wide enough"),
        pytest.param("OOOODD", 0, 2, id="as wide as needed"),
        pytest.param("OLDDLD", 0, 0, id="no wider than leaves available what is needed"),
    ],
)
def test_a_release_beside_max_surge_is_opened_no_wider_than_is_safe(marks: str, partition: int, expected: int) -> None:
    groups = tuple(
        Group(ordinal=ordinal, updated=mark in "DL", ready=mark in "DO") for ordinal, mark in enumerate(marks)
    )
    looked = Observation(replicas=4, groups_asked=6, partition=4, groups=groups)
    step = Step(action=Action.LOWER_PARTITION, partition=partition, groups=6)
    _, asked = asking.opened(lws(4, partition=4), RECORD, step, SurgeBy.MAX_SURGE, looked)
    assert (asked.max_surge, asked.max_unavailable) == (2, expected)
