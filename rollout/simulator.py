"""A rollout in virtual time: the planner against a model of the controllers and the pods.

It answers "how would this go?" (plans made offline, estimates) and gives the tests a world to hold the promise
against. The model: LWS and its StatefulSet take a write up after a while, take down what the write releases all at
once, and start each missing group on the revision that the partition gives it.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from rollwright.rollout.aim import Aim
from rollwright.rollout.invariants import Running, Written
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Done, Step, Verdict
from rollwright.rollout.spec import Strategy
from rollwright.rollout.stages import COMPLETED, Stage, extend, first_stage, gate_note

StartUpSeconds = Callable[[int], float]
"""Seconds from the start of the group with this ordinal until it is ready."""


@dataclass
class Pod:
    """A group, played as one pod."""

    revision: str
    ready: bool = False
    terminating: bool = False


@dataclass
class World:
    """The cluster, moved by calling its methods; it has no time of its own."""

    replicas: int
    revision: str = "old"
    replaces_released: bool = True
    """Whether the StatefulSet controller takes down all released groups by itself."""
    starts_in_turn: bool = False
    """Whether a group is started only once all below it are ready."""
    spec: Written = field(init=False)
    reflected: Written = field(init=False)
    in_flight: list[Written] = field(init=False)
    current_revision: str = field(init=False)
    pods: dict[int, Pod] = field(init=False)

    def __post_init__(self) -> None:
        """Begin with everything ready on the first revision."""
        self.spec = self.reflected = Written(revision=self.revision, partition=0, groups=self.replicas)
        self.in_flight = [self.spec]
        self.current_revision = self.revision
        self.pods = {ordinal: Pod(self.revision, ready=True) for ordinal in range(self.replicas)}

    def observe(self, target: str) -> Observation:
        """What a reader of the API server sees."""
        highest = max([self.spec.groups - 1, *self.pods])
        return Observation(
            replicas=self.replicas,
            groups_asked=self.spec.groups,
            partition=self.spec.partition,
            groups=tuple(self._group(ordinal, target) for ordinal in range(highest + 1)),
            on_target=self.spec.revision == target,
            settled=self.spec == self.reflected,
            starts_in_turn=self.starts_in_turn,
        )

    def _group(self, ordinal: int, target: str) -> Group:
        pod = self.pods.get(ordinal)
        if pod is None:
            return Group(ordinal=ordinal, updated=ordinal >= self.spec.partition, ready=False, reason="starting")
        return Group(
            ordinal=ordinal,
            updated=pod.revision == target,
            ready=pod.ready,
            terminating=pod.terminating,
            misplaced=pod.revision != self.current_revision,
        )

    def write(self, step: Step, target: str) -> None:
        """Apply a step, as the API server would."""
        revision = target if step.action is Action.PREPARE else self.spec.revision
        self._set_spec(Written(revision=revision, partition=step.partition, groups=step.groups))
        for ordinal in step.delete:
            self._delete(ordinal)

    def user_scales(self, replicas: int) -> None:
        """Somebody writes spec.replicas."""
        self.replicas = replicas
        self._set_spec(self.spec._replace(groups=replicas))

    def running(self) -> dict[int, Running]:
        """The groups, as the promise counts them."""
        return {
            ordinal: Running(revision=pod.revision, available=pod.ready and not pod.terminating)
            for ordinal, pod in self.pods.items()
        }

    def reflect(self) -> None:
        """The controllers take up the last write."""
        self.reflected = self.spec
        self.in_flight = [self.spec]
        for ordinal, pod in self.pods.items():
            released = ordinal >= self.reflected.partition and pod.revision != self.reflected.revision
            if ordinal >= self.reflected.groups or (released and self.replaces_released):
                pod.terminating = True
        self._start_missing()

    def become_ready(self, ordinal: int) -> None:
        """A started group serves; the StatefulSet completes its update once all do on the new revision."""
        self.pods[ordinal].ready = True
        self._start_missing()
        serving = [self.pods.get(ordinal) for ordinal in range(self.reflected.groups)]
        if all(pod and pod.ready and pod.revision == self.reflected.revision for pod in serving):
            self.current_revision = self.reflected.revision

    def fail(self, ordinal: int) -> None:
        """A group stops serving by itself."""
        self.pods[ordinal].ready = False

    def gone(self, ordinal: int) -> None:
        """A group taken down has left; it starts again if it is still asked for."""
        del self.pods[ordinal]
        self._start_missing()

    def _set_spec(self, spec: Written) -> None:
        self.spec = spec
        self.in_flight.append(spec)

    def _delete(self, ordinal: int) -> None:
        if ordinal in self.pods:
            self.pods[ordinal].terminating = True

    def _start_missing(self) -> None:
        for ordinal in range(self.reflected.groups):
            if ordinal not in self.pods:
                released = ordinal >= self.reflected.partition
                self.pods[ordinal] = Pod(self.reflected.revision if released else self.current_revision)
            if self.starts_in_turn and not self.pods[ordinal].ready:
                return


class Frame(NamedTuple):
    """One moment of a simulated rollout."""

    seconds: float
    observation: Observation
    verdict: Verdict
    gate: int | None = None
    """The step of the strategy that has ended and whose gate is open, if one is."""


def simulate(
    strategy: Strategy, world: World, start_up: StartUpSeconds, *, target: str = "new", settle_seconds: float = 0.0
) -> Iterator[Frame]:
    """Roll `world` to `target`; a frame each time something was seen and decided. Ends when Done, or when stuck.

    Each gate takes what it must at least, and people no time; there is a frame or more while it is open, also where it
    takes none. `settle_seconds`: from a write until the controllers have acted on it.
    """
    aim = Aim(strategy=strategy)
    tie = count()
    events: list[_Event] = []
    starting: dict[int, Pod] = {}
    now = 0.0
    passes_at: float | None = None
    while True:
        observation = world.observe(target)
        verdict = aim.plan(observation)
        gate = aim.gate_ahead(observation.replicas) if isinstance(verdict, Done) else None
        yield Frame(now, observation, verdict, gate)
        if gate is not None:
            passes_at = now + strategy.least_seconds_at(gate) if passes_at is None else passes_at
            if not events or events[0].seconds > passes_at:
                now, passes_at = passes_at, None
                aim = aim.model_copy(update={"gate": gate + 1})
                continue
        elif isinstance(verdict, Done):
            return
        if isinstance(verdict, Step):
            world.write(verdict, target)
            heapq.heappush(events, _Event(now + settle_seconds, next(tie)))
        if not events:
            return
        now = events[0].seconds
        while events and events[0].seconds == now:
            _happen(world, heapq.heappop(events))
        for ordinal, pod in world.pods.items():
            if not pod.ready and starting.get(ordinal) is not pod:
                starting[ordinal] = pod
                heapq.heappush(events, _Event(now + start_up(ordinal), next(tie), ordinal, pod))


class _Event(NamedTuple):
    """A started group becomes ready or, without an ordinal, the controllers take up what was written."""

    seconds: float
    tie: int
    ordinal: int | None = None
    pod: Pod | None = None


def _happen(world: World, event: _Event) -> None:
    if event.ordinal is None:
        _settle(world)
    elif world.pods.get(event.ordinal) is event.pod:
        world.become_ready(event.ordinal)


def _settle(world: World) -> None:
    """The controllers act and what they take down leaves at once."""
    world.reflect()
    for ordinal in [ordinal for ordinal, pod in world.pods.items() if pod.terminating]:
        world.gone(ordinal)


def simulate_stages(
    strategy: Strategy, replicas: int, start_up: StartUpSeconds, *, settle_seconds: float = 0.0
) -> tuple[Stage, ...]:
    """The stage table of a rollout that starts with everything ready.

    `settle_seconds`: from a write until the controllers have acted on it; 0 shows steps that follow at once as one row.
    """
    stages: tuple[Stage, ...] = ()
    for frame in simulate(strategy, World(replicas), start_up, settle_seconds=settle_seconds):
        ending = COMPLETED if frame.gate is None else gate_note(frame.gate)
        stages = extend(stages or (first_stage(frame.observation),), frame.observation, frame.verdict, ending=ending)
    return stages
