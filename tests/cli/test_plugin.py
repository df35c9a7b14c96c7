"""`kubectl rollwright`, by a real kubectl and against a real Temporal server."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import yaml
from temporalio.client import Client

from rollwright.devcluster.build import CONTROL_PLANE, ensure_binaries
from tests.cli.conftest import Ran
from tests.cli.played import flags, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.real

PROGRAMS = {"kubectl-rollwright": "main", "kubectl_complete-rollwright": "complete"}
Kubectl = Callable[..., Awaitable[Ran]]


def install(folder: Path) -> None:
    """The programs of the package, as pip makes them."""
    for name, function in PROGRAMS.items():
        program = folder / name
        program.write_text(f"#!{sys.executable}\nfrom rollwright.cli.plugin import {function}\n{function}()\n")
        program.chmod(0o755)


@pytest_asyncio.fixture
async def kubectl(server: Client, tmp_path: Path) -> Kubectl:
    """Run kubectl with the plugin on its PATH, and a kubeconfig of two contexts; there is no cluster."""
    install(tmp_path)
    contexts = [
        {"name": name, "context": {"cluster": "none", "user": "none", "namespace": namespace}}
        for name, namespace in (("here", "elsewhere"), ("gpu", "inference"))
    ]
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(yaml.safe_dump({"kind": "Config", "current-context": "here", "contexts": contexts}))
    program = await ensure_binaries(CONTROL_PLANE, print) / "kubectl"
    env = {
        **os.environ,
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "KUBECONFIG": str(kubeconfig),
        "TEMPORAL_ADDRESS": server.service_client.config.target_host,
    }

    async def kubectl(*arguments: str) -> Ran:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        stdout, stderr = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode is not None
        return Ran(stdout.decode(), stderr.decode(), process.returncode)

    return kubectl


async def test_the_context_the_namespace_and_the_flags_are_those_of_kubectl(
    run: "Run", kubectl: Kubectl, tmp_path: Path
) -> None:
    await run(*flags("plugged"))
    current = await kubectl("rollwright", "status", "lws/plugged")
    assert current.stderr.startswith("error: there is no rollout of lws/plugged in namespace elsewhere\n")
    for given in (
        ["--context", "gpu"],
        ["--namespace", "inference"],
        ["-n", "inference", "--kubeconfig", str(tmp_path / "not-looked-at")],
    ):
        ran = await kubectl("rollwright", "status", "lws/plugged", *given, "-o", "json")
        assert (ran.code, ran.stderr) == (0, "")
        assert json.loads(ran.stdout)["rollout"] == rollout("plugged")


async def test_its_help_and_its_mistakes_are_spelled_as_it_is_called(kubectl: Kubectl) -> None:
    assert "Usage: kubectl rollwright status [OPTIONS]" in (await kubectl("rollwright", "status", "--help")).stdout
    assert "--install-completion" not in (await kubectl("rollwright", "--help")).stdout
    mistyped = await kubectl("rollwright", "statsu")
    assert mistyped.code != 0
    assert "Try 'kubectl rollwright --help'" in mistyped.stderr


async def test_kubectl_completes_its_words(run: "Run", kubectl: Kubectl, server: Client) -> None:
    await run(*flags("plug-tab"))
    async with asyncio.timeout(120):  # what is searched for is written a moment after the fact
        while (said := (await kubectl("__complete", "rollwright", "status", "lws/plug-")).stdout.splitlines())[
            1:
        ] == []:
            pass
    assert said == ["lws/plug-tab\tnamespace inference, preparing", ":4"]
    files = await kubectl("__complete", "rollwright", "plan", "-f", "")
    assert files.stdout.splitlines() == [":0"]
