"""The rollouts of a task queue as Temporal lists them: how many are in each phase, and how long which have waited.

Every worker of the queue tells the same, so these are not to be summed over workers.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from temporalio.client import Client, WorkflowExecution

from rollwright.worker.logs import fields_of
from rollwright.workflows.contract import PHASE_ATTRIBUTE, WAITS_MEMO, WORKFLOW_TYPE, Phase, Waits

_log = logging.getLogger(__name__)
_EVERY_SECONDS = 10.0
_ANSWER = timedelta(seconds=5)
_UNKNOWN = "unknown"
"""Of a rollout that was started while the server didn't know the search attributes."""
_PHASES = (*(phase.value for phase in Phase if not phase.is_final), _UNKNOWN)


class Census(Collector):
    """The last count; nothing while Temporal doesn't answer: what was so before is no more to be alerted on."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._query = f'WorkflowType = "{WORKFLOW_TYPE}" AND ExecutionStatus = "Running" AND TaskQueue = "{task_queue}"'
        self._phases: Counter[str] | None = None
        self._waiting: dict[tuple[str, Waits], datetime] = {}
        """Since when, by target and what is waited for."""
        self._fails = False

    async def keep(self) -> None:
        """Count again and again until cancelled."""
        while True:
            try:
                await self._count()
            except Exception as error:  # noqa: BLE001 - what was counted last would be told for ever
                if not self._fails:
                    _log.warning("the open rollouts can't be counted for metrics now: %s", error)
                self._fails, self._phases, self._waiting = True, None, {}
            else:
                self._fails = False
            await asyncio.sleep(_EVERY_SECONDS)

    async def _count(self) -> None:
        phases: Counter[str] = Counter()
        waiting: dict[tuple[str, Waits], datetime] = {}
        async for run in self._client.list_workflows(self._query, rpc_timeout=_ANSWER):
            phase = run.typed_search_attributes.get(PHASE_ATTRIBUTE)
            phases[phase if phase in _PHASES else _UNKNOWN] += 1
            if waits := await _waits(run):
                waiting[fields_of(run.id)["target"], waits[0]] = waits[1]
        self._phases, self._waiting = phases, waiting

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        rollouts = GaugeMetricFamily("rollwright_rollouts", "Open rollouts of the task queue.", labels=["phase"])
        for phase in _PHASES:
            if self._phases is not None:
                rollouts.add_metric([_word(phase)], self._phases[phase])
        waiting = GaugeMetricFamily(
            "rollwright_rollout_waiting_seconds",
            "For how long an open rollout has not gone on by itself.",
            labels=["target", "reason"],
        )
        now = datetime.now(UTC)
        for (target, reason), since in self._waiting.items():
            waiting.add_metric([target, reason], max(0.0, (now - since).total_seconds()))
        yield from (rollouts, waiting)


async def _waits(run: WorkflowExecution) -> tuple[Waits, datetime] | None:
    """None where it goes on by itself, or where that can't be read: anybody may write memos, by any key."""
    try:
        reason, _, text = (await run.memo_value(WAITS_MEMO, "", type_hint=str)).partition(" ")
        since = datetime.fromisoformat(text)
        return (Waits(reason), since) if since.tzinfo else None
    except Exception:  # noqa: BLE001 - whatever is wrong with one, the others are counted
        return None


def _word(phase: str) -> str:
    return phase.replace(" ", "_")
