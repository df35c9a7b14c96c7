"""Docker, if it is to be had; the image, built; and a site of containers for all tests."""

import os
import shutil
import subprocess
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes.aio.config import new_client_from_config
from testcontainers.core.config import testcontainers_config

from tests.containers import images
from tests.containers.site import ContainedScene, Site, make_site
from tests.devcluster.standin.namespace import Namespace

testcontainers_config.ryuk_disabled = True  # it would be pulled; what is made here is also removed here


MISSING = "no Docker daemon answers `docker version`: start one, or run .ci/with-docker make containers"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once why nothing was run."""
    if terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"skipped: {MISSING}")


@pytest.fixture(scope="session")
def docker() -> None:
    """A Docker daemon answers. Without one there is nothing to be seen, except in CI, which has to see it."""
    asked = ("docker", "version")
    found = shutil.which("docker") and subprocess.run(asked, capture_output=True, check=False).returncode == 0
    if not found:
        pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)


@pytest.fixture(scope="session")
def image(docker: None) -> str:
    """The image, built anew; what hasn't changed is still there."""
    images.build()
    return images.IMAGE


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(image: str, temporal_binary: Path) -> AsyncIterator[Site]:
    """A cluster and a Temporal server in containers."""
    async with make_site(temporal_binary) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="session")
async def scene(site: Site, tmp_path: Path) -> AsyncIterator[ContainedScene]:
    """A namespace of the cluster."""
    async with AsyncExitStack() as stack:
        kubeconfig = str(site.cluster.kubeconfig)
        api = await stack.enter_async_context(await new_client_from_config(kubeconfig, persist_config=False))
        namespace = Namespace(api, f"contained-{uuid.uuid4().hex[:8]}")
        await namespace.create()
        client = await site.temporal.client()
        yield ContainedScene(site.cluster, site.temporal, client, namespace, tmp_path, stack, site=site)
