"""When a rollout ends and what it costs: by hand, and against what then comes in random rollouts."""

import random
from collections import defaultdict
from unittest.mock import Mock

import pytest

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.estimate import Estimate, SlowGroup, estimate, outlook
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.planner import Done
from rollwright.rollout.simulator import World, simulate
from rollwright.rollout.spec import GatedStep, Pacing, Strategy
from rollwright.rollout.startups import Spread, StartUps, quantiles
from rollwright.rollout.timing import Cost, run
from tests.bench.pacing import DISTRIBUTIONS
from tests.rollout.test_planner import seen
from tests.rollout.test_timing import started

MINUTE = 60.0
IN_PLACE = Aim(strategy=Strategy())
NOW = 1_000_000.0


def test_equal_groups_one_after_another_end_when_they_must() -> None:
    """Four groups, one at a time, a minute each; of the one that is starting 40 s are over."""
    told = StartUps(seconds=(MINUTE,) * 10, ages={3: 40.0})
    made = estimate(IN_PLACE, seen("ooou", partition=3), told, now=NOW)
    assert made.ends_at == NOW + 20 + 3 * MINUTE
    assert made.cost == Cost(out_of_service_seconds=20 + 3 * MINUTE, surplus_seconds=0)
    assert (made.usual_seconds, made.known) == (MINUTE, 10)
    assert made.earliest is not None
    assert made.latest is not None
    assert made.earliest < made.ends_at < made.latest


def test_what_was_given_has_no_range() -> None:
    ahead = outlook(IN_PLACE, seen("oooo", partition=0, on_target=False), Spread([MINUTE], known=None))
    assert ahead is not None
    assert (ahead.low, ahead.middle, ahead.high) == (240, 240, 240)


def test_without_a_known_start_up_there_is_no_end_to_tell() -> None:
    made = estimate(IN_PLACE, seen("ooou", partition=3), StartUps(ages={3: 40.0}), now=NOW)
    assert made == Estimate(at=NOW)


@pytest.mark.parametrize("aim", [IN_PLACE, IN_PLACE.model_copy(update={"course": Course.STOP})])
def test_what_can_not_end_by_itself_or_stops_has_no_end_either(aim: Aim) -> None:
    made = estimate(aim, seen("xooo", partition=4), StartUps(seconds=(MINUTE,)), now=NOW)
    assert (made.ends_at, made.usual_seconds) == (None, MINUTE)


def test_gates_ahead_keep_groups_from_going_together() -> None:
    """Three may go at once; a gate after the first makes it two rounds, and what is passed none."""
    gated = Aim(strategy=Strategy(max_unavailable=3, steps=(GatedStep(until=1),)))
    start = seen("ooo", partition=0, replicas=3, on_target=False)
    known = Spread([MINUTE], known=None)
    for aim, rounds in ((gated, 2), (gated.model_copy(update={"gate": 1}), 1)):
        ahead = outlook(aim, start, known)
        assert ahead is not None
        assert ahead.middle == rounds * MINUTE


def test_what_gates_take_at_least_is_counted_and_waits_for_people_are_not() -> None:
    """The longer one of two, side by side; the end of the strategy has none, and what is passed takes no time."""
    gates = (Bake(name="short", duration=30), Bake(name="long", duration=600), ApprovalGate())
    gated = Aim(strategy=Strategy(max_unavailable=2, steps=(GatedStep(until=2, gates=gates), GatedStep(until="75%"))))
    start, known = seen("oooo", partition=0, on_target=False), Spread([MINUTE], known=None)
    for aim, reached in (
        (gated, (60, 60 + 600 + 60, 60 + 600 + 60 + 60)),
        (gated.model_copy(update={"gate": 1}), (2 * 60, 2 * 60 + 60)),
    ):
        ahead = outlook(aim, start, known)
        assert ahead is not None
        assert (ahead.reached, ahead.middle) == (reached, reached[-1])


def test_gates_are_reached_in_the_middle_of_the_futures_as_the_end_is() -> None:
    """Four groups, one at a time, of 1 to 3 minutes each."""
    gated = Aim(strategy=Strategy(steps=(GatedStep(until=1), GatedStep(until=2))))
    start = seen("oooo", partition=0, on_target=False)
    ahead = outlook(gated, start, Spread([MINUTE, 2 * MINUTE, 3 * MINUTE], known=None))
    assert ahead is not None
    first, second, end = ahead.reached
    assert first == 2 * MINUTE
    assert second == 4 * MINUTE
    assert end == ahead.middle


def test_a_group_is_slow_after_twice_the_usual_time_and_half_a_minute_more() -> None:
    told = StartUps(seconds=(MINUTE,) * 10, ages={1: 121.0, 2: 120.0, 3: 5.0})
    state = seen("ouuu", partition=1)
    assert estimate(IN_PLACE, state, told, now=NOW).slow == (SlowGroup(ordinal=1, since=NOW - 121),)
    quick = StartUps(seconds=(2.0,) * 10, ages={1: 32.0, 2: 32.1})
    assert [group.ordinal for group in estimate(IN_PLACE, state, quick, now=NOW).slow] == [2]


def test_a_group_that_starts_again_and_again_is_slow_since_its_first_start_and_no_longer_once_it_has_failed() -> None:
    told = StartUps(seconds=(MINUTE,) * 10, ages={3: 5.0})
    made = estimate(IN_PLACE, seen("ooou", partition=3), told, since={3: NOW - 500}, now=NOW)
    assert made.slow == (SlowGroup(ordinal=3, since=NOW - 500),)
    failed = estimate(IN_PLACE, seen("oooF", partition=3), told, since={3: NOW - 500}, now=NOW)
    assert failed.slow == ()


def test_news_is_what_people_would_plan_otherwise_by() -> None:
    before = Estimate(at=NOW, known=3, usual_seconds=600, ends_at=NOW + 4000, earliest=NOW, latest=NOW + 5000)
    assert before.is_news(None)
    assert not before.model_copy(update={"ends_at": NOW + 4900}).is_news(before)
    assert before.model_copy(update={"ends_at": NOW + 6000}).is_news(before)
    assert before.model_copy(update={"slow": (SlowGroup(ordinal=1, since=NOW),)}).is_news(before)
    assert before.is_news(Estimate(at=NOW))
    assert not Estimate(at=NOW + 5).is_news(Estimate(at=NOW))
    assert not Estimate(at=NOW).is_news(None)


def errors(cases: int, seed: int) -> dict[int, list[tuple[bool, float]]]:
    """By fifth of the rollout: whether it ended within the range, and the error as a part of the whole duration."""
    rng = random.Random(seed)
    found: dict[int, list[tuple[bool, float]]] = defaultdict(list)
    for case in range(cases):
        draw = DISTRIBUTIONS[list(DISTRIBUTIONS)[case % len(DISTRIBUTIONS)]]
        replicas = rng.randint(4, 32)
        budget = {"max_unavailable": rng.randint(1, 4), "max_surge": rng.randint(0, 4)}
        strategy = Strategy(**budget, pacing=rng.choice(list(Pacing)))
        seconds = [draw(rng) for _ in range(replicas + 4)]
        earlier = quantiles([draw(rng) for _ in range(40)])
        frames = list(simulate(strategy, World(replicas), seconds.__getitem__))
        assert isinstance(frames[-1].verdict, Done)
        end = frames[-1].seconds
        for fifth in range(5):
            at = next(at for at, frame in enumerate(frames) if frame.seconds >= fifth / 5 * end)
            now, since = frames[at], started(frames, at)
            done = tuple(seconds[group.ordinal] for group in now.observation.groups if group.done)
            told = StartUps(seconds=done, ages={ordinal: now.seconds - begun for ordinal, begun in since.items()})
            made = estimate(Aim(strategy=strategy), now.observation, told, earlier=earlier, now=now.seconds)
            if made.ends_at is None or made.earliest is None or made.latest is None:
                raise AssertionError(f"no estimate for {strategy}")
            within = made.earliest - 1e-6 <= end <= made.latest + 1e-6
            found[fifth].append((within, abs(made.ends_at - end) / end))
    return found


def test_most_rollouts_end_within_the_range_and_the_error_shrinks_as_they_go() -> None:
    found = errors(cases=150, seed=11)
    every = [one for fifth in found.values() for one in fifth]
    assert sum(within for within, _ in every) >= 0.75 * len(every)
    typical = [sorted(error for _, error in found[fifth])[len(found[fifth]) // 2] for fifth in range(5)]
    assert typical[0] < 0.2
    assert typical[4] < typical[2] < 0.12
    assert typical[4] < 0.06


@pytest.mark.parametrize(("groups", "futures"), [(10, 25), (400, 14), (2000, 3)])
def test_the_more_groups_there_are_the_fewer_futures_are_run(
    groups: int, futures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it takes as long for thousands of groups as for hundreds."""
    counted = Mock(side_effect=run)
    monkeypatch.setattr("rollwright.rollout.estimate.run", counted)
    told = StartUps(seconds=tuple(range(100, 300)))
    aim = Aim(strategy=Strategy(max_unavailable=20, pacing=Pacing.EAGER))
    assert estimate(aim, World(groups).observe("new"), told, now=NOW).ends_at is not None
    assert counted.call_count == futures
