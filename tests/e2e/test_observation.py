"""A worker is observed while it rolls out: by the real Prometheus, by its probes, and by its log."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part
from rollwright.devcluster.prometheus import Prometheus
from rollwright.devcluster.state import free_ports
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.spec import GatedStep
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import until
from tests.docs.metrics import documented, expressions
from tests.e2e.conftest import make_scene
from tests.e2e.documented import TWO_TWO
from tests.e2e.processes import TemporalServer
from tests.e2e.scene import AT_ONCE, NAME, Scene
from tests.support.prometheus import Answer, query, query_until

pytestmark = pytest.mark.real

GATED = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2, gates=(Bake(duration=1), ApprovalGate())),)})
OWN = '{__name__=~"rollwright_.+"}'
OF_PROMETHEUS = {"__name__", "job", "instance", "le"}
PARTS_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")


async def types(prometheus: Prometheus) -> dict[str, str]:
    """By metric, as Prometheus has taken them up."""
    async with aiohttp.ClientSession() as session, session.get(f"{prometheus.url}/api/v1/metadata") as response:
        return {name: told[0]["type"] for name, told in (await response.json())["data"].items()}


def family(name: str, known: dict[str, str]) -> str:
    """The metric that a series is of."""
    whole = next((name.removesuffix(part) for part in PARTS_OF_A_HISTOGRAM if name.endswith(part)), name)
    return whole if known.get(whole) == "histogram" else name


def labels(answer: Answer, known: dict[str, str]) -> dict[str, set[frozenset[str]]]:
    """The sets of labels that the series of each metric have."""
    found: dict[str, set[frozenset[str]]] = {}
    for series, _ in answer.series:
        found.setdefault(family(series["__name__"], known), set()).add(frozenset(series.keys() - OF_PROMETHEUS))
    return found


async def test_metrics_are_there_as_documented_and_no_others_and_the_log_tells_what_it_is_about(
    scene: Scene, tmp_path: Path
) -> None:
    await scene.create(ready_after=AT_ONCE)
    (port,) = free_ports(1)
    target = f"lws/{scene.namespace.name}/{NAME}"
    worker = await scene.start_worker(None, f"--metrics=127.0.0.1:{port}")
    async with (
        Prometheus(tmp_path, [f"127.0.0.1:{port}"], interval_seconds=3, report=print) as prometheus,
        scene.rollout(GATED) as rollout,
    ):
        await rollout.until_phase(Phase.GATED)
        await query_until(
            prometheus,
            f'rollwright_rollout_waiting_seconds{{target="{target}", reason="approval"}}',
            lambda answer: len(answer.series) == 1,
        )
        await query_until(prometheus, 'rollwright_rollouts{phase="gated"}', lambda answer: answer.values == ["1"])
        told = {metric.name: metric.type for metric in documented()}
        own = {metric.name: {metric.labels} for metric in documented() if metric.name.startswith("rollwright_")}
        await query_until(prometheus, OWN, lambda answer: labels(answer, told) == own)
        await until(lambda: types(prometheus), lambda known: {name: known.get(name) for name in told} == told)
        await until(lambda: missing(prometheus), lambda missing: missing == [])
        for expression in expressions():
            assert (await query(prometheus, expression)).status == 200, expression
        groups = ("groups_done", "groups_wanted", "promise_margin_groups")
        await until(lambda: values(prometheus, *groups), lambda found: found == ["2", "4", "2"])
        prepared = 'rollwright_steps_total{action="prepare", outcome="done"}'
        await query_until(prometheus, prepared, lambda answer: answer.values == ["1"])

        await rollout.send(Message.PROMOTE)
        await rollout.result()
        await query_until(prometheus, f'{{target="{target}"}}', lambda answer: answer.series == [])
    assert_every_line_says_what_it_is_about(worker.log.read_text(), scene)


async def values(prometheus: Prometheus, *metrics: str) -> list[str]:
    return [value for name in metrics for value in (await query(prometheus, f"rollwright_rollout_{name}")).values]


async def missing(prometheus: Prometheus) -> list[str]:
    """The documented metrics that no series has with their labels."""
    answer = await query(prometheus, '{job!=""}')
    found = labels(answer, {metric.name: metric.type for metric in documented()})
    return [metric.name for metric in documented() if metric.labels not in found.get(metric.name, ())]


def assert_every_line_says_what_it_is_about(log: str, scene: Scene) -> None:
    """Of a rollout that has waited at one gate."""
    lines = [json.loads(line) for line in log.splitlines()]
    about = [line for line in lines if "rollout" in line]
    assert {line["rollout"] for line in about} == {scene.target.workflow_id}
    assert {line["target"] for line in about} == {f"lws/{scene.namespace.name}/{NAME}"}
    written = [line for line in about if "fence" in line]
    assert {line["step"] for line in written} >= {"keep_template", "prepare", "lower_partition", "restore"}
    assert len({line["fence"] for line in written}) == len(written)
    phases = [line["message"].partition(", ")[0] for line in about if line["logger"] == "temporalio.workflow"]
    assert phases == ["progressing", "gated", "progressing", "restoring", "completed"]


async def test_what_a_worker_waits_for_fails_its_readiness_and_never_its_liveness(
    devcluster: DevCluster, temporal_binary: Path, tmp_path: Path
) -> None:
    server = TemporalServer(temporal_binary, tmp_path)
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        scene = await make_scene(devcluster, server, tmp_path, stack)
        await scene.create(ready_after=AT_ONCE)
        (port,) = free_ports(1)
        await scene.start_worker(None, f"--health=127.0.0.1:{port}")
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def told(path: str = "/readyz") -> tuple[int, str]:
                async with session.get(path) as answer:
                    return answer.status, await answer.text()

            async with scene.rollout(GATED) as rollout:
                await rollout.until_phase(Phase.GATED)
                await until(told, lambda told: told == (200, "ok\n"))
                async with scene.without(Part.API_SERVER):
                    broken = f"the watch of pods in {scene.namespace.name} is broken: "
                    await until(told, lambda told: told[0] == 503 and broken in told[1])
                    assert await told("/healthz") == (200, "ok\n")
                await until(told, lambda told: told == (200, "ok\n"))

                await server.kill()
                silent = "Temporal does not answer: "
                await until(told, lambda told: told[0] == 503 and told[1].startswith(silent))
                assert await told("/healthz") == (200, "ok\n")
                await server.start()
                await until(told, lambda told: told == (200, "ok\n"))

                await rollout.send(Message.PROMOTE)
                assert (await rollout.result()).phase is Phase.COMPLETED
