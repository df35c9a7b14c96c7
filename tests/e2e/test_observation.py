"""A worker is observed from outside while it rolls out: by the real Prometheus, by its probes, and by its log."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest

from rollwright.devcluster.state import free_ports
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.spec import GatedStep
from rollwright.workflows.contract import Message, Phase
from tests.e2e.documented import TWO_TWO
from tests.e2e.processes import Process
from tests.e2e.scene import AT_ONCE, Scene

pytestmark = pytest.mark.real

PAGE = Path(__file__).parents[2] / "docs" / "observation.md"
GATED = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2, gates=(Bake(duration=1), ApprovalGate())),)})
EXPORTED = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


async def observed_worker(scene: Scene) -> tuple[Process, str, str]:
    """A worker, and where its metrics and its health are."""
    metrics, health = (f"127.0.0.1:{port}" for port in free_ports(2))
    worker = await scene.start_worker(None, f"--metrics={metrics}", f"--health={health}")
    return worker, metrics, health


async def test_scrape(scene: Scene, tmp_path: Path) -> None:
    await scene.create(ready_after=AT_ONCE)
    worker, metrics, health = await observed_worker(scene)
    async with scene.rollout(GATED) as rollout:
        await rollout.until_phase(Phase.GATED)
        await asyncio.sleep(16)
        async with aiohttp.ClientSession() as session:
            for url in (f"http://{metrics}/metrics", f"http://{health}/healthz", f"http://{health}/readyz"):
                async with session.get(url) as response:
                    print(response.status, response.headers, await response.text())
        await rollout.send(Message.PROMOTE)
        await rollout.result()
    print(worker.log.read_text())
