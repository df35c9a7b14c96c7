"""`rollwright resume`: let a rollout go on."""

import typer

from rollwright.cli import options, steering
from rollwright.workflows.contract import RESUME

app = typer.Typer()


@app.command()
def resume(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    reason: steering.Reason = "",
    actor: steering.Actor = "",
) -> None:
    """Let a paused rollout of a target go on; a stalled one looks again at once.

    Examples:
      rollwright resume lws/llm -n inference --reason "error rate is back to normal"

    """
    steering.steer(RESUME, target, namespace, reason, actor)
