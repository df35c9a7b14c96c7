"""`rollwright promote`: pass a gate."""

from typing import Annotated

import typer

from rollwright.cli import steering
from rollwright.workflows.contract import Message, Steering


def promote(
    *, full: Annotated[bool, typer.Option("--full", help="Pass all later gates of the rollout too.")] = False
) -> Steering:
    """Pass the gate at which the open rollout of a target waits.

    Groups are still updated only as they become ready and as the budget
    allows, with --full too. A gate is passed once, however often this is sent.

    Examples:
      rollwright promote lws/llm -n inference --reason "the canary does well"
      rollwright promote lws/llm -n inference --full

    """
    return Steering(message=Message.PROMOTE, full=full)


app = steering.verb(promote)
