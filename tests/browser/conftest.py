"""A real browser: Chromium, driven by Playwright, which brings none of its own."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from rollwright.devcluster.cluster import DevCluster
from tests.browser.temporal_ui import TemporalUi
from tests.e2e.conftest import make_scene
from tests.e2e.processes import TemporalServer
from tests.e2e.scene import Scene


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for the whole run."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("no Chromium is on PATH; install it, on Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        # Its own sandbox needs rights that root in a container doesn't have; all it opens are pages of this run.
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of its own, with nothing remembered from others."""
    context = await browser.new_context(viewport={"width": 1400, "height": 1000}, locale="en-US")
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def temporal(temporal_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TemporalServer]:
    """A Temporal server with its UI."""
    server = TemporalServer(temporal_binary, tmp_path_factory.mktemp("temporal"), ui=True)
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(devcluster: DevCluster, temporal: TemporalServer, tmp_path: Path) -> AsyncIterator[Scene]:
    """A namespace of the shared cluster."""
    async with AsyncExitStack() as stack:
        yield await make_scene(devcluster, temporal, tmp_path, stack)


@pytest.fixture
def ui(page: Page, temporal: TemporalServer) -> TemporalUi:
    """The Temporal UI in a page of the browser."""
    return TemporalUi(page, temporal.ui)
