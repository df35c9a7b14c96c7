"""Traces, by a collector that gets them: one holds a command, what it makes of the workflow, and the activities."""

import pytest

from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Phase
from tests.devcluster.standin.namespace import until
from tests.e2e.scene import BY_HAND, Scene
from tests.support.collector import Span, collector

pytestmark = pytest.mark.real

ALL_AT_ONCE = Strategy(max_unavailable="100%")
BY_FLAGS = ("start", "--image=model=model:2", "--max-unavailable=100%", "--no-check")
STORY = {
    "StartWorkflow:Rollout",
    "RunWorkflow:Rollout",
    "StartActivity:lower_partition",
    "RunActivity:lower_partition",
    "RunActivity:wait_readiness",
}


def named(spans: list[Span], name: str) -> list[Span]:
    return [span for span in spans if span.name == name]


async def test_a_trace_holds_a_command_the_workflow_and_its_activities(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.create(2, ready_after=BY_HAND)
    async with collector() as collecting:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collecting.endpoint)
        async with scene.rollout(ALL_AT_ONCE, begun_by=BY_FLAGS) as rollout:
            await scene.rollwright("pause")
            await scene.rollwright("resume")
            await scene.make_ready(0, 1)
            assert (await rollout.result()).phase is Phase.COMPLETED
        assert await rollout.worker.terminate() == 0
        spans = await until(collecting.spans_so_far, lambda spans: named(spans, "RunWorkflow:Rollout"))
    (started,) = named(spans, "StartWorkflow:Rollout")
    (ran,) = named(spans, "RunWorkflow:Rollout")
    assert ran.parent == started.id
    assert {span.name for span in spans if span.trace == started.trace} >= STORY
    for command in named(spans, "StartWorkflowUpdate:steer"):
        (taken,) = [span for span in named(spans, "HandleUpdate:steer") if span.trace == command.trace]
        assert taken.parent == command.id
    assert {span.service for span in spans} == {"rollwright"}
