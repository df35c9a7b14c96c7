"""All that a rollout needs, in containers on a network of their own."""

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from testcontainers.core.network import Network

from tests.containers.cluster import ContainedCluster
from tests.containers.temporal import ContainedTemporal, Disk
from tests.containers.workers import ContainedWorker
from tests.e2e.rights import account, grant
from tests.e2e.scene import PROGRAM, Scene

# Ports are published on loopback only, and nothing inside finds a way out.
ISOLATED = {
    "com.docker.network.bridge.host_binding_ipv4": "127.0.0.1",
    "com.docker.network.bridge.enable_ip_masquerade": "false",
}


@dataclass(frozen=True)
class Site:
    """What the tests share."""

    network: Network
    cluster: ContainedCluster
    temporal: ContainedTemporal
    disk: Disk


@asynccontextmanager
async def make_site(temporal: Path) -> AsyncIterator[Site]:
    """One, with this program as its Temporal server; nothing of it is left afterwards."""
    name = f"containers-{uuid.uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        network = stack.enter_context(Network(docker_network_kw={"options": ISOLATED}))
        disk = stack.enter_context(Disk(name))
        server = ContainedTemporal(temporal.resolve(), disk, network)
        stack.callback(server.remove)
        await server.start()
        cluster = ContainedCluster(name, network)
        stack.push_async_callback(cluster.end)
        await cluster.begin()
        yield Site(network, cluster, server, disk)


@dataclass(kw_only=True)
class ContainedScene(Scene):
    """A target in a namespace of its own, whose workers are containers."""

    site: Site

    async def start_worker(
        self, kubeconfig: Path | None = None, *options: str, program: Sequence[str] = PROGRAM
    ) -> ContainedWorker:
        """Start a worker with the rights that are documented, and wait until it takes tasks.

        `program`: it is the image's.
        """
        assert program == PROGRAM
        if not self.workers:
            await grant(self)
        number = len(self.workers)
        worker = await ContainedWorker.run(
            *("--task-queue", self.namespace.name, *options),
            kube=self.site.cluster.inside(kubeconfig or await account(self)),
            temporal=self.site.temporal.inside,
            network=self.site.network,
            name=f"{self.namespace.name}-worker-{number}",
            log=self.folder / f"worker-{number}.log",
        )
        self.workers.append(worker)
        self.cleanup.push_async_callback(worker.kill)
        await worker.says("taking tasks")
        return worker
