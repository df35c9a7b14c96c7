"""Eager pacing: the whole budget is in use or nothing is left to take down; surge stands as long as it helps."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Step, plan
from rollwright.rollout.simulator import World, simulate
from rollwright.rollout.spec import Pacing, Reclaim, Strategy, SurgeDuringGates
from tests.rollout.story import Rollout
from tests.rollout.test_planner import EAGER, seen
from tests.rollout.test_promise import explore, hopeless_groups, spare_nodes, stories, strategies

PROMPT = EAGER.model_copy(update={"reclaim": Reclaim.PROMPT})


def is_excused(aim: Aim, now: Observation) -> bool:
    """Nothing may be released: not settled, stopping, too much has failed, or a surge group is looking for nodes."""
    tolerated = now.groups_asked if aim.course is Course.BACK else aim.strategy.max_failed_groups
    looking = any(group.unscheduled for group in now.asked[now.replicas :])
    held = not now.on_target or not now.settled or aim.course is Course.STOP
    return held or looking or len(now.failed) > tolerated


def idle(aim: Aim, now: Observation) -> str:
    """What of the budget lies idle where the planner rests, counted group by group; empty if nothing does."""
    if isinstance(aim.plan(now), Step) or is_excused(aim, now):
        return ""
    strategy, gate = aim.effective, aim.gate_ahead(now.replicas)
    budget = strategy.budget(now.replicas, aim.surge_limit)
    bound = max(strategy.partition, 0 if gate is None else aim._bound(gate, now.replicas))
    serving = [group.ready and not group.terminating for group in now.asked]
    left = [group for group in now.groups[bound : min(now.partition, now.replicas)] if not group.updated]
    surge = now.groups_asked - now.replicas
    is_kept = gate is not None and strategy.surge_during_gates is SurgeDuringGates.KEEP
    after_the_gate = is_kept and any(not group.updated for group in now.groups[strategy.partition : bound])
    if left:
        highest = [group for group in now.asked[: now.partition] if not group.updated][-1]
        unfinished = sum(not group.done for group in now.groups[bound : now.replicas])
        if sum(serving) > budget.floor:
            return f"{sum(serving)} serve, {budget.floor} must"
        if not highest.available and not highest.blip:
            return f"group {highest.ordinal} is broken and would cost nothing"
        if surge < min(budget.surge, unfinished):
            return f"{surge} of {budget.surge} surge groups are asked for, {unfinished} groups unfinished"
    elif surge > 0 and not after_the_gate and strategy.reclaim is Reclaim.PROMPT and sum(serving[:-1]) >= budget.floor:
        return f"{surge} surge groups have nothing left to shorten, and could go"
    return ""


@st.composite
def eager_strategies(draw: st.DrawFn) -> Strategy:
    reclaim = draw(st.sampled_from([Reclaim.PROMPT, Reclaim.PROMPT, Reclaim.GRADUAL]))
    return draw(strategies()).model_copy(update={"pacing": Pacing.EAGER, "reclaim": reclaim})


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(eager_strategies(), st.integers(0, 40), stories, hopeless_groups, spare_nodes, st.frozensets(st.integers(0, 40)))
def test_in_every_state_the_whole_budget_is_in_use_or_nothing_is_left_to_take_down(
    strategy: Strategy,
    replicas: int,
    story: list[tuple[str, int]],
    hopeless: frozenset[tuple[str, int]],
    spare: int | None,
    blips: frozenset[int],
) -> None:
    """Groups fail, users scale and change their minds; some that don't serve were there a moment ago."""
    nodes = None if spare is None else 40 + spare
    rollout = Rollout(Aim(strategy=strategy), World(replicas), hopeless=hopeless, nodes=nodes)
    for event, number in story:
        rollout.happen(event, number)
        now = rollout.observe()
        groups = tuple(
            group.model_copy(update={"blip": not group.ready and group.ordinal in blips}) for group in now.groups
        )
        assert idle(rollout.aim, now) == ""
        assert idle(rollout.aim, now.model_copy(update={"groups": groups})) == ""


@pytest.mark.parametrize("replicas", range(1, 4))
def test_nothing_lies_idle_in_any_reachable_state_of_any_small_case(replicas: int) -> None:
    for unavailable in range(replicas + 1):
        for surge in range(0 if unavailable else 1, 3):
            strategy = Strategy(max_unavailable=unavailable, max_surge=surge, pacing=Pacing.EAGER)
            for state in explore(Rollout(Aim(strategy=strategy), World(replicas)), failures=replicas < 3):
                assert idle(state.aim, state.observe()) == ""


def test_surge_is_kept_while_groups_wait_to_be_released_and_given_back_once_none_does() -> None:
    """Three are unfinished in both: the one that waits could be let go by whichever surge group is ready first."""
    waiting = seen("oUuuuu", partition=1)
    three = Strategy(max_unavailable=3, max_surge=2, pacing=Pacing.EAGER)
    assert not isinstance(plan(three.model_copy(update={"max_unavailable": 2}), waiting), Step)
    assert plan(three, seen("uUuuUU", partition=0)) == Step(action=Action.RECLAIM_REPLICAS, partition=0, groups=4)


def test_a_loading_surge_group_is_not_given_back_while_it_may_let_the_last_one_go() -> None:
    state = seen("ouUuuu", partition=1, replicas=3)
    budget = Strategy(max_unavailable=1, max_surge=4, pacing=Pacing.EAGER)
    assert not isinstance(plan(budget, state), Step)
    as_lws = budget.model_copy(update={"reclaim": Reclaim.GRADUAL})
    assert plan(as_lws, state) == Step(action=Action.RECLAIM_REPLICAS, partition=1, groups=5)


def test_a_ready_surge_group_that_stands_in_for_a_straggler_is_kept() -> None:
    none_missing = Strategy(max_unavailable=0, max_surge=2, pacing=Pacing.EAGER)
    assert plan(none_missing, seen("UuUUUU", partition=0)) == Step(
        action=Action.RECLAIM_REPLICAS, partition=0, groups=5
    )
    assert not isinstance(plan(none_missing, seen("UuUUU", partition=0)), Step)


@pytest.mark.parametrize(
    ("groups", "unavailable", "asked"),
    [("oooo", 4, 4), ("oooo", 3, 6), ("ooox", 3, 6), ("xxxx", 1, 4), ("oooo", 0, 6)],
)
def test_no_surge_is_asked_for_where_everything_can_be_let_go_at_once(
    groups: str, unavailable: int, asked: int
) -> None:
    strategy = Strategy(max_unavailable=unavailable, max_surge=2, pacing=Pacing.EAGER)
    start = seen(groups, partition=0, on_target=False)
    assert plan(strategy, start) == Step(action=Action.PREPARE, partition=4, groups=asked)
    ordered = strategy.model_copy(update={"pacing": Pacing.ORDERED, "reclaim": Reclaim.GRADUAL})
    assert plan(ordered, start) == Step(action=Action.PREPARE, partition=4, groups=6)


def test_a_straggler_holds_its_own_slot_only() -> None:
    """Three of 24 take an hour, the others a minute; with stragglers 23, 12 and 4 of a budget of 5 groups.

    Those let go, minute by minute: 5, 4, 4, 3, 3, 3 and 2, each straggler leaving one less for the others.
    """
    slow = {23, 12, 4}
    strategy = Strategy(max_unavailable=5, pacing=Pacing.EAGER)
    frames = simulate(strategy, World(24), lambda ordinal: 3600.0 if ordinal in slow else 60.0)
    done = ((frame.seconds, {group.ordinal for group in frame.observation.groups if group.done}) for frame in frames)
    assert next(seconds for seconds, ordinals in done if ordinals >= set(range(24)) - slow) == 7 * 60
