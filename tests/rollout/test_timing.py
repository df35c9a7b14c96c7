"""The quick count of when a rollout ends: as the simulator has it, and by hand."""

import random
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Done
from rollwright.rollout.simulator import Frame, World, simulate
from rollwright.rollout.spec import GatedStep, Pacing, Reclaim, Strategy, SurgeDuringGates
from rollwright.rollout.timing import Bound, Cost, Took, run
from tests.rollout.test_planner import seen
from tests.rollout.test_promise import counts

MINUTE = 60.0
BACKWARDS = Strategy(max_unavailable=0, max_surge=1, steps=(GatedStep(until=2), GatedStep(until=1)))


def baked(until: int, *minutes: float) -> GatedStep:
    bakes = (Bake(name=str(number), duration=round(long * MINUTE)) for number, long in enumerate(minutes))
    return GatedStep(until=until, gates=tuple(bakes))


gated_steps = st.builds(
    lambda until, minutes: baked(until, *minutes),
    st.integers(1, 8),
    st.lists(st.sampled_from([0.5, 1, 1.7, 4]), max_size=2),
)


@st.composite
def budgets(draw: st.DrawFn) -> Strategy:
    unavailable, surge = draw(
        st.tuples(counts, counts).filter(lambda pair: pair[0] not in (0, "0%") or pair[1] not in (0, "0%"))
    )
    return Strategy(
        max_unavailable=unavailable,
        max_surge=surge,
        pacing=draw(st.sampled_from(Pacing)),
        reclaim=draw(st.sampled_from(Reclaim)),
        partition=draw(st.sampled_from([0, 0, 0, 3])),
        steps=tuple(draw(st.lists(gated_steps, max_size=2))),
        surge_during_gates=draw(st.sampled_from(SurgeDuringGates)),
    )


def bounds(strategy: Strategy, replicas: int, gate: int = 0) -> list[Bound]:
    """What the gates hold back, one after another, and at last the strategy."""
    last = strategy.partition
    held = [
        Bound(max(last, replicas - int(step.until)), max((one.least_seconds for one in step.gates), default=0))
        for step in strategy.steps[gate:]
        if (step.gates and replicas) or replicas - int(step.until) > last
    ]
    return [*held, Bound(last)]


def open_for_long(frames: list[Frame], at: int) -> bool:
    """Whether some of what a gate takes has passed by this frame: that much is unknown to whoever looks."""
    return at > 0 and frames[at].gate is not None and frames[at].gate == frames[at - 1].gate


def started(frames: list[Frame], at: int) -> dict[int, float]:
    """Since when the groups are starting that are at this frame."""
    since: dict[int, float] = {}
    for frame in frames[: at + 1]:
        starting = {group.ordinal for group in frame.observation.groups if group.updated and not group.ready}
        since = {ordinal: since.get(ordinal, frame.seconds) for ordinal in starting}
    return since


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(
    Strategy(max_unavailable=0, max_surge=1, steps=(GatedStep(until=2), GatedStep(until=1))), 2, 0, 0.75, False, False
)
@given(budgets(), st.integers(0, 14), st.integers(0, 1000), st.floats(0, 1), st.booleans(), st.booleans())
def test_it_ends_when_the_simulator_ends_from_every_state_on_the_way_and_costs_as_much(
    strategy: Strategy, replicas: int, seed: int, part: float, alike: bool, in_turn: bool
) -> None:
    if strategy.budget(replicas).is_empty:
        return
    rng = random.Random(seed)
    seconds = [MINUTE if alike else rng.uniform(1, 100) for _ in range(2 * replicas + 1)]
    frames = list(simulate(strategy, World(replicas, starts_in_turn=in_turn), lambda ordinal: seconds[ordinal]))
    assert isinstance(frames[-1].verdict, Done)
    settled = [at for at, frame in enumerate(frames) if frame.observation.settled and not open_for_long(frames, at)]
    at = settled[int(part * (len(settled) - 1))]
    now, since = frames[at], started(frames, at)
    gate = max((frame.gate + 1 for frame in frames[:at] if frame.gate is not None), default=0)
    cost = Cost()
    for frame, after in pairwise(frames[at:]):
        cost = cost.plus(frame.observation, after.seconds - frame.seconds)
    took = run(
        strategy,
        now.observation,
        lambda ordinal: seconds[ordinal],
        lambda ordinal: since.get(ordinal, now.seconds) + seconds[ordinal] - now.seconds,
        bounds=bounds(strategy, replicas, gate),
    )
    assert took is not None
    assert took.seconds == took.reached[-1] == pytest.approx(frames[-1].seconds - now.seconds)
    opened = {frame.gate: frame.seconds - now.seconds for frame in reversed(frames[at:]) if frame.gate is not None}
    assert took.reached[:-1] == pytest.approx([opened[gate] for gate in sorted(opened)])
    assert took.cost.out_of_service_seconds == pytest.approx(cost.out_of_service_seconds)
    assert took.cost.surplus_seconds == pytest.approx(cost.surplus_seconds)


def alike(strategy: Strategy, state: Observation, surge_limit: int | None = None) -> Took | None:
    """Every group takes a minute, and those that are starting have half of it behind them."""
    ahead = bounds(strategy, state.replicas)
    return run(strategy, state, lambda _: MINUTE, lambda _: MINUTE / 2, bounds=ahead, surge_limit=surge_limit)


def took(minutes: float, *, missing: float, surplus: float, gates_at: tuple[float, ...] = ()) -> Took:
    """`gates_at`: when all was done there; in minutes."""
    cost = Cost(out_of_service_seconds=missing * MINUTE, surplus_seconds=surplus * MINUTE)
    return Took(minutes * MINUTE, cost, tuple(reached * MINUTE for reached in (*gates_at, minutes)))


def test_the_rollout_of_the_lws_documentation_takes_two_start_ups() -> None:
    """Two of four groups are down for one minute, then the other two; one surge group of two stays for those."""
    start = seen("oooo", partition=0, on_target=False)
    two_two = Strategy(max_unavailable=2, max_surge=2)
    assert alike(two_two, start) == took(2, missing=4, surplus=3)


def test_in_place_one_after_another() -> None:
    assert alike(Strategy(), seen("oooo", partition=0, on_target=False)) == took(4, missing=4, surplus=0)


def test_what_is_starting_counts_with_what_is_left_of_it() -> None:
    assert alike(Strategy(), seen("ooou", partition=3)) == took(3.5, missing=3.5, surplus=0)


def test_failed_groups_that_are_tolerated_are_not_waited_for_and_use_up_the_budget() -> None:
    tolerant = Strategy(max_unavailable=2, max_failed_groups=1)
    assert alike(tolerant, seen("ooUF", partition=2)) == took(2, missing=2 + 2, surplus=0)


def test_a_rollout_that_can_not_end_by_itself_has_no_end() -> None:
    assert alike(Strategy(), seen("xooo", partition=4)) is None
    assert alike(Strategy(max_unavailable=0, max_surge=2), seen("oooonn", partition=4), surge_limit=0) is None


def test_everything_done_ends_now() -> None:
    assert alike(Strategy(), seen("UUUU", partition=0)) == took(0, missing=0, surplus=0)


def test_at_a_gate_as_much_time_passes_as_the_longest_of_its_gates_takes() -> None:
    """A group, 3 minutes, a group: the strategy's own end has no gate."""
    gated = Strategy(steps=(baked(1, 2, 3),))
    start = seen("oo", partition=0, replicas=2, on_target=False)
    assert alike(gated, start) == took(1 + 3 + 1, missing=2, surplus=0, gates_at=(1,))


def test_a_gate_that_is_open_counts_in_full() -> None:
    gated = Strategy(steps=(baked(1, 3),))
    assert alike(gated, seen("oU", partition=1, replicas=2)) == took(3 + 1, missing=1, surplus=0, gates_at=(0,))


def test_a_group_that_has_failed_is_missing_at_gates_too() -> None:
    tolerant = Strategy(max_unavailable=2, max_failed_groups=1, steps=(baked(2, 3),))
    assert alike(tolerant, seen("ooUF", partition=2)) == took(3 + 2, missing=3 + 2 * 2, surplus=0, gates_at=(0,))


@pytest.mark.parametrize(("surge", "surplus"), [(SurgeDuringGates.RECLAIM, 2 + 2), (SurgeDuringGates.KEEP, 2 + 3 + 1)])
def test_surge_that_is_kept_during_gates_is_surplus_there_and_needs_no_start_up_after_them(
    surge: SurgeDuringGates, surplus: int
) -> None:
    """The surge starts, a group is replaced, and 3 minutes later the other one: with a surge started anew, or not."""
    gated = Strategy(max_unavailable=0, max_surge=1, steps=(baked(1, 3),), surge_during_gates=surge)
    minutes = surplus + 3 * (surge is SurgeDuringGates.RECLAIM)
    start = seen("oo", partition=0, replicas=2, on_target=False)
    assert alike(gated, start) == took(minutes, missing=2, surplus=surplus, gates_at=(2,))


def test_a_gate_over_groups_in_flight_waits_for_them() -> None:
    """A window has closed: what is released below is waited for, and nothing further is released."""
    gated = Strategy(max_unavailable=2, steps=(baked(1, 3),))
    assert alike(gated, seen("oouuU", partition=2, replicas=5)) == took(
        0.5 + 3 + 1, missing=1 + 2, surplus=0, gates_at=(0.5,)
    )


def test_a_group_that_gets_ready_at_a_gate_is_missing_only_until_then() -> None:
    gated = Strategy(steps=(baked(1, 3),))
    started_below = seen("ouU", partition=2, replicas=3)
    assert alike(gated, started_below) == took(3 + 1, missing=0.5 + 1, surplus=0, gates_at=(0,))


def test_surge_that_is_needed_for_a_failed_group_is_not_given_back_at_the_end_though_gates_would_keep_it() -> None:
    tolerant = Strategy(max_unavailable=0, max_surge=1, max_failed_groups=1, surge_during_gates=SurgeDuringGates.KEEP)
    assert alike(tolerant, seen("UUUFU", partition=0)) is None
