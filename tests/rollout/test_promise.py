"""The planner's promise, in worlds where groups fail, users scale and change their minds, and observations are late."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollwright.rollout.invariants import Written, broken_promises
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Blocked, Done, Step, Verdict, Wait, plan
from rollwright.rollout.simulator import Pod, World
from rollwright.rollout.spec import Pacing, Reclaim, Strategy

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
)


FITS: dict[str, Callable[[Pod], bool]] = {
    "ready": lambda pod: not pod.ready and not pod.terminating,
    "gone": lambda pod: pod.terminating,
    "fail": lambda pod: pod.ready and not pod.terminating,
    "delete": lambda pod: True,
}


@dataclass
class Rollout:
    """A world, a planner at work in it, and the promise watched at every write."""

    strategy: Strategy
    world: World
    target: str = "new"
    seen: Observation = field(init=False)

    def __post_init__(self) -> None:
        self.seen = self.world.observe(self.target)

    def happen(self, event: str, number: int) -> None:
        before = self.world.observe(self.target)
        match event:
            case "act":
                self.act(before)
            case "act late":
                self.act(self.seen)
            case "reflect":
                self.world.reflect()
            case "scale":
                self.world.user_scales(number)
            case "retarget":
                self.target = ("old", "new", "newer")[number]
            case "all ready":
                self.everything_recovers()
            case _:
                self._to_a_group(event, number)
        self.seen = before

    def _to_a_group(self, event: str, number: int) -> None:
        fitting = [ordinal for ordinal, pod in self.world.pods.items() if FITS[event](pod)]
        if not fitting:
            return
        ordinal = number if number in fitting else fitting[number % len(fitting)]
        match event:
            case "ready":
                self.world.become_ready(ordinal)
            case "gone":
                self.world.gone(ordinal)
            case "fail":
                self.world.fail(ordinal)
            case "delete":
                self.world.pods[ordinal].terminating = True

    def act(self, seen: Observation) -> Verdict:
        """Plan from what was seen and write, as the API server accepts it: only if the spec is still the one seen."""
        verdict = plan(self.strategy, seen)
        assert verdict == plan(self.strategy, seen)
        spec = self.world.spec
        fresh = (seen.groups_asked, seen.partition, seen.replicas, seen.on_target) == (
            spec.groups, spec.partition, self.world.replicas, spec.revision == self.target,
        )  # fmt: skip
        if isinstance(verdict, Step) and fresh:
            self._write(verdict, seen)
        return verdict

    def _write(self, step: Step, seen: Observation) -> None:
        now = self.world.observe(self.target)
        if step.delete and seen != now:
            return  # preconditions on each pod's uid and resourceVersion
        if step.action is not Action.PREPARE:
            assert step.partition <= seen.partition, "the partition rises within one change"
        write = Written(self.target, step.partition, step.groups)
        if seen == now:
            budget = self.strategy.budget(self.world.replicas)
            running = {ordinal: pod for ordinal, pod in self.world.running().items() if ordinal not in step.delete}
            assert broken_promises(budget, running, self.world.in_flight, write) == []
            lost = sum(
                pod.available
                for ordinal, pod in self.world.running().items()
                if ordinal in step.delete and ordinal < step.partition
            )
            assert lost == 0, "a leader below the partition is deleted while it serves"
        self.world.write(step, self.target)
        once = self.world.spec
        self.world.write(step, self.target)
        assert self.world.spec == once, "a step applied twice changes something"

    def everything_recovers(self) -> None:
        self.world.reflect()
        for ordinal in [ordinal for ordinal, pod in self.world.pods.items() if pod.terminating]:
            self.world.gone(ordinal)
        for ordinal in self.world.pods:
            self.world.become_ready(ordinal)

    def finish(self) -> Verdict:
        """Let everything that can become ready do so, until the rollout ends."""
        for _ in range(4 * len(self.world.observe(self.target).groups) + 4 * self.world.replicas + 20):
            verdict = self.act(self.world.observe(self.target))
            if isinstance(verdict, Done | Blocked):
                return verdict
            self.everything_recovers()
        return verdict


@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies(), st.integers(0, 40), st.booleans(), st.lists(events, max_size=60))
def test_the_promise_holds_in_every_state_and_the_rollout_ends(
    strategy: Strategy, replicas: int, replaces_released: bool, story: list[tuple[str, int]]
) -> None:
    rollout = Rollout(strategy, World(replicas, replaces_released=replaces_released))
    for event, number in story:
        rollout.happen(event, number)
    ending = rollout.finish()
    if strategy.budget(rollout.world.replicas).is_empty:
        assert isinstance(ending, Blocked | Done)
        return
    assert ending == Done()
    rollout.everything_recovers()  # what was scaled away may still be leaving
    released = [pod for ordinal, pod in rollout.world.pods.items() if ordinal >= strategy.partition]
    assert {pod.revision for pod in released} <= {rollout.target}
    assert (rollout.world.spec.revision, rollout.world.spec.groups) == (rollout.target, rollout.world.replicas)
    assert rollout.world.spec.partition <= strategy.partition


def small_cases() -> list[tuple[int, Strategy]]:
    return [
        (replicas, Strategy(max_unavailable=unavailable, max_surge=surge, pacing=pacing, reclaim=reclaim))
        for replicas in range(4)
        for unavailable in range(replicas + 1)
        for surge in range(replicas + 1)
        if unavailable or surge
        for pacing in Pacing
        for reclaim in (Reclaim if surge else [Reclaim.GRADUAL])
    ]


def copy_of(world: World) -> World:
    """As copy.deepcopy, which takes most of the time here."""
    twin = copy(world)
    twin.in_flight = list(world.in_flight)
    twin.pods = {ordinal: copy(pod) for ordinal, pod in world.pods.items()}
    return twin


def state_of(world: World) -> tuple[object, ...]:
    pods = tuple(sorted((ordinal, pod.revision, pod.ready, pod.terminating) for ordinal, pod in world.pods.items()))
    return (world.spec, world.reflected, world.current_revision, pods)


@pytest.mark.parametrize("replicas", range(4))
def test_the_promise_holds_in_every_reachable_state_of_every_small_case(replicas: int) -> None:
    for size, strategy in small_cases():
        if size == replicas:
            widest = (
                strategy.budget(replicas).surge + replicas > 4
            )  # failures there take half a minute and find nothing
            explore(strategy, replicas, failures=0 if widest else 1)


def explore(strategy: Strategy, replicas: int, failures: int) -> None:
    """Every order of the planner's acts, the controllers' and the groups', with so many failures at any moment."""
    todo = [(World(replicas), failures)]
    seen = {(state_of(todo[0][0]), failures)}
    while todo:
        world, left = todo.pop()
        verdict = plan(strategy, world.observe("new"))
        quiet = world.spec == world.reflected and all(pod.ready and not pod.terminating for pod in world.pods.values())
        assert not (quiet and isinstance(verdict, Wait | Blocked)), (strategy, world, verdict)
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
            following = Rollout(strategy, copy_of(world))
            following.happen(event, ordinal)
            key = (state_of(following.world), left - (event == "fail"))
            if key not in seen:
                seen.add(key)
                todo.append((following.world, key[1]))
