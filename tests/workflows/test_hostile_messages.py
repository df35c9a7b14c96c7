"""Whoever may send messages may send anything: a rollout neither stops, nor forgets, nor grows without bounds."""

import asyncio
import uuid
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import Phase as Part
from hypothesis import strategies as st
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.client import WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.rollout.simulator import World
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy, Target
from rollwright.workflows import details
from rollwright.workflows.contract import (
    EVENTS_KEPT,
    RETARGET,
    STEER,
    WORKFLOW_TYPE,
    Message,
    Phase,
    RolloutInput,
    RolloutStatus,
)
from rollwright.workflows.rollout import RolloutWorkflow
from tests.support.fakes import FakeCluster
from tests.support.played import PlayedCluster
from tests.support.skipped_time import Handle, rollout, status, steer, until_phase

pytestmark = [pytest.mark.real, pytest.mark.fuzz]

GATED = Strategy(max_unavailable=2, steps=(GatedStep(until=1), GatedStep(until=2)))
FIELDS = (
    *("actor", "reason", "message", "gate", "step", "seen", "side", "fast", "full", "requestId"),
    *("change", "images", "patch", "revision", "strategy", "partition", "steps", "until", "gates", "kind", "query"),
)
numbers = st.integers() | st.integers(10**17, 10**400) | st.floats(allow_nan=False, allow_infinity=False)
words = st.sampled_from([*Message, "ours", "theirs", "bake", "prometheus", "{{" + " " * 5000, "\x1b[2J", "9" * 5000])
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=40) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=5),
    max_leaves=15,
)
encodings = st.sampled_from([b"json/plain", b"binary/plain", b"binary/null", b"json/protobuf", b"binary/x", b""])
no_json = st.sampled_from([b"[" * 5000, b"9" * 5000, b'"\\ud800"', b"NaN", b'{"actor":1,"actor":2}', b"\xff"])
raw = st.builds(
    lambda encoding, data: RawValue(Payload(metadata={"encoding": encoding}, data=data)),
    encodings,
    st.binary(max_size=60) | no_json,
)
limits = st.sampled_from([0, 1, 7, 2**31 - 1, 2**31, 10**12, 10**300, "50%", "9999999h"])
strategies = st.fixed_dictionaries(
    {},
    optional={
        "maxUnavailable": limits,
        "maxSurge": limits,
        "partition": limits,
        "progressDeadline": limits,
        "surgePatience": limits,
        "steps": st.lists(
            st.builds(
                lambda until, time: {"until": until, "gates": [{"kind": "bake", "duration": time}]}, limits, limits
            ),
            max_size=3,
        ),
    },
)
retargets = st.builds(lambda strategy: {"change": {"images": {"model": "m:newer"}}, "strategy": strategy}, strategies)
"""Changes that may well be taken, some towards what nobody would want."""
hows = st.sampled_from(["signal", "signal", "update"])
sayings = st.one_of(
    st.tuples(
        hows,
        st.sampled_from([*Message, STEER, RETARGET, "pauze"]) | st.text(min_size=1, max_size=20),
        st.lists(values | raw, max_size=2),
    ),
    st.tuples(hows, st.just(RETARGET), retargets.map(lambda given_: [given_])),
)
"""How something is sent, under which name, and what."""


@settings(
    max_examples=12,
    deadline=None,
    phases=(Part.explicit, Part.reuse, Part.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(st.lists(sayings, min_size=10, max_size=25))
async def test_whatever_is_sent_a_rollout_stands_and_can_be_steered(
    server: WorkflowEnvironment, said: list[tuple[str, str, list[Any]]]
) -> None:
    async with rollout(server, PlayedCluster(World(4)), GATED) as handle:
        for how, name, given_ in said:
            await say(handle, how, name, given_)
        assert await troubles(handle) == []
        if not (await status(handle)).phase.is_final:
            await handle.signal(Message.ABORT)
        async with asyncio.timeout(60):
            assert (await handle.result()).phase in (Phase.ABORTED, Phase.ROLLED_BACK, Phase.COMPLETED)


async def say(handle: Handle, how: str, name: str, given_: list[Any]) -> None:
    """Send it. What is refused is, and what has ended hears nothing any more."""
    try:
        async with asyncio.timeout(20):
            if how == "signal":
                await handle.signal(name, args=given_)
            else:
                await handle.execute_update(name, args=given_)
    except WorkflowUpdateFailedError:
        return
    except RPCError as error:
        if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise


async def troubles(handle: Handle) -> list[str]:
    """Tasks of the workflow that have failed: from one it can't get over, it stands for ever.

    Not those that would have ended it while something was on its way: they are done over.
    """
    failed = [
        event.workflow_task_failed_event_attributes
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
    ]
    late = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    return [task.failure.message for task in failed if task.cause != late]


async def test_a_change_too_big_to_be_carried_along_is_refused_and_the_rollout_goes_on(
    server: WorkflowEnvironment,
) -> None:
    """Its history would be full with each look, and begun anew, and full again."""
    query = {"kind": "prometheus", "url": "http://prometheus", "query": "q" * 9000, "condition": "< 1"}
    steps = [{"until": 1, "gates": [query | {"name": str(number)} for number in range(20)]}] * 11
    async with rollout(server, PlayedCluster(World(4)), GATED) as handle:
        await until_phase(handle, Phase.PROGRESSING)
        for too_big in ({"change": {"patch": {"x": "y" * 2_000_000}}}, {"change": {}, "strategy": {"steps": steps}}):
            await handle.signal(RETARGET, too_big)
            last = (await status(handle)).events[-1].what
            assert last.startswith("retarget refused: ")
            assert "and may have 250000" in last
        assert (await status(handle)).phase is Phase.PROGRESSING


async def test_a_flood_of_messages_is_shown_once_and_not_for_each(server: WorkflowEnvironment) -> None:
    """They come together where no worker was there for a while; a task may take two seconds, and is done over else."""
    cluster, queue = FakeCluster(World(4), stuck=True), str(uuid.uuid4())
    spec = RolloutSpec(target=Target(name="llm"), change=Change(images={"model": "m:new"}), strategy=GATED)
    handle = await server.client.start_workflow(
        WORKFLOW_TYPE, RolloutInput(spec=spec, task_queue=queue), id=queue, task_queue=queue, result_type=RolloutStatus
    )
    for _ in range(20):
        await asyncio.gather(*(handle.signal("pauze", {"actor": "a" * 30_000}) for _ in range(10)))
    await handle.signal(Message.PAUSE)
    with patch.object(details, "details", return_value="shown") as shown:
        async with Worker(
            server.client,
            task_queue=queue,
            workflows=[RolloutWorkflow],
            activities=cluster.activities(),
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            await until_phase(handle, Phase.PAUSED)
            assert len((await status(handle)).events) == EVENTS_KEPT
            assert 0 < shown.call_count < 30
            await handle.signal(Message.ABORT)
            assert (await handle.result()).phase is Phase.ABORTED


async def test_many_huge_messages_leave_little_behind_and_change_nothing(
    server: WorkflowEnvironment,
) -> None:
    """More than 2 MB, of which a rollout keeps the last few events, each cut short."""
    huge = {"actor": "a" * 30_000, "reason": "r" * 30_000}
    async with rollout(server, PlayedCluster(World(4)), GATED) as handle, asyncio.timeout(120):
        await until_phase(handle, Phase.PROGRESSING)
        await steer(handle, Message.PAUSE)
        for _ in range(20):
            await asyncio.gather(*(handle.signal(name, huge) for name in ("pauze", "promote")))
        shown = await status(handle)
        assert (shown.phase, len(shown.events)) == (Phase.PAUSED, EVENTS_KEPT)
        assert len(shown.model_dump_json()) < 50_000
        await handle.signal(Message.ABORT)
        assert (await handle.result()).phase is Phase.ABORTED
        assert (await handle.describe()).history_length < 500
