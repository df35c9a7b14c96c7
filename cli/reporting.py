"""What CI is told of a rollout that a job waits for, besides lines and an exit code. Who tells it sees everything."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import typer

from rollwright.cli.failure import CommandError, ExitCode, report
from rollwright.cli.outputs import Snapshot

_WORDS = {
    ExitCode.DONE: "completed",
    ExitCode.COULD_NOT: "could not be carried out, or not be followed to its end",
    ExitCode.BAD_INPUT: "bad input",
    ExitCode.ROLLED_BACK: "rolled back",
    ExitCode.ABORTED: "aborted",
    ExitCode.STANDS: "stands, and is still open",
    ExitCode.SUPERSEDED: "superseded by another change",
    ExitCode.INTERRUPTED: "no longer waited for: the job was cancelled",
    ExitCode.TERMINATED: "no longer waited for: the job was cancelled",
}


@dataclass(frozen=True)
class Ending:
    """How the waiting has ended."""

    code: ExitCode
    seen: Snapshot | None
    """The last that was seen of the rollout."""
    notes: tuple[str, ...]
    """What else is to be said, in words that may hold what a cluster says."""

    @property
    def words(self) -> str:
        """As in "completed"."""
        return _WORDS[self.code]


class Witness(Protocol):
    """Tells CI."""

    def begins(self) -> None:
        """Be ready, before anything is done. Raises CommandError."""

    def sees(self, seen: Snapshot) -> None:
        """Take in what is seen of the rollout now."""

    def ends(self, ending: Ending) -> None:
        """Tell how it has ended; it is the last."""


class Report:
    """All that is told."""

    def __init__(self, witnesses: Sequence[Witness] = ()) -> None:
        self._witnesses = witnesses
        self._seen: Snapshot | None = None
        self._notes: tuple[str, ...] = ()
        self._has_ended = False

    @contextmanager
    def of_failures(self) -> Iterator[None]:
        """What goes wrong meanwhile is told, and ends the command. Raises CommandError, typer.Exit."""
        for witness in self._witnesses:
            witness.begins()
        try:
            yield
        except CommandError as error:
            report(error)  # now, while nothing in it counts as a command to the CI
            self.notes(error.what)
            self.notes(error.todo)
            self.ends(error.code)
            raise typer.Exit(error.code) from error
        finally:
            if not self._has_ended:  # by a mistake in this program
                self.ends(ExitCode.COULD_NOT)

    def sees(self, seen: Snapshot) -> None:
        """Take in what is seen of the rollout now."""
        self._seen = seen
        for witness in self._witnesses:
            witness.sees(seen)

    def notes(self, words: str) -> None:
        """Add words to what is told at the end."""
        self._notes = (*self._notes, words) if words else self._notes

    def ends(self, code: ExitCode) -> None:
        """Tell how it has ended."""
        self._has_ended = True
        ending = Ending(code, self._seen, self._notes)
        for witness in self._witnesses:
            witness.ends(ending)
