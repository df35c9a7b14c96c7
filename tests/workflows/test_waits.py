"""What a rollout waits for, and since when, as a memo that can be listed: metrics tell it of all open rollouts."""

from datetime import datetime
from unittest.mock import patch

import pytest
from temporalio.testing import WorkflowEnvironment

from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.approving import waits_for
from rollwright.workflows.contract import REQUEST_MEMO, RETARGET, WAITS_MEMO, Phase, Waits
from tests.support.fakes import FakeCluster
from tests.support.skipped_time import Handle, rollout, steer, until

BAKE, ASK = Bake(duration=7200), ApprovalGate()
PENDING, PASSED = Progress(since=0.0), Progress(since=0.0, finding=Finding.PASSED)


@pytest.mark.parametrize(
    ("phase", "gates", "waits"),
    [
        (Phase.PROGRESSING, [], None),
        (Phase.COMPLETED, [], None),
        (Phase.PAUSED, [(BAKE, PENDING)], Waits.PAUSED),
        (Phase.STALLED, [], Waits.STALLED),
        (Phase.GATED, [(BAKE, PENDING), (ASK, PENDING)], Waits.GATES),
        (Phase.GATED, [(BAKE, PASSED), (ASK, PENDING)], Waits.APPROVAL),
        (Phase.GATED, [(BAKE, PASSED), (ASK, PASSED)], None),
        (Phase.GATED, [], Waits.APPROVAL),
    ],
)
def test_people_are_waited_for_once_no_gate_is_asked_any_more(
    phase: Phase, gates: list[tuple[Bake | ApprovalGate, Progress]], waits: Waits | None
) -> None:
    assert waits_for(phase, gates) == waits


async def memo(handle: Handle) -> tuple[str, str]:
    told = await (await handle.describe()).memo_value(WAITS_MEMO, "", type_hint=str)
    reason, _, since = told.partition(" ")
    return reason, since


async def waits_since(handle: Handle, wanted: str) -> datetime:
    """Wait until it waits for this; since when."""

    async def told() -> bool:
        return (await memo(handle))[0] == wanted

    await until(told)
    return datetime.fromisoformat((await memo(handle))[1])


@pytest.mark.real
async def test_the_memo_says_what_is_waited_for_and_since_when(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    strategy = Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=(BAKE, ASK)),))
    async with rollout(server, cluster, strategy) as handle:
        since = [await waits_since(handle, "gates")]
        cluster.gates["bake"] = PASSED
        since.append(await waits_since(handle, "approval"))
        await steer(handle, "pause")
        since.append(await waits_since(handle, "paused"))
        await steer(handle, "resume")
        since.append(await waits_since(handle, "approval"))
        assert since == sorted(set(since))
        await steer(handle, "promote")
        await handle.result()
        assert (await memo(handle))[0] == ""


@pytest.mark.real
async def test_what_is_told_by_memos_is_told_of_a_history_that_is_begun_anew_too(server: WorkflowEnvironment) -> None:
    """Since when it waits, and whose request it answers: the server itself keeps those from the start of the run."""
    cluster = FakeCluster(World(4))
    strategy = Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=(BAKE, ASK)),))
    with patch("rollwright.workflows.rollout._EVENTS_A_RUN", 60):
        async with rollout(server, cluster, strategy, sandboxed=False) as handle:
            await waits_since(handle, "gates")
            await handle.execute_update(RETARGET, {"change": {"images": {"model": "m:3"}}, "requestId": "r2"})
            cluster.gates["bake"] = PASSED
            since = await waits_since(handle, "approval")
            while (await handle.describe()).run_id == handle.first_execution_run_id:
                await steer(handle, "pause")
                await waits_since(handle, "paused")
                await steer(handle, "resume")
                since = await waits_since(handle, "approval")
            assert await waits_since(handle, "approval") == since
            assert await (await handle.describe()).memo_value(REQUEST_MEMO, "", type_hint=str) == "r2"
            await handle.terminate()
