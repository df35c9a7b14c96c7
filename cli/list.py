"""`rollwright list`: the rollouts there are."""

import asyncio
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from rollwright.cli import completing, formats, options, render, temporal, views
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Listed, Listing
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.workflows.contract import PHASE_ATTRIBUTE, REVISION_ATTRIBUTE, WORKFLOW_TYPE

app = typer.Typer()

_AT_ONCE = 10
"""Rollouts asked for their stage at a time."""


@app.command("list")
def list_rollouts(
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="Only rollouts in this namespace; in all without it.",
            autocompletion=completing.namespaces,
        ),
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """List the open rollouts, newest first.

    Examples:
      rollwright list
      rollwright list -n inference -o wide
      rollwright list --all --json

    """
    listing = asyncio.run(_list(namespace, everything=everything))
    formats.show(listing, output, lambda: _draw(listing, everything=everything, wide=output is Format.WIDE))


def _draw(listing: Listing, *, everything: bool, wide: bool) -> None:
    if listing.rollouts:
        render.show_table(views.listing(listing.rollouts, wide=wide))
    else:
        typer.echo("no rollouts" if everything else "no open rollouts; --all shows those that have ended", err=True)


async def _list(namespace: str | None, *, everything: bool) -> Listing:
    client = await temporal.connect()
    query = f"WorkflowType = '{WORKFLOW_TYPE}'" + ("" if everything else " AND ExecutionStatus = 'Running'")
    with temporal.explained("rollouts can't be listed"):
        found = [execution async for execution in client.list_workflows(query) if _is_in(namespace, execution.id)]
    turns = asyncio.Semaphore(_AT_ONCE)
    listed = await asyncio.gather(*(_describe(client, execution, turns) for execution in found))
    return Listing(rollouts=tuple(sorted(listed, key=lambda rollout: rollout.started_at, reverse=True)))


def _is_in(namespace: str | None, rollout: str) -> bool:
    """By the id, which is always there; the search attribute might not be registered."""
    return not namespace or rollout.split("/")[2:3] == [namespace]


async def _describe(client: Client, execution: WorkflowExecution, turns: asyncio.Semaphore) -> Listed:
    known = Listed(
        rollout=execution.id,
        target=execution.id.removeprefix("rollout/"),
        phase=_phase(execution),
        revision=execution.typed_search_attributes.get(REVISION_ATTRIBUTE) or "",
        started_at=execution.start_time.isoformat(timespec="seconds"),
    )
    if execution.status is not WorkflowExecutionStatus.RUNNING:
        return known
    async with turns:
        try:
            return known.told_by(await Run(client, execution.id, execution.run_id).status())
        except NoAnswerError:
            return known.model_copy(update={"stage": "no worker answers"})


def _phase(execution: WorkflowExecution) -> str:
    phase = execution.typed_search_attributes.get(PHASE_ATTRIBUTE)
    told = execution.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)
    if execution.status is None or (told and phase):
        return phase or ""
    # Without the search attribute all that is known of one that ended well is that it did.
    return execution.status.name.lower().replace("_", " ")
