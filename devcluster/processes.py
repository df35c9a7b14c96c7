"""Starting, finding and ending the processes of a cluster.

A process is known by a mark in its environment, which holds the cluster's folder and the part's name. There are no pid
files: nothing can be stale, no process is forgotten if whoever started it is killed, and a stranger that got a used
process id is never touched. Signals go through a pidfd that was opened before the mark was read (pidfd_open(2)).
"""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rollwright.devcluster import DevClusterError

MARK = "ROLLWRIGHT_DEVCLUSTER_PART"
EXIT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True)
class PartProcess:
    """A living process of a cluster's part."""

    pid: int
    part: str
    frozen: bool


def mark(folder: Path, part: str) -> str:
    """Return what MARK is for a part of a cluster."""
    return f"{folder}:{part}"


def start(command: Sequence[str], *, folder: Path, part: str, log: Path) -> int:
    """Start a part in a session of its own, so that it outlives us; its output is appended to the log."""
    environment = {**os.environ, MARK: mark(folder, part)}
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    pid = os.posix_spawn(command[0], list(command), environment, file_actions=actions, setsid=True)
    # For a moment after its start a process shows an empty environment; without this wait it would count as dead.
    while _part_of(pid, folder) is None and os.waitpid(pid, os.WNOHANG) == (0, 0):
        time.sleep(0.001)
    return pid


def find(folder: Path, part: str | None = None) -> list[PartProcess]:
    """Return the living processes of a cluster, or of one of its parts."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            name = _part_of(int(entry.name), folder)
            if name is not None and part in (None, name):
                found.append(PartProcess(pid=int(entry.name), part=name, frozen=_is_frozen(int(entry.name))))
    return found


def send(folder: Path, part: str, number: signal.Signals) -> None:
    """Send a signal to the processes of a part."""
    for process in find(folder, part):
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            try:
                _send(descriptor, process, folder, number)
            finally:
                os.close(descriptor)


async def kill(folder: Path, part: str | None = None) -> None:
    """End the processes of a cluster, or of one of its parts, at once, and wait until they are gone.

    Raises DevClusterError if one is still there after 30 s.
    """
    while processes := find(folder, part):
        async with asyncio.TaskGroup() as group:
            for process in processes:
                group.create_task(_kill(process, folder))


async def _kill(process: PartProcess, folder: Path) -> None:
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        with suppress(ProcessLookupError):
            if _send(descriptor, process, folder, signal.SIGKILL):
                await asyncio.wait_for(_wait_for_exit(descriptor), EXIT_TIMEOUT_SECONDS)
    except TimeoutError:
        raise DevClusterError(
            f"{process.part} (process {process.pid}) did not end within {EXIT_TIMEOUT_SECONDS:.0f} s of SIGKILL: "
            "the machine is stuck, look at `dmesg`"
        ) from None
    finally:
        os.close(descriptor)
    # If it was our own child, take its exit status, or it would stay as a zombie for as long as we live.
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)  # noqa: ASYNC222 - with WNOHANG it never blocks


def _send(descriptor: int, process: PartProcess, folder: Path, number: signal.Signals) -> bool:
    """Send a signal to the process if it bears the mark; return whether it does."""
    # The descriptor stays with the process it was opened for: if that one bears the mark, no other can be hit.
    if _part_of(process.pid, folder) != process.part:
        return False
    signal.pidfd_send_signal(descriptor, number)
    return True


async def _wait_for_exit(descriptor: int) -> None:
    exited = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, exited.set)  # a pidfd becomes readable when its process has ended
    try:
        await exited.wait()
    finally:
        loop.remove_reader(descriptor)


def _part_of(pid: int, folder: Path) -> str | None:
    """Return the part that a process plays in a cluster; None for strangers and for the dead."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        return None
    prefix = f"{MARK}={mark(folder, '')}".encode()
    for variable in environment.split(b"\0"):
        if variable.startswith(prefix):
            return variable.removeprefix(prefix).decode()
    return None


def _is_frozen(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # The state follows the command, which is in parentheses and may itself hold some (proc_pid_stat(5)).
    return stat.rpartition(")")[2].split()[0] == "T"
