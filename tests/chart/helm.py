"""The chart, and Helm, which renders and installs it."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import yaml

from rollwright.devcluster.build import EXTRAS, ensure_binaries
from tests.devcluster.standin.namespace import Json

CHART = Path(__file__).parents[2] / "deploy" / "chart"
DATA = Path(__file__).parents[1] / "data" / "chart"
NAME = "rollwright"
"""Of the release, and of its namespace."""


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    code: int
    output: str
    error: str


@dataclass(frozen=True)
class Helm:
    """A program that keeps nothing outside of a folder."""

    program: Path
    folder: Path

    async def run(self, *arguments: str | Path, kubeconfig: Path | None = None) -> Ended:
        """Run it to its end; without a kubeconfig it knows no cluster."""
        homes = {f"HELM_{kind}_HOME": str(self.folder) for kind in ("CACHE", "CONFIG", "DATA")}
        process = await asyncio.create_subprocess_exec(
            self.program,
            *arguments,
            env={**os.environ, **homes, "KUBECONFIG": str(kubeconfig or os.devnull)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, error = await process.communicate()
        return Ended(process.returncode or 0, output.decode(), error.decode())

    async def rendered(self, *options: str | Path) -> str:
        """The manifests, as text."""
        ended = await self.run("template", NAME, CHART, f"--namespace={NAME}", *options)
        assert ended.code == 0, ended.error
        return ended.output

    async def objects(self, *options: str | Path) -> list[Json]:
        """The manifests, read."""
        return [item for item in yaml.safe_load_all(await self.rendered(*options)) if item]


async def built_helm(folder: Path) -> Helm:
    """The pinned one, which is built if it isn't there yet."""
    return Helm(await ensure_binaries(EXTRAS, print) / "helm", folder)


def values_of(case: str) -> Path:
    """The values of a case that is kept in tests/data/chart."""
    return DATA / f"{case}.values.yaml"
