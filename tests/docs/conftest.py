"""One stand for all pages."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from tests.devcluster.standin.namespace import Namespace
from tests.docs.stand import KEPT, NAMESPACE, Stand
from tests.e2e.processes import Process, TemporalServer
from tests.e2e.rights import remove_namespaces
from tests.e2e.scene import AT_ONCE, Scene

SEEDS = 4
"""Pages speak of revisions up to 5, of which the first is what the target was made with."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stand(
    devcluster: DevCluster, temporal_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stand]:
    """A target that has had some versions, and all that a reader needs."""
    folder = tmp_path_factory.mktemp("stand")
    async with AsyncExitStack() as stack:
        server = TemporalServer(temporal_binary, folder)
        await server.start()
        stack.push_async_callback(server.kill)
        api = await stack.enter_async_context(
            await new_client_from_config(str(devcluster.kubeconfig), persist_config=False)
        )
        namespace = Namespace(api, NAMESPACE)
        await namespace.create()
        stack.push_async_callback(remove_namespaces, devcluster, namespace.name)
        scene = Scene(devcluster, server, await server.client(), namespace, folder, stack)
        await scene.create(3, ready_after=AT_ONCE)
        await namespace.patch_set("llm", json.loads(KEPT))
        environment = {"KUBECONFIG": str(devcluster.kubeconfig), "TEMPORAL_ADDRESS": server.address}
        command = (*Stand.PROGRAM, "worker")
        worker = await Process.start(*command, log=folder / "worker.log", **environment)
        stack.push_async_callback(worker.kill)
        await worker.says("taking tasks")
        loaded = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.docs.loaded"),
            env={**os.environ, "USER": os.environ.get("USER", "nobody"), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        stack.callback(os.killpg, loaded.pid, signal.SIGKILL)
        stand = Stand(scene, server, scene.client, worker, loaded, folder)
        for _ in range(SEEDS):
            await stand.complete()
        yield stand
