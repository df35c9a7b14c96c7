"""A Temporal server for all end-to-end tests, and a scene for each."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from tests.devcluster.standin.namespace import Namespace
from tests.e2e.processes import TemporalServer
from tests.e2e.rights import remove_namespaces
from tests.e2e.scene import Scene
from tests.e2e.sealing import Keys


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal(temporal_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TemporalServer]:
    """A Temporal server with a database."""
    server = TemporalServer(temporal_binary, tmp_path_factory.mktemp("temporal"))
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(devcluster: DevCluster, temporal: TemporalServer, tmp_path: Path) -> AsyncIterator[Scene]:
    """A namespace of the shared cluster."""
    async with AsyncExitStack() as stack:
        yield await make_scene(devcluster, temporal, tmp_path, stack)


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """No keys yet."""
    return Keys(tmp_path / "keys.yaml", monkeypatch)


async def make_scene(
    cluster: DevCluster,
    server: TemporalServer,
    folder: Path,
    stack: AsyncExitStack,
    *,
    cluster_name: str | None = None,
    name: str = "",
) -> Scene:
    """An empty namespace of a cluster, of this name if one is given."""
    api = await stack.enter_async_context(await new_client_from_config(str(cluster.kubeconfig), persist_config=False))
    namespace = Namespace(api, name or f"e2e-{uuid.uuid4().hex[:8]}")
    await namespace.create()
    stack.push_async_callback(remove_namespaces, cluster, namespace.name)
    client = await server.client()
    return Scene(cluster, server, client, namespace, folder, stack, cluster_name=cluster_name)
