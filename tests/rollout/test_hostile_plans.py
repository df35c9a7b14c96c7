"""Whatever is aimed at and whatever is seen, there is a verdict, and it asks for nothing that must not be.

What is seen comes from a cluster that others write to as well: it may be in a state that no rollout would bring it to.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Blocked, Done, Failed, Step, Wait
from rollwright.rollout.quantities import MOST_GROUPS
from rollwright.rollout.spec import GatedStep, Pacing, Reclaim, Strategy, SurgeDuringGates

pytestmark = pytest.mark.fuzz

numbers = st.one_of(st.integers(0, 3), st.integers(0, 9), st.sampled_from([100, MOST_GROUPS - 1, MOST_GROUPS]))
counts = st.one_of(st.integers(0, 3), numbers, st.sampled_from(["0%", "1%", "50%", "99%", "100%"]))
seldom = st.sampled_from([False] * 5 + [True])
often = seldom.map(lambda so: not so)
changed = st.sampled_from([""] * 9 + ["the template"])
groups = st.fixed_dictionaries(
    {
        "updated": st.booleans(),
        "ready": often,
        **dict.fromkeys(("terminating", "failed", "blip", "unscheduled", "misplaced"), seldom),
    }
)
strategies = st.builds(
    Strategy,
    max_unavailable=counts.filter(lambda count: count not in (0, "0%")),
    max_surge=counts,
    partition=numbers,
    pacing=st.sampled_from(Pacing),
    reclaim=st.sampled_from(Reclaim),
    steps=st.lists(st.builds(GatedStep, until=counts), max_size=3).map(tuple),
    surge_during_gates=st.sampled_from(SurgeDuringGates),
    max_failed_groups=numbers,
    on_stall=st.sampled_from(OnFailure),
)


@st.composite
def aims(draw: st.DrawFn) -> Aim:
    strategy = draw(strategies)
    return Aim(
        strategy=strategy,
        course=draw(st.sampled_from(Course)),
        fast=draw(st.booleans()),
        gate=draw(st.integers(0, len(strategy.steps))),
        surge_limit=draw(st.none() | st.integers(0, 12)),
        paused=draw(st.booleans()),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Any number of groups in any state; more are wanted than there are, or fewer, or very many."""
    seen = draw(st.lists(groups, max_size=12))
    facts = {"on_target": often, "settled": often}
    facts |= dict.fromkeys(("unheld", "loose", "widened", "starts_in_turn"), seldom)
    return Observation(
        replicas=draw(st.just(len(seen)) | numbers),
        groups_asked=draw(st.just(len(seen)) | st.integers(0, len(seen))),
        partition=draw(st.just(len(seen)) | numbers),
        groups=tuple(Group(ordinal=ordinal, reason="why", **group) for ordinal, group in enumerate(seen)),
        edited=draw(changed),
        dispute=draw(changed),
        **{name: draw(drawn) for name, drawn in facts.items()},
    )


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(aims(), observations())
def test_there_is_a_verdict_and_it_keeps_the_promise(aim: Aim, seen: Observation) -> None:
    verdict = aim.plan(seen)
    assert isinstance(verdict, Step | Wait | Done | Blocked | Failed)
    if not isinstance(verdict, Step):
        return
    budget = seen.budget(aim.effective, aim.surge_limit)
    floor = min(budget.floor, seen.kept(seen.partition, seen.groups_asked))
    if seen.on_target and seen.settled:
        assert seen.kept(verdict.partition, verdict.groups) >= floor
    assert verdict.groups <= max(seen.groups_asked, budget.ceiling)
    assert 0 <= verdict.partition <= max(seen.partition, len(seen.groups), seen.replicas, aim.strategy.partition)
    assert all(0 <= ordinal < seen.groups_asked for ordinal in verdict.delete)
    gone = [group for group in seen.groups if group.ordinal in verdict.delete]
    assert not any(group.terminating for group in gone)
    assert not any(group.updated for group in gone)
