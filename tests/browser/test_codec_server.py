"""Sealed payloads in the Temporal UI: read by a person whose browser may ask the codec server, by nobody else."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Phase
from tests.browser.temporal_ui import TemporalUi
from tests.e2e.conftest import make_scene
from tests.e2e.processes import TemporalServer, free_ports
from tests.e2e.scene import BY_HAND, NEW
from tests.e2e.sealing import Keys, codec_server

pytestmark = pytest.mark.real

WHY = "the walrus answers better"
START = ("start", f"--image=model={NEW}", "--max-unavailable=1", "--actor=ada", f"--reason={WHY}")


async def test_a_rollout_is_read_and_steered_where_the_codec_server_is_asked(
    devcluster: DevCluster, temporal_binary: Path, tmp_path: Path, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Keys(tmp_path / "keys.yaml", monkeypatch)
    keys.write("a", active="a")
    (port,) = free_ports(1)
    async with AsyncExitStack() as stack:
        server = TemporalServer(temporal_binary, tmp_path, ui=True, codec=f"http://127.0.0.1:{port}")
        await server.start()
        stack.push_async_callback(server.kill)
        scene = await make_scene(devcluster, server, tmp_path, stack)
        await scene.create(1, ready_after=BY_HAND)
        ui = TemporalUi(page, server.ui)
        async with scene.rollout(Strategy(max_unavailable=1), begun_by=START) as rollout:
            rollout.handle = await keys.handle(scene)
            await rollout.until_phase(Phase.PROGRESSING)
            await ui.open(scene.target.workflow_id)
            await ui.tab("User Metadata")
            await expect(page.get_by_text(WHY)).to_have_count(0)

            await stack.enter_async_context(codec_server(tmp_path, server.ui, port))
            await ui.open(scene.target.workflow_id)
            await ui.details("progressing, 0 of 1 groups done", f"asked for by ada: {WHY}")
            await ui.signal("pause", '{"actor": "grace", "reason": "the walrus is slow"}')
            await ui.details("paused, 0 of 1 groups done", "by grace: the walrus is slow")
            await ui.signal("abort")
            await rollout.result()
        assert b"walrus" not in server.kept()
