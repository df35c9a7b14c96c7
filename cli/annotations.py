"""Annotations of a CI's run: what somebody should see without reading the log."""

import io
import secrets
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from enum import StrEnum
from typing import TextIO

import typer

from rollwright.cli import views
from rollwright.cli.failure import ExitCode
from rollwright.cli.following import STANDING
from rollwright.cli.outputs import Snapshot
from rollwright.cli.reporting import Ending
from rollwright.cli.text import one_line
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import Phase

_MOST = 8
"""GitHub shows ten of each level a step; reasons of a stall may change for ever."""


class Annotations(StrEnum):
    """Whose."""

    GITHUB = "github"


class Level(StrEnum):
    """How much it matters; GitHub's own words."""

    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


_LEVELS = {ExitCode.DONE: Level.NOTICE, ExitCode.SUPERSEDED: Level.WARNING}
"""How it ends; every other end is an error."""


class GitHub:
    """Workflow commands: lines that the runner of GitHub Actions takes out of the log.

    It takes them from anybody's line, so from the beginning to the end none is taken but these: what a cluster says
    may look like one. It reads stdout and stderr as they come, in no certain order: so that no line comes before that
    is said or after it is taken back, all lines for people go to stderr meanwhile.
    """

    def __init__(self, target: Target, *, data_on_stdout: bool = False) -> None:
        """`data_on_stdout`: what programs read, which looks like no command, is left there."""
        self._title = str(target)
        self._data_on_stdout = data_on_stdout
        self._token = secrets.token_hex(16)
        self._told: set[str] = set()
        self._redirected = ExitStack()

    def begins(self) -> None:
        """Have no line taken for a command."""
        printed = _Harmless(sys.stderr)
        self._redirected.enter_context(redirect_stderr(printed))
        if not self._data_on_stdout:
            self._redirected.enter_context(redirect_stdout(printed))
        _write(f"::stop-commands::{self._token}")

    def sees(self, seen: Snapshot) -> None:
        """A rollout that stands is told of once for each reason."""
        status = seen.status
        if status.phase not in STANDING:
            return
        # Numbers in a reason change all the time.
        reason = "".join(letter for letter in f"{status.phase} {status.gate} {status.reason}" if not letter.isdigit())
        if reason in self._told or len(self._told) >= _MOST:
            return
        self._told.add(reason)
        level = Level.NOTICE if status.phase is Phase.GATED else Level.WARNING
        lines = [views.now(status), *status.next]
        _write(f"::{self._token}::", command(level, self._title, lines), f"::stop-commands::{self._token}")

    def ends(self, ending: Ending) -> None:
        """How it has ended; whatever is printed afterwards is taken for commands again."""
        reason = [ending.seen.status.reason] if ending.seen and not ending.notes else []
        lines = [ending.words, *reason, *(line for note in ending.notes for line in note.splitlines())]
        _write(f"::{self._token}::", command(_LEVELS.get(ending.code, Level.ERROR), self._title, lines))
        self._redirected.close()


class _Harmless(io.TextIOBase):
    """Prints without what the runner takes for a command in the middle of a line, stopped or not."""

    def __init__(self, to: TextIO) -> None:
        self._to = to

    def write(self, text: str) -> int:
        self._to.write(text.replace("##[", "## ["))
        return len(text)

    def flush(self) -> None:
        self._to.flush()


def command(level: Level, title: str, lines: list[str]) -> str:
    """A workflow command. Lines may hold anything: it stays one command, and shows as text."""
    shown = "%0A".join(_data(one_line(line)) for line in lines if line)
    return f"::{level} title={_property(one_line(title))}::{shown}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _write(*lines: str) -> None:
    """To stderr, as stdout may hold JSON."""
    typer.echo("\n".join(lines), err=True)
