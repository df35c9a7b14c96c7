"""Groups that start only once all below them are ready: of all that are asked for one at a time may be missing."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Blocked, Done, Step, Wait, plan
from rollwright.rollout.simulator import Frame, World, simulate
from rollwright.rollout.spec import Pacing, Strategy

WIDE = Strategy(max_unavailable=3, max_surge=3, pacing=Pacing.EAGER)
SURGE_ONLY = WIDE.model_copy(update={"max_unavailable": 0})


def seen(marks: str, *, partition: int, replicas: int = 4) -> Observation:
    """One letter a group: o old, n new, both ready; O and N the same, not ready."""
    groups = tuple(
        Group(ordinal=ordinal, updated=mark in "nN", ready=mark in "on") for ordinal, mark in enumerate(marks)
    )
    return Observation(
        replicas=replicas, groups_asked=len(groups), partition=partition, groups=groups, starts_in_turn=True
    )


def test_one_group_is_released_however_wide_the_budget_and_no_surge_asked_for() -> None:
    assert plan(WIDE, seen("oooo", partition=4)) == Step(action=Action.LOWER_PARTITION, partition=3, groups=4)


def test_nothing_is_released_while_another_is_missing() -> None:
    assert isinstance(plan(WIDE, seen("oooN", partition=3)), Wait)


def test_nothing_is_released_above_a_broken_one_as_it_would_not_start_again() -> None:
    verdict = plan(WIDE, seen("oOoo", partition=4))
    assert isinstance(verdict, Blocked)
    assert "group 1 is not ready" in verdict.reason


def test_one_that_has_failed_is_gone_round_where_that_is_tolerated() -> None:
    tolerant = WIDE.model_copy(update={"max_failed_groups": 1})
    state = seen("oooN", partition=3)
    failed = state.groups[3].model_copy(update={"failed": True})
    verdict = plan(tolerant, state.model_copy(update={"groups": (*state.groups[:3], failed)}))
    assert verdict == Step(action=Action.LOWER_PARTITION, partition=2, groups=4)


def test_a_broken_one_itself_is_released() -> None:
    verdict = plan(WIDE, seen("oooO", partition=4))
    assert verdict == Step(action=Action.LOWER_PARTITION, partition=3, groups=4)


def test_where_nothing_may_be_missing_there_is_a_surge_of_one() -> None:
    verdict = plan(SURGE_ONLY, seen("oooo", partition=4))
    assert verdict == Step(action=Action.SCALE_SURGE, partition=4, groups=5)


@pytest.mark.parametrize("marks", ["ooooN", "oooNn"])
def test_with_a_surge_up_nothing_more_is_missing_at_once(marks: str) -> None:
    assert isinstance(plan(SURGE_ONLY, seen(marks, partition=marks.count("o"))), Wait)


def frames(strategy: Strategy, replicas: int, seconds: list[int]) -> list[Frame]:
    return list(simulate(strategy, World(replicas, starts_in_turn=True), lambda ordinal: seconds[ordinal % 7]))


@given(
    replicas=st.integers(1, 8),
    unavailable=st.integers(0, 4),
    surge=st.integers(0, 4),
    pacing=st.sampled_from(Pacing),
    seconds=st.lists(st.integers(1, 20), min_size=7, max_size=7),
)
def test_any_rollout_of_them_ends_with_one_missing_at_most(
    replicas: int, unavailable: int, surge: int, pacing: Pacing, seconds: list[int]
) -> None:
    assume(unavailable or surge)
    strategy = Strategy(max_unavailable=unavailable, max_surge=surge, pacing=pacing)
    played = frames(strategy, replicas, seconds)
    assert isinstance(played[-1].verdict, Done)
    assert all(frame.observation.groups_asked - frame.observation.available <= 1 for frame in played)
    assert all(frame.observation.groups_asked <= replicas + (not unavailable) for frame in played)
