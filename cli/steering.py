"""Pause, resume and abort: a signal that says who and why, and a look at whether it took effect."""

import asyncio
import getpass
import socket
import time
from typing import Annotated

import typer
from pydantic import ValidationError

from rollwright.cli import options, temporal, views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Status
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import ABORT, PAUSE, RESUME, Intervention, Phase, RolloutStatus

Reason = Annotated[str, typer.Option("--reason", help="Why; the rollout keeps it.")]
Actor = Annotated[str, typer.Option("--actor", help="Who; the rollout keeps it. Without it, your login name and host.")]

EFFECT = {
    PAUSE: (Phase.PAUSED,),
    RESUME: tuple(phase for phase in Phase if phase is not Phase.PAUSED),
    ABORT: (Phase.ABORTING, Phase.RESTORING, Phase.ABORTED),
}
"""The phases that show that a signal took effect."""
_EFFECT_SECONDS = 3.0


def steer(signal: str, target: str, namespace: str | None, reason: str, actor: str) -> None:
    """Send a signal to the open rollout of a target, and tell what came of it. Raises CommandError."""
    named = options.read_target(target, namespace)
    try:
        by = Intervention(actor=actor or _login_name(), reason=reason)
    except ValidationError as refused:
        what = "; ".join(f"--{error['loc'][0]}: {error['msg']}" for error in refused.errors())
        raise CommandError(what, code=ExitCode.BAD_INPUT) from refused
    typer.echo(asyncio.run(_steer(signal, named, by)))


async def _steer(signal: str, target: Target, by: Intervention) -> str:
    run = await temporal.find(await temporal.connect(), target)
    if not await run.signal(signal, by):
        raise CommandError(
            f"{target} has no open rollout: there is nothing to {signal}",
            todo=f"`rollwright status {run.rollout}` shows how the last one ended.",
        )
    sent = f"sent {signal} to {run.rollout}, by {by.actor}"
    try:
        status = await _effect(run, EFFECT[signal])
    except NoAnswerError as error:
        return f"{sent}; it takes effect later: {error}"
    return f"{sent}\n{views.now(Status.of(status))}"


async def _effect(run: Run, phases: tuple[Phase, ...]) -> RolloutStatus:
    """The status once the signal took effect, or as it is when that takes longer than a moment."""
    deadline = time.monotonic() + _EFFECT_SECONDS
    while True:
        status = await run.answer()
        if status.phase in phases or time.monotonic() >= deadline:
            return status
        await asyncio.sleep(0.2)


def _login_name() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        return f"unknown@{socket.gethostname()}"
