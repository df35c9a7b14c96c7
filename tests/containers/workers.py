"""Workers in containers, as a cluster that trusts nobody would run them."""

import asyncio
from pathlib import Path
from typing import Any, Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.containers.images import IMAGE
from tests.e2e.processes import Process

USER = "4711:4712"
"""Nobody whom the image knows."""
MEMORY_MEGABYTES = 512
CONFINED: dict[str, Any] = {
    "user": USER,
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "mem_limit": f"{MEMORY_MEGABYTES}m",
    "memswap_limit": f"{MEMORY_MEGABYTES}m",
}


class ContainedWorker(Process):
    """One of them; the process of our own is the one that follows what it writes, and ends with it."""

    container: DockerContainer
    network: Network

    @classmethod
    async def run(
        cls, *options: str, kube: Path, temporal: str, network: Network, name: str, log: Path
    ) -> Self:
        """Start it; `kube`: a folder with a kubeconfig; `temporal`: an address."""
        container = DockerContainer(IMAGE, name=name).with_network(network)
        container.with_command(["worker", "--kubeconfig", "/kube/config", *options])
        container.with_env("TEMPORAL_ADDRESS", temporal).with_volume_mapping(kube, "/kube")
        container.with_kwargs(hostname=name, **CONFINED)
        await asyncio.to_thread(container.start)
        worker = await cls.start("docker", "logs", "--follow", name, log=log)
        worker.container, worker.network = container, network
        return worker

    @property
    def identity(self) -> str:
        """As Temporal knows it."""
        return f"1@{self._state['Config']['Hostname']}"

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
        """End it at once, frozen or not, and remove it."""
        await asyncio.to_thread(self.container.stop)
        await super().ended()

    @property
    def peak_megabytes(self) -> float:
        """The most memory it has had so far, as its control group counts."""
        usage = self.container.get_wrapped_container().stats(stream=False)["memory_stats"]
        return float(usage.get("max_usage", usage["usage"])) / 2**20

    @property
    def _state(self) -> dict[str, Any]:
        seen: dict[str, Any] = self.container.get_wrapped_container().attrs
        return seen
