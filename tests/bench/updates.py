"""Updates of targets, by their own controller or by rollwright, each watched by the witness."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from rollwright.rollout.spec import Pacing, RolloutSpec, Target
from rollwright.workflows.contract import (
    PHASE_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    WORKFLOW_TYPE,
    Phase,
    RolloutInput,
    RolloutStatus,
)
from tests.bench.case import Case, TargetKind
from tests.bench.site import QUEUE, Site
from tests.bench.witness import Seen, Witness

DEADLINE_SECONDS = 1200.0
Handle = WorkflowHandle[Any, RolloutStatus]


@dataclass(frozen=True)
class Update:
    """How one went."""

    seconds: float
    """Until all groups served on the new version, and no others were left."""
    fewest: int
    most: int

    def told(self, case: Case) -> dict[str, Any]:
        kept = self.fewest >= case.budget.floor and self.most <= case.budget.ceiling
        return {
            "seconds": round(self.seconds, 2),
            "available_min": self.fewest,
            "groups_max": self.most,
            "promise_kept": kept,
        }


async def create(
    site: Site, witness: Witness, kind: TargetKind, name: str, case: Case, *, native: bool = False
) -> Seen:
    """A target, once all its groups serve."""
    await site.api.create(kind.api, witness.namespace, kind.manifest(name, case, native=native))
    seen = witness.seen[name]
    await witness.until(lambda: seen.serves(case.replicas), DEADLINE_SECONDS)
    return seen


async def update_natively(site: Site, witness: Witness, kind: TargetKind, name: str, case: Case) -> Update:
    """Update a target by its own controller alone."""
    seen = await create(site, witness, kind, name, case, native=True)
    seen.begin()
    began = time.perf_counter()
    await site.api.patch(kind.api, witness.namespace, name, kind.update(case))
    await witness.until(lambda: seen.is_updated(case.replicas), DEADLINE_SECONDS)
    return Update(seen.last - began, seen.fewest, seen.most)


async def update(
    site: Site, witness: Witness, kind: TargetKind, name: str, case: Case, pacing: Pacing = Pacing.ORDERED
) -> Update:
    """Update a target by a rollout, to its end."""
    seen = await create(site, witness, kind, name, case)
    seen.begin()
    began = time.perf_counter()
    handle = await start(site, witness, kind, name, case, pacing)
    await witness.until(lambda: seen.is_updated(case.replicas), DEADLINE_SECONDS)
    seconds = seen.last - began
    await completed(handle)
    return Update(seconds, seen.fewest, seen.most)


async def start(
    site: Site, witness: Witness, kind: TargetKind, name: str, case: Case, pacing: Pacing = Pacing.ORDERED
) -> Handle:
    """Start a rollout as the command line does."""
    target = Target.model_validate({"kind": kind.name, "namespace": witness.namespace, "name": name})
    spec = RolloutSpec(target=target, change=kind.change(case), strategy=case.strategy(pacing))
    attributes = [
        SearchAttributePair(TARGET_ATTRIBUTE, target.workflow_id),
        SearchAttributePair(PHASE_ATTRIBUTE, Phase.PREPARING),
    ]
    return await site.client.start_workflow(
        WORKFLOW_TYPE,
        RolloutInput(spec=spec, task_queue=QUEUE),
        id=target.workflow_id,
        task_queue=QUEUE,
        result_type=RolloutStatus,
        search_attributes=TypedSearchAttributes(attributes),
    )


async def completed(handle: Handle) -> RolloutStatus:
    """The end of a rollout, which must be a completion."""
    result = await asyncio.wait_for(handle.result(), DEADLINE_SECONDS)
    assert result.phase is Phase.COMPLETED, result
    return result


@dataclass(frozen=True)
class History:
    """What a rollout has left in Temporal."""

    runs: int
    events: int
    events_longest: int
    """In one run, as are the bytes."""
    bytes: int
    bytes_longest: int
    largest_event_bytes: int
    timed_out: int
    """Workflow tasks that nobody took in time: the worker that knew the workflow was busy, or dead."""
    retries: int
    """Attempts of activities after the first."""
    activities: Counter[str]


async def history(site: Site, handle: Handle) -> History:
    """Read the history of a rollout, over all its runs."""
    events, sizes, largest, timed_out, retries = [], [], 0, 0, 0
    activities: Counter[str] = Counter()
    run_id: str | None = handle.first_execution_run_id
    while run_id:
        run = site.client.get_workflow_handle(handle.id, run_id=run_id)
        info = (await run.describe()).raw_description.workflow_execution_info
        events.append(info.history_length)
        sizes.append(info.history_size_bytes)
        run_id = None
        async for event in run.fetch_history_events():
            largest = max(largest, event.ByteSize())
            retries += max(0, event.activity_task_started_event_attributes.attempt - 1)
            timed_out += event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                activities[event.activity_task_scheduled_event_attributes.activity_type.name] += 1
            continued = event.workflow_execution_continued_as_new_event_attributes
            run_id = continued.new_execution_run_id or run_id
    return History(
        len(events), sum(events), max(events), sum(sizes), max(sizes), largest, timed_out, retries, activities
    )
