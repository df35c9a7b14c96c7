"""What people are told of a rollout, and that nobody's being told holds it."""

import asyncio
from datetime import timedelta
from unittest.mock import patch

import pytest
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from rollwright.activities.messages import News, Tell
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows import telling
from rollwright.workflows.contract import OVER, RETARGET, Phase
from tests.support.fakes import FakeCluster
from tests.support.skipped_time import TWO_TWO, Handle, rollout, steps, until, until_phase

pytestmark = pytest.mark.real

GATED = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2),)})
HERE = "lws/llm -n default"


def news(cluster: FakeCluster) -> list[News]:
    return [told.news for told in cluster.told]


async def until_told(cluster: FakeCluster, *expected: News) -> Tell:
    """Wait until people were told this, and nothing else; the last of it."""

    async def told() -> bool:
        return news(cluster) == list(expected)

    await until(told)
    return cluster.told[-1]


async def until_it_goes_on(handle: Handle, cluster: FakeCluster) -> None:
    """Wait until it has gone on for so long that whatever stands in its way is news."""
    await until_phase(handle, Phase.PROGRESSING)
    waited = cluster.waited

    async def waited_twice() -> bool:
        return cluster.waited >= waited + 2  # of which one at least began when it went on already

    await until(waited_twice)


async def test_people_are_told_of_the_start_of_a_gate_with_what_to_do_and_of_the_end(
    server: WorkflowEnvironment,
) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, GATED) as handle:
        gated = await until_told(cluster, News.STARTED, News.GATED)
        await handle.signal("promote", {"actor": "ada"})
        await handle.result()
    started, _, completed = cluster.told
    assert (started.line, started.actor, started.revision) == ("goes from x-old to x-new", "somebody", "x-new")
    assert (gated.line, gated.done, gated.replicas) == (
        "gated, 2 of 4 groups done: gate 1 of 1 waits to be promoted",
        *(2, 4),
    )
    assert gated.next == (f"rollwright promote {HERE}", f"rollwright rollback {HERE}")
    assert (completed.news, completed.line, completed.next) == (News.COMPLETED, "completed, 4 of 4 groups done", ())


async def test_who_pauses_and_why_is_told_and_a_second_pause_is_told_again(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        await handle.signal("pause", {"actor": "ada", "reason": "lunch"})
        paused = await until_told(cluster, News.STARTED, News.PAUSED)
        await handle.signal("resume", {"actor": "ada"})
        await until_it_goes_on(handle, cluster)
        await handle.signal("pause", {"actor": "bob", "reason": "tea"})
        again = await until_told(cluster, News.STARTED, News.PAUSED, News.PAUSED)
        await handle.signal("abort", {"actor": "eve", "reason": "enough"})
        await handle.result()
    assert (paused.actor, paused.reason, paused.next) == ("ada", "lunch", (f"rollwright resume {HERE}",))
    assert (again.actor, again.reason) == ("bob", "tea")
    aborted = cluster.told[-1]
    assert (aborted.news, aborted.actor, aborted.reason) == (News.ABORTED, "eve", "enough")
    assert aborted.next[0] == f"rollwright doctor {HERE} --repair resume"


async def test_a_rollout_that_goes_back_by_itself_says_why(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), broken=frozenset({"new"}))
    strategy = TWO_TWO.model_copy(update={"on_stall": OnFailure.ROLLBACK})
    async with rollout(server, cluster, strategy) as handle:
        assert (await handle.result()).phase is Phase.ROLLED_BACK
    assert news(cluster) == [News.STARTED, News.ROLLED_BACK]
    assert cluster.told[-1].actor == "rollwright"
    assert "has failed" in cluster.told[-1].reason


async def test_a_stall_is_told_once_with_its_reason_and_the_ways_on(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), broken=frozenset({"new"}))
    async with rollout(server, cluster) as handle:
        stalled = await until_told(cluster, News.STARTED, News.STALLED)
        await handle.signal("pause")
        await until_phase(handle, Phase.PAUSED)
        await handle.signal("resume")  # it stalls again at once, for the same reason
        await until_phase(handle, Phase.STALLED)
        await handle.signal("abort")
        await handle.result()
    assert "has failed" in stalled.line
    assert stalled.next[0] == f"rollwright resume {HERE}"
    assert [told for told in news(cluster) if told is News.STALLED] == [News.STALLED]


@pytest.mark.parametrize(
    ("failures", "lasts", "told"),
    [
        # A machine that stands still for a moment makes none of it.
        pytest.param(3, timedelta(seconds=20), [], id="for a second"),
        pytest.param(9, telling._LASTS, [News.STALLED], id="again and again"),
    ],
)
async def test_a_step_that_fails_is_told_once_it_does_for_more_than_a_moment(
    server: WorkflowEnvironment, failures: int, lasts: timedelta, told: list[News]
) -> None:
    cluster = FakeCluster(World(1), start_up=timedelta(), stuck=True)
    with server.with_time_skipping_disabled(), patch("rollwright.workflows.telling._LASTS", lasts):
        async with rollout(server, cluster, Strategy(max_unavailable=0, max_surge=1), sandboxed=False) as handle:
            await steps(cluster, 1)
            cluster.refusals = [ApplicationError("the API server answers 500") for _ in range(failures)]
            cluster.stuck = False
            assert (await handle.result()).phase is Phase.COMPLETED
    assert cluster.refusals == []
    assert news(cluster) == [News.STARTED, *told, News.COMPLETED]


async def test_a_change_that_is_refused_is_told_and_nothing_else(server: WorkflowEnvironment) -> None:
    refusal = ApplicationError("no such container", type="RefusedError", non_retryable=True)
    cluster = FakeCluster(World(4), refusals=[refusal])
    async with rollout(server, cluster) as handle:
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    (refused,) = cluster.told
    assert (refused.news, refused.line) == (News.REFUSED, "refused, with nothing changed: no such container")


async def test_a_deleted_target_is_told(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.uid = "second"
        assert (await handle.result()).phase is Phase.DELETED
    assert news(cluster) == [News.STARTED, News.DELETED]


async def test_a_tell_that_hangs_holds_nothing(server: WorkflowEnvironment) -> None:
    async def hang(_: Tell) -> None:
        await asyncio.Event().wait()

    cluster = FakeCluster(World(4), start_up=timedelta(), telling=hang)
    with patch("rollwright.workflows.telling._LAST_WORD", timedelta(seconds=1)):
        async with rollout(server, cluster, sandboxed=False) as handle:
            result = await asyncio.wait_for(handle.result(), 30)
    assert result.phase is Phase.COMPLETED
    assert cluster.told == []


async def test_while_people_are_told_of_the_end_the_rollout_is_over(server: WorkflowEnvironment) -> None:
    """Whoever asks for something else knows by the error's type that another rollout may be started."""
    let_go = asyncio.Event()

    async def hang(told: Tell) -> None:
        if told.news is News.COMPLETED:
            await let_go.wait()

    cluster = FakeCluster(World(2), telling=hang)
    async with rollout(server, cluster) as handle:
        await until_phase(handle, Phase.COMPLETED)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(RETARGET, {"change": {"restart": True}})
        let_go.set()
        await handle.result()
    assert isinstance(refused.value.cause, ApplicationError)
    assert (refused.value.cause.type, refused.value.cause.message) == (OVER, "the rollout has ended")


async def test_that_somebody_is_not_told_is_kept_among_the_events_once(server: WorkflowEnvironment) -> None:
    async def refuse(_: Tell) -> None:
        raise ApplicationError("callback (answers 500)", non_retryable=True)

    cluster = FakeCluster(World(4), telling=refuse)
    async with rollout(server, cluster, GATED) as handle:
        await until_phase(handle, Phase.GATED)
        await handle.signal("promote")
        result = await handle.result()
    in_vain = [event.what for event in result.events if "tell everybody" in event.what]
    assert in_vain == ["could not tell everybody: callback (answers 500)"]


async def test_a_history_that_is_begun_anew_tells_nothing_twice(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    with patch("rollwright.workflows.rollout._EVENTS_A_RUN", 60):
        async with rollout(server, cluster, GATED, sandboxed=False) as handle:
            await until_told(cluster, News.STARTED, News.GATED)
            await handle.signal("pause", {"actor": "ada"})
            await until_told(cluster, News.STARTED, News.GATED, News.PAUSED)
            await handle.signal("resume")
            await handle.signal("promote")
            assert (await handle.result()).phase is Phase.COMPLETED
            assert (await handle.describe()).run_id != handle.first_execution_run_id
    assert news(cluster) == [News.STARTED, News.GATED, News.PAUSED, News.COMPLETED]
