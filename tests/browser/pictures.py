"""Takes the picture of the Temporal UI that the README shows: `python -m tests.browser.pictures FOLDER`."""

import asyncio
import shutil
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from kubernetes.aio.config import new_client_from_config
from playwright.async_api import ViewportSize, async_playwright

from rollwright.devcluster.cluster import DevCluster
from tests.browser.temporal_ui import TemporalUi
from tests.devcluster.standin.namespace import Namespace
from tests.e2e.documented import READY_AFTER, RELEASED_BY, TWO_TWO
from tests.e2e.processes import TemporalServer
from tests.e2e.scene import BY_HAND, NEW, Scene

SIZE = ViewportSize(width=1500, height=840)
BESIDE, ABOVE = 258, 60
"""What the navigation of the UI takes, which shows nothing of a rollout."""
START = (
    "start",
    f"--image=model={NEW}",
    "--max-unavailable=2",
    "--max-surge=2",
    "--actor=ada",
    "--reason=it is better",
)


async def main(folder: Path) -> None:
    """Write FOLDER/temporal-ui.png."""
    async with AsyncExitStack() as stack:
        scratch = Path(stack.enter_context(TemporaryDirectory()))
        cluster = await DevCluster.up("pictures", report=print)
        stack.push_async_callback(cluster.down)
        server = TemporalServer(Path(sys.executable).with_name("temporal"), scratch, ui=True)
        await server.start()
        stack.push_async_callback(server.kill)
        scene = await _scene(cluster, server, scratch, stack)
        await scene.create(ready_after=BY_HAND)
        async with scene.rollout(TWO_TWO, begun_by=START) as rollout:
            *played, last = READY_AFTER
            for stage in played:
                await rollout.reaches(*stage)
                await rollout.replaced(*RELEASED_BY[stage])
                await scene.make_ready(*READY_AFTER[stage])
            await rollout.reaches(*last)
            await _picture(server.ui, scene.target.workflow_id, folder / "temporal-ui.png")
            await rollout.handle.terminate("its picture is taken")


async def _scene(cluster: DevCluster, server: TemporalServer, folder: Path, stack: AsyncExitStack) -> Scene:
    api = await stack.enter_async_context(await new_client_from_config(str(cluster.kubeconfig), persist_config=False))
    namespace = Namespace(api, "inference")
    await namespace.create()
    return Scene(cluster, server, await server.client(), namespace, folder, stack)


async def _picture(address: str, rollout: str, file: Path) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = await (await browser.new_context(viewport=SIZE, locale="en-US")).new_page()
        ui = TemporalUi(page, address)
        await ui.open(rollout)
        await ui.details("Stage", "Partition changes")
        width, height = SIZE["width"] - BESIDE, SIZE["height"] - ABOVE
        await page.screenshot(path=file, clip={"x": BESIDE, "y": ABOVE, "width": width, "height": height})
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
