"""Waiting until a rollout shows one of some phases."""

import time
from collections.abc import Set

import typer

from rollwright.cli import options, views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.following import Look, follow
from rollwright.cli.outputs import Status
from rollwright.cli.temporal import Run
from rollwright.cli.text import plain
from rollwright.workflows.contract import Phase

_BY = "phase="


def read_condition(option: str, text: str) -> frozenset[Phase]:
    """What to wait for, as in phase=gated,paused. Raises CommandError."""
    if not text.startswith(_BY):
        raise CommandError(
            f"{option} {text!r}: only phases can be waited for",
            todo=f"Write {option} phase=NAME[,NAME...], as in phase=gated,paused.",
            code=ExitCode.BAD_INPUT,
        )
    return frozenset(options.read_phase(option, name) for name in text.removeprefix(_BY).split(","))


async def until_phase(run: Run, ui: str, phases: Set[Phase], seconds: float) -> Status:
    """Follow it until it shows one of these; it is looked at once at least.

    Raises CommandError if it has ended otherwise, or the time is over.
    """
    wanted, deadline, trouble = " or ".join(sorted(phases)), time.monotonic() + seconds, ""
    async for look in follow(run, ui):
        if look.trouble not in ("", trouble):
            typer.echo(f"{run.rollout}: {plain(look.trouble)}; trying again", err=True)
        trouble = look.trouble
        if look.snapshot and not trouble:
            status = look.snapshot.status
            if status.phase in phases:
                return status
            if look.ended:
                raise CommandError(f"{run.rollout} has ended and is not {wanted}: {views.now(status)}")
        if time.monotonic() >= deadline:
            raise _too_late(run.rollout, wanted, look)
    raise AssertionError("following ends with the result")


def _too_late(rollout: str, wanted: str, last: Look) -> CommandError:
    stands = views.now(last.snapshot.status) if last.snapshot else ""
    return CommandError(
        f"{rollout} is not {wanted} within --wait-timeout; {last.trouble or stands}",
        todo=f"It is still open. `rollwright status {rollout}` says where it stands.",
        code=ExitCode.STANDS,
    )
