"""Rollouts to which anything may be said and happen, against a small model of what is expected of them.

ROLLWRIGHT_MODEL_EXAMPLES=500 makes it long.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import Phase as Part
from hypothesis import strategies as st
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.planner import Action
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Pacing, Strategy
from rollwright.workflows.contract import RETARGET, STEER, Phase, RolloutStatus
from rollwright.workflows.steering import TAKING_UP
from tests.support.played import PATIENCE_SECONDS, PlayedCluster
from tests.support.skipped_time import Handle, rollout, status
from tests.workflows.model import REFUSED, STANDS, TAKEN, Facts, Model

pytestmark = pytest.mark.real

EXAMPLES = int(os.environ.get("ROLLWRIGHT_MODEL_EXAMPLES", "30"))
REPLICAS = 4
URGENT = (Action.FREEZE, Action.REPLACE)


@pytest.fixture(scope="module", autouse=True)
def hurried() -> Iterator[None]:
    """Waits that tell at once what there is to tell."""
    with (
        patch("rollwright.activities.waiting._PATIENCE_SECONDS", PATIENCE_SECONDS),
        patch("rollwright.activities.waiting._LOOK_EVERY_SECONDS", PATIENCE_SECONDS),
        patch("rollwright.workflows.rollout._SHOW_FIRST_AFTER_SECONDS", 0.0),
        patch("rollwright.workflows.rollout._SHOW_AFTER_SECONDS", 0.0),
    ):
        yield


messages = st.tuples(
    st.sampled_from(
        [
            ("pause", {}),
            ("resume", {}),
            ("resume", {"side": "ours"}),
            ("resume", {"side": "theirs"}),
            ("abort", {}),
            ("rollback", {}),
            ("rollback", {"fast": True}),
            ("promote", {"gate": 1}),
            ("promote", {"gate": 2}),
            ("promote", {"full": True}),
            ("retarget", {"image": "newer"}),
            ("retarget", {"image": "newest"}),
            ("retarget", {"image": "old"}),
            ("retarget", {"image": "refused"}),
        ]
    ),
    st.sampled_from(["signal", "update"]),
    st.booleans(),
)
happenings = st.sampled_from(
    [
        *["a group is ready"] * 3,
        *["all are ready"] * 2,
        "the change breaks",
        "it is mended",
        "a group fails",
        "somebody edits",
        "scaled to 3",
        "scaled to 6",
        "the API server is away",
        "it is back",
        "a refusal",
        "failures",
        "nonsense",
        "deleted",
        "made anew",
    ]
)
stories = st.lists(st.one_of(messages, happenings), min_size=3, max_size=14)
settings_of_rollouts = st.tuples(
    st.sampled_from([(), (), (1,), (1, 2)]),
    st.sampled_from(OnFailure),
    st.sampled_from([0, 0, 1]),
    st.sampled_from(Pacing),
)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Part.explicit, Part.reuse, Part.generate),  # to shrink a story that gets stuck takes many minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@example(
    chosen=((), OnFailure.PAUSE, 0, Pacing.ORDERED),
    story=[
        "the change breaks",
        (("resume", {}), "update", True),
        (("pause", {}), "signal", True),
        "it is mended",
        "all are ready",
        (("resume", {}), "signal", False),
    ],
    events_a_run=1000,
)
@example(
    chosen=((), OnFailure.PAUSE, 0, Pacing.ORDERED),
    story=[(("pause", {}), "signal", False), "all are ready", (("resume", {}), "update", False)] * 4,
    events_a_run=60,
)
@example(
    chosen=((1, 2), OnFailure.PAUSE, 0, Pacing.ORDERED),
    story=[
        "all are ready",
        (("resume", {}), "update", False),
        (("promote", {"gate": 1}), "signal", True),
        "all are ready",
    ],
    events_a_run=1000,
)
@example(
    chosen=((1,), OnFailure.ROLLBACK, 0, Pacing.ORDERED),
    story=["scaled to 6", "a group is ready", "all are ready"],
    events_a_run=1000,
)
@given(settings_of_rollouts, stories, st.sampled_from([1000, 60]))
async def test_a_rollout_stands_where_the_model_says_whatever_is_said_and_happens(
    server: WorkflowEnvironment,
    chosen: tuple[tuple[int, ...], OnFailure, int, Pacing],
    story: list[tuple[tuple[str, dict[str, object]], str, bool] | str],
    events_a_run: int,
) -> None:
    """`events_a_run`: few of them begin the history anew in the middle."""
    gates, on_stall, tolerated, pacing = chosen
    with patch("rollwright.workflows.rollout._EVENTS_A_RUN", events_a_run):
        async with begun(server, gates, on_stall, tolerated, pacing) as played:
            for what in story:
                if played.model.end:
                    break
                await (
                    played.happen(what) if isinstance(what, str) else played.say(*what[0], how=what[1], twice=what[2])
                )
            await played.ends()


@asynccontextmanager
async def begun(
    server: WorkflowEnvironment, gates: tuple[int, ...], on_stall: OnFailure, tolerated: int, pacing: Pacing
) -> AsyncIterator["Played"]:
    strategy = Strategy(
        max_unavailable=2,
        max_surge=1,
        steps=tuple(GatedStep(until=gate) for gate in gates),
        on_stall=on_stall,
        max_failed_groups=tolerated,
        pacing=pacing,
    )
    cluster = PlayedCluster(World(REPLICAS))
    async with rollout(server, cluster, strategy, sandboxed=False) as handle:
        played = Played(handle, cluster, Model(gates, on_stall, tolerated))
        await played.rests()
        yield played


@dataclass
class Played:
    """A rollout, its cluster, and the model of it."""

    handle: Handle
    cluster: PlayedCluster
    model: Model
    said: int = 0
    seen_steps: int = 0
    told: int = 0
    """How often the rollout has said that too much had failed."""
    trail: list[str] = field(default_factory=list)

    async def say(self, message: str, given: dict[str, object], *, how: str, twice: bool) -> None:
        """Somebody says something, perhaps twice; what is shown at once, answered, and told afterwards."""
        self.said += 1
        given = given | {"actor": "ada", "reason": f"because of {self.said}"}
        phase = str((await status(self.handle)).phase)
        expected = self.model.hear(message, phase, self.facts(), **given)
        self.trail.append(f"{message} {given} in {phase} by {how}: {expected}")
        assert await self._send(message, given, how) in (expected, how), self.trail
        shown = await status(self.handle)
        if expected == TAKEN and message in ("pause", "abort", "rollback"):
            moved_on = {"pause": ("paused", "stalled"), "abort": ("aborting", "restoring", "aborted", "stalled")}
            back = ("rolling back", "rolled back", "restoring", "stalled")
            assert shown.phase in moved_on.get(message, back), self.trail
        if twice:
            await self._again(message, given, how)
        await self.rests()
        if expected == TAKEN or (expected == REFUSED and how == "signal"):
            beginning = f"{message} refused:" if expected == REFUSED else f"{message}:"
            events = (await status(self.handle)).events
            told = [event for event in events if event.reason == given["reason"] and event.actor == "ada"]
            assert told, (message, events, self.trail)
            answered = told[-1 if message == RETARGET else 0]  # a change that is refused was taken up before
            assert answered.what.startswith(beginning), (told, self.trail)

    async def _again(self, message: str, given: dict[str, object], how: str) -> None:
        """The same once more does no harm, whatever the answer."""
        try:
            await self._send(message, given, how)
        except (RPCError, WorkflowUpdateFailedError):
            return  # it has ended meanwhile

    async def _send(self, message: str, given: dict[str, object], how: str) -> str:
        if message == "retarget":
            image = given["image"]
            name, content = RETARGET, {key: given[key] for key in ("actor", "reason")}
            content["change"] = {"images": {"model": f"m:{image}"}}
        else:
            name, content = STEER, given | {"message": message}
        if how == "signal":
            await self.handle.signal(message, content)
            return how
        try:
            answer = await self.handle.execute_update(name, content)
        except WorkflowUpdateFailedError:
            return REFUSED
        return STANDS if answer == "stays as it is" else TAKEN

    async def happen(self, what: str) -> None:
        """Something happens in the cluster, and is done with."""
        self.trail.append(what)
        match what:
            case "nonsense":
                await self.handle.signal("pauze", [1, 2])
                await self.handle.signal(RETARGET, args=["x", 7])
            case "a refusal":
                self.cluster.refusals = [ApplicationError("not permitted", type="ForbiddenError", non_retryable=True)]
            case "failures":
                self.cluster.refusals = [ApplicationError("the API server answers 500") for _ in range(4)]
            case "the API server is away" | "it is back":
                self.cluster.is_away = what != "it is back"
            case "deleted" | "made anew" | "somebody edits" if self.cluster.taken and not self.cluster.is_away:
                self._to_the_target(what)
            case _:
                self._to_groups(what)
        self.cluster.touch()
        await self.rests()

    def _to_the_target(self, what: str) -> None:
        match what:
            case "deleted":
                self.cluster.is_deleted = True
            case "made anew":
                self.cluster.uid = "second"
            case _ if not self.cluster.dispute:
                self.cluster.is_edited("theirs")

    def _to_groups(self, what: str) -> None:
        match what:
            case "a group is ready" | "all are ready":
                self.cluster.become_ready(everything=what == "all are ready")
            case "the change breaks" if self.model.change != "old":
                self.cluster.broken = frozenset({self.model.change})
            case "it is mended":
                self.cluster.broken = frozenset()
            case "a group fails":
                self._fail_one()
            case "scaled to 3" | "scaled to 6":
                self.cluster.world.user_scales(int(what[-1]))
                self.cluster._settle()

    def _fail_one(self) -> None:
        world = self.cluster.world
        serving = [o for o, pod in world.pods.items() if pod.ready and o >= world.spec.partition]
        if serving:
            world.fail(serving[0])

    def facts(self) -> Facts:
        cluster = self.cluster
        return Facts(
            standing=cluster.world.spec.revision,
            replicas=cluster.world.replicas,
            asked=cluster.world.spec.groups,
            partition=cluster.world.spec.partition,
            pods={ordinal: (pod.revision, pod.ready) for ordinal, pod in sorted(cluster.world.pods.items())},
            broken=cluster.broken,
            begun=bool(cluster.taken),
            disputed=bool(cluster.dispute),
            away=cluster.is_away,
            gone=cluster.is_deleted or cluster.uid != "first",
        )

    async def rests(self) -> None:
        """Wait until nothing more is done; then it must stand where the model says."""
        before = self.model.course
        paused = self.model.paused
        shown: RolloutStatus | None = None
        try:
            async with asyncio.timeout(30):
                while not await self._is_as_expected():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            shown = await status(self.handle)
            expected = self.model.comes_to_rest(self.facts())
            raise AssertionError(
                f"{shown.phase} ({shown.reason}) instead of {expected} after {self.trail} with {self.facts()}, "
                f"{self.cluster.world.spec}, {self.model}; {shown.events}"
            ) from None
        self.cluster.refusals.clear()
        self._steps_are_permitted(before, paused=paused and self.model.paused)

    async def _is_as_expected(self) -> bool:
        shown = await status(self.handle)
        if not shown.phase.is_final and not self._is_at_rest(shown):
            return False
        told = sum(event.actor == "rollwright" and "has failed" in event.reason for event in shown.events)
        if told > self.told:
            self.told = told
            self.model.is_told_of_failures(self.facts())
        return self.model.comes_to_rest(self.facts()) == shown.phase

    def _is_at_rest(self, shown: RolloutStatus) -> bool:
        waiter = self.cluster.waiter
        if waiter is None or self.cluster.edited or shown.unconfirmed or shown.reason == TAKING_UP:
            return False
        if not self.cluster.is_looked_at_in_vain:
            return False
        request = waiter.request
        wanted = {Course.FORWARD: shown.revision, Course.BACK: shown.before, Course.STOP: ""}[shown.course]
        is_newest = request.aim.course == shown.course and request.template == wanted
        return is_newest and request.acting is not self.model.paused

    def _steps_are_permitted(self, course: str, *, paused: bool) -> None:
        steps = [request.step for request, _ in self.cluster.taken[self.seen_steps :]]
        self.seen_steps = len(self.cluster.taken)
        model = self.model
        if paused:
            assert [step for step in steps if step.action not in URGENT] == [], self.trail
        if course == "stop":
            assert not any(step.action in (Action.PREPARE, Action.LOWER_PARTITION) for step in steps), self.trail
        if model.course == "forward":
            held = model.held(self.cluster.world.replicas)
            lowered = [step.partition for step in steps if step.action is Action.LOWER_PARTITION]
            assert all(partition >= held for partition in lowered), (steps, self.trail)

    async def ends(self) -> None:
        """Everything heals, and whoever is asked agrees: then it ends where it was sent, with what was asked for."""
        self.cluster.is_away, self.cluster.broken = False, frozenset()
        self.cluster.touch()
        await self.rests()
        if not self.model.end and (self.cluster.dispute or self.model.paused):
            side: dict[str, object] = {"side": "ours"} if self.cluster.dispute else {}
            await self.say("resume", side, how="update", twice=False)
        for _ in range(40):
            if self.model.end:
                break
            if self.model.at_gate is not None:
                await self.say("promote", {"gate": self.model.at_gate + 1}, how="update", twice=True)
            await self.happen("all are ready")
        result = await self.handle.result()
        assert result.phase == self.model.end, self.trail
        revisions = {revision for revision, _ in self.facts().pods.values()}
        if result.phase in (Phase.COMPLETED, Phase.ROLLED_BACK):
            assert revisions == {self.model.wanted}, self.trail
            assert self.cluster.restored == 1
