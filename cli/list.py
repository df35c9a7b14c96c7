"""`rollwright list`: the rollouts there are."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from rollwright.cli import completing, formats, list_views, options, render, temporal
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Listed, Listing, Status
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.rollout.models import Name
from rollwright.rollout.spec import TargetKind
from rollwright.workflows.contract import PHASE_ATTRIBUTE, REVISION_ATTRIBUTE, WORKFLOW_TYPE, Phase
from rollwright.workflows.starting import REGISTER

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
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="NAME", help="Only those in the cluster of this name; in all without it."),
    ] = None,
    phase: Annotated[
        str, typer.Option(metavar="NAME", help="Those in this phase only, such as gated or completed.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """List the open rollouts of all targets, newest first: how far each is, and for whom or what it waits.

    DONE are the groups that serve on the revision it goes to, of those wanted.

    Examples:
      rollwright list
      rollwright list -n inference --phase gated
      rollwright list --cluster east
      rollwright list -o wide
      rollwright list --all --json

    """
    for option, name in (("--namespace", namespace), ("--cluster", cluster)):
        _check_name(option, name)
    chosen = options.read_phase("--phase", phase) if phase else None
    listing = asyncio.run(_list(_query(namespace, chosen, everything=everything), cluster))

    def draw() -> None:
        if listing.rollouts:
            wide = output is Format.WIDE
            render.show_table(list_views.listing(listing.rollouts, datetime.now(UTC), wide=wide))
        else:
            where = (f" in namespace {namespace}" if namespace else "") + (f" in cluster {cluster}" if cluster else "")
            typer.echo(_none(where, chosen, everything=everything), err=True)

    formats.show(listing, output, draw)


def _check_name(option: str, name: str | None) -> None:
    if name is None:
        return
    try:
        TypeAdapter[str](Name).validate_python(name)
    except ValidationError as refused:
        raise CommandError(
            f"{option}: {name!r} names none: Kubernetes allows lower-case letters, digits and '-', at most 63",
            code=ExitCode.BAD_INPUT,
        ) from refused


def _query(namespace: str | None, phase: Phase | None, *, everything: bool) -> str:
    """For Temporal's visibility. A phase says by itself whether it is one of rollouts that have ended."""
    within = f"/{namespace}/" if namespace else "/"
    ids = (f"WorkflowId STARTS_WITH 'rollout/{kind.short}{within}'" for kind in TargetKind)
    parts = [f"WorkflowType = '{WORKFLOW_TYPE}'", f"({' OR '.join(ids)})"]
    if phase:
        state = "Completed" if phase.is_final else "Running"
        parts += [f"{PHASE_ATTRIBUTE.name} = '{phase}'", f"ExecutionStatus = '{state}'"]
    elif not everything:
        parts.append("ExecutionStatus = 'Running'")
    return " AND ".join(parts)


def _none(where: str, phase: Phase | None, *, everything: bool) -> str:
    """That there are none, of what."""
    state = "" if everything or phase else "open "
    more = "" if everything or phase else "; --all shows those that have ended"
    return f"no {state}rollouts{f' that are {phase}' if phase else ''}{where}{more}"


async def _list(query: str, cluster: str | None) -> Listing:
    client = await temporal.connect()
    try:
        with temporal.explained("rollouts can't be listed"):
            found = [run async for run in client.list_workflows(query) if _is_in(cluster, run)]
    except CommandError as error:
        if PHASE_ATTRIBUTE.name not in error.what:
            raise
        raise CommandError(error.what, todo=f"Register what --phase looks for: {REGISTER}") from error
    turns = asyncio.Semaphore(_AT_ONCE)
    listed = await asyncio.gather(*(_describe(client, execution, turns) for execution in found))
    return Listing(rollouts=tuple(sorted(listed, key=lambda rollout: rollout.started_at, reverse=True)))


def _is_in(cluster: str | None, run: WorkflowExecution) -> bool:
    """Whether a rollout's target is in a cluster; Temporal can't look for how an id ends."""
    return cluster is None or run.id.endswith(f"@{cluster}")


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
            status = await Run(client, execution.id, execution.run_id).status()
        except NoAnswerError as error:
            return known.model_copy(update={"stage": "no worker answers", "waits_for": str(error)})
        except CommandError as error:  # of this one alone, as where it was deleted meanwhile
            return known.model_copy(update={"stage": "not known", "waits_for": error.what})
    return known.told_by(status, list_views.waits_for(Status.of(status)))


def _phase(execution: WorkflowExecution) -> str:
    phase = execution.typed_search_attributes.get(PHASE_ATTRIBUTE)
    told = execution.status in (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.COMPLETED)
    if execution.status is None or (told and phase):
        return phase or ""
    # Without the search attribute all that is known of one that ended well is that it did.
    return execution.status.name.lower().replace("_", " ")
