"""Random rollouts to which random things happen keep the promise and end as they were asked to."""

import time
from pathlib import Path

import pytest

from rollwright.devcluster.cluster import DevCluster
from tests.chaos.plan import draw
from tests.chaos.run import play, site, summary
from tests.chaos.verdict import Outcome
from tests.e2e.processes import TemporalServer
from tests.support.drawn import first_seed

ROUNDS = 25
LANES = 5


@pytest.mark.real
@pytest.mark.timeout(1200)
async def test_whatever_happens_to_them_rollouts_keep_the_promise_and_end_as_asked(
    devcluster: DevCluster, temporal_binary: Path, tmp_path: Path
) -> None:
    first = first_seed()
    print(f"seeds from {first} on; one alone: make chaos ROUNDS=1 SEED=n")
    server = TemporalServer(temporal_binary, tmp_path)
    await server.start()
    began = time.monotonic()
    async with site(devcluster, server) as place:
        plans = [draw(first + number) for number in range(ROUNDS)]
        verdicts = await play(plans, place, tmp_path, lanes=LANES, report=print)
    await server.kill()
    print(summary(verdicts, time.monotonic() - began))
    assert [verdict.plan.seed for verdict in verdicts if verdict.outcome is not Outcome.FINE] == []
