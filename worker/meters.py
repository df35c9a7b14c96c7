"""What a worker counts of what it does: its activities, as they end. Names and labels are in docs/observation.md.

Counters hold what may be counted on to stay small: kinds of steps, of gates, of outcomes. What there is of each rollout
is told by `worker.open_rollouts`, as long as it is open.
"""

import time
from collections.abc import Awaitable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from rollwright.activities.messages import CheckGate, Outcome, RecordOutcome, TakeStep, Tell
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.planner import Action
from rollwright.worker.open_rollouts import OpenRollouts

# They are series of their own beside each counter, which nobody reads.
disable_created_metrics()  # type: ignore[no-untyped-call]

_FAILED = "failed"
_ERROR = "error"
_REACTION_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
"""A step is given up after 15 s, and tried again."""


class Meters:
    """All that one worker measures, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rollouts = OpenRollouts()
        self.registry.register(self.rollouts)
        self._steps = Counter(
            "rollwright_steps",
            "Attempts at steps, by what a step does and what came of it.",
            ("action", "outcome"),
            registry=self.registry,
        )
        self._reaction = Histogram(
            "rollwright_step_reaction_seconds",
            "From the observation that a step follows from until it is carried out.",
            buckets=_REACTION_SECONDS,
            registry=self.registry,
        )
        self._gates = Counter(
            "rollwright_gate_checks",
            "Checks of gates that have ended or told how far they are.",
            ("kind", "outcome"),
            registry=self.registry,
        )
        self._tells = Counter(
            "rollwright_tells_failed",
            "Attempts to tell people something of a rollout that did not reach all of them.",
            registry=self.registry,
        )
        for action in Action:
            for outcome in (*(outcome.name.lower() for outcome in Outcome), _FAILED):
                self._steps.labels(_word(action), outcome)  # shown from the start, so that the first one is an increase

    async def measured(self, request: Any, work: Awaitable[Any]) -> Any:
        """Await an activity, by its request, and count what comes of it. What is cancelled counts for nothing."""
        try:
            result = await work
        except Exception:
            self._count_failure(request)
            raise
        self._count(request, result)
        return result

    def _count_failure(self, request: Any) -> None:
        match request:
            case TakeStep():
                self._steps.labels(_word(request.step.action), _FAILED).inc()
            case CheckGate():
                self._gates.labels(request.gate.kind, _ERROR).inc()
            case Tell():
                self._tells.inc()

    def _count(self, request: Any, result: Any) -> None:
        match request, result:
            case TakeStep(), Outcome():
                self._steps.labels(_word(request.step.action), result.name.lower()).inc()
                if request.seen_at and result is Outcome.DONE:
                    self._reaction.observe(max(0.0, time.time() - request.seen_at))  # another worker's clock may differ
            case CheckGate(), Progress():
                self._gates.labels(request.gate.kind, result.finding.value).inc()
            case RecordOutcome(), _:
                self.rollouts.forget(request.target)


def _word(action: Action) -> str:
    return action.value.replace(" ", "_")
