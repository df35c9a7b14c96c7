"""Waiting until a rollout shows one of some phases."""

import asyncio
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
    """Follow it until it shows one of these. Raises CommandError if it has ended otherwise, or the time is over."""
    wanted = " or ".join(sorted(phases))
    last = Look(None)
    try:
        async with asyncio.timeout(seconds) as limit:
            async for look in follow(run, ui):
                if look.trouble and look.trouble != last.trouble:
                    typer.echo(f"{run.rollout}: {plain(look.trouble)}; trying again", err=True)
                last = look
                if look.snapshot and not look.trouble:
                    status = look.snapshot.status
                    if status.phase in phases:
                        return status
                    if look.ended:
                        raise CommandError(f"{run.rollout} has ended and is not {wanted}: {views.now(status)}")
    except TimeoutError:
        if not limit.expired():
            raise
        raise _too_late(run.rollout, wanted, last) from None
    raise AssertionError("following ends with the result")


def _too_late(rollout: str, wanted: str, last: Look) -> CommandError:
    stands = views.now(last.snapshot.status) if last.snapshot else "nothing was heard of it"
    return CommandError(
        f"{rollout} is not {wanted} within --wait-timeout; {last.trouble or stands}",
        todo=f"It is still open. `rollwright status {rollout}` says where it stands.",
        code=ExitCode.STANDS,
    )
