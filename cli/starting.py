"""Asking Temporal to start a rollout."""

from collections.abc import Mapping
from datetime import UTC, datetime

import typer
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError

from rollwright.cli import views
from rollwright.cli.failure import CommandError
from rollwright.cli.temporal import Run, explained
from rollwright.cli.text import one_line
from rollwright.rollout.spec import Strategy, Target
from rollwright.workflows import details, starting
from rollwright.workflows.contract import ASKED_MEMO, RolloutInput

STRATEGY_MEMO = "strategy"
"""The memo with the strategy that the next rollout takes over, where this one goes by one made of it."""


class OpenRolloutError(CommandError):
    """The target has an open rollout, which is left alone."""

    def __init__(self, target: Target) -> None:
        """`target`: of both."""
        rollout = target.workflow_id
        super().__init__(
            f"{target} has an open rollout: {rollout}",
            todo=f"Follow it: rollwright watch {rollout}\n"
            f"End it, then start again: rollwright abort {rollout} --reason ...\n"
            "Or start with --on-conflict retarget, which sets it the new target, or with --on-conflict queue.",
        )


async def start_rollout(
    client: Client, given: RolloutInput, *, handed_on: Strategy | None = None, asked_at: datetime | None = None
) -> Run:
    """Start a rollout. Raises CommandError, and OpenRolloutError if another one is open on the target.

    `handed_on`: the strategy that the next rollout takes over; this one's own unless given.
    `asked_at`: now unless given.
    """
    spec = given.spec
    memo: dict[str, Strategy | str] = {STRATEGY_MEMO: handed_on} if handed_on else {}
    memo[ASKED_MEMO] = (asked_at or datetime.now(UTC)).isoformat()
    with explained(f"{spec.target.workflow_id} can't be started"):
        return await _start(client, given, memo)


async def _start(client: Client, given: RolloutInput, memo: Mapping[str, Strategy | str]) -> Run:
    spec = given.spec
    summary = f"{spec.target.path}: {views.change(spec.change)}"
    try:
        started = await starting.start(client, given, summary=summary, details=_details(given), memo=memo)
    except WorkflowAlreadyStartedError as error:
        raise OpenRolloutError(spec.target) from error
    if started.note:
        typer.echo(one_line(f"note: {started.note}"), err=True)
    return Run(client, spec.target.workflow_id, str(started.handle.first_execution_run_id))


def _details(given: RolloutInput) -> str:
    """For the Temporal UI, as Markdown: what was asked for."""
    spec, strategy, by = given.spec, given.spec.strategy, given.by
    gates = [
        f"- step {number}, until {step.until}: {', '.join(gate.title for gate in step.gates) or 'waits to be promoted'}"
        for number, step in enumerate(strategy.steps, start=1)
    ]
    return "\n".join(
        [
            f"**{spec.target}**",
            "",
            f"- change: `{views.change(spec.change)}`",
            f"- asked for by {details.escape(by.actor)}" + (f": {details.escape(by.reason)}" if by.reason else ""),
            f"- at most {strategy.max_unavailable} missing, at most {strategy.max_surge} surplus",
            f"- pacing {strategy.pacing}, reclaim {strategy.reclaim}, partition {strategy.partition}",
            *gates,
            "",
            "That is how it was started. How it stands, and what may be sent to it: see the current details.",
            "",
            f"From a shell: `rollwright watch {spec.target.workflow_id}`",
        ]
    )
