"""What another version of rollwright has written: an older one's is taken, a newer one's refused in words."""

import json

import pytest
from pydantic import ValidationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.workflows.contract import WORKFLOW_TYPE, Phase, RolloutInput, RolloutStatus
from rollwright.workflows.rollout import RolloutWorkflow
from tests.support.skipped_time import until

GIVEN = RolloutInput(spec=RolloutSpec(target=Target(name="llm")))
NEWER = "it is of format 2, and this version of rollwright knows 1 at most"


def test_what_bears_no_format_is_of_the_first() -> None:
    written = GIVEN.model_dump(mode="json", by_alias=True, exclude={"format"})
    assert RolloutInput.model_validate_json(json.dumps(written)) == GIVEN
    assert json.loads(GIVEN.model_dump_json())["format"] == 1


def test_fields_that_came_without_a_new_format_are_passed_over() -> None:
    written = GIVEN.model_dump(mode="json", by_alias=True)
    state = {**written["state"], "later": True}
    assert RolloutInput.model_validate({**written, "state": state, "later": True}) == GIVEN


def test_of_a_newer_status_nothing_is_read_but_its_format() -> None:
    status = RolloutStatus(rollout="rollout/lws/default/llm", phase=Phase.PAUSED, spec=GIVEN.spec)
    newer = {**status.model_dump(mode="json", by_alias=True), "format": 2, "phase": "of a newer version"}
    with pytest.raises(ValidationError, match=NEWER) as refused:
        RolloutStatus.model_validate(newer)
    assert refused.value.error_count() == 1


@pytest.mark.real
async def test_a_rollout_that_a_newer_version_hands_over_waits_for_that_one_and_is_not_ended(
    server: WorkflowEnvironment,
) -> None:
    queue = "newer"
    given = {**GIVEN.model_dump(mode="json", by_alias=True), "format": 2, "taskQueue": queue}
    async with Worker(
        server.client, task_queue=queue, workflows=[RolloutWorkflow], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await server.client.start_workflow(WORKFLOW_TYPE, given, id=queue, task_queue=queue)

        async def refused() -> bool:
            failures = [
                event.workflow_task_failed_event_attributes.failure async for event in handle.fetch_history_events()
            ]
            return any(NEWER in failure.cause.message for failure in failures)

        await until(refused)
        assert not (await handle.describe()).raw_description.pending_activities
    await handle.terminate()
