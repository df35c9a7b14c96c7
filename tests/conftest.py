"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.cli import ci
from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.prometheus import Prometheus
from tests.support.drawn import load_profile
from tests.support.exporter import Exporter
from tests.support.prometheus import query_until

load_profile()
for known in ci.KNOWN:  # commands that tests run are not a job's own, wherever the tests run
    os.environ.pop(known.sign, None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def devcluster() -> AsyncIterator[DevCluster]:
    """One embedded Kubernetes for the whole run; tests that need to be alone make a namespace of their own."""
    cluster = await DevCluster.up(f"test-{os.getpid()}", report=print)
    yield cluster
    await cluster.down()


@pytest.fixture(scope="session")
def temporal_binary() -> Path:
    """The Temporal CLI of the environment the tests run in, with its development server."""
    return Path(sys.executable).with_name("temporal")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_exporter() -> AsyncIterator[Exporter]:
    """What the shared Prometheus scrapes; tests take `exporter`."""
    async with Exporter() as exporter:
        yield exporter


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prometheus(shared_exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prometheus]:
    """One Prometheus for the whole run, which scrapes `exporter` every 0.2 s; a test that stops it starts it again."""
    folder = tmp_path_factory.mktemp("prometheus")
    async with Prometheus(folder, [shared_exporter.target], interval_seconds=0.2, report=print) as prometheus:
        yield prometheus


@pytest_asyncio.fixture(loop_scope="session")
async def exporter(shared_exporter: Exporter, prometheus: Prometheus) -> AsyncIterator[Exporter]:
    """The exporter that the shared Prometheus scrapes: it is there, and nothing of earlier tests is in a query."""
    await query_until(prometheus, "up == 1", lambda answer: len(answer.series) == 1)
    await query_until(prometheus, '{job="devcluster", __name__!~"up|scrape_.*"}', lambda answer: answer.series == [])
    yield shared_exporter
    shared_exporter.clear()
    shared_exporter.delay_seconds = 0.0
    await shared_exporter.come()
