"""Asking Temporal to start a rollout."""

from collections.abc import Sequence

import typer
from temporalio.client import Client
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cli import views
from rollwright.cli.failure import CommandError
from rollwright.cli.temporal import Run, explained
from rollwright.rollout.spec import RolloutSpec
from rollwright.workflows.contract import MEMO, PHASE_ATTRIBUTE, TARGET_ATTRIBUTE, WORKFLOW_TYPE, Phase, RolloutInput

_REGISTER = (
    "temporal operator search-attribute create --name RolloutTarget --name RolloutPhase --name RolloutRevision "
    "--type Keyword --type Keyword --type Keyword"
)
_SUMMARY_LENGTH = 200
"""Temporal takes 200 bytes for a summary."""


async def start_rollout(client: Client, spec: RolloutSpec, task_queue: str) -> Run:
    """Start a rollout. Raises CommandError; one that is open on the target is left alone and named."""
    attributes = [
        SearchAttributePair(TARGET_ATTRIBUTE, views.short(spec.target)),
        SearchAttributePair(PHASE_ATTRIBUTE, Phase.PREPARING.value),
    ]
    with explained(f"{spec.target.workflow_id} can't be started"):
        try:
            return await _start(client, spec, task_queue, attributes)
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT or "search attribute" not in error.message:
                raise
            typer.echo(f"note: the rollout is not searchable: {error.message}. To mend it: {_REGISTER}", err=True)
        return await _start(client, spec, task_queue, [])


async def _start(
    client: Client, spec: RolloutSpec, task_queue: str, attributes: Sequence[SearchAttributePair[str]]
) -> Run:
    summary = f"{views.short(spec.target)}: {views.change(spec.change)}"
    try:
        handle = await client.start_workflow(
            WORKFLOW_TYPE,
            RolloutInput(spec=spec, task_queue=task_queue),
            id=spec.target.workflow_id,
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            search_attributes=TypedSearchAttributes(attributes),
            memo={MEMO: summary},
            static_summary=summary[:_SUMMARY_LENGTH],
            static_details=_details(spec),
        )
    except WorkflowAlreadyStartedError as error:
        raise CommandError(
            f"{spec.target} has an open rollout: {spec.target.workflow_id}",
            todo=f"Follow it: rollwright watch {spec.target.workflow_id}\n"
            f"End it, then start again: rollwright abort {spec.target.workflow_id} --reason ...",
        ) from error
    return Run(client, spec.target.workflow_id, str(handle.first_execution_run_id))


def _details(spec: RolloutSpec) -> str:
    """For the Temporal UI, as Markdown: what was asked for."""
    strategy = spec.strategy
    return (
        f"{spec.target}\n\n"
        f"- change: `{views.change(spec.change)}`\n"
        f"- at most {strategy.max_unavailable} missing, at most {strategy.max_surge} surplus\n"
        f"- pacing {strategy.pacing}, reclaim {strategy.reclaim}, partition {strategy.partition}\n\n"
        f"Follow it: `rollwright watch {spec.target.workflow_id}`"
    )
