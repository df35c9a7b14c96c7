"""What becomes of a start where the target has a rollout already: of the same request, or of another one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import typer
from temporalio.client import Client, WorkflowExecutionStatus

from rollwright.cli import starting, temporal, views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.following import INTERVAL_SECONDS
from rollwright.cli.starting import OpenRolloutError
from rollwright.cli.superseding import SupersededError
from rollwright.cli.temporal import NoAnswerError, RefusedError, Run
from rollwright.cli.text import one_line, plain
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import (
    ASKED_MEMO,
    REQUEST_MEMO,
    RETARGET,
    Phase,
    Retarget,
    RolloutInput,
    RolloutStatus,
)


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

    async def answers(self, given: RolloutInput) -> bool:
        """Whether it does what the request asks for: it is about to, or has completed. Raises CommandError."""
        if not given.request_id or self.request_id != given.request_id:
            return False
        told = await self._told()
        if told is None:
            return self.is_open
        if not self.is_open and told.phase is not Phase.COMPLETED:
            return False
        _check_same(given, told)
        return True

    async def overtakes(self, given: RolloutInput, asked_at: datetime) -> bool:
        """Whether it has completed with another change, which it was set after this one was asked for.

        Raises CommandError.
        """
        told = None if self.is_open else await self._told()
        if told is None or told.phase is not Phase.COMPLETED or told.spec.change == given.spec.change:
            return False
        set_at = _retargeted_at(told)
        return bool(set_at and set_at > asked_at)

    async def _told(self) -> RolloutStatus | None:
        """What it says of itself; None if it can't say so now, or has ended without a result. Raises CommandError."""
        if self.is_open:
            try:
                return await self.run.status()
            except NoAnswerError:
                return None
        if self.status is not WorkflowExecutionStatus.COMPLETED:
            return None
        try:
            return await self.run.result()
        except NoAnswerError as error:
            raise CommandError(f"{self.run.rollout} has ended; how is not known now: {error}") from error


def _check_same(given: RolloutInput, told: RolloutStatus) -> None:
    """Raise CommandError if the request stands for something else by now than when it was first sent."""
    asked, spec = given.spec, told.spec
    # A patch or a manifest has its template's name by then.
    named = bool(asked.change.patch or asked.change.manifest) and spec.change.revision is not None
    what = "" if named or spec.change == asked.change else views.change(spec.change)
    if not what and "strategy" in asked.model_fields_set and spec.strategy != asked.strategy:
        what = f"a strategy of {views.strategy(spec.strategy)}"
    if what:
        raise CommandError(
            f"the request {given.request_id} is of something else: {told.rollout} answers it, with {what}",
            todo="Another change or strategy is another request: give it a --request-id of its own.",
            code=ExitCode.BAD_INPUT,
        )


def _retargeted_at(told: RolloutStatus) -> datetime | None:
    """When the change that it has by now was asked for, if it began with another one."""
    for event in reversed(told.events):
        if event.what.startswith(f"{RETARGET} refused"):
            return None
        if event.what.startswith(f"{RETARGET}:"):
            return datetime.fromisoformat(event.at)
    return None


async def start(client: Client, given: RolloutInput, on_conflict: OnConflict, retargets: Callable[[Run], None]) -> Run:
    """Start a rollout, or take the one that answers the request. Raises CommandError.

    Others may start and end rollouts of the target at the same moment: then it looks again. One that was asked for
    later isn't undone by an earlier one that has queued. `retargets`: is given the rollout that is about to be asked to
    go on towards this change.
    """
    target, asked_at = given.spec.target, datetime.now(UTC)
    queued_behind: Run | None = None
    while True:
        latest = await _look(client, target)
        if latest and (run := await _taken_up(latest, given)):
            return run
        if queued_behind and latest:
            await _check_not_overtaken(latest, queued_behind, given, asked_at)
        try:
            return await starting.start_rollout(client, given, asked_at=asked_at)
        except OpenRolloutError:
            other = await _look(client, target)
            if not other or not other.is_open or await other.answers(given):
                continue
            if on_conflict is OnConflict.FAIL:
                raise
        if on_conflict is OnConflict.QUEUE:
            queued_behind = queued_behind or other.run
            await end_of(other.run)
        else:
            retargets(other.run)
            if await _retarget(other.run, given):
                return other.run
            await end_of(other.run)  # it may be telling people still


async def _check_not_overtaken(latest: _Latest, queued_behind: Run, given: RolloutInput, asked_at: datetime) -> None:
    """Raise SupersededError if something is in the place of this one that was asked for later."""
    target = given.spec.target
    if latest.run != queued_behind and latest.asked_at > asked_at:
        raise SupersededError(
            target.workflow_id, f"superseded: another rollout of {target}, asked for later, has started before it"
        )
    if await latest.overtakes(given, asked_at):
        raise SupersededError(
            target.workflow_id,
            f"superseded: the rollout of {target} before it was set another change, asked for later, and has completed",
        )


async def answering(client: Client, given: RolloutInput) -> Run | None:
    """The rollout that answers a request, open or completed, which is said. Raises CommandError."""
    latest = await _look(client, given.spec.target) if given.request_id else None
    return await _taken_up(latest, given) if latest else None


async def started(client: Client, given: RolloutInput) -> Run | None:
    """The open rollout that was started by a request, if there is one. Raises CommandError."""
    latest = await _look(client, given.spec.target) if given.request_id else None
    return latest.run if latest and latest.is_open and latest.request_id == given.request_id else None


async def _taken_up(latest: _Latest, given: RolloutInput) -> Run | None:
    if not await latest.answers(given):
        return None
    done = "answers" if latest.is_open else "has answered"
    typer.echo(one_line(f"note: {latest.run.rollout} {done} the request {given.request_id} already"), err=True)
    return latest.run


async def _look(client: Client, target: Target) -> _Latest | None:
    described = await temporal.look_up(client, target)
    if described is None:
        return None
    run = Run(client, target.workflow_id, temporal.first_run_id(described))
    memo = await described.memo()
    asked = memo.get(ASKED_MEMO)
    asked_at = datetime.fromisoformat(str(asked)) if asked else described.start_time
    return _Latest(run, described.status, str(memo.get(REQUEST_MEMO, "")), asked_at)


async def end_of(run: Run) -> None:
    """Return once a rollout is closed, which it says to wait for."""
    is_told = False
    while True:
        try:
            if not await run.is_open():
                return
            if not is_told:
                is_told = True
                waits = "is open; waiting here for its end, to start then. Ctrl-C ends the waiting"
                typer.echo(f"{run.rollout} {waits}", err=True)
        except NoAnswerError as error:
            typer.echo(f"{run.rollout}: {plain(str(error))}; trying again", err=True)
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
        typer.echo(one_line(f"note: {run.rollout} was open; it goes on towards the new change, {template}"), err=True)
    return bool(template)
