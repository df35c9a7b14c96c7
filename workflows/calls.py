"""The activities as the workflow calls them, each with its timeouts and what it says in the Temporal UI.

A wait may last for days and shows a dead worker by its heartbeat; when it is cancelled it is let go at once, as it only
reads. A mutation is short and awaited. No queue without a worker is waited for silently.
"""

from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

from rollwright.activities.messages import (
    ACTIVITY_OF,
    LONGEST_MUTATION,
    ActivityName,
    CheckGate,
    EndGates,
    KeepTemplate,
    Kept,
    Outcome,
    RecordOutcome,
    Restore,
    SettleDispute,
    Sight,
    TakeStep,
    Tell,
    WaitReadiness,
)
from rollwright.rollout.gates.gate import Progress
from rollwright.workflows import describing

_Result = TypeVar("_Result")

_NO_POLLER = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(days=30)
_SILENCE = timedelta(seconds=5)
_MUTATION_SILENCE = timedelta(seconds=3)
# An outage is waited for inside a wait. What still fails this often is not a matter of time, and people must see it.
_WAIT_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=10), maximum_attempts=30
)
_MUTATION_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=3)
# News are of interest for minutes; who runs the receivers knows why they are away.
_NEWS_AGE = timedelta(minutes=3)
_LONGEST_TELL = timedelta(seconds=20)
_TELL_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=5.0, maximum_attempts=4)


async def keep_template(queue: str, request: KeepTemplate) -> Kept:
    """Try the change by a dry run and keep its template."""
    summary = "try the change by a dry run and keep its template"
    return await _call(queue, ActivityName.KEEP_TEMPLATE, request, Kept, summary)


async def take_step(queue: str, request: TakeStep, summary: str) -> Outcome:
    """Carry out one step."""
    return await _call(queue, ACTIVITY_OF[request.step.action], request, Outcome, summary)


async def settle_dispute(queue: str, request: SettleDispute) -> str:
    """End the freeze that followed somebody's change; the name of their template if it is to hold."""
    summary = f"somebody else has changed the target: settle it, {request.side} holds"
    return await _call(queue, ActivityName.SETTLE_DISPUTE, request, str, summary)


async def record_outcome(queue: str, request: RecordOutcome) -> None:
    """Write into the ledger how it ended."""
    return await _call(
        queue, ActivityName.RECORD_OUTCOME, request, type(None), f"write into the ledger: {request.outcome}"
    )


async def restore(queue: str, request: Restore, summary: str) -> str:
    """Put the user's own settings back, or hold what is held; what could not be put back as it was."""
    return await _call(queue, ActivityName.RESTORE, request, str, summary)


def wait_readiness(queue: str, request: WaitReadiness, summary: str) -> workflow.ActivityHandle[Sight]:
    """Begin a wait."""
    return _begin(queue, ActivityName.WAIT_READINESS, request, Sight, summary)


def tell(queue: str, request: Tell) -> workflow.ActivityHandle[None]:
    """Begin to tell people something; nothing follows from how that ends."""
    return workflow.start_activity(
        str(ActivityName.TELL),
        request,
        result_type=type(None),
        task_queue=queue,
        summary=describing.short_line(f"tell people: {request.news}"),
        start_to_close_timeout=_LONGEST_TELL,
        schedule_to_close_timeout=_NEWS_AGE,
        retry_policy=_TELL_RETRY,
        cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
    )


def check_gate(queue: str, request: CheckGate) -> workflow.ActivityHandle[Progress]:
    """Begin to ask a gate."""
    summary = f"gate {request.step}: {request.gate.title}"
    return _begin(queue, ActivityName.CHECK_GATE, request, Progress, summary)


async def end_gates(queue: str, request: EndGates) -> None:
    """Clean up what gates have left behind."""
    return await _call(queue, ActivityName.END_GATES, request, type(None), "clean up after the gates")


def _begin(
    queue: str, name: ActivityName, request: object, result: type[_Result], summary: str
) -> workflow.ActivityHandle[_Result]:
    """Begin what only reads, and may last for days."""
    return workflow.start_activity(
        str(name),
        request,
        result_type=result,
        task_queue=queue,
        summary=describing.short_line(summary),
        start_to_close_timeout=_LONGEST_WAIT,
        schedule_to_start_timeout=_NO_POLLER,
        heartbeat_timeout=_SILENCE,
        retry_policy=_WAIT_RETRY,
        cancellation_type=workflow.ActivityCancellationType.TRY_CANCEL,
    )


async def _call(queue: str, name: ActivityName, request: object, result: type[_Result], summary: str) -> _Result:
    answer: _Result = await workflow.execute_activity(
        str(name),
        request,
        result_type=result,
        task_queue=queue,
        summary=describing.short_line(summary),
        start_to_close_timeout=LONGEST_MUTATION,
        heartbeat_timeout=_MUTATION_SILENCE,
        schedule_to_start_timeout=_NO_POLLER,
        retry_policy=_MUTATION_RETRY,
    )
    return answer
