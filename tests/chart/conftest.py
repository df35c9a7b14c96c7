"""Helm, built once."""

import pytest
import pytest_asyncio

from tests.chart.helm import Helm, built_helm


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The pinned Helm, with a folder of its own."""
    return await built_helm(tmp_path_factory.mktemp("helm"))
