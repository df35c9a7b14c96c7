"""What becomes of a start where the target has a rollout already: of the same request, or of another one."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import typer
from temporalio.client import Client, WorkflowExecutionStatus

from rollwright.cli import starting, temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.following import INTERVAL_SECONDS
from rollwright.cli.starting import OpenRolloutError
from rollwright.cli.superseding import SupersededError
from rollwright.cli.temporal import NoAnswerError, RefusedError, Run
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import ASKED_MEMO, REQUEST_MEMO, Phase, Retarget, RolloutInput


class OnConflict(StrEnum):
    """What to do about an open rollout of another request."""

    FAIL = "fail"
    RETARGET = "retarget"
    QUEUE = "queue"


@dataclass(frozen=True)
class _Latest:
    """The latest rollout of a target."""

    run: Run
    status: WorkflowExecutionStatus | None
    request_id: str
    asked_at: datetime
    """When somebody has asked for it, which may be long before it could start."""

    @property
    def is_open(self) -> bool:
        return self.status is WorkflowExecutionStatus.RUNNING

    async def answers(self, request_id: str) -> bool:
        """Whether it does what the request asks for: it is about to, or has completed. Raises CommandError."""
        if not request_id or self.request_id != request_id:
            return False
        if self.status is not WorkflowExecutionStatus.COMPLETED:
            return self.is_open
        try:
            return (await self.run.result()).phase is Phase.COMPLETED
        except NoAnswerError as error:
            raise CommandError(f"{self.run.rollout} has ended; how is not known now: {error}") from error


async def start(client: Client, given: RolloutInput, on_conflict: OnConflict) -> Run:
    """Start a rollout, or take the one that answers the request. Raises CommandError.

    Others may start and end rollouts of the target at the same moment: then it looks again. One that was asked for
    later isn't undone by an earlier one that has queued.
    """
    target, asked_at = given.spec.target, datetime.now(UTC)
    queued_behind: Run | None = None
    while True:
        latest = await _look(client, target)
        if latest and await latest.answers(given.request_id):
            done = "answers" if latest.is_open else "has answered"
            typer.echo(f"note: {latest.run.rollout} {done} the request {given.request_id} already", err=True)
            return latest.run
        if queued_behind and latest and latest.run != queued_behind and latest.asked_at > asked_at:
            raise SupersededError(
                target.workflow_id, f"superseded: another rollout of {target}, asked for later, has started before it"
            )
        try:
            return await starting.start_rollout(client, given, asked_at=asked_at)
        except OpenRolloutError:
            other = await _look(client, target)
            if not other or not other.is_open or await other.answers(given.request_id):
                continue
            if on_conflict is OnConflict.FAIL:
                raise
        if on_conflict is OnConflict.QUEUE:
            queued_behind = queued_behind or other.run
            await _end_of(other.run)
        elif await _retarget(other.run, given):
            return other.run


async def answering(client: Client, given: RolloutInput) -> Run | None:
    """The open rollout that answers a request, if there is one. Raises CommandError."""
    latest = await _look(client, given.spec.target)
    return latest.run if latest and latest.is_open and await latest.answers(given.request_id) else None


async def _look(client: Client, target: Target) -> _Latest | None:
    described = await temporal.look_up(client, target)
    if described is None:
        return None
    run = Run(client, target.workflow_id, temporal.first_run_id(described))
    memo = await described.memo()
    asked = memo.get(ASKED_MEMO)
    asked_at = datetime.fromisoformat(str(asked)) if asked else described.start_time
    return _Latest(run, described.status, str(memo.get(REQUEST_MEMO, "")), asked_at)


async def _end_of(run: Run) -> None:
    typer.echo(f"{run.rollout} is open; waiting here for its end, to start then. Ctrl-C ends the waiting", err=True)
    while True:
        try:
            if not await run.is_open():
                return
        except NoAnswerError as error:
            typer.echo(f"{run.rollout}: {error}; trying again", err=True)
        await asyncio.sleep(INTERVAL_SECONDS)


async def _retarget(run: Run, given: RolloutInput) -> bool:
    """Whether it could be set the new target; False if it has ended. Raises CommandError."""
    spec = given.spec
    retarget = Retarget(
        actor=given.by.actor,
        reason=given.by.reason,
        change=spec.change,
        strategy=spec.strategy if "strategy" in spec.model_fields_set else None,
        request_id=given.request_id,
    )
    try:
        template = await run.retarget(retarget)
    except NoAnswerError as error:
        raise CommandError(
            f"{run.rollout} did not answer whether it goes on towards the new change: {error}",
            todo=f"`rollwright status {run.rollout}` shows which change it rolls out, once there is a worker.",
        ) from error
    except RefusedError as refused:
        raise CommandError(f"{run.rollout} does not take the new change: {refused}") from refused
    if template:
        typer.echo(f"note: {run.rollout} was open; it goes on towards the new change, {template}", err=True)
    return bool(template)
