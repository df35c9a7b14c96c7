"""Why an activity failed, in the words of the rollout."""

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, RetryState

from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.workflows import describing
from rollwright.workflows.contract import RolloutInput

GIVEN = RolloutInput(spec=RolloutSpec(target=Target(name="llm")))


def failed(cause: BaseException) -> ActivityError:
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="wait_readiness",
        activity_id="1",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("what", ["Failed decoding heartbeat details", "Failed decoding arguments"])
def test_a_worker_without_a_key_says_which_and_another_one_may_have_it(what: str) -> None:
    """The SDK says of one that it will never get better; a rollout would fail, or a gate stand, for good."""
    decoding = ApplicationError(what, non_retryable=True)
    decoding.__cause__ = ApplicationError("there is no key 2026-11", type="KeysError")
    error = failed(decoding)
    assert describing.failure(error, GIVEN) == "there is no key 2026-11"
    assert not describing.is_permanent(error)
    assert describing.is_worth_trying_again(error)


def test_what_is_refused_is_refused_for_good() -> None:
    error = failed(ApplicationError("no such container", type="RefusedError", non_retryable=True))
    assert describing.failure(error, GIVEN) == "no such container"
    assert describing.is_permanent(error)
