"""Rollouts whose payloads are sealed: nothing of them can be read in Temporal, by which they go on all the same."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.worker import keyring
from rollwright.worker.sealing import ENCODING, KEY_ID
from rollwright.workflows.contract import STEER, Message, Phase
from tests.devcluster.standin.namespace import until
from tests.e2e.scene import AT_ONCE, Scene
from tests.e2e.sealing import Keys, codec_server

pytestmark = pytest.mark.real

SECRET = b"walrus"
"""In every word that must not be found, in whichever letters."""
IMAGE, SETTING, VALUE = "registry.internal/walrus:7", "WALRUS_TUSKS", "two-per-walrus"
WHY, WHY_PAUSED, APPROVER, REFUSED = "walrus answers better", "the walrus is slow", "emmy@walrus", "lise@walrus"
FILE = """
apiVersion: rollwright/v1
kind: Rollout
target: {{namespace: {namespace}, name: llm}}
change:
  patch:
    workerTemplate:
      spec:
        containers: [{{name: model, image: "{image}", env: [{{name: {setting}, value: {value}}}]}}]
strategy:
  maxUnavailable: 1
  steps:
    - {{until: 1, gates: [{{kind: approval}}]}}
"""
TWICE = Strategy(
    max_unavailable=1,
    steps=(GatedStep(until=1, gates=(ApprovalGate(),)), GatedStep(until=2, gates=(ApprovalGate(),))),
)


async def test_nothing_of_a_rollout_can_be_read_in_temporal(scene: Scene, keys: Keys, tmp_path: Path) -> None:
    keys.write("2026-11-01", active="2026-11-01")
    raw = scene.client.get_workflow_handle(scene.target.workflow_id)
    file = tmp_path / "rollout.yaml"
    file.write_text(FILE.format(namespace=scene.namespace.name, image=IMAGE, setting=SETTING, value=VALUE))
    await scene.create(2, ready_after=AT_ONCE)
    begun = ("start", f"--file={file}", "--actor=ada", f"--reason={WHY}")
    async with scene.rollout(Strategy(max_unavailable=1), begun_by=begun) as rollout:
        rollout.handle = await keys.handle(scene)
        seen = (await rollout.until(lambda now: now.seen)).seen
        with pytest.raises(WorkflowUpdateFailedError, match="Workflow update failed"):
            await rollout.handle.execute_update(STEER, {"message": "approve", "step": 2, "actor": REFUSED})
        await rollout.send(Message.PAUSE, reason=WHY_PAUSED)
        await rollout.until_phase(Phase.PAUSED)
        described = await until(lambda: pending(raw), lambda found: found.pending_activities)
        await rollout.send(Message.RESUME)
        await rollout.until_phase(Phase.GATED)
        await scene.rollwright("approve", f"--seen={seen}", f"--actor={APPROVER}")
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert await scene.images() == {IMAGE}

    events = [event async for event in raw.fetch_history_events()]
    assert [part for part in (described, *events) if SECRET in part.SerializeToString().lower()] == []
    assert SECRET not in scene.server.kept().lower()
    assert b"ada" in events[0].SerializeToString(), "who has asked for it is a search attribute"

    downloaded = tmp_path / "downloaded.json"
    downloaded.write_text(await scene.temporal("workflow", "show", "--output=json"))
    report = await scene.report_of(downloaded)
    assert [words for words in (WHY, WHY_PAUSED, APPROVER) if words not in report] == []
    async with codec_server(tmp_path) as address:
        opened = await scene.temporal("workflow", "show", "--output=json", f"--codec-endpoint={address}")
    encoding = base64.b64encode(ENCODING).decode()
    assert encoding in downloaded.read_text()
    assert encoding not in opened

    keys.leave_away()
    told = await scene.rollwright("status", code=1)
    assert "error: its answers can't be read: payloads are sealed with the key '2026-11-01'" in told
    assert f"there are no keys here: set {keyring.SETTING} to their file" in told


async def test_a_rollout_that_began_in_plain_goes_on_sealed_and_by_another_key(scene: Scene, keys: Keys) -> None:
    await scene.create(3, ready_after=AT_ONCE)
    async with scene.rollout(TWICE) as rollout:
        raw = rollout.handle
        first = await rollout.until(lambda now: now.gate == 1 and now.seen)
        keys.write("old", active="old")
        await rollout.worker.kill()
        await scene.start_worker()
        rollout.handle = await keys.handle(scene)
        await rollout.send(Message.APPROVE, seen=first.seen)
        second = await rollout.until(lambda now: now.gate == 2 and now.seen)

        keys.write("old", "new", active="new")
        rollout.handle = await keys.handle(scene)
        await rollout.send(Message.APPROVE, seen=second.seen)  # the workers have the old key only
        await until(lambda: failures(raw), lambda told: "which is not in the file of" in told)
        assert "'new'" in await failures(raw)
        await scene.workers[-1].kill()
        await scene.start_worker()
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    sealed = {payload.metadata.get(KEY_ID, b"") async for payload in inputs(raw)}
    assert sealed == {b"", b"old", b"new"}


async def pending(handle: WorkflowHandle[Any, Any]) -> DescribeWorkflowExecutionResponse:
    """How it stands, with what its activities have heartbeat, as Temporal has it."""
    return (await handle.describe()).raw_description


async def failures(handle: WorkflowHandle[Any, Any]) -> str:
    """Why tasks of the workflow have failed, as Temporal has it."""
    events = [event async for event in handle.fetch_history_events()]
    return "\n".join(event.workflow_task_failed_event_attributes.failure.message for event in events)


async def inputs(handle: WorkflowHandle[Any, Any]) -> AsyncIterator[Payload]:
    """What its activities were given, as Temporal has it."""
    async for event in handle.fetch_history_events():
        for payload in event.activity_task_scheduled_event_attributes.input.payloads:
            yield payload
