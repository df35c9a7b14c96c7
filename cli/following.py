"""Following a rollout until it ends, over lost connections and workers that come and go."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import typer

from rollwright.cli import formats, views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Snapshot, Status
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.cli.text import plain
from rollwright.rollout.stages import Stage
from rollwright.workflows.contract import Phase, RolloutStatus

INTERVAL_SECONDS = 1.0
STANDING = (Phase.PAUSED, Phase.STALLED, Phase.GATED)
"""It needs somebody."""
_EXIT_CODES = {
    Phase.COMPLETED: ExitCode.DONE,
    Phase.ROLLED_BACK: ExitCode.ROLLED_BACK,
    Phase.ABORTED: ExitCode.ABORTED,
    Phase.DELETED: ExitCode.COULD_NOT,
}


@dataclass(frozen=True)
class Look:
    """What is seen of a rollout at one moment."""

    snapshot: Snapshot | None
    """The last there was; None until the first answer."""
    trouble: str = ""
    """Why there is no newer one now, in words."""
    ended: bool = False
    told: RolloutStatus | None = None
    """The rollout's own answer that the snapshot is made of, as long as it is open."""


async def follow(run: Run, ui: str) -> AsyncIterator[Look]:
    """Look about every second until the rollout has ended. Raises CommandError if it ends without a result."""
    last: Snapshot | None = None
    told: RolloutStatus | None = None
    while True:
        try:
            if not await run.is_open():
                status = Status.of(await run.result(), ui)
                yield Look(Snapshot(status=status, stages=await _whole_table(run, last, status.stage)), ended=True)
                return
            seen, stages = await run.status(), await run.stages()
            if not await run.is_open():  # it may be the next rollout that has answered
                continue
            told, last = seen, Snapshot(status=Status.of(seen, ui), stages=stages)
            yield Look(last, told=told)
        except NoAnswerError as error:
            yield Look(last, trouble=str(error), told=told)
        await asyncio.sleep(INTERVAL_SECONDS)


async def _whole_table(run: Run, seen: Snapshot | None, last: Stage | None) -> tuple[Stage, ...]:
    """The table to its end. The last row is in the result; rows before it that were missed are asked for."""
    known = seen.stages if seen else ()
    if last is None:
        return known
    known = tuple(stage for stage in known if stage.stage < last.stage)
    if len(known) < last.stage - 1:
        try:
            table = await run.stages()
        except NoAnswerError:
            table = ()
        if table and table[-1] == last:  # it may be of the target's next rollout
            return table
    return (*known, last)


@dataclass
class Patience:
    """How long a rollout may stand (paused, stalled, at a gate, without an answer) while somebody waits for it."""

    seconds: float
    _standing_since: float | None = None

    def check(self, rollout: str, look: Look) -> None:
        """Raise CommandError once it has stood for too long."""
        phase = None if look.trouble or not look.snapshot else look.snapshot.status.phase
        if phase is not None and phase not in STANDING:
            self._standing_since = None
            return
        now = time.monotonic()
        if self._standing_since is None:
            self._standing_since = now
        if now - self._standing_since >= self.seconds:
            raise CommandError(
                f"the rollout stands ({phase or look.trouble}) for longer than --wait-timeout",
                todo=f"It is still open. `rollwright status {rollout}` says why, and what goes on from here.",
                code=ExitCode.STANDS,
            )


async def print_lines(
    run: Run,
    ui: str,
    output: Format,
    patience: Patience | None = None,
    before: Callable[[Snapshot], None] | None = None,
) -> Snapshot:
    """Print a line a stage (or, for programs, a snapshot whenever it changed) until the end. Raises CommandError.

    `before`: is given each snapshot before it is printed, and may raise CommandError.
    """
    printer = _Printer(run.rollout, output)
    async for look in follow(run, ui):
        if look.snapshot and before:
            before(look.snapshot)
        printer.show(look)
        if patience and not look.ended:
            patience.check(run.rollout, look)
        if look.snapshot and look.ended:
            return look.snapshot
    raise AssertionError("following ends with the result")


class _Printer:
    """Prints what is new in each look."""

    def __init__(self, rollout: str, output: Format) -> None:
        self._rollout = rollout
        self._output = output
        self._last = Look(None)
        self._now: list[str] = []
        self._lines: dict[int, str] = {}
        self._end = ""

    def show(self, look: Look) -> None:
        if look.trouble and look.trouble != self._last.trouble:
            typer.echo(f"{self._rollout}: {plain(look.trouble)}; trying again", err=True)
        if look.snapshot and look.snapshot != self._last.snapshot:
            snapshot = look.snapshot
            formats.show(snapshot, self._output, lambda: self._print_new(snapshot))
        self._last = look

    def _print_new(self, snapshot: Snapshot) -> None:
        lines = {stage.stage: views.stage_line(stage) for stage in snapshot.stages}
        new = [line for number, line in lines.items() if self._lines.get(number) != line]
        self._lines |= lines
        for line in new:
            typer.echo(line)
        end = views.end(snapshot.status)
        if new and end not in ("", self._end):  # with a stage: by itself it would fill a log
            typer.echo(f"ends {end}")
            self._end = end
        phase = snapshot.status.phase
        now = [views.now(snapshot.status), *snapshot.status.next] if phase in STANDING or phase.is_final else []
        if now != self._now:
            typer.echo("\n  ".join(now))
        self._now = now


def exit_code(end: Snapshot) -> ExitCode:
    """What a command that has followed a rollout to its end tells the shell."""
    return _EXIT_CODES[end.status.phase]
