"""A cluster as its users see it: up, down, and the faults a test may want."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rollwright.devcluster import DevClusterError, processes
from rollwright.devcluster.build import CONTROL_PLANE, ensure_binaries
from rollwright.devcluster.parts import MANIFESTS, Layout, Part, command, nodes_manifest, write_credentials
from rollwright.devcluster.state import ClusterRecord, ClusterSettings, Report, StateFolder, choose_ports

START_TIMEOUT_SECONDS = 60.0
TIMEOUT_FLAG = f"--timeout={START_TIMEOUT_SECONDS:.0f}s"
REQUEST_TIMEOUT_FLAG = "--request-timeout=10s"
KINDS = "leaderworkersets.leaderworkerset.x-k8s.io,clusterlogs.kwok.x-k8s.io"
"""What the manifests define."""


class PartState(StrEnum):
    """Whether a part runs."""

    RUNNING = "running"
    FROZEN = "frozen"
    STOPPED = "stopped"


@dataclass(frozen=True)
class PartStatus:
    """What a part is doing."""

    part: Part
    state: PartState
    pid: int | None
    log: Path


def _silent(_line: str) -> None:
    pass


class DevCluster:
    """An embedded Kubernetes, known by its name. Its processes and its data outlive this object and its process."""

    def __init__(self, name: str = "default") -> None:
        """Refer to a cluster, whether it exists or not. Raises DevClusterError for a name that can't be one."""
        if sys.platform != "linux":
            raise DevClusterError(
                f"the embedded Kubernetes needs Linux, this is {sys.platform}: use a cluster you have"
            )
        self.name = name
        self._state = StateFolder(name)

    @classmethod
    async def up(
        cls, name: str = "default", settings: ClusterSettings | None = None, *, report: Report = _silent
    ) -> "DevCluster":
        """Bring a cluster up, or complete one that is partly up; one that is up is left as it is.

        The first time on a machine this builds the control plane, which takes minutes. Raises DevClusterError if the
        cluster exists with other settings, or if a part doesn't start; what is up by then stays, for a look at it.
        """
        cluster = cls(name)
        async with cluster._state.locked(report):
            layout = await cluster._layout(settings or ClusterSettings(), report)
            if await cluster.is_up():
                report(f"cluster {name} is up already")
                return cluster
            await cluster._converge(layout, report)
        return cluster

    async def down(self, *, report: Report = _silent) -> None:
        """End all processes of the cluster and remove its data. Does nothing if there is no such cluster."""
        async with self._state.locked(report):
            await processes.kill(self._state.path)
            self._state.remove()

    async def is_up(self) -> bool:
        """Tell whether all parts run and the API server says that it is ready."""
        if any(status.state is not PartState.RUNNING for status in self.status()):
            return False
        return await self._is_serving()

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with all rights in the cluster."""
        return self._state.kubeconfig

    @property
    def audit(self) -> Path:
        """What service accounts have asked of the API server, as audit.k8s.io/v1 Events, one a line."""
        return self._state.audit

    @property
    def record(self) -> ClusterRecord | None:
        """What the cluster was made with; None if there is no such cluster."""
        return self._state.read()

    def status(self) -> list[PartStatus]:
        """Return what each part is doing."""
        found = {process.part: process for process in processes.find(self._state.path)}
        statuses = []
        for part in Part:
            process = found.get(part)
            if process is None:
                state, pid = PartState.STOPPED, None
            else:
                state, pid = PartState.FROZEN if process.frozen else PartState.RUNNING, process.pid
            statuses.append(PartStatus(part=part, state=state, pid=pid, log=self._state.log(part)))
        return statuses

    async def stop_part(self, part: Part) -> None:
        """End a part at once, as a crash would. Its data and ports stay for start_part."""
        async with self._state.locked(_silent):
            await processes.kill(self._state.path, part)

    async def start_part(self, part: Part) -> None:
        """Start a part that was stopped, on the same ports and data; wait until it serves, if it is one that does."""
        async with self._state.locked(_silent):
            layout = await self._existing_layout()
            self._start(part, layout)
            if part in (Part.ETCD, Part.API_SERVER):
                await self._wait_until("the API server to be ready", self._is_serving, [part])

    def freeze_part(self, part: Part) -> None:
        """Stop a part from running (SIGSTOP): its connections stay open and nothing answers."""
        processes.send(self._state.path, part, signal.SIGSTOP)

    def thaw_part(self, part: Part) -> None:
        """Let a frozen part go on."""
        processes.send(self._state.path, part, signal.SIGCONT)

    async def kubectl(self, *arguments: str) -> str:
        """Run the pinned kubectl with all rights and return its output. Raises DevClusterError if it fails."""
        code, output, error = await self._run_kubectl(*arguments)
        if code != 0:
            raise DevClusterError(f"kubectl {' '.join(arguments)} failed on cluster {self.name}: {error.strip()}")
        return output

    async def _layout(self, settings: ClusterSettings, report: Report) -> Layout:
        """Return the layout of the cluster, which is made if there is none."""
        binaries = await ensure_binaries(CONTROL_PLANE, report)
        record = self._state.read()
        if record is None:
            # Whatever runs here belongs to a cluster that was never completely made.
            await processes.kill(self._state.path)
            record = ClusterRecord(settings=settings, ports=choose_ports())
            self._state.create()
            layout = Layout(self._state, record, binaries)
            write_credentials(layout)
            self._state.write(record)
        elif record.settings != settings:
            raise DevClusterError(
                f"cluster {self.name} exists with other settings ({record.settings!r}, asked for {settings!r}): "
                f"ask for the same, choose another name, or remove it with `rollwright dev down --name {self.name}`"
            )
        return Layout(self._state, record, binaries)

    async def _existing_layout(self) -> Layout:
        record = self._state.read()
        if record is None:
            raise DevClusterError(
                f"there is no cluster {self.name}: bring it up with `rollwright dev up --name {self.name}`"
            )
        return Layout(self._state, record, await ensure_binaries(CONTROL_PLANE, _silent))

    async def _converge(self, layout: Layout, report: Report) -> None:
        """Start what doesn't run, in an order in which each finds what it needs, and apply the manifests."""
        for part in Part:
            self.thaw_part(part)
        report(f"starting cluster {self.name}")
        core = [Part.ETCD, Part.API_SERVER]
        self._start_missing(core, layout)
        await self._wait_until("the API server to be ready", self._is_serving, core)
        self._start_missing([Part.SCHEDULER], layout)
        await self._apply_manifests(layout)
        # Only now: the garbage collector learns of new kinds every 30 s, and would be late with what they own.
        self._start_missing(list(Part), layout)
        await self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", TIMEOUT_FLAG)
        self._check_alive(list(Part))

    async def _apply_manifests(self, layout: Layout) -> None:
        nodes = layout.state.path / "nodes.json"
        nodes.write_text(nodes_manifest(layout))
        apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=devcluster")
        await self.kubectl(*apply, f"--filename={MANIFESTS}", f"--filename={nodes}")
        # Not `kubectl wait`: it fails at once on a definition that has no conditions yet, and an established kind may
        # still be missing from discovery for a moment.
        await self._wait_until("its own kinds to be served", self._serves_kinds, [Part.ETCD, Part.API_SERVER])

    def _start_missing(self, parts: Sequence[Part], layout: Layout) -> None:
        running = {process.part for process in processes.find(self._state.path)}
        for part in parts:
            if part not in running:
                self._start(part, layout)

    def _start(self, part: Part, layout: Layout) -> None:
        if processes.find(self._state.path, part):
            raise DevClusterError(f"{part} of cluster {self.name} runs already: stop it first")
        processes.start(command(part, layout), folder=self._state.path, part=part, log=self._state.log(part))

    async def _serves_kinds(self) -> bool:
        code, _, _ = await self._run_kubectl("get", KINDS, "--all-namespaces", REQUEST_TIMEOUT_FLAG)
        return code == 0

    async def _is_serving(self) -> bool:
        record = self._state.read()
        if record is None or not await _accepts_connections(record.ports.api):
            return False
        code, _, _ = await self._run_kubectl("get", "--raw=/readyz", REQUEST_TIMEOUT_FLAG)
        return code == 0

    async def _wait_until(self, what: str, condition: Callable[[], Awaitable[bool]], parts: Sequence[Part]) -> None:
        """Wait for a condition for as long as the parts it depends on are alive."""
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                while not await condition():
                    self._check_alive(parts)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DevClusterError(
                f"cluster {self.name}: waited {START_TIMEOUT_SECONDS:.0f} s for {what}; "
                f"see `rollwright dev logs {parts[-1]} --name {self.name}`"
            ) from None

    def _check_alive(self, parts: Sequence[Part]) -> None:
        alive = {process.part for process in processes.find(self._state.path)}
        for part in parts:
            if part not in alive:
                last = "\n".join(self._state.log(part).read_text(errors="replace").splitlines()[-5:])
                raise DevClusterError(
                    f"{part} of cluster {self.name} ended by itself; the last lines of {self._state.log(part)}:\n{last}"
                )

    async def _run_kubectl(self, *arguments: str) -> tuple[int, str, str]:
        binaries = await ensure_binaries(CONTROL_PLANE, _silent)
        process = await asyncio.create_subprocess_exec(
            str(binaries / "kubectl"),
            f"--kubeconfig={self.kubeconfig}",
            f"--cache-dir={self._state.path / 'kubectl-cache'}",
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, error = await process.communicate()
        return process.returncode or 0, output.decode(), error.decode()


async def _accepts_connections(port: int) -> bool:
    """Tell whether somebody listens; far cheaper than asking with kubectl."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
