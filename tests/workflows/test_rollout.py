"""The durable loop, on a real Temporal server with skipped time and a simulated cluster."""

from datetime import datetime, timedelta
from itertools import groupby
from unittest.mock import patch

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from rollwright.rollout.estimate import Estimate
from rollwright.rollout.observation import Observation
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import Pacing, Strategy
from rollwright.workflows.contract import Phase, RolloutStatus, StageTable
from tests.support.fakes import FakeCluster
from tests.support.skipped_time import rollout, status, steps, until, until_phase

pytestmark = pytest.mark.real


def hours(status: RolloutStatus) -> float:
    took = datetime.fromisoformat(status.finished_at) - datetime.fromisoformat(status.started_at)
    return took / timedelta(hours=1)


async def test_a_rollout_of_hours_completes_and_tells_how_it_went(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster) as handle:
        result = await handle.result()
        table = await handle.query("stages", result_type=StageTable)
    assert (result.phase, result.groups_max, cluster.restored) == (Phase.COMPLETED, 6, 1)
    assert result.available_min is not None
    assert result.available_min >= 2
    # the groups of this world become ready one by one, from the highest ordinal down
    assert [pair for pair, _ in groupby((row.partition, row.replicas) for row in table.stages)] == [
        (0, 4), (4, 6), (2, 6), (1, 6), (0, 6), (0, 5), (0, 4),
    ]  # fmt: skip
    assert hours(result) >= 3  # six groups, half an hour one after another


async def test_a_history_that_grows_large_is_begun_anew(server: WorkflowEnvironment) -> None:
    """Though it has few events: looks at thousands of groups are large."""
    with patch("rollwright.workflows.rollout._BYTES_A_RUN", 20_000):
        async with rollout(server, FakeCluster(World(4)), sandboxed=False) as handle:
            assert (await handle.result()).phase is Phase.COMPLETED
            last = await handle.describe()
    assert last.run_id != handle.first_execution_run_id


async def test_news_after_a_step_is_told_soon_and_later_news_ever_more_rarely(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(7))
    async with rollout(server, cluster, Strategy(max_unavailable=7)) as handle:
        assert (await handle.result()).phase is Phase.COMPLETED
    told = [seconds for seconds, _ in groupby(cluster.show_after_seconds)]
    assert told == [0.5, 2.0, 8.0, 32.0, 60.0]  # all are released by one step, and get ready one by one


async def test_it_tells_when_it_ends_and_what_it_has_cost(server: WorkflowEnvironment) -> None:
    """Six groups, half an hour one after another: two surplus for two hours and one for half an hour more.

    Out of service are 2, 3, 4, 3, 2 and 1 for half an hour each.
    """
    expected = Estimate(at=1.0, known=3, usual_seconds=1800, ends_at=7200.0, earliest=7000.0, latest=8000.0)
    cluster = FakeCluster(World(4), estimate=expected, start_ups=(1800.0,), gpus=8)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        assert (await status(handle)).estimate == expected
        result = await handle.result()
    assert cluster.known[0] == ((1800.0,), None)
    assert cluster.known[-1] == ((1800.0,), expected)
    assert result.gpus == 8
    assert result.cost.surplus_seconds == pytest.approx(4.5 * 3600, rel=0.01)
    assert result.cost.out_of_service_seconds == pytest.approx(7.5 * 3600, rel=0.01)


async def test_a_pause_takes_no_step_until_resumed_and_keeps_who_and_why(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        for _ in range(2):
            await handle.signal("pause", {"actor": "ada", "reason": "lunch"})
        await until_phase(handle, Phase.PAUSED)  # shown at once, though nothing has changed in the cluster
        cluster.stuck = False
        taken = len(cluster.steps)
        await until(lambda: _all_started_are_ready(cluster))
        assert len(cluster.steps) == taken
        (paused,) = [event for event in (await status(handle)).events if event.what.startswith("pause:")]
        assert (paused.actor, paused.reason) == ("ada", "lunch")
        await handle.signal("resume", {"actor": "ada"})
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_an_abort_gives_the_surge_back_and_updates_nothing_further(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        await handle.signal("abort", {"actor": "ada", "reason": "wrong image"})
        cluster.stuck = False
        result = await handle.result()
    assert result.phase is Phase.ABORTED
    assert result.reason == (
        "new revision on groups 2-3; older one on groups 0-1; "
        "held at partition 2, so that LWS updates nothing by itself"
    )
    assert result.next == (
        "rollwright doctor lws/llm -n default --repair resume",
        "rollwright rollback lws/llm -n default",
    )
    assert cluster.outcomes["x-new"].startswith("aborted 20")
    assert (cluster.world.spec.partition, cluster.world.spec.groups, cluster.restored) == (2, 4, 0)


async def test_a_request_for_cancellation_is_an_abort(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        await handle.cancel()
        cluster.stuck = False
        result = await handle.result()
    assert result.phase is Phase.ABORTED
    assert cluster.world.spec.groups == 4


async def test_messages_that_make_no_sense_stop_nothing(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 1)
        await handle.signal("resume")
        await handle.signal("resume", "just text")
        await handle.signal("resume", args=[{"actor": "ada"}, 7])
        await handle.signal("resume", {"nobody": "knows"})
        await handle.signal("explode", [1, 2])
        cluster.stuck = False
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert "a message was not understood: explode" in [event.what for event in result.events]


async def test_a_change_that_is_refused_ends_the_rollout_in_plain_words(server: WorkflowEnvironment) -> None:
    words = "there is no container modell in the target; it has model"
    cluster = FakeCluster(World(4), refusals=[ApplicationError(words, type="RefusedError", non_retryable=True)])
    async with rollout(server, cluster) as handle:
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.message == words
    assert cluster.steps == []


async def test_a_cluster_that_fails_for_a_while_stalls_the_rollout_and_then_it_goes_on(
    server: WorkflowEnvironment,
) -> None:
    away = [ApplicationError("the API server answers 500") for _ in range(7)]
    cluster = FakeCluster(World(4), refusals=[*away])
    async with rollout(server, cluster) as handle:
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert cluster.refusals == []


async def test_a_refusal_in_the_middle_stalls_until_somebody_resumes(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.refusals = [ApplicationError("not permitted", type="ForbiddenError", non_retryable=True)]
        cluster.stuck = False
        result = await handle.result()
    assert result.phase is Phase.COMPLETED


async def test_history_is_begun_anew_and_nothing_is_forgotten(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(100), start_up=timedelta())
    strategy = Strategy(max_unavailable=1, max_surge=1, pacing=Pacing.ORDERED)
    async with rollout(server, cluster, strategy) as handle:
        first = handle.first_execution_run_id
        await steps(cluster, 2)
        await handle.signal("pause", {"actor": "ada"})
        await handle.signal("resume", {"actor": "ada"})
        result = await handle.result()
        described = await handle.describe()
        table = await handle.query("stages", result_type=StageTable)
    assert result.phase is Phase.COMPLETED
    assert described.run_id != first
    assert [event.what.partition(":")[0] for event in result.events] == ["pause", "resume"]
    assert [row.stage for row in table.stages] == list(range(1, len(table.stages) + 1))
    assert result.steps == len(cluster.steps)


async def test_steps_that_change_nothing_do_not_follow_each_other_without_a_pause(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4, replaces_released=False), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        cluster.deaf = True
        await until_phase(handle, Phase.STALLED)
        assert "again and again" in (await status(handle)).reason
        assert len(cluster.steps) <= 8
        cluster.deaf, cluster.stuck = False, False
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_what_was_opened_for_a_release_is_closed_also_during_a_pause(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), stuck=True)
    async with rollout(server, cluster) as handle:
        await steps(cluster, 2)
        await handle.signal("pause")
        await until_phase(handle, Phase.PAUSED)
        cluster.unheld = True
        await until(lambda: _taken_in_hand(cluster))
        assert (await status(handle)).phase is Phase.PAUSED
        await handle.signal("resume")
        cluster.stuck = False
        assert (await handle.result()).phase is Phase.COMPLETED


async def _taken_in_hand(cluster: FakeCluster) -> bool:
    return not cluster.unheld


async def _all_started_are_ready(cluster: FakeCluster) -> bool:
    seen: Observation = cluster.observe("new")
    return all(group.ready for group in seen.groups)
