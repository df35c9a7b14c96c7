"""A worker as the chart has it run: with its arguments, under its account, by the rights that Helm has installed."""

import json
from pathlib import Path

import pytest

from rollwright.workflows.contract import Phase
from tests.chart.helm import CHART, built_helm
from tests.e2e.documented import TWO_TWO
from tests.e2e.rights import account, namespaces_of
from tests.e2e.scene import AT_ONCE, Scene, assert_left_alone

pytestmark = pytest.mark.real

OF_THE_POD = ("--task-queue=", "--metrics=", "--health=")
"""Others are used here."""


async def test_a_worker_of_the_chart_rolls_out(scene: Scene, tmp_path: Path) -> None:
    await scene.create(ready_after=AT_ONCE)
    arguments = await install(scene, tmp_path)
    assert arguments == [f"--namespace={scene.namespace.name}"]
    worker = await scene.start_worker(await account(scene), *arguments)
    async with scene.rollout(TWO_TWO) as rollout:
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert "not permitted" not in worker.log.read_text()
    assert "may not list nodes" in worker.log.read_text()
    assert_left_alone(await scene.lws())


async def install(scene: Scene, folder: Path) -> list[str]:
    """Install the chart for the target; what its workers are told besides where they listen."""
    targets, workers = namespaces_of(scene.namespace.name)
    values = {
        "temporal": {"address": scene.server.address},
        "targets": {"namespaces": [targets]},
        "serviceAccount": {"name": "rollwright"},
        "versioning": {"enabled": False},
    }
    path = folder / "values.json"
    path.write_text(json.dumps(values))
    helm = await built_helm(folder)
    placed = ("install", targets, CHART, f"--namespace={workers}", "--create-namespace", f"--values={path}")
    ended = await helm.run(*placed, kubeconfig=scene.cluster.kubeconfig)
    assert ended.code == 0, ended.error
    found = await scene.cluster.kubectl("get", "deployment", targets, f"--namespace={workers}", "--output=json")
    (container,) = json.loads(found)["spec"]["template"]["spec"]["containers"]
    verb, *told = container["args"]
    assert verb == "worker"
    return [argument for argument in told if not argument.startswith(OF_THE_POD)]
