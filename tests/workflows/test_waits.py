"""What a rollout waits for, and since when, as a memo that can be listed: metrics tell it of all open rollouts."""

from datetime import datetime

import pytest
from temporalio.testing import WorkflowEnvironment

from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.approving import waits_for
from rollwright.workflows.contract import WAITS_MEMO, Phase, Waits
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
