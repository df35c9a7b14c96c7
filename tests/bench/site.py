"""Where it is measured: an embedded cluster, a Temporal server, and workers in processes of their own."""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from temporalio.client import Client

from rollwright.cluster.api import Api, Kind, connect
from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.state import ClusterSettings
from tests.bench.witness import Witness
from tests.e2e.processes import TemporalServer

GATE = "MaxUnavailableStatefulSet"
QUEUE = "bench"
NAMESPACES = Kind("/api/v1", "namespaces")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def report(line: str) -> None:
    """Progress, for people: results alone go to stdout."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Usage:
    """What a worker has used so far."""

    cpu_seconds: float
    requests: Counter[str]


@dataclass
class MeasuredWorker:
    """One worker process."""

    process: asyncio.subprocess.Process

    async def usage(self) -> Usage:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"\n")
        requests: Counter[str] = Counter(json.loads(await self.process.stdout.readline()))
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return Usage((int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND, requests)

    @property
    def peak_bytes(self) -> int:
        """The most memory it has held since its start."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        return 1024 * int(peak)

    async def kill(self) -> None:
        """End it as a crash would."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def end(self) -> None:
        """Have it end by itself, if it lives."""
        assert self.process.stdin
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), 30)
        except TimeoutError:
            await self.kill()


@dataclass
class Site:
    """All that a part needs."""

    cluster: DevCluster
    api: Api
    server: TemporalServer
    client: Client
    folder: Path
    cleanup: AsyncExitStack
    workers: list[MeasuredWorker] = field(default_factory=list)

    async def start_worker(self, *options: str) -> MeasuredWorker:
        """Start one that lasts as long as the site. BENCH_PROFILE=FILE runs it under cProfile."""
        profile = os.environ.get("BENCH_PROFILE")
        log = self.folder / f"worker-{len(self.workers)}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.bench.worker", QUEUE, str(self.cluster.kubeconfig)),
                *((f"--profile={profile}",) if profile else ()),
                *options,
                env={**os.environ, "TEMPORAL_ADDRESS": self.server.address},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
            )
        worker = MeasuredWorker(process)
        self.workers.append(worker)
        self.cleanup.push_async_callback(worker.end)
        await worker.usage()  # it answers once it works
        return worker

    @asynccontextmanager
    async def namespace(self, name: str) -> AsyncIterator[Witness]:
        """A namespace and a witness of what happens in it. Its objects are left for the end of the cluster."""
        await self.api.create(NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        witness = Witness(self.api, name)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(witness.follow())
            yield witness
            following.cancel()


@asynccontextmanager
async def site(name: str, *, gate: bool = True) -> AsyncIterator[Site]:
    """A cluster and a Temporal server of their own. `gate`: whether StatefulSets may replace several pods at once."""
    os.environ.setdefault("GOGC", "400")  # the cluster's parts are given memory for a fifth of their CPU time
    settings = ClusterSettings(feature_gates={GATE: gate})
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="rollwright-bench-")))
        server = TemporalServer(Path(sys.executable).with_name("temporal"), folder)
        cluster = DevCluster(f"bench-{os.getpid()}-{name}")
        stack.push_async_callback(cluster.down)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.start())
            tasks.create_task(DevCluster.up(cluster.name, settings, report=report))
        stack.push_async_callback(server.kill)
        api = await stack.enter_async_context(connect(str(cluster.kubeconfig)))
        workers = await stack.enter_async_context(AsyncExitStack())
        yield Site(cluster, api, server, await server.client(), folder, workers)
