"""A later decision is not undone by an earlier one that is still being carried out, or waits for the cluster."""

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from rollwright.activities.messages import ActivityName, Side
from rollwright.rollout.aim import Course
from rollwright.rollout.observation import Observation
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.contract import RETARGET, STEER, Message, Phase, RolloutState, Steering
from rollwright.workflows.steering import STANDS, Refused, Situation, Taken, answer, changed
from tests.support.fakes import FakeCluster
from tests.support.played import PlayedCluster
from tests.support.skipped_time import Handle, rollout, status, steps, until, until_phase

pytestmark = pytest.mark.real

ONE = Strategy(max_unavailable=1)
NEWER = {"actor": "ada", "change": {"images": {"model": "m:newer"}}}


def outages(number: int) -> list[ApplicationError]:
    return [ApplicationError("the API server doesn't answer", type="UnreachableError") for _ in range(number)]


async def events(handle: Handle) -> list[str]:
    return [event.what for event in (await status(handle)).events]


async def tells(handle: Handle, words: str) -> None:
    async def told() -> bool:
        return any(what.startswith(words) for what in await events(handle))

    await until(told)


@pytest.mark.parametrize("by", ["signal", "update"])
async def test_another_change_waits_for_the_cluster_and_nothing_is_released_meanwhile(
    server: WorkflowEnvironment, by: str
) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.refusals = outages(7)
        taken = len(cluster.steps)
        if by == "signal":
            await handle.signal(RETARGET, NEWER)
            await tells(handle, "retarget: goes on towards the new change")
        else:
            assert await handle.execute_update(RETARGET, NEWER) == "x-newer"
        cluster.stuck = False
        result = await handle.result()
    assert (result.phase, result.revision, cluster.refusals) == (Phase.COMPLETED, "x-newer", [])
    assert cluster.steps[taken].action.value == "prepare"
    assert len({request.restarted_at for request in cluster.kept[1:]}) == 1


@pytest.mark.parametrize(("message", "end"), [("abort", Phase.ABORTED), ("rollback", Phase.ROLLED_BACK)])
async def test_another_change_that_is_not_taken_up_yet_gives_way_to_what_is_said_after_it(
    server: WorkflowEnvironment, message: str, end: Phase
) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.refusals = outages(1000)
        asking = await handle.start_update(RETARGET, NEWER, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        await handle.execute_update(STEER, {"message": message, "actor": "bob"})
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await asking.result()
        assert str(failed.value.cause) == f"Refused: {message} was sent after it"
        cluster.refusals, cluster.stuck = [], False
        result = await handle.result()
    assert (result.phase, result.revision) == (end, "x-new")


async def test_of_two_changes_the_later_one_counts(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.refusals = outages(1000)
        await handle.signal(RETARGET, NEWER)
        await handle.signal(RETARGET, {"change": {"images": {"model": "m:newest"}}})
        await tells(handle, "retarget refused: another change was asked for after it")
        cluster.refusals, cluster.stuck = [], False
        result = await handle.result()
    assert (result.phase, result.revision) == (Phase.COMPLETED, "x-newest")


async def test_no_gate_is_passed_for_a_change_whose_gates_are_not_known_yet(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster, Strategy(max_unavailable=1, steps=(GatedStep(until=1),))) as handle:
        await steps(cluster, 1)
        cluster.refusals = outages(1000)
        await handle.signal(RETARGET, NEWER)
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await handle.execute_update(STEER, {"message": "promote", "full": True})
        assert "another change is being taken up" in str(failed.value.cause)
        cluster.refusals, cluster.stuck = [], False
        await until_phase(handle, Phase.GATED)
        await handle.signal("promote")
        assert (await handle.result()).revision == "x-newer"


async def test_a_cancellation_is_an_abort_that_waits_for_the_step_under_way(server: WorkflowEnvironment) -> None:
    """Let go of half done, the new template might be put in place after the rollout has ended, and released by LWS."""
    cluster = PlayedCluster(World(4), held={ActivityName.PREPARE})
    async with rollout(server, cluster, ONE) as handle:
        await until(lambda: _acts(handle))
        await handle.cancel()
        await until_phase(handle, Phase.ABORTING)
        assert (await status(handle)).unconfirmed
        cluster.held.clear()
        result = await handle.result()
    assert result.phase is Phase.ABORTED
    assert result.events[0].reason == "cancellation was requested"
    assert (cluster.world.spec.revision, cluster.world.spec.partition) == ("new", 4)
    assert "held at partition 4" in result.reason
    assert cluster.restored == 0


async def test_a_stall_is_over_once_the_cluster_may_be_looked_at_again_whatever_else_has_changed(
    server: WorkflowEnvironment,
) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, Strategy(max_unavailable=1, steps=(GatedStep(until=1),))) as handle:
        await until_phase(handle, Phase.GATED)
        cluster.blind = True
        await until_phase(handle, Phase.STALLED)
        assert (await status(handle)).reason == "not permitted"
        cluster.blind = False
        await until_phase(handle, Phase.GATED)
        await handle.signal("promote")
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_change_is_tried_anew_where_somebody_has_changed_the_target_before_anything_was_written(
    server: WorkflowEnvironment,
) -> None:
    cluster = FakeCluster(World(4), deaf=True)
    async with rollout(server, cluster, ONE) as handle:
        await steps(cluster, 1)
        cluster.world.spec = cluster.world.spec._replace(revision="theirs")
        cluster.world.reflect()
        await until(lambda: _is_tried_anew(cluster))
        cluster.deaf = False
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_rollout_with_nothing_to_do_has_its_end_in_the_ledger(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4, revision="new"))
    async with rollout(server, cluster, ONE) as handle:
        result = await handle.result()
    assert (result.phase, result.steps) == (Phase.COMPLETED, 0)
    assert cluster.outcomes["x-new"].startswith("completed 20")


async def test_a_change_that_is_refused_at_the_first_step_has_its_end_in_the_ledger(
    server: WorkflowEnvironment,
) -> None:
    cluster = FakeCluster(World(4), blind=True)
    async with rollout(server, cluster, ONE) as handle:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert cluster.outcomes["x-new"].startswith("refused 20")


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.GATED, Phase.STALLED, Phase.ROLLING_BACK])
@pytest.mark.parametrize("side", Side)
def test_whose_version_holds_may_be_said_in_every_phase(phase: Phase, side: Side) -> None:
    seen = Observation(replicas=0, groups_asked=0, partition=0, groups=(), dispute="the template")
    now = Situation(phase, RolloutState(prepared=True, observation=seen), ONE)
    assert isinstance(answer(Message.RESUME, Steering(side=side), now), Taken)
    state = now.state.model_copy(update=changed(Message.RESUME, Steering(side=side), now))
    assert answer(Message.RESUME, Steering(side=side), now._replace(state=state)) is STANDS
    other = Side.OURS if side is Side.THEIRS else Side.THEIRS
    assert isinstance(answer(Message.RESUME, Steering(side=other), now._replace(state=state)), Taken)


def test_while_it_only_stops_a_dispute_is_nobodys_business() -> None:
    seen = Observation(replicas=0, groups_asked=0, partition=0, groups=(), dispute="the template")
    paused = RolloutState(prepared=True, observation=seen, course=Course.STOP, paused=True)
    now = Situation(Phase.PAUSED, paused, ONE)
    assert not isinstance(answer(Message.RESUME, Steering(), now), Refused)
    assert changed(Message.RESUME, Steering(side=Side.THEIRS), now)["settle"] is None


async def _acts(handle: Handle) -> bool:
    return (await status(handle)).unconfirmed


async def _is_tried_anew(cluster: FakeCluster) -> bool:
    return len(cluster.kept) == 2
