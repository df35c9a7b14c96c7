"""`rollwright resume`: let a rollout go on."""

from typing import Annotated

import typer

from rollwright.activities.messages import Side
from rollwright.cli import steering
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.workflows.contract import Message, Steering


def resume(
    *,
    ours: Annotated[
        bool, typer.Option("--ours", help="After somebody else's change of the target: the rollout's version holds.")
    ] = False,
    theirs: Annotated[bool, typer.Option("--theirs", help="As --ours, but theirs holds: it is rolled out.")] = False,
) -> Steering:
    """Let a paused rollout of a target go on; a stalled one looks again at once.

    A rollout stalls, too, when somebody else changes the template or the
    strategy of its target: `rollwright status` shows what, and --ours or
    --theirs says whose version holds.

    Examples:
      rollwright resume lws/llm -n inference --reason "error rate is back to normal"
      rollwright resume lws/llm -n inference --theirs --reason "the hotfix stays"

    """
    if ours and theirs:
        raise CommandError("--ours and --theirs are both given; one version can hold", code=ExitCode.BAD_INPUT)
    side = Side.OURS if ours else Side.THEIRS if theirs else None
    return Steering(message=Message.RESUME, side=side)


app = steering.verb(resume)
