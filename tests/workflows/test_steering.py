"""Who may steer a rollout where, on a real Temporal server with skipped time and a simulated cluster."""

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from rollwright.activities.messages import Side
from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.planner import Action
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.contract import RETARGET, Phase
from tests.support.fakes import FakeCluster
from tests.support.skipped_time import Handle, refusal, rollout, status, steer, steps, until, until_phase

pytestmark = pytest.mark.real

GATED = Strategy(max_unavailable=1, steps=(GatedStep(until=1), GatedStep(until="50%")))


def images(cluster: FakeCluster) -> list[str]:
    return [pod.revision for _, pod in sorted(cluster.world.pods.items())]


def somebody_edits(cluster: FakeCluster, *, partition: int) -> None:
    """Another template, frozen by now."""
    cluster.world.spec = cluster.world.spec._replace(revision="theirs", partition=partition)
    cluster.world.reflect()
    cluster.dispute = "the template"


async def test_a_rollback_goes_back_and_leaves_alone_what_was_never_updated(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        untouched = [cluster.world.pods[ordinal] for ordinal in (0, 1)]
        for _ in range(2):
            await handle.signal("rollback", {"actor": "ada", "reason": "errors"})
        assert (await status(handle)).phase is Phase.ROLLING_BACK
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, result.course) == (Phase.ROLLED_BACK, Course.BACK)
    assert images(cluster) == ["old"] * 4
    assert [cluster.world.pods[ordinal] for ordinal in (0, 1)] == untouched
    assert cluster.restored == 1
    assert [event.what.partition(":")[0] for event in result.events] == ["rollback", "rollback"]
    assert cluster.outcomes["x-new"].startswith("rolled back 20")


@pytest.mark.parametrize("first", ["pause", "abort"])
async def test_a_rollback_is_taken_while_paused_or_aborting(server: WorkflowEnvironment, first: str) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        await handle.signal(first)
        await until_phase(handle, Phase.PAUSED if first == "pause" else Phase.ABORTING)
        await steer(handle, "rollback", fast=True)
        cluster.stuck = False
        assert (await handle.result()).phase is Phase.ROLLED_BACK
    assert images(cluster) == ["old"] * 4


async def test_gates_hold_until_promoted_each_once(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, GATED) as handle:
        await until_phase(handle, Phase.GATED)
        assert images(cluster) == ["old", "old", "old", "new"]
        assert (await status(handle)).gate == 1
        assert "a gate waits" in await refusal(handle, "resume")
        await steer(handle, "promote", gate=1)
        await until(lambda: _at_gate(handle, 2))
        assert await steer(handle, "promote", gate=1) == "stays as it is"
        assert (await status(handle)).gate == 2
        assert images(cluster) == ["old", "old", "new", "new"]
        await steer(handle, "promote")
        assert (await handle.result()).phase is Phase.COMPLETED
    assert images(cluster) == ["new"] * 4


async def test_a_full_promotion_passes_all_gates(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, GATED) as handle:
        await steps(cluster, 1)
        await steer(handle, "promote", full=True)
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_rollback_from_a_gate(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, GATED) as handle:
        await until_phase(handle, Phase.GATED)
        await handle.signal("rollback")
        assert (await handle.result()).phase is Phase.ROLLED_BACK
    assert images(cluster) == ["old"] * 4


async def test_a_second_change_in_the_middle_is_where_the_same_rollout_goes(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        change = {"change": {"images": {"model": "m:newer"}}, "actor": "ada", "request_id": "build-7"}
        assert await handle.execute_update(RETARGET, change) == "x-newer"
        await handle.signal(RETARGET, change)
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, result.revision, result.before) == (Phase.COMPLETED, "x-newer", "x-old")
    assert images(cluster) == ["newer"] * 4
    assert (result.request_id, result.by.actor) == ("build-7", "ada")
    assert cluster.outcomes["x-new"].startswith("replaced by another change 20")
    assert cluster.outcomes["x-newer"].startswith("completed 20")
    assert result.spec.change.images == {"model": "m:newer"}


async def test_a_second_change_that_is_refused_leaves_the_first_one_going(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.refusals = [ApplicationError("there is no container", type="RefusedError", non_retryable=True)]
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await handle.execute_update(RETARGET, {"change": {"images": {"modell": "m:newer"}}})
        assert isinstance(failed.value.cause, ApplicationError)
        assert failed.value.cause.message == "there is no container"
        await handle.signal(RETARGET, "nonsense")
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, result.revision) == (Phase.COMPLETED, "x-new")


@pytest.mark.parametrize(
    ("on_stall", "end"), [(OnFailure.ROLLBACK, Phase.ROLLED_BACK), (OnFailure.ABORT, Phase.ABORTED)]
)
async def test_a_version_that_fails_is_taken_back_by_itself_where_that_is_asked_for(
    server: WorkflowEnvironment, on_stall: OnFailure, end: Phase
) -> None:
    cluster = FakeCluster(World(4), broken=frozenset({"new"}))
    async with rollout(server, cluster, Strategy(max_unavailable=1, on_stall=on_stall)) as handle:
        result = await handle.result()
    assert result.phase is end
    assert "has failed" in result.events[0].reason
    assert images(cluster) == ["old"] * 3 + (["old"] if end is Phase.ROLLED_BACK else ["new"])


async def test_a_version_that_fails_stalls_the_rollout_and_a_fixed_one_mends_it(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), broken=frozenset({"new"}))
    async with rollout(server, cluster, Strategy(max_unavailable=1)) as handle:
        await until_phase(handle, Phase.STALLED)
        assert "group 3 has failed" in (await status(handle)).reason
        await handle.execute_update(RETARGET, {"change": {"images": {"model": "m:fixed"}}})
        assert (await handle.result()).phase is Phase.COMPLETED
    assert images(cluster) == ["fixed"] * 4


@pytest.mark.parametrize(("side", "revision"), [(Side.OURS, "new"), (Side.THEIRS, "theirs")])
async def test_a_change_by_somebody_else_waits_for_people_to_say_whose_holds(
    server: WorkflowEnvironment, side: Side, revision: str
) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        somebody_edits(cluster, partition=6)
        await until_phase(handle, Phase.STALLED)
        assert "--ours or --theirs" in await refusal(handle, "resume")
        taken = len(cluster.steps)
        await steer(handle, "resume", side=side)
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, cluster.settled) == (Phase.COMPLETED, [side])
    assert images(cluster) == [revision] * 4
    prepared = [step for step in cluster.steps[taken:] if step.action is Action.PREPARE]
    assert len(prepared) == (1 if side is Side.OURS else 0)


async def test_a_change_by_somebody_else_to_what_is_wanted_anyway_is_nobodys_business(
    server: WorkflowEnvironment,
) -> None:
    """As where another target was asked for just when somebody had put it there, and it was being frozen."""
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.dispute, cluster.agreed = "the template", True
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, cluster.settled) == (Phase.COMPLETED, [Side.OURS])


async def test_a_target_that_is_deleted_ends_the_rollout_cleanly(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.refusals = [ApplicationError("lws/llm does not exist", type="GoneError", non_retryable=True)]
        cluster.stuck = False
        result = await handle.result()
    assert result.phase is Phase.DELETED


async def test_a_target_made_anew_under_the_same_name_is_left_alone(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.uid = "second"
        taken = len(cluster.steps)
        result = await handle.result()
    assert result.phase is Phase.DELETED
    assert len(cluster.steps) == taken


async def test_what_can_not_be_is_refused_with_the_reason(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        assert await refusal(handle, "promote") == "no gate is left"
        assert await refusal(handle, "explode") != ""
        assert "say which message" in await refusal(handle, None)  # type: ignore[arg-type]
        assert "nobody else" in await refusal(handle, "resume", side="ours")
        await handle.signal("promote", {"actor": "ada"})
        assert "promote refused" in (await status(handle)).events[-1].what
        assert await steer(handle, "pause") != "stays as it is"
        assert await steer(handle, "pause") == "stays as it is"
        await steer(handle, "resume")
        assert await steer(handle, "resume") == "stays as it is"
        cluster.stuck = False
        assert (await handle.result()).phase is Phase.COMPLETED


async def _at_gate(handle: Handle, gate: int) -> bool:
    return (await status(handle)).gate == gate


async def test_an_abort_outweighs_a_decision_that_could_not_be_carried_out_yet(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        somebody_edits(cluster, partition=6)
        await until_phase(handle, Phase.STALLED)
        cluster.unsettled = 100
        await steer(handle, "resume", side=Side.THEIRS)
        await until(lambda: _tried_to_settle(cluster))
        await steer(handle, "abort")
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, result.revision) == (Phase.ABORTED, "x-new")
    assert "theirs" not in images(cluster)[:2]


@pytest.mark.parametrize("messages", [("promote",), ("pause", "resume", "promote")])
async def test_what_is_said_while_a_decision_is_carried_out_does_not_undo_it(
    server: WorkflowEnvironment, messages: tuple[str, ...]
) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, GATED) as handle:
        await until_phase(handle, Phase.GATED)
        somebody_edits(cluster, partition=4)
        await until_phase(handle, Phase.STALLED)
        cluster.unsettled = 100
        await steer(handle, "resume", side=Side.THEIRS)
        await until(lambda: _tried_to_settle(cluster))
        for message in messages:
            await steer(handle, message, full=message == "promote")
        cluster.unsettled = 0
        result = await handle.result()
    assert (result.phase, result.revision) == (Phase.COMPLETED, "x-theirs")
    assert images(cluster) == ["theirs"] * 4


async def test_the_same_request_retargets_once(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        change = {"change": {"images": {"model": "m:newer"}}, "request_id": "build-7"}
        await handle.execute_update(RETARGET, change)
        await handle.signal("rollback")
        assert await handle.execute_update(RETARGET, change) == "x-newer"
        assert (await status(handle)).course is Course.BACK
        cluster.stuck = False
        assert (await handle.result()).phase is Phase.ROLLED_BACK


async def _tried_to_settle(cluster: FakeCluster) -> bool:
    return cluster.unsettled < 100
