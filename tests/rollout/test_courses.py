"""Back and stop, from any state; groups that failed and are tolerated; gates."""

import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rollwright.rollout.aim import Aim
from rollwright.rollout.planner import Done, Failed, Step
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Pacing, Reclaim, Strategy
from tests.rollout.story import Rollout
from tests.rollout.test_promise import explore, small_strategies, strategies

forward_events = st.tuples(
    st.sampled_from(["act", "act", "reflect", "reflect", "ready", "ready", "gone", "gone"]), st.integers(0, 60)
)
CASES = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def begun(
    strategy: Strategy, replicas: int, story: list[tuple[str, int]], hopeless: frozenset[tuple[str, int]] = frozenset()
) -> Rollout:
    rollout = Rollout(Aim(strategy=strategy), World(replicas), hopeless=hopeless)
    for event, number in story:
        rollout.happen(event, number)
    return rollout


@CASES
@given(strategies(), st.integers(0, 12), st.lists(forward_events, max_size=60), st.data())
def test_a_rollback_never_touches_what_was_never_updated(
    strategy: Strategy, replicas: int, story: list[tuple[str, int]], data: st.DataObject
) -> None:
    rollout = begun(strategy, replicas, story)
    never = {
        ordinal: pod for ordinal, pod in rollout.world.pods.items() if pod.revision == "old" and not pod.terminating
    }
    rollout.world.reflect()
    held = {ordinal: pod for ordinal, pod in never.items() if not pod.terminating}
    for pod in rollout.world.pods.values():
        pod.ready = pod.ready and (pod.revision == "old" or data.draw(st.booleans()))
    rollout.happen(data.draw(st.sampled_from(["back", "fast back"])), 0)
    assert rollout.finish() == Done()
    assert {ordinal: pod for ordinal, pod in rollout.world.pods.items() if ordinal in held} == held
    assert all(rollout.world.pods[ordinal] is pod for ordinal, pod in held.items())


@CASES
@given(strategies(), st.integers(1, 12), st.lists(forward_events, max_size=60), st.data())
def test_on_the_way_back_no_broken_group_waits_for_a_working_one(
    strategy: Strategy, replicas: int, story: list[tuple[str, int]], data: st.DataObject
) -> None:
    """Whatever is taken down, broken groups are replaced before anything more must become ready."""
    rollout = begun(strategy, replicas, story)
    rollout.world.reflect()
    for pod in rollout.world.pods.values():
        pod.ready = pod.ready and (pod.revision == "old" or data.draw(st.booleans()))
    updated_all = rollout.world.current_revision != "old"
    rollout.happen(data.draw(st.sampled_from(["back", "fast back"])), 0)
    while isinstance(rollout.act(rollout.observe()), Step):
        rollout.world.reflect()
        for ordinal in [ordinal for ordinal, pod in rollout.world.pods.items() if pod.terminating]:
            rollout.world.gone(ordinal)
    broken = [group for group in rollout.observe().asked if not group.updated and not group.ready]
    assert updated_all or not broken


@pytest.mark.parametrize("replicas", range(1, 3))
def test_back_and_stop_end_from_every_reachable_state_of_every_small_case(replicas: int) -> None:
    for strategy in small_strategies(replicas):
        for state in explore(Rollout(Aim(strategy=strategy), World(replicas)), failures=0):
            for course in ("back", "fast back", "stop"):
                rollout = state.twin()
                rollout.happen(course, 0)
                partition = rollout.world.spec.partition
                assert rollout.finish() == Done()
                assert rollout.world.spec.groups == replicas
                if course == "stop":
                    assert rollout.world.spec.partition == partition
                else:
                    assert rollout.on("old", range(replicas))


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(1, 7),
    st.integers(0, 7),
    st.integers(0, 3),
    st.sampled_from(Pacing),
    st.sampled_from(Reclaim),
    st.frozensets(st.integers(0, 6), min_size=1, max_size=3),
    st.lists(forward_events, max_size=80),
)
def test_tolerated_failures_hold_back_no_other_group_while_the_budget_is_larger(
    replicas: int,
    unavailable: int,
    surge: int,
    pacing: Pacing,
    reclaim: Reclaim,
    hopeless: frozenset[int],
    story: list[tuple[str, int]],
) -> None:
    hopeless = frozenset(ordinal for ordinal in hopeless if ordinal < replicas)
    assume(unavailable + min(surge, replicas) > len(hopeless))
    strategy = Strategy(
        max_unavailable=unavailable, max_surge=surge, pacing=pacing, reclaim=reclaim, max_failed_groups=len(hopeless)
    )
    rollout = begun(strategy, replicas, story, frozenset(("new", ordinal) for ordinal in hopeless))
    ending = rollout.finish()
    assert rollout.on("new", range(replicas))
    assert rollout.world.spec.partition == 0
    # a surge that stands in for failed groups can't be given back: somebody has to say what becomes of it
    assert isinstance(ending, Done if len(hopeless) <= unavailable else Failed)


def test_a_failed_surge_group_holds_nothing_back_that_costs_nothing() -> None:
    """The only old group is broken, and the surge group that should stand in for it has failed."""
    strategy = Strategy(max_unavailable=0, max_surge=1, max_failed_groups=2)
    rollout = Rollout(Aim(strategy=strategy), World(1), hopeless=frozenset({("new", 1), ("old", 0)}))
    rollout.world.fail(0)
    assert rollout.finish() == Done()


@pytest.mark.parametrize("course", ["forward", "stop"])
@pytest.mark.parametrize(
    ("replicas", "unavailable", "surge", "broken"), [(4, 1, 1, (2, 3)), (4, 1, 2, (0, 1, 2, 3)), (2, 1, 1, (0, 1))]
)
def test_a_surge_without_nodes_is_given_back_also_where_too_few_groups_serve_already(
    replicas: int, unavailable: int, surge: int, broken: tuple[int, ...], course: str
) -> None:
    """The new version is what would mend the old groups: it must not wait for a surge that never comes."""
    strategy = Strategy(max_unavailable=unavailable, max_surge=surge)
    hopeless = frozenset(("old", ordinal) for ordinal in broken)
    rollout = Rollout(Aim(strategy=strategy), World(replicas), hopeless=hopeless, nodes=replicas)
    for ordinal in broken:
        rollout.world.fail(ordinal)
    rollout.happen("act", 0)
    assert rollout.world.spec.groups > replicas
    rollout.happen("reflect", 0)
    if course == "stop":
        rollout.happen("stop", 0)
    assert rollout.finish() == Done()
    assert rollout.world.spec.groups == replicas
    assert course == "stop" or rollout.on("new", range(replicas))


def test_more_failures_than_are_tolerated_are_told_and_nothing_more_is_released() -> None:
    hopeless = frozenset({("new", 3), ("new", 2)})
    for tolerated, expected in ((1, 2), (2, 0)):
        strategy = Strategy(max_unavailable=3, max_failed_groups=tolerated, pacing=Pacing.EAGER)
        rollout = Rollout(Aim(strategy=strategy), World(5), hopeless=hopeless)
        assert isinstance(rollout.finish(), Failed if tolerated == 1 else Done)
        assert (rollout.world.spec.partition == 0) is (expected == 0)


@pytest.mark.parametrize("gates", [(1, 2), ("25%", "50%"), ("50%", 1), (0, "100%")])
@pytest.mark.parametrize(("before", "after"), [(4, 8), (8, 4), (4, 1), (4, 0), (0, 4)])
def test_gates_hold_while_the_user_scales(gates: tuple[int | str, ...], before: int, after: int) -> None:
    strategy = Strategy(max_unavailable=1, max_surge=1, steps=tuple(GatedStep(until=gate) for gate in gates))
    rollout = Rollout(Aim(strategy=strategy), World(before))
    assert rollout.rest() == Done()
    released = rollout.world.spec.partition
    rollout.happen("scale", after)
    assert rollout.rest() == Done()
    gate = rollout.aim.gate_ahead(after)
    bound = 0 if gate is None else rollout.aim.strategy.partition + _bound(gates[gate], after)
    assert rollout.world.spec.partition >= min(bound, released)
    assert rollout.finish() == Done()
    assert rollout.on("new", range(after))


def _bound(until: int | str, replicas: int) -> int:
    """The ordinals that a gate holds, counted by hand."""
    part = until if isinstance(until, int) else math.ceil(int(until.rstrip("%")) * replicas / 100)
    return max(0, replicas - part)


def test_a_partition_that_the_user_asked_for_holds_before_and_after_every_gate() -> None:
    strategy = Strategy(max_unavailable=1, partition=2, steps=(GatedStep(until=1), GatedStep(until="75%")))
    rollout = Rollout(Aim(strategy=strategy), World(4))
    assert rollout.rest() == Done()
    assert (rollout.aim.gate_ahead(4), rollout.world.spec.partition) == (0, 3)
    rollout.happen("promote", 0)
    assert rollout.rest() == Done()
    assert (rollout.aim.gate_ahead(4), rollout.world.spec.partition) == (None, 2)


@pytest.mark.parametrize("replicas", [0, 1, 4])
def test_an_abort_leaves_the_partition_where_it_is_also_where_the_user_scales_to_nothing(replicas: int) -> None:
    rollout = Rollout(Aim(strategy=Strategy(max_unavailable=1, max_surge=1)), World(4))
    for event in ("act", "all ready", "act", "all ready"):
        rollout.happen(event, 0)
    rollout.happen("stop", 0)
    held = rollout.world.spec.partition
    assert held > 0
    for wanted in (replicas, 6):
        rollout.happen("scale", wanted)
        assert rollout.finish() == Done()
        assert rollout.world.spec == ("new", held, wanted)
