"""What is waited out and what is told at once, of what Temporal or a proxy before it answers."""

import pytest
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.temporal import NoAnswerError
from rollwright.workflows.contract import RolloutStatus


@pytest.mark.parametrize(
    "status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.INTERNAL, RPCStatusCode.ABORTED], ids=lambda status: status.name
)
def test_a_connection_that_is_lost_is_tried_again(status: RPCStatusCode) -> None:
    with pytest.raises(NoAnswerError, match="Temporal is away"), temporal._answered():
        raise RPCError("stream reset", status, b"")


def test_a_refusal_is_not() -> None:
    with pytest.raises(CommandError, match="Temporal refuses: no"), temporal._answered():
        raise RPCError("no", RPCStatusCode.PERMISSION_DENIED, b"")


def test_an_answer_of_a_newer_version_is_told_to_need_a_newer_command_line() -> None:
    with pytest.raises(CommandError, match="it is of format 2") as refused, temporal._answered():
        RolloutStatus.model_validate_json('{"format": 2}')
    assert "upgrade" in refused.value.todo
