"""Activities that act on a simulated world instead of a cluster, for tests of the workflow alone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from rollwright.activities.messages import (
    ACTIVITY_OF,
    ActivityName,
    CheckGate,
    EndGates,
    KeepTemplate,
    Kept,
    Outcome,
    RecordOutcome,
    Restore,
    SettleDispute,
    Side,
    Sight,
    TakeStep,
    Tell,
    WaitReadiness,
)
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Done, Step, Wait
from rollwright.rollout.simulator import World


@dataclass
class FakeCluster:
    """A world whose groups become ready one after another, each `start_up` after the one before.

    Without a start-up there is nothing to skip, which costs a second of real time each.
    """

    world: World
    start_up: timedelta = timedelta(minutes=30)
    steps: list[Step] = field(default_factory=list)
    held: set[ActivityName] = field(default_factory=set)
    """Activities that hang until they are let go, of those that can be held."""
    restored: int = 0
    refusals: list[ApplicationError] = field(default_factory=list)
    """Raised by the next mutations, one each."""
    stuck: bool = False
    """No group becomes ready."""
    deaf: bool = False
    """Writes are taken and change nothing."""
    blind: bool = False
    """It may not be looked at."""
    unheld: bool = False
    """LWS's own settings must be taken in hand, which a replacement does."""

    uid: str = "first"
    broken: frozenset[str] = frozenset()
    """Revisions on which no group becomes ready, and of which each has failed as soon as it is looked at again."""
    why: str = ""
    """Why those have failed."""
    dispute: str = ""
    """What somebody else has changed."""
    agreed: bool = False
    """To what is wanted anyway."""
    unsettled: int = 0
    """How often a dispute can't be settled, as the cluster is away."""
    settled: list[Side] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    """By template, as the ledger has them."""
    record: str = ""
    """Something is written on the target once a write has changed it."""
    kept: list[KeepTemplate] = field(default_factory=list)
    start_ups: tuple[float, ...] = ()
    """Of earlier rollouts, in seconds."""
    gpus: int = 0
    estimate: Estimate | None = None
    """What each wait tells."""
    known: list[tuple[tuple[float, ...], Estimate | None]] = field(default_factory=list)
    """What each wait was given to know of start-ups, and of its end."""
    waited: int = 0
    """How often a wait looked once more, a start-up after it had found nothing to tell."""
    show_after_seconds: list[float] = field(default_factory=list)
    """After how long each wait was to return for news that nothing follows from."""
    told: list[Tell] = field(default_factory=list)
    """What people were told."""
    telling: Callable[[Tell], Awaitable[None]] | None = None
    """How they are told, if that isn't done at once."""

    generation: int = 1
    gates: dict[str, Progress] = field(default_factory=dict)
    """What each gate has come to, by its title; one that isn't here goes on and on."""
    gates_asked: list[CheckGate] = field(default_factory=list)
    gates_ended: int = 0
    """How often it was cleaned up after gates."""

    def activities(self) -> list[Callable[..., object]]:
        """Everything to register with a worker."""
        others: list[Callable[..., object]] = [
            self.keep_template,
            self.wait_readiness,
            self.restore,
            self.settle_dispute,
            self.record_outcome,
            self.check_gate,
            self.end_gates,
            self.tell,
        ]
        return [*others, *(self._mutation(name) for name in ACTIVITY_OF.values())]

    @activity.defn(name=ActivityName.KEEP_TEMPLATE)
    async def keep_template(self, request: KeepTemplate) -> Kept:
        """A template is named after the image it has, as in "x-2"; the standing one is "x-old"."""
        self._refuse()
        self.kept.append(request)
        image = next(iter((request.change.images or {"model": "m:new"}).values()))
        revision = image.rpartition(":")[2]
        return Kept(
            template=f"x-{revision}",
            before="x-old",
            standing=f"x-{self.world.spec.revision}",
            start_ups=self.start_ups,
            gpus=self.gpus,
        )

    @activity.defn(name=ActivityName.WAIT_READINESS)
    async def wait_readiness(self, request: WaitReadiness) -> Sight:
        """Time skips only while no activity runs, so a wait that has nothing to tell comes back by a retry."""
        if self.blind:
            raise ApplicationError("not permitted", type="ForbiddenError", non_retryable=True)
        if (activity.info().attempt > 1 or not self.start_up) and not self.stuck:
            self._next_group_becomes_ready()
        self.waited += activity.info().attempt > 1
        self.show_after_seconds.append(request.show_after_seconds)
        self.known.append((request.start_ups, request.estimate))
        seen = self.observe(revision_of(request.template) or self.world.spec.revision)
        verdict = request.aim.plan(seen)
        acts = not isinstance(verdict, Wait) and not (request.gated and isinstance(verdict, Done))
        if request.known is None or seen != request.known or (request.acting and acts):
            return Sight(observation=seen, available_min=seen.available, record=self.record, estimate=self.estimate)
        raise ApplicationError("nothing new", next_retry_delay=self.start_up)

    @activity.defn(name=ActivityName.RESTORE)
    async def restore(self, request: Restore) -> str:
        await self._held(ActivityName.RESTORE)
        self.restored += not request.held
        return ""

    @activity.defn(name=ActivityName.SETTLE_DISPUTE)
    async def settle_dispute(self, request: SettleDispute) -> str:
        if self.unsettled:
            self.unsettled -= 1
            raise ApplicationError("the API server doesn't answer", type="UnreachableError")
        self.settled.append(request.side)
        self.dispute = ""
        return f"x-{self.world.spec.revision}" if request.side is Side.THEIRS else ""

    @activity.defn(name=ActivityName.RECORD_OUTCOME)
    async def record_outcome(self, request: RecordOutcome) -> None:
        self.outcomes[request.template] = request.outcome

    @activity.defn(name=ActivityName.CHECK_GATE)
    async def check_gate(self, request: CheckGate) -> Progress:
        """A gate that has nothing to tell comes back by a retry, so that time can be skipped."""
        self.gates_asked.append(request)
        found = self.gates.get(request.gate.title)
        if found is None:
            raise ApplicationError("nothing new", next_retry_delay=timedelta(seconds=10))
        return found.model_copy(update={"since": request.progress.since, "approvals": request.progress.approvals})

    @activity.defn(name=ActivityName.END_GATES)
    async def end_gates(self, request: EndGates) -> None:
        self.gates_ended += 1

    @activity.defn(name=ActivityName.TELL)
    async def tell(self, request: Tell) -> None:
        if self.telling:
            await self.telling(request)
        self.told.append(request)

    async def _held(self, name: ActivityName) -> None:
        while name in self.held:
            activity.heartbeat()
            await asyncio.sleep(0.02)

    def observe(self, revision: str) -> Observation:
        seen = self.world.observe(revision)
        groups = tuple(
            group.model_copy(update={"failed": True, "reason": self.why or group.reason})
            if group.updated and not group.ready and revision in self.broken
            else group
            for group in seen.groups
        )
        return seen.model_copy(
            update={
                "groups": groups,
                "unheld": self.unheld,
                "uid": self.uid,
                "generation": self.generation,
                "dispute": self.dispute,
                "agreed": self.agreed,
                "template": self.world.spec.revision,
            }
        )

    def _mutation(self, name: ActivityName) -> Callable[..., object]:
        @activity.defn(name=name)
        async def mutate(request: TakeStep) -> Outcome:
            return await self.take(name, request)

        return mutate

    async def take(self, name: ActivityName, request: TakeStep) -> Outcome:
        """Carry out a step; `name` is the activity's."""
        self._refuse()
        self.steps.append(request.step)
        if request.step.action is Action.REPLACE:
            self.unheld = False
        if not self.deaf:
            self.world.write(request.step, revision_of(request.template))
            self.record = "the user's settings"
            self._settle()
        return Outcome.DONE

    def _settle(self) -> None:
        self.world.reflect()
        for ordinal in [ordinal for ordinal, pod in self.world.pods.items() if pod.terminating]:
            self.world.gone(ordinal)

    def _next_group_becomes_ready(self) -> None:
        starting = sorted(
            (ordinal for ordinal, pod in self.world.pods.items() if not pod.ready and pod.revision not in self.broken),
            reverse=True,
        )
        if starting:
            self.world.become_ready(starting[0])

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)


def revision_of(template: str) -> str:
    """What a world calls the revision of a template."""
    return template.rpartition("-")[2]
