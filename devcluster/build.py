"""Building the control plane, and what is needed beside it, once for a user and a set of pins.

The pins (pins/*/go.mod and go.sum) say exactly what is built; the binaries of a group of programs are kept in a cache
folder named after the pins of that group. A binary gets its place there only when it is complete, so an interrupted
build goes on where it stopped. `python -m rollwright.devcluster.build` builds all groups ahead of time, e.g. in CI, and
prints their folders.
"""

import asyncio
import hashlib
import os
import re
import shutil
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rollwright.devcluster import DevClusterError
from rollwright.devcluster.golang import find_or_install_go
from rollwright.devcluster.state import Report, locked

PINS = Path(__file__).parent / "pins"
PROGRESS_INTERVAL_SECONDS = 60.0


@dataclass(frozen=True)
class Binary:
    """A program built from the module that one of the pins describes."""

    name: str
    pin: str
    package: str
    seconds: int
    """How long it takes on 2 cores with nothing built before, in this order. Measured for each pin as a whole; how the
    time of Kubernetes' four, which share most of it, falls on each of them is an estimate."""


@dataclass(frozen=True)
class Programs:
    """Programs that are built together, into a folder of their own."""

    name: str
    """As it stands in a sentence: "the control plane"."""
    binaries: tuple[Binary, ...]

    @property
    def pins(self) -> frozenset[str]:
        """The pins that decide what is built; those of other programs don't."""
        return frozenset(binary.pin for binary in self.binaries)


CONTROL_PLANE = Programs(
    "the control plane",
    (
        Binary("etcd", "etcd", "go.etcd.io/etcd/server/v3", 60),
        Binary("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", 110),
        Binary("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", 220),
        Binary("kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", 60),
        Binary("kube-scheduler", "kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler", 15),
        Binary("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", 40),
    ),
)
"""What a cluster runs."""

EXTRAS = Programs(
    "the extras",
    (
        Binary("prometheus", "prometheus", "github.com/prometheus/prometheus/cmd/prometheus", 190),
        Binary("promtool", "prometheus", "github.com/prometheus/prometheus/cmd/promtool", 20),
        Binary("helm", "helm", "helm.sh/helm/v4/cmd/helm", 110),
    ),
)
"""What stands beside a cluster in some tests; no cluster needs it."""


def cache_folder(programs: Programs) -> Path:
    """Return the folder of the programs for these pins on this platform; it may not exist yet."""
    return _cache_root() / cache_key(programs, PINS)


def cache_key(programs: Programs, pins: Path) -> str:
    """Return a short hash over all that decides what is built: the pins, the platform and what is built from them."""
    packages = [(binary.name, binary.package) for binary in programs.binaries]
    digest = hashlib.sha256(f"{sysconfig.get_platform()} {packages}".encode())
    for path in sorted(pins.glob("*/go.*")):
        if path.parent.name in programs.pins:
            digest.update(f"{path.relative_to(pins)}\0{path.read_text()}\0".encode())
    return digest.hexdigest()[:16]


async def ensure_binaries(programs: Programs, report: Report) -> Path:
    """Return the folder that holds the programs; build those that are missing. Raises DevClusterError if that fails."""
    folder = cache_folder(programs)
    if not _missing(programs, folder):
        return folder
    async with locked(folder.with_suffix(".lock"), lambda: report(f"waiting for another build of {programs.name}")):
        if _missing(programs, folder):
            go = await find_or_install_go(_cache_root(), _required_go(), report)
            _prepare(folder)
            await _build(programs, folder, go, report)
    return folder


def seconds_left(remaining: Sequence[Binary], built: Sequence[Binary], elapsed_seconds: float, cores: int) -> float:
    """Estimate how long the rest takes: the measured times, corrected by the pace so far or by the number of cores."""
    expected = sum(binary.seconds for binary in built)
    pace = elapsed_seconds / expected if expected else 2 / cores
    return pace * sum(binary.seconds for binary in remaining)


def _cache_root() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "rollwright" / "devcluster"


def _missing(programs: Programs, folder: Path) -> list[Binary]:
    return [binary for binary in programs.binaries if not (folder / binary.name).exists()]


async def _build(programs: Programs, folder: Path, go: Path, report: Report) -> None:
    binaries = _missing(programs, folder)
    started = time.monotonic()
    with TemporaryDirectory(prefix=".draft-", dir=folder) as drafts:
        for index, binary in enumerate(binaries):
            left = seconds_left(binaries[index:], binaries[:index], time.monotonic() - started, os.cpu_count() or 1)
            which = f"{binary.name} ({index + 1} of {len(binaries)})"
            report(f"building {which}, about {duration(left)} left for {programs.name}")
            draft = Path(drafts) / binary.name
            await _build_one(binary, draft, go, report)
            draft.replace(folder / binary.name)
    report(f"built {programs.name} in {duration(time.monotonic() - started)}")


async def _build_one(binary: Binary, draft: Path, go: Path, report: Report) -> None:
    flags = "-s -w"
    if binary.pin == "kubernetes":
        # Without it the API server says v0.0.0 and clients can't tell what it can do.
        flags += f" -X k8s.io/component-base/version.gitVersion={_kubernetes_version()}"
    process = await asyncio.create_subprocess_exec(
        str(go), "build", "-C", str(PINS / binary.pin), "-mod=readonly", "-ldflags", flags, "-o", str(draft),
        binary.package,
        # GOTOOLCHAIN: use this Go and download no other. CGO_ENABLED: static programs, no C compiler needed.
        env={**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        error = await _wait_reporting(process, binary, report)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise DevClusterError(
            f"building {binary.name} from {PINS / binary.pin} failed; `go build` said:\n{error[-2000:]}\n"
            "Go needs its module proxy (`go env GOPROXY`) and about 5 GB of disk; a second try goes on from here."
        )


async def _wait_reporting(process: asyncio.subprocess.Process, binary: Binary, report: Report) -> str:
    """Wait for a build to end, with a sign of life now and then; return what it wrote to stderr."""
    started = time.monotonic()
    ended = asyncio.ensure_future(process.communicate())
    try:
        while not (await asyncio.wait([ended], timeout=PROGRESS_INTERVAL_SECONDS))[0]:
            report(f"  still building {binary.name}, {duration(time.monotonic() - started)} so far")
        _, error = await ended
    finally:
        ended.cancel()
    return error.decode(errors="replace")


def _prepare(folder: Path) -> None:
    """Make the folder; remove what a build that was killed has left in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for drafts in folder.glob(".draft-*"):
        shutil.rmtree(drafts)


def _kubernetes_version() -> str:
    return _pinned(r"^\s*k8s\.io/kubernetes (v\S+)", "kubernetes")


def _required_go() -> str:
    return _pinned(r"^go (\S+)", "kubernetes")


def _pinned(pattern: str, pin: str) -> str:
    path = PINS / pin / "go.mod"
    match = re.search(pattern, path.read_text(), re.MULTILINE)
    if match is None:
        raise DevClusterError(f"{path} doesn't say which version it wants ({pattern}): restore the file")
    return match.group(1)


def duration(seconds: float) -> str:
    """Write a duration for a person: "45 s", "12 min"."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


async def _build_ahead() -> None:
    for programs in (CONTROL_PLANE, EXTRAS):
        print(await ensure_binaries(programs, lambda line: print(line, file=sys.stderr)))


if __name__ == "__main__":
    asyncio.run(_build_ahead())
