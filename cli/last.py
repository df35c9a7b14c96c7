"""What another rollout of a target takes over from the last one, as far as Temporal still knows that."""

from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowQueryFailedError

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.starting import STRATEGY_MEMO
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.spec import Strategy, Target
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, RolloutInput


@dataclass(frozen=True)
class Last:
    """What is taken over, unless it is given by flags."""

    strategy: Strategy
    """Without a partition: that was for the last change, and would hold the target for ever."""
    task_queue: str
    """Where the workers of the target's cluster take their tasks from."""
    source: str
    """Where it comes from, in words."""


_NONE = Last(Strategy(), DEFAULT_TASK_QUEUE, "by default")


async def last_rollout(client: Client, target: Target) -> Last:
    """Of the latest rollout of a target; the defaults if Temporal knows of none. Raises CommandError."""
    described = await temporal.look_up(client, target)
    if described is None:
        return _NONE
    ended_with = await _strategy(client, target, described)
    known = await described.memo_value(STRATEGY_MEMO, None, type_hint=Strategy)
    strategy = known if known and _goes_back_by(known, ended_with) else ended_with
    return Last(strategy.model_copy(update={"partition": 0}), described.task_queue, "of the last rollout")


def _goes_back_by(strategy: Strategy, made_of_it: Strategy) -> bool:
    """Whether one strategy is what the other comes to on the way back; it isn't any more after a retarget."""
    ways = (Aim(strategy=strategy, course=Course.BACK, fast=fast).effective for fast in (False, True))
    return made_of_it in ways


async def _strategy(client: Client, target: Target, described: WorkflowExecutionDescription) -> Strategy:
    run = Run(client, described.id, temporal.first_run_id(described))
    if described.status is not WorkflowExecutionStatus.COMPLETED:
        return await _without_result(run, described)
    try:
        return (await run.result()).spec.strategy
    except NoAnswerError as error:
        raise CommandError(f"the last rollout of {target} can't be asked: {error}") from error


async def _without_result(run: Run, described: WorkflowExecutionDescription) -> Strategy:
    """As a worker tells of it, also once it was terminated; without one, as it was started or begun anew."""
    try:
        return (await run.status()).spec.strategy
    except (NoAnswerError, CommandError, WorkflowQueryFailedError):
        return await _started_with(run.client, described)


async def _started_with(client: Client, described: WorkflowExecutionDescription) -> Strategy:
    """What the first event of a run says."""
    handle = client.get_workflow_handle(described.id, run_id=described.run_id)
    with temporal.explained(f"{described.id} can't be looked up"):
        event = await anext(handle.fetch_history_events(page_size=1))
    payloads = event.workflow_execution_started_event_attributes.input.payloads
    (given,) = await client.data_converter.decode(payloads, [RolloutInput])
    started: RolloutInput = given
    return started.spec.strategy
