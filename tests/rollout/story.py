"""A rollout in a world where anything may happen to it, with the promise watched at every write."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.invariants import Written, broken_promises
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Blocked, Done, Failed, Step, Verdict
from rollwright.rollout.simulator import Pod, World
from rollwright.rollout.spec import SurgeDuringGates

FITS: dict[str, Callable[[Pod], bool]] = {
    "ready": lambda pod: not pod.ready and not pod.terminating,
    "gone": lambda pod: pod.terminating,
    "fail": lambda pod: pod.ready and not pod.terminating,
    "delete": lambda pod: True,
}
REVISIONS = ("old", "new", "newer")


@dataclass
class Rollout:
    """A world, a planner at work in it, and the promise watched at every write."""

    aim: Aim
    world: World
    forward: str = "new"
    """The revision of the change."""
    hopeless: frozenset[tuple[str, int]] = frozenset()
    """Revisions and ordinals that never serve together."""
    judged: bool = True
    """Whether so much time has passed that hopeless groups have failed."""
    nodes: int | None = None
    """So many groups find nodes; None for any number."""
    seen: Observation = field(init=False)

    def __post_init__(self) -> None:
        self.seen = self.observe()

    @property
    def target(self) -> str:
        return {
            Course.FORWARD: self.forward,
            Course.BACK: self.world.revision,
            Course.STOP: self.world.spec.revision,
        }[self.aim.course]

    def observe(self) -> Observation:
        seen = self.world.observe(self.target)
        if not self.hopeless and self.nodes is None:
            return seen
        homeless = self._homeless()
        groups = tuple(self._judge(group, homeless) for group in seen.groups)
        return seen.model_copy(update={"groups": groups})

    def _judge(self, group: Group, homeless: frozenset[int]) -> Group:
        failed = self.judged and group.updated and not group.available and (self.target, group.ordinal) in self.hopeless
        unscheduled = group.ordinal in homeless
        return (
            group.model_copy(update={"failed": failed, "unscheduled": unscheduled}) if failed or unscheduled else group
        )

    def _homeless(self) -> frozenset[int]:
        """Groups without a node: those that start with the highest ordinals."""
        if self.nodes is None:
            return frozenset()
        starting = sorted(ordinal for ordinal, pod in self.world.pods.items() if FITS["ready"](pod))
        free = max(0, self.nodes - (len(self.world.pods) - len(starting)))
        return frozenset(starting[free:])

    def can_start(self, ordinal: int) -> bool:
        pod = self.world.pods[ordinal]
        return FITS["ready"](pod) and (pod.revision, ordinal) not in self.hopeless and ordinal not in self._homeless()

    def steer(self, **changes: object) -> None:
        self.aim = self.aim.model_copy(update=changes)

    def happen(self, event: str, number: int) -> None:
        before = self.observe()
        match event:
            case "act":
                self.act(before)
            case "act late":
                self.act(self.seen)
            case "reflect":
                self.world.reflect()
            case "scale":
                self.world.user_scales(number)
            case "judge":
                self.judged = not self.judged
            case "all ready":
                self.everything_recovers()
            case "ready" | "gone" | "fail" | "delete":
                self._to_a_group(event, number)
            case _:
                self._to_the_aim(event, number)
        self.seen = before

    def _to_the_aim(self, event: str, number: int) -> None:
        match event:
            case "retarget":
                self.forward = REVISIONS[number]
                self.steer(course=Course.FORWARD, gate=0, surge_limit=None)
            case "back" | "fast back":
                self.steer(course=Course.BACK, fast=event == "fast back", surge_limit=None)
            case "stop":
                self.steer(course=Course.STOP)
            case "promote":
                self.steer(gate=min(self.aim.gate + 1, len(self.aim.strategy.steps)))
            case "close":  # a window
                self.steer(gate=max(self.aim.gate - 1, 0))
            case "patience":
                self.lose_patience()

    def _to_a_group(self, event: str, number: int) -> None:
        fitting = [ordinal for ordinal in self.world.pods if self._fits(event, ordinal)]
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

    def _fits(self, event: str, ordinal: int) -> bool:
        return self.can_start(ordinal) if event == "ready" else FITS[event](self.world.pods[ordinal])

    def act(self, seen: Observation) -> Verdict:
        """Plan from what was seen and write, as the API server accepts it: only if the spec is still the one seen."""
        verdict = self.aim.plan(seen)
        assert verdict == self.aim.plan(seen)
        spec = self.world.spec
        fresh = (seen.groups_asked, seen.partition, seen.replicas, seen.on_target) == (
            spec.groups, spec.partition, self.world.replicas, spec.revision == self.target,
        )  # fmt: skip
        if isinstance(verdict, Step) and fresh:
            self._write(verdict, seen)
        return verdict

    def _write(self, step: Step, seen: Observation) -> None:
        now = self.observe()
        if step.delete and seen != now:
            return  # preconditions on each pod's uid and resourceVersion
        if step.action is not Action.PREPARE:
            assert step.partition <= seen.partition, "the partition rises within one change"
        if self.aim.course is Course.STOP:
            assert step.action is not Action.PREPARE
            assert step.partition == seen.partition, "something is released after an abort"
        if seen == now:
            self._keeps_the_promise(step)
        self.world.write(step, self.target)
        once = self.world.spec
        self.world.write(step, self.target)
        assert self.world.spec == once, "a step applied twice changes something"

    def _keeps_the_promise(self, step: Step) -> None:
        write = Written(self.target, step.partition, step.groups)
        budget = self.aim.strategy.budget(self.world.replicas)
        running = self.world.running()
        left = {ordinal: pod for ordinal, pod in running.items() if ordinal not in step.delete}
        assert broken_promises(budget, left, self.world.in_flight, write) == []
        lost = sum(running[ordinal].available for ordinal in step.delete if ordinal < step.partition)
        assert lost == 0, "a leader below the partition is deleted while it serves"

    def everything_recovers(self) -> None:
        """All that can be ready is."""
        self.world.reflect()
        for ordinal in [ordinal for ordinal, pod in self.world.pods.items() if pod.terminating]:
            self.world.gone(ordinal)
        for ordinal in [ordinal for ordinal in self.world.pods if self.can_start(ordinal)]:
            self.world.become_ready(ordinal)

    def lose_patience(self) -> None:
        """Surge groups have looked for nodes for too long."""
        homeless = [ordinal for ordinal in self._homeless() if self.world.replicas <= ordinal < self.world.spec.groups]
        if homeless:
            self.steer(surge_limit=min(homeless) - self.world.replicas)

    def rest(self) -> Verdict:
        """Let all that can become ready do so, until nothing more is done or comes; what is decided then."""
        self.judged = True
        verdict = self.act(self.observe())
        for _ in range(6 * (len(self.seen.groups) + self.world.replicas) + 40):
            before = (state_of(self.world), self.aim)
            self.everything_recovers()
            self.lose_patience()
            verdict = self.act(self.observe())
            if (state_of(self.world), self.aim) == before and not isinstance(verdict, Step):
                return verdict
        raise AssertionError(f"it never comes to rest: {verdict} in {self.world}")

    def finish(self) -> Verdict:
        """The same, with every gate promoted."""
        verdict = self.rest()
        while isinstance(verdict, Done):
            gate = self.aim.gate_ahead(self.world.replicas)
            if gate is None:
                break
            self._is_held_at(gate)
            self.steer(gate=gate + 1)
            verdict = self.rest()
        assert isinstance(verdict, Done | Blocked | Failed), f"nothing is under way, and it waits: {self}"
        return verdict

    def _is_held_at(self, gate: int) -> None:
        """At a gate the surge is given back, or as much of it stands as the rest can use."""
        strategy, replicas = self.aim.strategy, self.world.replicas
        most = replicas
        if strategy.surge_during_gates is SurgeDuringGates.KEEP:
            most = strategy.budget(replicas, self.aim.surge_limit).ceiling
        assert replicas <= self.world.spec.groups <= most
        assert gate >= self.aim.gate

    def on(self, revision: str, ordinals: range) -> bool:
        """Whether all of these serve on a revision, but for those that never do."""
        return all(
            (revision, ordinal) in self.hopeless
            or (ordinal in self.world.pods and self.world.pods[ordinal] == Pod(revision, ready=True))
            for ordinal in ordinals
        )

    def twin(self) -> "Rollout":
        """As copy.deepcopy, which takes most of the time here."""
        twin = copy(self)
        twin.world = copy(self.world)
        twin.world.in_flight = list(self.world.in_flight)
        twin.world.pods = {ordinal: copy(pod) for ordinal, pod in self.world.pods.items()}
        return twin


def state_of(world: World) -> tuple[object, ...]:
    pods = tuple(sorted((ordinal, pod.revision, pod.ready, pod.terminating) for ordinal, pod in world.pods.items()))
    return (world.replicas, world.spec, world.reflected, world.current_revision, pods)
