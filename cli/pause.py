"""`rollwright pause`: hold a rollout back."""

import typer

from rollwright.cli import options, steering
from rollwright.workflows.contract import PAUSE

app = typer.Typer()


@app.command()
def pause(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    reason: steering.Reason = "",
    actor: steering.Actor = "",
) -> None:
    """Hold the open rollout of a target back: no further step. Groups already released go on loading.

    Examples:
      rollwright pause lws/llm -n inference --reason "error rate is up"
      rollwright pause rollout/lws/inference/llm --actor alertmanager

    """
    steering.steer(PAUSE, target, namespace, reason, actor)
