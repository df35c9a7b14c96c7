"""Asking Temporal to start a rollout: for those who start one, not for workflow code."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from rollwright.workflows import describing
from rollwright.workflows.contract import (
    ATTRIBUTES,
    INITIATOR_ATTRIBUTE,
    MEMO,
    NAMESPACE_ATTRIBUTE,
    NEEDED_ATTRIBUTES,
    PHASE_ATTRIBUTE,
    REQUEST_MEMO,
    REVISION_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    WORKFLOW_TYPE,
    Phase,
    RolloutInput,
    RolloutStatus,
)

REGISTER = "temporal operator search-attribute create " + " ".join(
    f"--name {attribute.name} --type Keyword" for attribute in ATTRIBUTES
)
"""The command after which rollouts can be searched for."""
_TASK_TIMEOUT = timedelta(seconds=5)
"""A frozen worker holds a message up for twice this long, once; Temporal's default is 10 s."""


class Started(NamedTuple):
    """A rollout that was started now."""

    handle: WorkflowHandle[object, RolloutStatus]
    note: str
    """What it can't be searched by and how to mend that; empty where the server knows all search attributes."""


async def start(
    client: Client,
    given: RolloutInput,
    *,
    summary: str,
    details: str = "",
    memo: Mapping[str, object] | None = None,
) -> Started:
    """Start a rollout. Raises WorkflowAlreadyStartedError where one is open on the target, and RPCError.

    `summary`: of what is rolled out, on one line. `details`: Markdown.
    """
    attributes, note = _attributes(given), ""
    while True:
        try:
            handle = await client.start_workflow(
                WORKFLOW_TYPE,
                given,
                id=given.spec.target.workflow_id,
                task_queue=given.task_queue,
                result_type=RolloutStatus,
                task_timeout=_TASK_TIMEOUT,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                search_attributes=TypedSearchAttributes(attributes),
                memo={MEMO: summary, REQUEST_MEMO: given.request_id, **(memo or {})},
                static_summary=describing.short_line(summary),
                static_details=details,
            )
        except RPCError as error:
            if not attributes or not _is_unregistered(error):
                raise
            attributes, lacks = _fewer(attributes)
            note = f"the rollout is not searchable{lacks}: {error.message}. To mend it: {REGISTER}"
        else:
            return Started(handle, note)


def _is_unregistered(error: RPCError) -> bool:
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message


def _fewer(attributes: Sequence[SearchAttributePair[str]]) -> tuple[list[SearchAttributePair[str]], str]:
    """What to try next, where not all are registered, and what the rollout is not searchable by then."""
    needed = [pair for pair in attributes if pair.key in NEEDED_ATTRIBUTES]
    return (needed, " by namespace and initiator") if len(needed) < len(attributes) else ([], "")


def _attributes(given: RolloutInput) -> list[SearchAttributePair[str]]:
    target = given.spec.target
    return [
        SearchAttributePair(TARGET_ATTRIBUTE, target.path),
        SearchAttributePair(PHASE_ATTRIBUTE, Phase.PREPARING.value),
        SearchAttributePair(REVISION_ATTRIBUTE, ""),  # set later; one that isn't registered is told now
        SearchAttributePair(NAMESPACE_ATTRIBUTE, target.namespace),
        SearchAttributePair(INITIATOR_ATTRIBUTE, given.by.actor),
    ]
