"""What a cluster keeps on disk: its folder, the settings and ports it was made with, and the lock around both."""

import asyncio
import fcntl
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from random import SystemRandom

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollwright.devcluster import DevClusterError

Report = Callable[[str], None]
"""Takes a line of progress meant for a person."""

# Below the range the system gives to outgoing connections (32768 and up, Documentation/networking/ip-sysctl): a port
# from that range may be taken by anybody while its part is stopped, even by a client that tries to reach it.
PORTS = range(20000, 30000)
NAME_PATTERN = re.compile(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?")


class ClusterSettings(BaseModel):
    """What a cluster is made of. Fixed for its life."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu_nodes: int = Field(default=8, ge=1, le=500)
    gpus_per_node: int = Field(default=8, ge=0, le=64)
    feature_gates: dict[str, bool] = Field(default_factory=dict)
    """For the API server and the controller manager; what is not named is as Kubernetes has it by default."""


class Ports(BaseModel):
    """The loopback ports of a cluster, kept over restarts of its parts."""

    model_config = ConfigDict(frozen=True)

    api: int
    etcd: int
    etcd_peer: int
    kubelet: int
    """One for all nodes, which are played by one process."""


class ClusterRecord(BaseModel):
    """What is written down when a cluster is made, so that any later process can go on with it."""

    model_config = ConfigDict(frozen=True)

    settings: ClusterSettings
    ports: Ports


class StateFolder:
    """The folder of one cluster. It is there from the first moment of `up` to the end of `down`."""

    def __init__(self, name: str) -> None:
        """Raise DevClusterError for a name that isn't a short DNS label."""
        if not NAME_PATTERN.fullmatch(name):
            raise DevClusterError(
                f"cluster name {name!r}: use at most 40 lower-case letters, digits and dashes, "
                "with a letter or digit at both ends"
            )
        home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        self.name = name
        self.path = home / "rollwright" / "devcluster" / name
        self.kubeconfig = self.path / "kubeconfig"
        self.logs = self.path / "logs"
        self.audit = self.path / "audit.log"
        self._record = self.path / "cluster.json"
        self._lock = self.path.with_suffix(".lock")

    def read(self) -> ClusterRecord | None:
        """Return what the cluster was made with; None if there is no such cluster.

        Raises DevClusterError if another version has made it.
        """
        if not self._record.exists():
            return None
        try:
            return ClusterRecord.model_validate_json(self._record.read_text())
        except ValidationError as error:
            raise DevClusterError(
                f"cluster {self.name} was made by another version of this program: "
                f"remove it with `rollwright dev down --name {self.name}`"
            ) from error

    def write(self, record: ClusterRecord) -> None:
        """Write down a new cluster. Done last in its making: a folder without a record never counts."""
        draft = self._record.with_suffix(".draft")
        draft.write_text(record.model_dump_json(indent=2))
        draft.replace(self._record)

    def create(self) -> None:
        """Make the folder anew, readable by its owner only: it holds private keys."""
        self._clear()
        self.path.mkdir(parents=True, mode=0o700)
        self.logs.mkdir()

    def remove(self) -> None:
        """Remove all there is of the cluster, its lock too: only for who holds that."""
        self._clear()
        self._lock.unlink(missing_ok=True)

    def log(self, part: str) -> Path:
        """Return the log file of a part."""
        return self.logs / f"{part}.log"

    def _clear(self) -> None:
        if self.path.exists():
            shutil.rmtree(self.path)

    @asynccontextmanager
    async def locked(self, report: Report) -> AsyncIterator[None]:
        """Hold the cluster's lock, so that nobody else changes it meanwhile. The system frees it if we are killed."""
        async with locked(self._lock, lambda: report(f"waiting for another change of cluster {self.name}")):
            yield


@asynccontextmanager
async def locked(path: Path, on_wait: Callable[[], None]) -> AsyncIterator[None]:
    """Hold an exclusive lock on a file; `on_wait` is called once if somebody else holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    waited = False
    while (descriptor := _try_lock(path)) is None:
        if not waited:
            on_wait()
            waited = True
        await asyncio.sleep(0.1)
    try:
        yield
    finally:
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """Return a descriptor that holds the lock, or None if somebody else does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it before may have removed the file: then this lock keeps nobody out.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def choose_ports() -> Ports:
    """Choose the ports of a new cluster. Raises DevClusterError if too few are free."""
    api, etcd, etcd_peer, kubelet = free_ports(4)
    return Ports(api=api, etcd=etcd, etcd_peer=etcd_peer, kubelet=kubelet)


def free_ports(count: int) -> list[int]:
    """Choose so many loopback ports that nobody listens on. Raises DevClusterError if there are too few."""
    free = list(islice(filter(_is_free, SystemRandom().sample(PORTS, len(PORTS))), count))
    if len(free) < count:
        last = PORTS.stop - 1
        raise DevClusterError(f"fewer than {count} free ports between {PORTS.start} and {last} on 127.0.0.1: free some")
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
