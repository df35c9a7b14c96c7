"""Activities that act on a simulated world instead of a cluster, for tests of the workflow alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from rollwright.activities.messages import (
    ActivityName,
    KeepTemplate,
    Outcome,
    Restore,
    Sight,
    TakeStep,
    WaitReadiness,
)
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Step, Wait, plan
from rollwright.rollout.simulator import World


@dataclass
class FakeCluster:
    """A world whose groups become ready one after another, each `start_up` after the one before.

    Without a start-up there is nothing to skip, which costs a second of real time each.
    """

    world: World
    start_up: timedelta = timedelta(minutes=30)
    steps: list[Step] = field(default_factory=list)
    restored: int = 0
    refusals: list[ApplicationError] = field(default_factory=list)
    """Raised by the next mutations, one each."""
    stuck: bool = False
    """No group becomes ready."""
    deaf: bool = False
    """Writes are taken and change nothing."""
    unheld: bool = False
    """LWS's own settings must be taken in hand, which a replacement does."""

    def activities(self) -> list[Callable[..., object]]:
        """Everything to register with a worker."""
        mutations = set(ActivityName) - {ActivityName.KEEP_TEMPLATE, ActivityName.WAIT_READINESS, ActivityName.RESTORE}
        return [self.keep_template, self.wait_readiness, self.restore, *(self._mutation(name) for name in mutations)]

    @activity.defn(name=ActivityName.KEEP_TEMPLATE)
    async def keep_template(self, request: KeepTemplate) -> str:
        self._refuse()
        return "new"

    @activity.defn(name=ActivityName.WAIT_READINESS)
    async def wait_readiness(self, request: WaitReadiness) -> Sight:
        """Time skips only while no activity runs, so a wait that has nothing to tell comes back by a retry."""
        if (activity.info().attempt > 1 or not self.start_up) and not self.stuck:
            self._next_group_becomes_ready()
        seen = self.observe()
        verdict = plan(request.strategy, seen, hold=request.hold)
        news = request.known is None or seen != request.known or (request.acting and not isinstance(verdict, Wait))
        if news:
            return Sight(observation=seen, available_min=seen.available)
        raise ApplicationError("nothing new", next_retry_delay=self.start_up)

    @activity.defn(name=ActivityName.RESTORE)
    async def restore(self, request: Restore) -> str:
        self.restored += 1
        return ""

    def observe(self) -> Observation:
        return self.world.observe("new").model_copy(update={"unheld": self.unheld})

    def _mutation(self, name: ActivityName) -> Callable[..., object]:
        @activity.defn(name=name)
        async def mutate(request: TakeStep) -> Outcome:
            self._refuse()
            self.steps.append(request.step)
            if request.step.action is Action.REPLACE:
                self.unheld = False
            if not self.deaf:
                self.world.write(request.step, "new")
                self._settle()
            return Outcome.DONE

        return mutate

    def _settle(self) -> None:
        self.world.reflect()
        for ordinal in [ordinal for ordinal, pod in self.world.pods.items() if pod.terminating]:
            self.world.gone(ordinal)

    def _next_group_becomes_ready(self) -> None:
        starting = sorted((ordinal for ordinal, pod in self.world.pods.items() if not pod.ready), reverse=True)
        if starting:
            self.world.become_ready(starting[0])

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
