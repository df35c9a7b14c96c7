"""What is in the image, and who can run it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from testcontainers.core.docker_client import DockerClient

from tests.containers.images import BASE, PROJECT, PYTHON
from tests.containers.workers import CONFINED

pytestmark = pytest.mark.real

Run = Callable[..., str]
MOST_MEGABYTES = 150
"""Over its base."""
EVERYTHING = """
import importlib, pkgutil, rollwright
names = [found.name for found in pkgutil.walk_packages(rollwright.__path__, "rollwright.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""
UNCOMPILED = """
import os, sys, rollwright.cli.main
specs = [getattr(module, "__spec__", None) for module in sys.modules.values()]
own = [spec for spec in specs if spec and (spec.origin or "").startswith("/opt/") and spec.origin.endswith(".py")]
print([spec.name for spec in own if not os.path.exists(spec.cached)])
"""
INSTALLED = """
import importlib.metadata, json
print(json.dumps({found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}))
"""


@pytest.fixture
def run(image: str) -> Run:
    """Run a command in the image as nobody known, without a network, and return what it says."""
    containers = DockerClient().client.containers

    def run(*command: str, **options: Any) -> str:
        said: bytes = containers.run(image, [*command], remove=True, network_mode="none", **CONFINED, **options)
        return said.decode()

    return run


@pytest.fixture
def python(run: Run) -> Run:
    """Run a program in the image's Python."""
    return lambda program: run("-c", program, entrypoint=[PYTHON])


def test_it_plans_without_a_file_it_may_write(run: Run, python: Run) -> None:
    path = python("import rollwright.examples; print(list(rollwright.examples.__path__)[0])").strip()
    planned = run("plan", "--file", f"{path}/rollout.yaml", "--offline", "--json")
    assert [stage["partition"] for stage in json.loads(planned)["stages"]] == [0, 4, 2, 0, 0, 0]


def test_nothing_that_rollwright_imports_was_trimmed_away(python: Run) -> None:
    assert int(python(EVERYTHING)) > 100


def test_nothing_is_compiled_when_it_starts(python: Run) -> None:
    assert python(UNCOMPILED).strip() == "[]"


def test_it_is_small(image: str) -> None:
    images = DockerClient().client.images
    over = images.get(image).attrs["Size"] - images.get(BASE).attrs["Size"]
    assert over < MOST_MEGABYTES * 1e6


def test_the_program_is_a_layer_of_its_own_above_what_it_stands_on(image: str) -> None:
    images = DockerClient().client.images
    base, layers = (images.get(name).attrs["RootFS"]["Layers"] for name in (BASE, image))
    assert layers[: len(base)] == base
    assert len(layers) == len(base) + 2


def test_it_says_what_it_is_and_runs_as_nobody(image: str) -> None:
    config = DockerClient().client.images.get(image).attrs["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert (labels["title"], labels["version"], labels["licenses"]) == ("rollwright", "0.1.0", "Apache-2.0")
    assert re.fullmatch("[0-9a-f]{40}", labels["revision"])
    assert labels["created"].startswith("20")
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == ("65532:65532", ["rollwright"], ["worker"])


def test_its_bill_of_materials_lists_what_is_installed_as_locked(python: Run) -> None:
    bill = json.loads(python("print(open('/opt/rollwright/sbom.cdx.json').read())"))
    listed = {component["name"]: component["version"] for component in bill["components"]}
    installed = json.loads(python(INSTALLED))
    assert bill["metadata"]["component"]["name"] == "rollwright"
    assert installed == {**listed, "rollwright": "0.1.0"}
    lock = (PROJECT / "deploy" / "requirements.lock").read_text()
    assert {f"{_normal(name)}=={version}" for name, version in listed.items()} <= set(
        re.findall(r"^\S+==\S+", lock, re.M)
    )


def test_it_has_neither_pip_nor_a_shell(python: Run) -> None:
    seen = "import importlib.util, shutil; print(importlib.util.find_spec('pip'), shutil.which('sh'))"
    assert python(seen).split() == ["None", "None"]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
