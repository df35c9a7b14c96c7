"""Asking Temporal to start a rollout: for those who start one, not for workflow code."""

from collections.abc import Mapping
from datetime import timedelta

from temporalio.client import Client, WorkflowHandle
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from rollwright.rollout.spec import Target
from rollwright.workflows.contract import (
    MEMO,
    PHASE_ATTRIBUTE,
    REQUEST_MEMO,
    REVISION_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    WORKFLOW_TYPE,
    Phase,
    RolloutInput,
    RolloutStatus,
)

REGISTER = (
    "temporal operator search-attribute create --name RolloutTarget --name RolloutPhase --name RolloutRevision "
    "--type Keyword --type Keyword --type Keyword"
)
"""The command after which rollouts can be searched for."""
_TASK_TIMEOUT = timedelta(seconds=5)
"""A frozen worker holds a message up for twice this long, once; Temporal's default is 10 s."""
_SUMMARY_LENGTH = 200
"""Temporal takes 200 bytes for a summary."""


def short(target: Target) -> str:
    """A target in one word, as the search attribute RolloutTarget has it."""
    return f"{target.kind.short}/{target.namespace}/{target.name}"


async def start(
    client: Client,
    given: RolloutInput,
    *,
    summary: str,
    details: str = "",
    memo: Mapping[str, object] | None = None,
    searchable: bool = True,
) -> WorkflowHandle[object, RolloutStatus]:
    """Start a rollout. Raises WorkflowAlreadyStartedError where one is open on the target, and RPCError.

    `summary`: of what is rolled out, on one line. Not `searchable`: without search attributes, for a server on which
    they aren't registered; `is_unsearchable` knows its refusal.
    """
    target = given.spec.target
    attributes = [
        SearchAttributePair(TARGET_ATTRIBUTE, short(target)),
        SearchAttributePair(PHASE_ATTRIBUTE, Phase.PREPARING.value),
        SearchAttributePair(REVISION_ATTRIBUTE, ""),  # set later; one that isn't registered is told now
    ]
    return await client.start_workflow(
        WORKFLOW_TYPE,
        given,
        id=target.workflow_id,
        task_queue=given.task_queue,
        result_type=RolloutStatus,
        task_timeout=_TASK_TIMEOUT,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        search_attributes=TypedSearchAttributes(attributes if searchable else []),
        memo={MEMO: summary, REQUEST_MEMO: given.request_id, **(memo or {})},
        static_summary=summary[:_SUMMARY_LENGTH],
        static_details=details,
    )


def is_unsearchable(error: RPCError) -> bool:
    """Whether the server refuses a start as it doesn't know the search attributes."""
    return error.status is RPCStatusCode.INVALID_ARGUMENT and "search attribute" in error.message
