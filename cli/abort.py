"""`rollwright abort`: end a rollout where it is."""

from rollwright.cli import steering
from rollwright.workflows.contract import Message, Steering


def abort() -> Steering:
    """End the open rollout of a target where it is: nothing further is updated, the surge is given back.

    Groups that are updated stay so, and LWS is held back from updating others.
    `rollwright status` says what runs where, and how to go on: forward or back.

    Examples:
      rollwright abort lws/llm -n inference --reason "wrong image"

    """
    return Steering(message=Message.ABORT)


app = steering.verb(abort)
