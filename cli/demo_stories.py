"""The stories that a demo tells: what is rolled out, when a worker is killed, and what must have come of it."""

import json
from abc import ABC, abstractmethod
from itertools import groupby, pairwise
from pathlib import Path
from typing import ClassVar

from rollwright.cli import files
from rollwright.cli.demo_parts import say
from rollwright.cli.demo_target import NEW_IMAGE, OLD_IMAGE, Fleet
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Canary, Demonstrated, Snapshot, Story
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.devcluster.watcher import Watcher
from rollwright.rollout.simulator import simulate_stages
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import Event, Phase

EXAMPLE = Path(__file__).parents[1] / "examples" / "bad-canary.yaml"


class Telling(ABC):
    """A story while it is told."""

    STORY: ClassVar[Story]
    IMAGE_AFTERWARDS: ClassVar[str]
    """One to go on with by hand, other than the one that stands at the end."""
    EMBEDDED_ONLY: ClassVar[bool] = False
    """It needs pods that do as they are told."""

    spec: RolloutSpec
    fleet: Fleet

    def check_cluster(self, kubeconfig: str | None) -> None:
        """Raise CommandError if one is given, and the story can't be told there."""
        if kubeconfig and self.EMBEDDED_ONLY:
            raise CommandError(
                f"the story {self.STORY} can be told in the embedded Kubernetes only: its pods crash when told to",
                todo="Leave --kubeconfig and KUBECONFIG away.",
                code=ExitCode.BAD_INPUT,
            )

    @abstractmethod
    def begun(self) -> str:
        """What is rolled out, once the rollout was started."""

    @abstractmethod
    async def look(self, run: Run, seen: Watcher, *, killed: bool) -> bool:
        """Look at the rollout; whether now is the moment to kill a worker. `killed`: one was."""

    @abstractmethod
    def differences(self, shown: Demonstrated) -> list[str]:
        """What went otherwise than the story is told, in words."""

    def planned_steps(self) -> list[tuple[int, int]] | None:
        """Partition and replicas to expect, change by change, where start-up times are known; else None."""
        return None

    def canary(self, end: Snapshot, seen: Watcher, *, kill: bool) -> Canary | None:
        """What became of the canary, if there is one. `kill`: a worker was to be killed."""
        return None


class NewImage(Telling):
    """The example of the LWS documentation."""

    STORY = Story.NEW_IMAGE
    IMAGE_AFTERWARDS = OLD_IMAGE
    # By group, such that readiness comes in the order of the documentation's table (4, 5, 3, 1, 2, 0) and shows all its
    # stages. The first comes late enough that a worker killed before it has been replaced by then.
    START_UP_SECONDS: ClassVar = {4: 8.0, 5: 10.0, 3: 12.0, 1: 4.5, 2: 17.0, 0: 9.5}

    def __init__(self) -> None:
        target = Target(namespace="default", name="demo")
        self.spec = RolloutSpec(
            target=target,
            change=Change(images={"model": NEW_IMAGE}),
            strategy=Strategy(max_unavailable=2, max_surge=2),
        )
        by_group = json.dumps({group: f"{seconds}s" for group, seconds in self.START_UP_SECONDS.items()})
        self.fleet = Fleet(target, 4, {"devcluster.rollwright.io/ready-after-by-group": by_group})

    def begun(self) -> str:
        """The image."""
        return NEW_IMAGE

    async def look(self, run: Run, seen: Watcher, *, killed: bool) -> bool:
        """Once the first groups that were released have come back."""
        return any(len(leaders) > 1 for leaders in seen.leaders.values())

    def planned_steps(self) -> list[tuple[int, int]]:
        """As the simulator has it."""
        start_up = self.START_UP_SECONDS.__getitem__
        stages = simulate_stages(self.spec.strategy, self.fleet.replicas, start_up, settle_seconds=0.5)
        return [step for step, _ in groupby((stage.partition, stage.replicas) for stage in stages)]

    def differences(self, shown: Demonstrated) -> list[str]:
        """It completes within its budget, and replaces each group once."""
        told = [
            (shown.result is Phase.COMPLETED, f"it ended as {shown.result}, not completed"),
            (shown.promise_held, "the promise was broken"),
            (shown.replaced_once, "not every group was replaced once"),
        ]
        return [otherwise for holds, otherwise in told if not holds]


class BadCanary(Telling):
    """A version that crashes a while after it got ready costs one group, for as long as it bakes."""

    STORY = Story.BAD_CANARY
    IMAGE_AFTERWARDS = NEW_IMAGE
    EMBEDDED_ONLY = True
    REPLICAS: ClassVar = 24

    def __init__(self) -> None:
        self.spec = files.to_spec(files.read_document(str(EXAMPLE)))
        self.fleet = Fleet(self.spec.target, self.REPLICAS, {"devcluster.rollwright.io/ready-after": "3s-5s"})
        self._bakes: set[tuple[bool, float]] = set()
        """Since when a bake was seen to last, and whether a worker had been killed by then."""
        self._why = ""

    def begun(self) -> str:
        """The rollout file."""
        return f"examples/{EXAMPLE.name}\n\n{EXAMPLE.read_text()}"

    async def look(self, run: Run, seen: Watcher, *, killed: bool) -> bool:
        """Once the bake has seen how the canary was when it began. Says why it is taken back, when it is."""
        try:
            status = await run.status()
        except NoAnswerError:
            return False
        if not self._why and (why := _why_back(status.events)):
            self._why = why
            say(why)
        self._bakes |= {(killed, gate.progress.since) for gate in status.open_gates}
        return any(gate.progress.memory for gate in status.open_gates)

    def canary(self, end: Snapshot, seen: Watcher, *, kill: bool) -> Canary:
        """Measure it by who serves, moment by moment."""
        replicas = self.fleet.replicas
        wanted, ordinal = frozenset(range(replicas)), replicas - 1
        missing = [(frame.change.at, wanted - frame.serving) for frame in seen.frames() if frame.known and frame.spec]
        ever = frozenset[int]().union(*(groups for _, groups in missing))
        return Canary(
            ordinal=ordinal,
            why=_why_back(end.status.events),
            replicas=replicas,
            missing_most=max((len(groups) for _, groups in missing), default=0),
            missing_seconds=round(
                sum(later - at for (at, groups), (later, _) in pairwise(missing) if ordinal in groups), 3
            ),
            never_touched=sum(len(seen.leaders[group]) == 1 for group in wanted - ever),
            same_bake=self._is_same_bake if kill else None,
        )

    @property
    def _is_same_bake(self) -> bool:
        """Whether both workers were seen to bake, since one and the same moment."""
        return {killed for killed, _ in self._bakes} == {False, True} and len({at for _, at in self._bakes}) == 1

    def differences(self, shown: Demonstrated) -> list[str]:
        """It goes back by itself, and nothing but the canary was ever missing."""
        canary = shown.canary
        if canary is None:
            raise TypeError("this story is about a canary")
        told = [
            (shown.result is Phase.ROLLED_BACK, f"it ended as {shown.result}, not rolled back"),
            (canary.why.startswith("gate bake failed: "), f"not the bake has taken it back: {canary.why or 'nobody'}"),
            (shown.promise_held, "the promise was broken"),
            (canary.missing_most == 1, f"{canary.missing_most} groups were missing at once, not 1"),
            (
                shown.available_min == canary.replicas - 1,
                f"the fewest available were {shown.available_min}, not {canary.replicas - 1}",
            ),
            (
                canary.never_touched == canary.replicas - 1,
                f"{canary.never_touched} of {canary.replicas} groups were never touched, not {canary.replicas - 1}",
            ),
            (canary.missing_seconds > 0, f"group {canary.ordinal} was never missing"),
            (canary.same_bake is not False, "the bake was not seen to go on with another worker"),
        ]
        return [otherwise for holds, otherwise in told if not holds]


def _why_back(events: tuple[Event, ...]) -> str:
    """Why a rollout has gone back by itself; empty if it hasn't."""
    return next((event.reason for event in events if event.actor == "rollwright"), "")


def tell(story: Story) -> Telling:
    """Begin one. Raises CommandError if its file can't be read."""
    return {Story.NEW_IMAGE: NewImage, Story.BAD_CANARY: BadCanary}[story]()
