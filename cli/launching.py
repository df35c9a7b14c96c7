"""Starting a rollout, and waiting for its end: for `start` and `undo`."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import typer
from temporalio.client import Client

from rollwright.cli import cancelling, conflicts, following, formats, temporal
from rollwright.cli.cancelling import OnCancel
from rollwright.cli.conflicts import OnConflict
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Snapshot, Started
from rollwright.cli.reporting import Report
from rollwright.cli.superseding import Claim
from rollwright.cli.temporal import Run
from rollwright.cli.text import one_line
from rollwright.workflows.contract import RolloutInput


@dataclass(frozen=True)
class Waiting:
    """How the end is waited for."""

    patience: following.Patience
    on_cancel: OnCancel = OnCancel.LEAVE
    report: Report = field(default_factory=Report)


async def launch(
    given: RolloutInput,
    on_conflict: OnConflict,
    ui: str,
    waiting: Waiting | None,
    *,
    output: Format,
    checked: Callable[[], Awaitable[None]] | None = None,
) -> ExitCode:
    """Start it, say so, and wait for its end if asked to; what to tell the shell. Raises CommandError.

    `checked`: what must succeed before anything new is begun.
    """
    launched = _Launch(given, waiting)
    ends = waiting.report.ends if waiting else _told_nobody
    return await cancelling.carried_out(launched.go(on_conflict, ui, checked, output), launched.cancelled, ends)


def _told_nobody(_: ExitCode) -> None:
    """Nobody waits for the end."""


class _Launch:
    """One start, and what is known of it so far."""

    def __init__(self, given: RolloutInput, waiting: Waiting | None) -> None:
        self._given = given
        self._waiting = waiting
        self._claim = Claim(given)
        self._client: Client | None = None
        self._run: Run | None = None
        self._retargeted: Run | None = None
        """The rollout that was asked to go on towards the change; whether it does is not known yet."""

    async def go(
        self, on_conflict: OnConflict, ui: str, checked: Callable[[], Awaitable[None]] | None, output: Format
    ) -> ExitCode:
        """To its end, if that is waited for."""
        self._client = await temporal.connect()
        run = await conflicts.answering(self._client, self._given)
        if run is None:
            if checked:
                await checked()
            run = await conflicts.start(self._client, self._given, on_conflict, self._retargets)
        self._run = run
        link = run.ui_link(ui)
        started = Started(rollout=run.rollout, run_id=run.first_run_id, ui=link)
        formats.show(started, output, lambda: typer.echo("\n".join(filter(None, (f"started {run.rollout}", link)))))
        if self._waiting is None:
            return ExitCode.DONE
        patience = self._waiting.patience
        end = await following.print_lines(run, link, output, patience, self._see)
        return following.exit_code(end)

    def _see(self, seen: Snapshot) -> None:
        self._claim.check(seen.status)
        if self._waiting:
            self._waiting.report.sees(seen)

    def _retargets(self, run: Run) -> None:
        self._retargeted = run

    async def cancelled(self) -> None:
        """Say to the rollout what was asked for this case."""
        until = asyncio.get_running_loop().time() + cancelling.SENDING_SECONDS
        run = self._run or await self._started_meanwhile(until) or self._retargeted
        if run is None:
            said = f"cancelled before a rollout of {self._given.spec.target} was started"
        else:
            on_cancel = self._waiting.on_cancel if self._waiting else OnCancel.LEAVE
            said = await cancelling.tell(run, on_cancel, self._given.by, until)
        typer.echo(one_line(said), err=True)
        if self._waiting:
            self._waiting.report.notes(said)

    async def _started_meanwhile(self, until: float) -> Run | None:
        """The rollout, where it was started and the answer to that came too late."""
        if self._client is None:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await conflicts.started(self._client, self._given)
        except (CommandError, TimeoutError):
            return None  # it isn't known, and there is no time to find out
