"""What Temporal still knows of the last rollout of a target."""

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.rollout.spec import Strategy, Target
from rollwright.workflows.contract import RolloutInput


async def last_strategy(client: Client, target: Target) -> Strategy | None:
    """That of the latest rollout of a target; None if Temporal knows of none. Raises CommandError."""
    described = await temporal.look_up(client, target)
    if described is None:
        return None
    if described.status is not WorkflowExecutionStatus.COMPLETED:
        return await _started_with(client, described)
    try:
        return (await Run(client, described.id, temporal.first_run_id(described)).result()).spec.strategy
    except NoAnswerError as error:
        raise CommandError(f"the last rollout of {target} can't be asked: {error}") from error


async def _started_with(client: Client, described: WorkflowExecutionDescription) -> Strategy | None:
    """The strategy that a rollout which has no result was started with, or begun anew with: its first event."""
    handle = client.get_workflow_handle(described.id, run_id=described.run_id)
    with temporal.explained(f"{described.id} can't be looked up"):
        async for event in handle.fetch_history_events(page_size=1):
            payloads = event.workflow_execution_started_event_attributes.input.payloads
            (given,) = await client.data_converter.decode(payloads, [RolloutInput])
            started: RolloutInput = given
            return started.spec.strategy
    return None
