"""A Temporal server in a container, with its database on a small disk that somebody else writes to as well."""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Self

from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network

from tests.containers.images import EMPTY, IMAGE, PYTHON
from tests.e2e.processes import TemporalServer

ALIAS = "temporal"
"""Its name in the network of the containers."""
FOLDER = "/data"
FILL = f"""
with open("{FOLDER}/others", "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
"""
FREE = f"import os; os.remove('{FOLDER}/others')"


class Disk:
    """A volume of bounded size, and a container that shares it, which keeps it while nobody else does."""

    def __init__(self, name: str, megabytes: int = 64) -> None:
        self.name = name
        self._volumes = DockerClient().client.volumes
        self._options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={megabytes}m"}
        self._other = DockerContainer(IMAGE).with_command(["-c", "import signal; signal.pause()"])
        self._other.with_volume_mapping(name, FOLDER, "rw").with_kwargs(entrypoint=[PYTHON], user="0")

    def __enter__(self) -> Self:
        self._volume = self._volumes.create(self.name, driver_opts=self._options)
        self._other.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._other.stop()
        self._volume.remove()

    async def fill(self) -> None:
        """Leave no room on it."""
        await self._run(FILL)

    async def free(self) -> None:
        """Have room again."""
        await self._run(FREE)

    async def _run(self, program: str) -> None:
        ran = await asyncio.to_thread(self._other.exec, [PYTHON, "-c", program])
        assert ran.exit_code == 0, ran.output.decode()


class ContainedTemporal(TemporalServer):
    """One that is killed and started with its container; to others on this machine it is at a port of loopback."""

    def __init__(self, binary: Path, disk: Disk, network: Network) -> None:
        super().__init__(Path("/temporal"), Path(FOLDER))
        self._container = DockerContainer(EMPTY).with_command([*self._command, "--ip=0.0.0.0"])
        self._container.with_volume_mapping(binary, "/temporal").with_volume_mapping(disk.name, FOLDER, "rw")
        self._container.with_network(network).with_network_aliases(ALIAS).with_bind_ports(self._port, self._port)
        self._container.with_env("USER", "nobody")

    @property
    def inside(self) -> str:
        """Its address for who is in the network of the containers."""
        return f"{ALIAS}:{self._port}"

    def remove(self) -> None:
        self._container.stop()

    async def start(self) -> None:
        if self._container.status == "not_started":
            await asyncio.to_thread(self._container.start)
        else:
            await asyncio.to_thread(self._container.get_wrapped_container().start)
        await self._until_it_serves()

    async def kill(self) -> None:
        await asyncio.to_thread(self._container.get_wrapped_container().kill)
