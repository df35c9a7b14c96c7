"""What became of a rollout, as Markdown: for the summary of a CI's job."""

import re
from datetime import UTC, datetime
from pathlib import Path

import typer

from rollwright.cli import views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Snapshot, Status
from rollwright.cli.reporting import Ending
from rollwright.cli.text import markdown, markdown_table
from rollwright.rollout.spec import Target
from rollwright.workflows import details, expecting

_MOST_STAGES = 60


class Summary:
    """A file to which the summary is appended at the end, however that comes."""

    def __init__(self, path: Path, target: Target) -> None:
        self._path = path
        self._target = target

    def begins(self) -> None:
        """Refuse a file that can't be written, before anything is started. Raises CommandError."""
        try:
            self._append("")
        except OSError as error:
            raise CommandError(
                f"--summary: {self._path} can't be written: {error.strerror}", code=ExitCode.BAD_INPUT
            ) from error

    def sees(self, seen: Snapshot) -> None:
        """Nothing is written until the end."""

    def ends(self, ending: Ending) -> None:
        """Write it. A file that can't be written by now does not change how the job ends."""
        try:
            self._append(text(self._target, ending))
        except OSError as error:
            typer.echo(f"note: no summary: {self._path} can't be written: {error.strerror}", err=True)

    def _append(self, words: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(words)


def text(target: Target, ending: Ending) -> str:
    """The summary."""
    heading = f"### {markdown(str(target))}: {markdown(ending.words)}"
    notes = [markdown(line) for note in ending.notes for line in note.splitlines()]
    parts = [heading, *notes]
    if ending.seen:
        status, stages = ending.seen.status, ending.seen.stages
        parts.append(markdown_table(("", ""), _facts(status)))
        parts += [details.table(stages[-_MOST_STAGES:], markdown), views.LEGEND] if stages else []
        parts += _events(status)
    return "\n\n".join(parts) + "\n\n"


def _facts(status: Status) -> list[tuple[str, str]]:
    rows = [
        ("phase", markdown(views.now(status))),
        ("change", markdown(views.change(status.spec.change))),
        ("asked for by", markdown(views.by(status.by))),
        ("request", markdown(status.request_id)),
        *(("promise", line) for line in _promise(status)),
        ("took" if status.finished_at else "takes so far", _duration(status)),
        ("cost", markdown(views.cost(status.cost))),
        *(("gate", markdown(line)) for line in views.gates(status)),
        ("somebody else's change", markdown(status.dispute)),
        *(("next", f"<code>{markdown(command)}</code>") for command in status.next),
        ("rollout", _link(status.rollout, status.ui)),
    ]
    return [(name, value) for name, value in rows if value]


def _promise(status: Status) -> list[str]:
    """What the strategy allows, and what was seen of it."""
    if status.replicas is None or status.available_min is None or status.groups_max is None:
        return []
    return [
        f"at least {status.available_least} of {status.replicas} groups serve: fewest seen {status.available_min}",
        f"at most {status.groups_most} groups are asked for: most seen {status.groups_max}",
    ]


def _duration(status: Status) -> str:
    if not status.started_at:
        return ""
    ended = datetime.fromisoformat(status.finished_at) if status.finished_at else datetime.now(UTC)
    return expecting.roughly(max(0.0, (ended - datetime.fromisoformat(status.started_at)).total_seconds()))


def _events(status: Status) -> list[str]:
    if not status.events:
        return []
    rows = [
        (markdown(views.moment(event.at)), *map(markdown, (event.what, event.actor, event.reason)))
        for event in status.events
    ]
    return [markdown_table(("when", "what", "who", "why"), rows)]


def _link(name: str, address: str) -> str:
    """Angle brackets would end the address early."""
    safe = re.sub(r"[<>\s]", lambda found: f"%{ord(found[0]):02X}", address)
    return f"[{markdown(name)}](<{safe}>)" if safe else markdown(name)
