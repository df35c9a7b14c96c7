"""Fixtures shared by all tests."""

import os
from collections.abc import AsyncIterator

import pytest_asyncio

from rollwright.devcluster.cluster import DevCluster


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def devcluster() -> AsyncIterator[DevCluster]:
    """One embedded Kubernetes for the whole run; tests that need to be alone make a namespace of their own."""
    cluster = await DevCluster.up(f"test-{os.getpid()}", report=print)
    yield cluster
    await cluster.down()
