"""Workers in containers, as a cluster that trusts nobody would run them."""

import asyncio
from pathlib import Path
from typing import Any, Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.containers.images import IMAGE
from tests.e2e.processes import Process

CONFINED: dict[str, Any] = {
    "user": "4711:4712",  # nobody whom the image knows
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": "256m",
    "memswap_limit": "256m",
}


class ContainedWorker(Process):
    """One of them; the process of our own is the one that follows what it writes, and ends with it."""

    name: str
    container: DockerContainer
    network: Network

    @classmethod
    async def run(cls, *options: str, kube: Path, temporal: str, network: Network, name: str, log: Path) -> Self:
        """Start it; `kube`: a folder with a kubeconfig; `temporal`: an address."""
        container = DockerContainer(IMAGE, name=name).with_network(network)
        container.with_command(["worker", "--kubeconfig", "/kube/config", *options])
        container.with_env("TEMPORAL_ADDRESS", temporal).with_volume_mapping(kube, "/kube")
        container.with_kwargs(hostname=name, **CONFINED)
        await asyncio.to_thread(container.start)
        worker = await cls.start("docker", "logs", "--follow", name, log=log)
        worker.name, worker.container, worker.network = name, container, network
        return worker

    @property
    def identity(self) -> str:
        """As Temporal knows it."""
        return f"1@{self.name}"

    def freeze(self) -> None:
        """Pause it: its connections stay open and nothing answers."""
        self.container.get_wrapped_container().pause()

    def thaw(self) -> None:
        self.container.get_wrapped_container().unpause()

    def cut(self) -> None:
        """Take its network away."""
        self.network._unwrap_network.disconnect(self.container.get_container_id())

    def join(self) -> None:
        """Give its network back."""
        self.network.connect(self.container.get_container_id())

    async def kill(self) -> None:
        """End it at once, frozen or not, and remove it, unless that is done."""
        if self.lives:
            await asyncio.to_thread(self.container.stop)
            await self.ended()
