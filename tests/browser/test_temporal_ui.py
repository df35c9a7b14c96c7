"""The Temporal UI in a real browser: a person who has nothing else understands a rollout and steers it."""

import json

import pytest
from playwright.async_api import expect
from temporalio.client import WorkflowFailureError

from rollwright.rollout.spec import Change, Strategy
from rollwright.workflows.contract import Phase
from tests.browser.temporal_ui import TemporalUi
from tests.e2e.scene import AT_ONCE, BY_HAND, NEW, Rollout, Scene

pytestmark = pytest.mark.real

STRATEGY = Strategy(max_unavailable=1)
START = ("start", f"--image=model={NEW}", "--max-unavailable=1", "--actor=ada", "--reason=answers are better")
WITH_APPROVAL = """
apiVersion: rollwright/v1
kind: Rollout
target: {{namespace: {namespace}, name: llm}}
change: {{images: {{model: "model:2"}}}}
strategy:
  maxUnavailable: 1
  steps:
    - until: 1
      gates:
        - {{kind: approval, timeout: 24h}}
"""


async def released(rollout: Rollout) -> None:
    """Wait until the first group is taken down, and is starting."""
    await rollout.until(lambda now: now.observation and not all(group.available for group in now.observation.asked))


async def test_a_person_reads_how_it_stands_pauses_it_and_has_it_go_on(scene: Scene, ui: TemporalUi) -> None:
    await scene.create(2, ready_after=BY_HAND)
    name = scene.target.workflow_id
    async with scene.rollout(STRATEGY, begun_by=START) as rollout:
        await released(rollout)
        await ui.open(name)
        await ui.shows(
            "try the change by a dry run and keep its template",
            "new template, frozen at partition 2",
            "partition 2 -> 1",
            "wait until group 1 can serve",
        )
        shown = await ui.details("progressing, 0 of 2 groups done", "asked for by ada: answers are better")
        rows = [line.replace("\xa0", "").split("\t") for line in shown.splitlines() if line.count("\t") > 3]
        assert rows == [
            ["Stage", "Partition", "Replicas", "0", "1", "Note"],
            ["1", "0", "2", "✅", "✅", "Before rolling update"],
            ["2", "2", "2", "❎", "❎", "Rolling update started"],
            ["3", "1", "2", "❎", "⏳", "Partition changes from 2 to 1"],
        ]

        await ui.signal("pause", '{"actor": "grace", "reason": "latency"}')
        shown = await ui.details("paused, 0 of 2 groups done", "It waits for somebody.")
        assert "pause: no new step; groups already released go on loading, by grace: latency" in shown
        await ui.tab("Memo")
        await ui.shows("paused, 0 of 2 groups done")
        here = f'ExecutionStatus = "Running" AND RolloutNamespace = "{scene.namespace.name}"'
        await ui.lists(f'RolloutPhase IN ("gated", "stalled", "paused") AND {here}', name)
        await ui.lists(f'RolloutPhase = "progressing" AND {here}')

        await ui.open(name)
        await ui.signal("resume")
        await ui.details("progressing, 0 of 2 groups done", "resume: goes on, by somebody")
        await scene.make_ready(1, 0)
        assert (await rollout.result()).phase is Phase.COMPLETED
    await ui.details("completed, 2 of 2 groups done", "Rolling update completed")
    await ui.shows("Completed")


async def test_what_is_to_be_approved_is_pasted_from_the_details(scene: Scene, ui: TemporalUi) -> None:
    await scene.create(2, ready_after=AT_ONCE)
    file = scene.folder / "rollout.yaml"
    file.write_text(WITH_APPROVAL.format(namespace=scene.namespace.name))
    async with scene.rollout(STRATEGY, begun_by=("start", f"--file={file}")) as rollout:
        await rollout.until_phase(Phase.GATED)
        await ui.open(scene.target.workflow_id)
        await ui.details("It waits for somebody.", "waits to be approved")
        data = await ui.current.get_by_role("code").filter(has_text="seen").inner_text()
        assert json.loads(data)["seen"] == (await rollout.status()).seen
        await ui.signal("approve", data)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    await ui.details("completed, 2 of 2 groups done", "gate 1 passed: approval: approved by you")


async def test_what_people_send_by_mistake_is_kept_or_refused_and_the_rollout_goes_on(
    scene: Scene, ui: TemporalUi
) -> None:
    await scene.create(2, ready_after=BY_HAND)
    async with scene.rollout(STRATEGY, begun_by=START) as rollout:
        await released(rollout)
        await ui.open(scene.target.workflow_id)
        dialog = await ui.dialog("Send a Signal", "pause")
        await ui.fill(dialog, "latency {")
        await expect(dialog).to_contain_text("Input must be valid JSON")
        await ui.cancel(dialog)

        await ui.signal("promote")
        await ui.signal("pause", '"latency is up"')
        await ui.signal("resume", '{"actor": 5, "reason": "five"}')
        await ui.signal("pause", "[1, 2]")
        await ui.signal("retarget", '{"change": "model:3"}')
        dialog = await ui.dialog("Send a Signal", "Custom")
        await dialog.get_by_role("textbox").first.fill("halt")
        await ui.submit(dialog, expect(dialog).to_be_hidden)
        shown = await ui.details("a message was not understood: halt")
        for told in (
            "promote refused: no gate is left, by somebody",
            "pause: no new step; groups already released go on loading, by somebody: latency is up",
            "resume: goes on, by somebody: five",
            "retarget refused: change: must be one JSON object",
        ):
            assert told in shown

        for data, why in {
            "": "say which message: one of pause, resume, abort, rollback, promote, approve, reject",
            '{"message": "promote"}': "no gate is left",
        }.items():
            assert "File " not in await ui.refusal("steer", data, why)
        await ui.update("steer", '{"message": "resume", "actor": "grace"}')
        assert (await rollout.until_phase(Phase.PROGRESSING)).events[-1].actor == "grace"
        await ui.tab("Event History")
        await ui.shows("Workflow Execution Update Completed")


async def test_a_rollout_that_is_set_another_change_is_found_by_who_has_asked_for_it(
    scene: Scene, ui: TemporalUi
) -> None:
    await scene.create(1, ready_after=BY_HAND)
    name, of_the_namespace = scene.target.workflow_id, f'RolloutTarget STARTS_WITH "lws/{scene.namespace.name}/"'
    async with scene.rollout(STRATEGY, begun_by=START) as rollout:
        await ui.lists(f'RolloutInitiator = "ada" AND {of_the_namespace}', name)
        await ui.open(name)
        await ui.signal("retarget", '{"actor": "grace", "change": {"images": {"model": "model:3"}}}')
        await rollout.until(lambda now: now.by.actor == "grace")
        await ui.lists(f'RolloutInitiator = "grace" AND {of_the_namespace}', name)


async def test_a_change_that_is_refused_is_told_in_plain_words(scene: Scene, ui: TemporalUi) -> None:
    await scene.create(1, ready_after=AT_ONCE)
    await scene.start_worker()
    handle = await scene.start(STRATEGY, Change(images={"engine": NEW}))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    await ui.open(scene.target.workflow_id)
    await ui.shows("Failed", "there is no container engine in the target; it has model")
    await expect(ui.page.get_by_text("stackTrace")).to_have_count(0)
    await ui.details("refused, with nothing changed", "there is no container engine in the target; it has model")
