"""What happened in a rollout, read from the events of its workflow: looks, steps, gates, messages, in their order.

A wait that was let go may still have answered: that answer is of a course before, and is left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.contrib.pydantic import pydantic_data_converter

from rollwright.activities.messages import (
    ACTIVITY_OF,
    ActivityName,
    CheckGate,
    Kept,
    Outcome,
    Sight,
    TakeStep,
)
from rollwright.cli.reports.happened import (
    Asked,
    AskedGate,
    Began,
    Ended,
    Entered,
    GateTold,
    Happened,
    KeptTemplate,
    Said,
    Saw,
    Stepped,
    Waited,
)
from rollwright.rollout.gates.gate import Progress
from rollwright.workflows.contract import (
    PHASE_ATTRIBUTE,
    RETARGET,
    STEER,
    WORKFLOW_TYPE,
    Message,
    Phase,
    RolloutInput,
    RolloutStatus,
)

_Value = TypeVar("_Value")
_CONVERTER = pydantic_data_converter.payload_converter
_STEPS = {str(name) for name in ACTIVITY_OF.values()}
_UNREADABLE = (KeyError, ValueError, RuntimeError)
"""Of a payload that is encoded otherwise, or isn't what a rollout is given, or answers."""
_SIGNALS = {*map(str, Message), RETARGET}


class UnreadableError(Exception):
    """The events are none of a rollout, or of one that this version can't read."""


def read(events: Iterable[HistoryEvent]) -> list[Happened]:
    """What happened in one run, in order. Raises UnreadableError."""
    try:
        return list(_Reader().read(list(events)))
    except _UNREADABLE as error:
        raise UnreadableError(f"this version can't read it: {str(error)[:300]}") from error


def moment(stamp: Any) -> datetime:
    """A protobuf timestamp."""
    at: datetime = stamp.ToDatetime(tzinfo=UTC)
    return at


def _value(payloads: Sequence[Payload], kind: type[_Value]) -> _Value:
    (value,) = _CONVERTER.from_payloads(payloads[:1], [kind])
    found: _Value = value
    return found


def _anything(payloads: Sequence[Payload]) -> Any:
    """What somebody sent; None where it is nothing, or can't be read."""
    try:
        return _CONVERTER.from_payloads(payloads[:1])[0] if payloads else None
    except _UNREADABLE:
        return None


@dataclass
class _Reader:
    scheduled: dict[int, HistoryEvent] = field(default_factory=dict)
    let_go: dict[int, int] = field(default_factory=dict)
    """Activities that were let go: the event that asked for it, by the one that scheduled them."""
    answers: dict[int, tuple[str, bool]] = field(default_factory=dict)
    """What updates were answered with, and whether that is a refusal, by the event of their acceptance."""
    waits: dict[int, Asked] = field(default_factory=dict)

    def read(self, events: list[HistoryEvent]) -> Iterator[Happened]:
        if not events or not events[0].HasField("workflow_execution_started_event_attributes"):
            raise UnreadableError("it doesn't begin with the start of a workflow")
        for event in events:
            self._note(event)
        for event in events:
            if (happened := self._happened(event)) is not None:
                yield happened

    def _note(self, event: HistoryEvent) -> None:
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                self.scheduled[event.event_id] = event
            case EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED:
                asked = event.activity_task_cancel_requested_event_attributes
                self.let_go[asked.scheduled_event_id] = event.event_id
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
                done = event.workflow_execution_update_completed_event_attributes
                refused = done.outcome.HasField("failure")
                told = done.outcome.failure.message if refused else _anything(done.outcome.success.payloads)
                self.answers[done.accepted_event_id] = (told if isinstance(told, str) else "", refused)

    def _happened(self, event: HistoryEvent) -> Happened | None:
        read = _READERS.get(event.event_type)
        name = event.WhichOneof("attributes")
        return read(self, moment(event.event_time), event, getattr(event, name)) if read and name else None

    def began(self, at: datetime, event: HistoryEvent, told: Any) -> Happened:
        if told.workflow_type.name != WORKFLOW_TYPE:
            raise UnreadableError(f"it is of a workflow of type {told.workflow_type.name}, not of a rollout")
        given = _value(told.input.payloads, RolloutInput)
        return Began(at, given, told.original_execution_run_id, told.continued_execution_run_id)

    def begun(self, at: datetime, event: HistoryEvent, told: Any) -> Happened | None:
        match told.activity_type.name:
            case ActivityName.WAIT_READINESS:
                asked = self.waits[event.event_id] = _value(told.input.payloads, Asked)
                return Waited(at, asked, _summary(event))
            case ActivityName.CHECK_GATE:
                return AskedGate(at, _value(told.input.payloads, CheckGate))
            case _:
                return None

    def answered(self, at: datetime, event: HistoryEvent, told: Any) -> Happened | None:
        scheduled = self.scheduled[told.scheduled_event_id]
        was_let_go = self.let_go.get(scheduled.event_id, event.event_id) < event.event_id
        given = scheduled.activity_task_scheduled_event_attributes
        match given.activity_type.name:
            case ActivityName.WAIT_READINESS if not was_let_go:
                return Saw(at, self.waits[scheduled.event_id], _value(told.result.payloads, Sight))
            case ActivityName.CHECK_GATE if not was_let_go:
                return GateTold(at, _value(given.input.payloads, CheckGate), _value(told.result.payloads, Progress))
            case ActivityName.KEEP_TEMPLATE:
                return KeptTemplate(at, _value(told.result.payloads, Kept))
            case name if name in _STEPS:
                return self._step(at, scheduled, _value(told.result.payloads, Outcome))
            case _:
                return None

    def failed(self, at: datetime, event: HistoryEvent, told: Any) -> Happened | None:
        scheduled = self.scheduled[told.scheduled_event_id]
        if scheduled.activity_task_scheduled_event_attributes.activity_type.name not in _STEPS:
            return None
        cause = told.failure.cause.message or told.failure.message
        return self._step(at, scheduled, cause)

    def _step(self, at: datetime, scheduled: HistoryEvent, outcome: str) -> Happened:
        request = _value(scheduled.activity_task_scheduled_event_attributes.input.payloads, TakeStep)
        return Stepped(moment(scheduled.event_time), at, request, _summary(scheduled), str(outcome))

    def signalled(self, at: datetime, event: HistoryEvent, told: Any) -> Happened | None:
        # Of one that isn't known the rollout keeps an event.
        return Said(at, told.signal_name, _anything(told.input.payloads)) if told.signal_name in _SIGNALS else None

    def updated(self, at: datetime, event: HistoryEvent, told: Any) -> Happened:
        asked = told.accepted_request.input
        given = _anything(asked.args.payloads)
        message = given.get("message") if asked.name == STEER and isinstance(given, dict) else asked.name
        answer, refused = self.answers.get(event.event_id, ("", False))
        return Said(at, str(message), given, answer, refused)

    def cancelled(self, at: datetime, event: HistoryEvent, told: Any) -> Happened:
        return Said(at, Message.ABORT, {"actor": "Temporal", "reason": told.cause or "cancellation was requested"})

    def attributes(self, at: datetime, event: HistoryEvent, told: Any) -> Happened | None:
        payload = told.search_attributes.indexed_fields.get(PHASE_ATTRIBUTE.name)
        phase = None if payload is None else _anything([payload])
        return Entered(at, Phase(phase)) if phase in tuple(Phase) else None

    def ended(self, at: datetime, event: HistoryEvent, told: Any) -> Happened:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
                return Ended(at, "completed", _value(told.result.payloads, RolloutStatus))
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
                given = _value(told.input.payloads, RolloutInput)
                return Ended(at, "continued", next_run=told.new_execution_run_id, given=given)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
                return Ended(at, "failed", reason=told.failure.message)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
                return Ended(at, "terminated", reason=told.reason)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
                return Ended(at, "timed out")
            case _:
                return Ended(at, "cancelled")


def _summary(event: HistoryEvent) -> str:
    payload = event.user_metadata.summary
    told = _anything([payload]) if payload.data else ""
    return told if isinstance(told, str) else ""


_READERS: dict[int, Any] = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _Reader.began,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _Reader.begun,
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _Reader.answered,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: _Reader.failed,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _Reader.failed,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: _Reader.signalled,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: _Reader.updated,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _Reader.cancelled,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _Reader.attributes,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _Reader.ended,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _Reader.ended,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _Reader.ended,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _Reader.ended,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: _Reader.ended,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: _Reader.ended,
}
