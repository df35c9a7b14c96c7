"""Every change to the workflow must replay the stored histories: rollouts of a day outlive many releases."""

import json
from pathlib import Path

import pytest
from opentelemetry import trace
from temporalio.client import WorkflowHistory
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, ReplaySafeTracerProvider, create_tracer_provider
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from rollwright.workflows.rollout import RolloutWorkflow
from tests.support.record_history import HISTORIES


def name_of(path: Path) -> str:
    return path.relative_to(HISTORIES).with_suffix("").as_posix()


@pytest.mark.parametrize("path", sorted(HISTORIES.rglob("*.json")), ids=name_of)
async def test_a_stored_history_replays(path: Path) -> None:
    history = WorkflowHistory.from_json("rollout/lws/default/llm", json.loads(path.read_text()))
    replayer = Replayer(workflows=[RolloutWorkflow], data_converter=pydantic_data_converter)
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None
    assert len(history.events) > 50


async def test_a_history_from_before_traces_replays_with_them() -> None:
    """Spans take their ids from the workflow's own random numbers."""
    if not isinstance(trace.get_tracer_provider(), ReplaySafeTracerProvider):  # once for a process
        trace.set_tracer_provider(create_tracer_provider())
    history = WorkflowHistory.from_json("rollout/lws/default/llm", json.loads((HISTORIES / "gated.json").read_text()))
    replayer = Replayer(
        workflows=[RolloutWorkflow],
        data_converter=pydantic_data_converter,
        plugins=[OpenTelemetryPlugin(add_temporal_spans=True)],
    )
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None


def test_there_are_histories_to_replay() -> None:
    assert {path.stem for path in HISTORIES.rglob("*.json")} >= {
        "completed",
        "paused",
        "rolled-back",
        "retargeted",
        "continued-as-new",
        "aborted",
        "gated",
        "eager",
        "told",
        "moves-to-another-build",
        "moved-to-another-build",
    }
