"""Processes of a test: a Temporal server that can be restarted, workers that can be killed. All end by their pid."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from random import SystemRandom
from typing import Self

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from rollwright.workflows.contract import ATTRIBUTES

# Below the range from which the system gives ports to outgoing connections: a stopped server gets its port back.
PORTS = range(30000, 32768)
DEADLINE_SECONDS = 30.0
_DRAINAGE = ("VisibilityGracePeriod", "RefreshInterval")


class Process:
    """A process of our own, with its output in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @classmethod
    async def start(cls, *command: str | Path, log: Path, **environment: str) -> Self:
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                env={**os.environ, "USER": os.environ.get("USER", "nobody"), **environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def identity(self) -> str:
        """As Temporal knows a worker."""
        return f"{self.pid}@{socket.gethostname()}"

    @property
    def lives(self) -> bool:
        return self._process.returncode is None

    async def says(self, words: str) -> None:
        """Wait until it has written these words."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while words not in self.log.read_text():
                assert self._process.returncode is None, f"it ended: {self.log.read_text()[-2000:]}"
                await asyncio.sleep(0.02)

    def freeze(self) -> None:
        """Stop it from running: its connections stay open and nothing answers."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def terminate(self) -> int:
        """Ask it to end; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        return await asyncio.wait_for(self._process.wait(), DEADLINE_SECONDS)


class TemporalServer:
    """A development server with a database of its own, and with the Temporal UI if that is asked for."""

    def __init__(self, binary: Path, folder: Path, *, ui: bool = False, codec: str = "") -> None:
        """`codec`: the address of the codec server that the UI asks."""
        self.binary = binary
        self._folder = folder
        self._port, self._ui_port = free_ports(2)
        self._shown = [f"--ui-port={self._ui_port}", "--ui-disable-news-fetch"] if ui else ["--headless"]
        self._shown += [f"--ui-codec-endpoint={codec}"] if codec else []
        self._process: Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def ui(self) -> str:
        """Where the Temporal UI is."""
        return f"http://127.0.0.1:{self._ui_port}"

    def kept(self) -> bytes:
        """All that it has on disk, the journal of the last changes too."""
        return b"".join(path.read_bytes() for path in sorted(self._folder.glob("temporal.db*")))

    @property
    def _command(self) -> list[str]:
        return [
            *(str(self.binary), "server", "start-dev", "--ip=127.0.0.1", f"--port={self._port}"),
            *self._shown,
            f"--db-filename={self._folder / 'temporal.db'}",
            # Survives a kill of the server, not a power cut: nobody waits for a disk.
            *("--sqlite-pragma=journal_mode=WAL", "--sqlite-pragma=synchronous=OFF"),
            # Else Temporal looks every 3 minutes only whether a build of the workers has rollouts left.
            *(f'--dynamic-config-value=matching.wv.VersionDrainageStatus{what}="1s"' for what in _DRAINAGE),
            "--log-level=error",
            *(f"--search-attribute={attribute.name}=Keyword" for attribute in ATTRIBUTES),
        ]

    async def start(self) -> None:
        """Start it on what the database holds, and wait until it serves."""
        self._process = await Process.start(*self._command, log=self._folder / "temporal.log")
        await self._until_it_serves()

    async def _until_it_serves(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await self._serves():
                await asyncio.sleep(0.1)

    async def kill(self) -> None:
        assert self._process
        await self._process.kill()

    async def client(self) -> Client:
        return await Client.connect(self.address, data_converter=pydantic_data_converter)

    async def _serves(self) -> bool:
        try:
            await (await self.client()).count_workflows()
        except (RuntimeError, OSError):
            return False
        return True


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on now."""
    free: list[int] = []
    for port in SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == number:
            return free
    raise AssertionError(f"no free ports in {PORTS}")
