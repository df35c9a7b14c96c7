"""Many rollouts by workers of which one is killed, and one of many groups over several runs: promises, and costs."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.cluster.api import connect
from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import STATUS, RolloutStatus
from tests.bench.case import LWS, Case
from tests.bench.fleet import Fleet, roll_out
from tests.bench.site import Site
from tests.bench.witness import Witness
from tests.e2e.processes import TemporalServer

pytestmark = pytest.mark.real

DEADLINE_SECONDS = 120.0
LISTS_A_ROLLOUT = 8
"""Around its beginning, when the watch might hide that groups have gone: none for a step, and none for a group."""
EIGHT = Case("1 to 3 s of start-up", 8, 2, 1, drawn="1s-3s")
MANY = Case("1 to 2 s of start-up", 300, "10%", "10%", drawn="1s-2s")


@pytest_asyncio.fixture(loop_scope="session")
async def here(devcluster: DevCluster, temporal: TemporalServer, tmp_path: Path) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(connect(str(devcluster.kubeconfig)))
        yield Site(devcluster, api, temporal, await temporal.client(), tmp_path, stack)


@asynccontextmanager
async def namespace(here: Site) -> AsyncIterator[Witness]:
    name = f"scale-{uuid.uuid4().hex[:8]}"
    try:
        async with here.namespace(name) as witness:
            yield witness
    finally:
        await here.cluster.kubectl("delete", "namespace", name, "--wait=false")


def lists(fleet: Fleet) -> int:
    """How often a target's StatefulSets and pods were listed, the pods page by page."""
    return fleet.requests["list statefulsets"]


async def test_twenty_rollouts_outlive_one_of_their_two_workers_and_keep_their_promises(here: Site) -> None:
    async with namespace(here) as witness:
        doomed, _ = await here.start_worker(), await here.start_worker()

        async def kill_one_on_the_way() -> None:
            await witness.until(
                lambda: sum(len(seen.updated) for seen in witness.seen.values()) >= 20, DEADLINE_SECONDS
            )
            await doomed.kill()

        fleet = await roll_out(here, witness, LWS, EIGHT, 20, meanwhile=kill_one_on_the_way)
    assert fleet.kept == 20
    assert max(history.events for history in fleet.histories) < 500
    assert max(history.bytes for history in fleet.histories) < 300_000
    assert 0 < lists(fleet) <= 20 * LISTS_A_ROLLOUT


async def test_a_rollout_of_300_groups_goes_through_several_runs_and_costs_little_for_each_group(here: Site) -> None:
    async with namespace(here) as witness:
        await here.start_worker("--events-a-run=100")
        fleet = await roll_out(here, witness, LWS, MANY, 1)
        target = Target(namespace=witness.namespace, name="t-0")
        status = await here.client.get_workflow_handle(target.workflow_id).query(STATUS, result_type=RolloutStatus)
    (history,) = fleet.histories
    assert fleet.kept == 1
    assert history.runs > 1
    assert history.events_longest < 200
    assert history.events < 5 * MANY.replicas
    assert history.bytes < 1_300_000
    assert history.largest_event_bytes < 100_000
    assert lists(fleet) <= LISTS_A_ROLLOUT < status.steps
    assert len(status.model_dump_json()) < 50 * MANY.replicas
