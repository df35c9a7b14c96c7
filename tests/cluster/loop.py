"""Plan, step, observe, over and over, without a workflow: how a rollout goes on a real API server."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from rollwright.cluster import steps
from rollwright.cluster.errors import ConflictError
from rollwright.cluster.record import Fence
from rollwright.cluster.snapshot import now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Done, Step, Verdict, Wait, plan
from rollwright.rollout.spec import Strategy, SurgeBy

DEADLINE_SECONDS = 90.0


class Rollout:
    """One rollout to a kept template."""

    def __init__(self, target: LiveTarget, template: str, strategy: Strategy, surge_by: SurgeBy) -> None:
        self.target, self.template, self.strategy, self.surge_by = target, template, strategy, surge_by
        self.hold = 0
        self.taken: list[Step] = []

    async def look(self) -> Observation:
        snapshot = await self.target.read()
        return snapshot.observe(digest_of_kept(self.template), self.strategy.unready_grace, now(), self.surge_by)

    async def turn(self) -> tuple[Observation, Verdict]:
        """Look, and do what is planned then; what was seen and planned."""
        seen = await self.look()
        verdict = plan(self.strategy, seen, hold=self.hold)
        if isinstance(verdict, Step):
            self.taken.append(verdict)
            fence = Fence(datetime.now(UTC), "rollout/lws/default/llm")
            try:
                await self._act(verdict, seen.generation, fence)
            except ConflictError:
                return seen, verdict
        return seen, verdict

    async def until(self, condition: Callable[[Observation, Verdict], object]) -> Observation:
        """Go on until the condition holds of what is seen and planned."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                seen, verdict = await self.turn()
                if condition(seen, verdict):
                    return seen
                await asyncio.sleep(0.05 if isinstance(verdict, Wait) else 0)

    async def until_done(self) -> Observation:
        return await self.until(lambda _, verdict: isinstance(verdict, Done))

    async def _act(self, step: Step, generation: int, fence: Fence) -> None:
        target, by = self.target, self.surge_by
        acts: dict[Action, Callable[[], Awaitable[None]]] = {
            Action.FREEZE: lambda: steps.freeze(target, step, generation, fence),
            Action.PREPARE: lambda: steps.prepare(
                target, step, generation, fence, template_name=self.template, surge_by=by
            ),
            Action.LOWER_PARTITION: lambda: steps.lower_partition(target, step, generation, fence, surge_by=by),
            Action.SCALE_SURGE: lambda: steps.scale(target, step, generation, fence, surge_by=by),
            Action.RECLAIM_REPLICAS: lambda: steps.scale(target, step, generation, fence, surge_by=by),
            Action.REPLACE: lambda: steps.take_in_hand(target, step, generation, fence, surge_by=by),
            Action.UNBLOCK: lambda: steps.unblock(target, step, generation, fence),
        }
        await acts[step.action]()
