"""What a worker logs: a line an event, as JSON or readable, whoever logs it, with the rollout it is about.

Names and messages from elsewhere are part of it. Written as JSON they are escaped; in readable lines they are too, so
that none can begin a line of its own, or move the cursor of whoever reads it.
"""

import logging
import sys
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

import structlog
from structlog.typing import Processor
from temporalio import activity, workflow

Event = MutableMapping[str, Any]


class LogFormat(StrEnum):
    """How lines look."""

    JSON = "json"
    TEXT = "text"


def configure(wanted: LogFormat | None = None, stream: TextIO | None = None) -> None:
    """Log to stderr from now on, whatever logs by Python's own logging too.

    Without a format, readable where a person reads it, else JSON.
    """
    stream = stream or sys.stderr
    shown = wanted or (LogFormat.TEXT if stream.isatty() else LogFormat.JSON)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                _when,
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.contextvars.merge_contextvars,
                _about,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("message"),
                structlog.processors.format_exc_info,
                *_rendering(shown, colours=stream.isatty()),
            ],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)
    # What they know of themselves goes into fields.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False


def fields_of(workflow_id: str) -> dict[str, str]:
    """What every line about a rollout has; the id is made of the target."""
    return {"rollout": workflow_id, "target": workflow_id.removeprefix("rollout/")}


def _when(_: object, __: str, event: Event) -> Event:
    moment = datetime.fromtimestamp(event["_record"].created, UTC)
    return {"time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}


def _about(_: object, __: str, event: Event) -> Event:
    """What Temporal's own loggers say of the workflow or activity; they log outside of what is bound to an activity."""
    record = event["_record"]
    known = getattr(record, "temporal_workflow", None) or getattr(record, "temporal_activity", None) or {}
    fields = fields_of(known["workflow_id"]) if known.get("workflow_id") else {}
    if "activity_type" in known:
        fields["step"] = known["activity_type"]
    return {**event, **{name: value for name, value in fields.items() if name not in event}}


def _rendering(shown: LogFormat, *, colours: bool) -> Sequence[Processor]:
    if shown is LogFormat.JSON:
        return [structlog.processors.JSONRenderer()]
    return [
        _escaped,
        structlog.dev.ConsoleRenderer(
            colors=colours,
            sort_keys=False,
            event_key="message",
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _escaped(_: object, __: str, event: Event) -> Event:
    """All text on one line; but for the lines of a traceback, each of which is indented."""
    shown = {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}
    if "exception" in event:
        shown["exception"] = "\n".join(f"  {_printable(line)}" for line in event["exception"].split("\n"))
    return shown


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
