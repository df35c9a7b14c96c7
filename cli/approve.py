"""`rollwright approve`: say that a rollout may go on."""

from typing import Annotated

import typer

from rollwright.cli import steering
from rollwright.workflows.contract import Message, Steering


def approve(
    *,
    step: Annotated[
        int | None, typer.Option("--step", min=1, help="The step that waits; without it, whichever.")
    ] = None,
    seen: Annotated[
        str, typer.Option("--seen", help="What you have seen, as status shows it; without it, what stands now.")
    ] = "",
) -> Steering:
    """Approve what the open rollout of a target shows at an approval gate.

    An approval is of what was seen: the plan, and the target as it stands. If
    either has changed since, it is refused, and asked for again. Each person
    counts once; `rollwright status` shows who has approved.

    Examples:
      rollwright approve lws/llm -n inference --step 1 --reason "answers are good"
      rollwright approve lws/llm -n inference --step 1 --seen 4f2a90c1d0b7

    """
    return Steering(message=Message.APPROVE, step=step, seen=seen)


app = steering.verb(approve)
