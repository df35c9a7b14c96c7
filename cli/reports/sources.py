"""Where histories come from: a file, as the CLI and the UI of Temporal write them, or the server itself."""

import base64
import json
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseError
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.rollout.spec import Target

Events = list[HistoryEvent]
_KEPT = "Runs are kept for as long as the retention of the Temporal namespace says. Those that are there:"
_HOW = "temporal workflow show --workflow-id rollout/lws/NAMESPACE/NAME --output json"


def from_file(path: Path) -> list[Events]:
    """The run whose history a file holds. Raises CommandError."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path} can't be read: {error.strerror}", code=ExitCode.BAD_INPUT) from error
    except ValueError as error:
        raise _no_history(path, str(error)) from error
    events = told if isinstance(told, list) else told.get("events") if isinstance(told, dict) else None
    if not isinstance(events, list) or not events:
        raise _no_history(path, "there are no events in it")
    try:
        history = WorkflowHistory.from_json("", {"events": [_encoded(event) for event in events]})
    except (ParseError, ValueError) as error:
        raise _no_history(path, str(error)) from error
    return [list(history.events)]


def _no_history(path: Path, why: str) -> CommandError:
    return CommandError(
        f"{path} holds no history of a workflow: {why[:200]}",
        todo=f"Download it in the Temporal UI, or write it so: {_HOW} > {path.name}",
        code=ExitCode.BAD_INPUT,
    )


def _encoded(value: Any) -> Any:
    """With payloads as Temporal has them: what the UI calls human readable has them decoded."""
    match value:
        case {"metadata": {"encoding": str(encoding), **more}, **payload} if encoding.startswith(_DECODED):
            metadata = {name: _base64(str(text)) for name, text in {"encoding": encoding, **more}.items()}
            return {"metadata": metadata, "data": _base64(json.dumps(payload.get("data")))}
        case dict():
            return {key: _encoded(item) for key, item in value.items()}
        case list():
            return [_encoded(item) for item in value]
        case _:
            return value


_DECODED = ("json/", "binary/")
"""So encodings begin, but never in base64."""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def from_server(client: Client, target: Target, run_id: str) -> list[Events]:
    """The runs of a rollout, first to last: those that this one continues, as far as they are kept, and that follow.

    `run_id`: any of them; empty for the latest rollout of the target. Raises CommandError if there is no such run.
    """
    runs = [await _fetched(client, target, run_id)]
    while before := _started(runs[0]).continued_execution_run_id:
        try:
            runs.insert(0, await _fetched(client, target, before))
        except _GoneError:
            break  # what is left of it says so itself
    while after := runs[-1][-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id:
        runs.append(await _fetched(client, target, after))
    return runs


class _GoneError(CommandError):
    """There is no such run, or not any more."""


async def _fetched(client: Client, target: Target, run_id: str) -> Events:
    rollout = target.workflow_id
    with temporal.explained(f"the history of {rollout} can't be read"):
        try:
            history = await client.get_workflow_handle(rollout, run_id=run_id or None).fetch_history()
        except RPCError as error:
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
            what = f"Temporal knows no run {run_id} of {rollout}" if run_id else f"there is no rollout of {target}"
            raise _GoneError(
                what, todo=f"{_KEPT} temporal workflow list --query \"WorkflowId = '{rollout}'\""
            ) from error
    return list(history.events)


def _started(events: Events) -> Any:
    return events[0].workflow_execution_started_event_attributes
