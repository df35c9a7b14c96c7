"""Fixtures shared by all tests."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.devcluster.cluster import DevCluster


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
