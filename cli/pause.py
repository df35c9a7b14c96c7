"""`rollwright pause`: hold a rollout back."""

from rollwright.cli import steering
from rollwright.workflows.contract import Message, Steering


def pause() -> Steering:
    """Hold the open rollout of a target back: no further step. Groups already released go on loading.

    Examples:
      rollwright pause lws/llm -n inference --reason "error rate is up"
      rollwright pause rollout/lws/inference/llm --actor alertmanager

    """
    return Steering(message=Message.PAUSE)


app = steering.verb(pause)
