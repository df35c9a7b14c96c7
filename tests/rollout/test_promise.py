"""The planner's promise, in worlds where groups fail, users scale and change their minds, and observations are late."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.planner import Blocked, Done, Failed, Verdict, Wait
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Pacing, Reclaim, Strategy, SurgeDuringGates
from tests.rollout.story import FITS, REVISIONS, Rollout, state_of

counts = st.one_of(st.integers(0, 12), st.integers(0, 100).map(lambda number: f"{number}%"))
NOTHING = (0, "0%")


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    unavailable, surge = draw(
        st.tuples(counts, counts).filter(lambda pair: pair[0] not in NOTHING or pair[1] not in NOTHING)
    )
    return Strategy(
        max_unavailable=unavailable,
        max_surge=surge,
        pacing=draw(st.sampled_from(Pacing)),
        reclaim=draw(st.sampled_from(Reclaim)),
        partition=draw(st.one_of(st.just(0), st.integers(0, 45))),
        steps=tuple(GatedStep(until=until) for until in draw(st.lists(counts, max_size=3))),
        surge_during_gates=draw(st.sampled_from(SurgeDuringGates)),
        max_failed_groups=draw(st.one_of(st.just(0), st.integers(0, 5))),
    )


events = st.one_of(
    st.just(("act", 0)),
    st.just(("act", 0)),
    st.just(("act late", 0)),
    st.just(("reflect", 0)),
    st.just(("reflect", 0)),
    st.tuples(st.sampled_from(["ready", "ready", "gone", "gone", "fail", "delete"]), st.integers(0, 60)),
    st.tuples(st.just("scale"), st.integers(0, 40)),
    st.tuples(st.just("retarget"), st.integers(0, 2)),
    st.just(("all ready", 0)),
    st.tuples(st.sampled_from(["back", "fast back", "stop", "promote", "close", "judge", "patience"]), st.just(0)),
)
stories = st.lists(events, max_size=60)
hopeless_groups = st.frozensets(st.tuples(st.sampled_from(REVISIONS), st.integers(0, 12)), max_size=4)
spare_nodes = st.one_of(st.none(), st.integers(0, 3))


def check_ending(rollout: Rollout, ending: Verdict) -> None:
    """Done means what it says, on each course."""
    assert ending == Done()
    rollout.everything_recovers()  # what was scaled away may still be leaving
    world, strategy = rollout.world, rollout.aim.strategy
    assert world.spec.groups == world.replicas
    match rollout.aim.course:
        case Course.FORWARD:
            assert rollout.on(rollout.forward, range(strategy.partition, world.replicas))
            assert (world.spec.revision, world.spec.partition <= strategy.partition) == (rollout.forward, True)
        case Course.BACK:
            assert rollout.on(world.revision, range(world.replicas))
            assert (world.spec.revision, world.spec.partition) == (world.revision, 0)


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies(), st.integers(0, 40), st.booleans(), stories)
def test_the_promise_holds_in_every_state_and_every_course_ends(
    strategy: Strategy, replicas: int, replaces_released: bool, story: list[tuple[str, int]]
) -> None:
    rollout = Rollout(Aim(strategy=strategy), World(replicas, replaces_released=replaces_released))
    for event, number in story:
        rollout.happen(event, number)
    ending = rollout.finish()
    if strategy.budget(rollout.world.replicas).is_empty:
        assert isinstance(ending, Blocked | Done)
    else:
        check_ending(rollout, ending)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies(), st.integers(0, 12), stories, hopeless_groups, spare_nodes)
def test_groups_that_never_serve_and_missing_nodes_never_leave_a_rollout_waiting_for_nothing(
    strategy: Strategy,
    replicas: int,
    story: list[tuple[str, int]],
    hopeless: frozenset[tuple[str, int]],
    spare: int | None,
) -> None:
    nodes = None if spare is None else 40 + spare
    rollout = Rollout(Aim(strategy=strategy), World(replicas), hopeless=hopeless, nodes=nodes)
    for event, number in story:
        rollout.happen(event, number)
    if spare is not None:
        rollout.nodes = max(rollout.world.replicas, len(rollout.world.pods)) + spare
    ending = rollout.finish()
    if isinstance(ending, Done):
        check_ending(rollout, ending)


def small_strategies(replicas: int) -> list[Strategy]:
    return [
        Strategy(max_unavailable=unavailable, max_surge=surge, pacing=pacing, reclaim=reclaim)
        for unavailable in range(replicas + 1)
        for surge in range(replicas + 1)
        if unavailable or surge
        for pacing in Pacing
        for reclaim in (Reclaim if surge else [Reclaim.GRADUAL])
    ]


@pytest.mark.parametrize("replicas", range(4))
def test_the_promise_holds_in_every_reachable_state_of_every_small_case(replicas: int) -> None:
    for strategy in small_strategies(replicas):
        # failures in the widest cases take half a minute and find nothing
        widest = strategy.budget(replicas).surge + replicas > 4
        explore(Rollout(Aim(strategy=strategy), World(replicas)), failures=0 if widest else 1)


def explore(start: Rollout, failures: int) -> list[Rollout]:
    """Every order of the planner's acts, the controllers' and the groups', with so many failures at any moment."""
    todo = [(start, failures)]
    seen = {(state_of(start.world), failures): start}
    while todo:
        rollout, left = todo.pop()
        world = rollout.world
        verdict = rollout.aim.plan(rollout.observe())
        quiet = world.spec == world.reflected and all(pod.ready and not pod.terminating for pod in world.pods.values())
        assert not (quiet and isinstance(verdict, Wait | Blocked | Failed)), (rollout, verdict)
        moves = [
            ("act", 0),
            ("reflect", 0),
            *((event, ordinal) for ordinal in world.pods for event in ("ready", "gone", "fail")),
        ]
        for event, ordinal in moves:
            if event in FITS and not FITS[event](world.pods[ordinal]):
                continue
            if event == "fail" and not left:
                continue
            following = rollout.twin()
            following.happen(event, ordinal)
            key = (state_of(following.world), left - (event == "fail"))
            if key not in seen:
                seen[key] = following
                todo.append((following, key[1]))
    return list(seen.values())
