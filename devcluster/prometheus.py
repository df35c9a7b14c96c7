"""A real Prometheus for the tests of what asks one. For development only; listens on loopback alone.

    from rollwright.devcluster.prometheus import Prometheus

    async with Prometheus(folder, ["127.0.0.1:9100"], interval_seconds=0.2, report=print) as prometheus:
        prometheus.url  # e.g. "http://127.0.0.1:20417"

The first time on a machine this builds it, which takes minutes.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import aiohttp

from rollwright.devcluster import DevClusterError, processes
from rollwright.devcluster.build import EXTRAS, ensure_binaries
from rollwright.devcluster.state import Report, free_ports

PART = "prometheus"
START_TIMEOUT_SECONDS = 60.0


class Prometheus:
    """A Prometheus that scrapes fixed targets. Stopped and started again, it has the same port and what it scraped."""

    def __init__(self, folder: Path, targets: Sequence[str], *, interval_seconds: float, report: Report) -> None:
        """Choose a port; nothing runs yet.

        The folder, which exists and is this Prometheus's own, gets its data and its log. A target is "host:port", its
        metrics are at /metrics. Scrapes come, and time out, every `interval_seconds`: to the millisecond, 0.1 is fine.
        Raises DevClusterError if no port is free.
        """
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / f"{PART}.log"
        self._folder = folder
        self._address = f"127.0.0.1:{port}"
        self._config = folder / "prometheus.json"
        self._config.write_text(json.dumps(_config(targets, interval_seconds)))
        self._report = report

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it and wait until it answers queries; the first scrape comes up to 6 s later.

        Raises DevClusterError if it can't be built, runs already, ends by itself or isn't ready within 60 s.
        """
        binaries = await ensure_binaries(EXTRAS, self._report)
        if processes.find(self._folder, PART):
            raise DevClusterError(f"the Prometheus in {self._folder} runs already: stop it first")
        processes.start(self._command(binaries / PART), folder=self._folder, part=PART, log=self.log)
        await self._wait_until_ready()

    async def stop(self) -> None:
        """End it at once, as a crash would. Does nothing if it doesn't run."""
        await processes.kill(self._folder, PART)

    def _command(self, binary: Path) -> list[str]:
        return [
            str(binary),
            f"--config.file={self._config}",
            f"--web.listen-address={self._address}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            "--storage.tsdb.retention.time=2h",
            # How late it notices that it has targets; without it, up to 5 s later than it has to.
            "--scrape.discovery-reload-interval=100ms",
        ]

    async def _wait_until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS), aiohttp.ClientSession() as session:
                while not await self._is_ready(session):
                    self._check_alive()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DevClusterError(
                f"Prometheus was not ready within {START_TIMEOUT_SECONDS:.0f} s; see its log, {self.log}"
            ) from None

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientConnectionError:
            return False

    def _check_alive(self) -> None:
        if not processes.find(self._folder, PART):
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
            raise DevClusterError(f"Prometheus ended by itself; the last lines of {self.log}:\n{last}")


def _config(targets: Sequence[str], interval_seconds: float) -> dict[str, object]:
    """Return the configuration; Prometheus reads YAML, of which JSON is a part."""
    return {
        "global": {"scrape_interval": f"{interval_seconds * 1000:.0f}ms"},
        "scrape_configs": [{"job_name": "devcluster", "static_configs": [{"targets": list(targets)}]}],
    }
