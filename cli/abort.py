"""`rollwright abort`: end a rollout where it is."""

import typer

from rollwright.cli import options, steering
from rollwright.workflows.contract import ABORT

app = typer.Typer()


@app.command()
def abort(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    reason: steering.Reason = "",
    actor: steering.Actor = "",
) -> None:
    """End the open rollout of a target where it is: nothing further is updated, the surge is given back.

    Groups that are updated stay so. To go back, start a rollout of the old template.

    Examples:
      rollwright abort lws/llm -n inference --reason "wrong image"

    """
    steering.steer(ABORT, target, namespace, reason, actor)
