"""LWS's own rolling update, on the table of its documentation and on the cases that surprise."""

import pytest

from rollwright.devcluster.standin.formula import GroupState, Leader, Strategy, Target, next_target, resolve

_MARKS = {
    "✅": GroupState(ready=True, updated=True),
    "⏳": GroupState(ready=False, updated=True),
    "❎": GroupState(ready=True, updated=False),
    "✖": GroupState(ready=False, updated=False),
}
DOCUMENTED = Strategy(replicas=4, max_unavailable=2, max_surge=2, partition=0)
IN_PLACE = Strategy(replicas=4, max_unavailable=1, max_surge=0, partition=0)


def _groups(marks: str) -> list[GroupState]:
    return [_MARKS[mark] for mark in marks]


def _next(
    strategy: Strategy, marks: str, *, partition: int, wanted_then: int | None = None, template_changed: bool = False
) -> Target:
    groups = _groups(marks)
    leader = Leader(len(groups), partition, strategy.replicas if wanted_then is None else wanted_then)
    return next_target(strategy, leader, groups, template_changed=template_changed)


def test_a_new_set_starts_whole_with_nothing_held_back() -> None:
    assert next_target(DOCUMENTED, None, [], template_changed=False) == Target(partition=0, replicas=4)


def test_a_changed_template_freezes_every_group_and_surges() -> None:
    assert _next(DOCUMENTED, "❎❎❎❎", partition=0, template_changed=True) == Target(partition=4, replicas=6)


@pytest.mark.parametrize(
    ("partition", "marks", "expected"),
    [
        # LWS's documentation, replicas 4, maxUnavailable 2, maxSurge 2.
        pytest.param(4, "❎❎❎❎✖✖", Target(2, 6), id="stage 3: the surge isn't there yet, two more may go"),
        pytest.param(2, "❎❎⏳⏳✅⏳", Target(2, 6), id="stage 4: the last group isn't ready, nothing moves"),
        pytest.param(2, "❎❎⏳⏳⏳✅", Target(1, 6), id="one ready group at the end releases one"),
        pytest.param(2, "❎❎⏳⏳✅✅", Target(0, 6), id="stage 5: two ready groups at the end release two"),
        pytest.param(0, "⏳⏳⏳✅✅✅", Target(0, 6), id="stage 6: three unready are more than the surge"),
        pytest.param(0, "⏳⏳✅✅✅✅", Target(0, 4), id="stage 7: what maxUnavailable allows needs no surge"),
        pytest.param(0, "✅⏳✅✅", Target(0, 4), id="stage 8"),
        pytest.param(0, "✅✅✅✅", Target(0, 4), id="stage 9"),
    ],
)
def test_the_documented_rollout_goes_through_its_stages(partition: int, marks: str, expected: Target) -> None:
    assert _next(DOCUMENTED, marks, partition=partition) == expected


@pytest.mark.parametrize(
    ("partition", "marks", "expected"),
    [
        pytest.param(4, "❎❎❎❎", 3, id="one at a time from the end"),
        pytest.param(3, "❎❎❎⏳", 3, id="not before it is ready"),
        pytest.param(3, "❎❎❎✅", 2, id="then the next"),
        pytest.param(4, "✖❎❎❎", 4, id="an unavailable group below uses up the budget"),
        pytest.param(4, "✖✖✖✖", 3, id="unavailable groups at the end cost nothing, though one at a time"),
        pytest.param(4, "❎❎✖✖", 3, id="never below what the budget of ready groups gives"),
        pytest.param(1, "❎❎❎❎", 1, id="never up, whatever became unready"),
    ],
)
def test_groups_are_released_within_max_unavailable(partition: int, marks: str, expected: int) -> None:
    assert _next(IN_PLACE, marks, partition=partition) == Target(expected, 4)


def test_the_partition_of_the_object_is_a_floor() -> None:
    held = DOCUMENTED._replace(partition=3)
    assert _next(held, "❎❎❎❎✅✅", partition=4).partition == 3


def test_max_unavailable_holds_back_a_lower_partition_of_the_object() -> None:
    """The trap: the object says 2, LWS's own budget of one says 3."""
    assert _next(IN_PLACE._replace(partition=2), "❎❎❎❎", partition=4) == Target(3, 4)


def test_with_surge_a_change_held_by_the_partition_surges_by_itself_and_stays() -> None:
    frozen = DOCUMENTED._replace(partition=4)
    assert _next(frozen, "❎❎❎❎", partition=4, template_changed=True) == Target(4, 6)
    assert _next(frozen, "❎❎❎❎✅✅", partition=4) == Target(4, 6)


def test_scaling_up_waits_with_the_rollout() -> None:
    more = DOCUMENTED._replace(replicas=8)
    assert _next(more, "❎❎⏳⏳✅✅", partition=2, wanted_then=4) == Target(2, 8)


def test_replicas_that_changed_in_the_middle_move_no_group_at_first() -> None:
    fewer = DOCUMENTED._replace(replicas=3)
    assert _next(fewer, "❎❎⏳⏳✅✅", partition=2, wanted_then=4) == Target(2, 5)


def test_scaling_down_below_the_partition_lowers_it() -> None:
    fewer = IN_PLACE._replace(replicas=2)
    assert _next(fewer, "❎❎❎❎", partition=4, wanted_then=4) == Target(2, 2)


def test_a_change_while_scaling_up_scales_first() -> None:
    more = DOCUMENTED._replace(replicas=6)
    assert _next(more, "❎❎❎❎", partition=0, template_changed=True) == Target(4, 6)


def test_a_surge_is_never_larger_than_the_set() -> None:
    tiny = Strategy(replicas=1, max_unavailable=0, max_surge=5, partition=0)
    assert _next(tiny, "❎", partition=0, template_changed=True) == Target(1, 2)


def test_no_groups_are_no_trouble() -> None:
    none = Strategy(replicas=0, max_unavailable=1, max_surge=0, partition=0)
    assert _next(none, "", partition=0) == Target(0, 0)


@pytest.mark.parametrize(
    ("value", "replicas", "rounded_down", "rounded_up"),
    [(3, 10, 3, 3), ("25%", 10, 2, 3), ("25%", 3, 0, 1), ("100%", 7, 7, 7), ("0%", 7, 0, 0), ("34%", 0, 0, 0)],
)
def test_percentages_are_of_the_replicas(value: int | str, replicas: int, rounded_down: int, rounded_up: int) -> None:
    assert resolve(value, replicas, round_up=False) == rounded_down
    assert resolve(value, replicas, round_up=True) == rounded_up
