"""The table of `list`, and which rollouts of a real Temporal server are in it."""

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker
from typer.testing import CliRunner

from rollwright.cli import list_views, render
from rollwright.cli.main import app
from rollwright.cli.outputs import Listed, Status
from rollwright.rollout.aim import Course
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.workflows.contract import (
    DEFAULT_TASK_QUEUE,
    PHASE_ATTRIBUTE,
    WORKFLOW_TYPE,
    Intervention,
    OpenGate,
    Phase,
    RolloutInput,
    RolloutStatus,
)
from tests.cli.test_screens import screen

if TYPE_CHECKING:
    from tests.cli.conftest import Run, StartServer

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STARTED = "2026-01-01T22:00:00+00:00"
TARGET = Target(namespace="inference", name="llm")


def groups(letters: str) -> tuple[Group, ...]:
    """U: serves on the new revision, u: on it and starting, o: serves on the old one, F: has failed."""
    return tuple(
        Group(
            ordinal=ordinal,
            updated=letter != "o",
            ready=letter in "Uo",
            failed=letter == "F",
            reason="" if letter in "Uo" else "pulling the image",
        )
        for ordinal, letter in enumerate(letters)
    )


def status(letters: str = "oouU", **told: Any) -> RolloutStatus:
    seen = Observation(replicas=4, groups_asked=len(letters), partition=2, groups=groups(letters))
    given = {"phase": Phase.PROGRESSING, "by": Intervention(actor="ci"), "observation": seen, **told}
    return RolloutStatus(rollout=TARGET.workflow_id, spec=RolloutSpec(target=TARGET), started_at=STARTED, **given)


def listed(told: RolloutStatus | None = None, phase: str = "terminated") -> Listed:
    known = Listed(rollout=TARGET.workflow_id, target="lws/inference/llm", phase=phase, started_at=STARTED)
    return known.told_by(told, list_views.waits_for(Status.of(told))) if told else known


def gate(name: str, kind: str, message: str, finding: Finding = Finding.PENDING) -> OpenGate:
    return OpenGate(name=name, kind=kind, progress=Progress(since=0, message=message, finding=finding))


GATED: dict[str, Any] = {"phase": Phase.GATED, "gate": 1, "gates": 3}


def test_list_tells_how_far_each_is_when_it_ends_and_for_what_it_waits() -> None:
    at = NOW.timestamp()
    gates = (
        gate("bake", "bake", "served for 2 h", Finding.PASSED),
        gate("nights", "window", "outside the window, which opens Fri 2026-01-02 22:00 UTC"),
        gate("on call", "approval", "waits to be approved"),
    )
    rollouts = [
        listed(status(estimate=Estimate(at=at, ends_at=at + 5400, earliest=at, latest=at + 7200, known=1))),
        listed(status("oooU", **GATED, open_gates=gates)),
        listed(status("oooU", **GATED)),
        listed(status("oUUUuu", phase=Phase.STALLED, reason="no surge group finds a node; free nodes")),
        listed(),
    ]
    stalled = "no surge group finds a node; free nodes; waiting for groups 4 (pulling the image), 5 (pulling the image)"
    assert screen(render.table(list_views.listing(rollouts, NOW), 180), 180) == [
        "NAMESPACE  TARGET   PHASE         DONE  AGE  ENDS IN  BY  WAITS FOR",
        "inference  lws/llm  progressing   1/4   5h   90m      ci  waiting for group 2 (pulling the image)",
        "inference  lws/llm  gated 1 of 3  1/4   5h   -        ci  on call: waits to be approved; nights: outside the "
        "window, which opens Fri 2026-01-02 22:00 UTC",
        "inference  lws/llm  gated 1 of 3  1/4   5h   -        ci  to be promoted",
        f"inference  lws/llm  stalled       3/4   5h   -        ci  {stalled}",
        "inference  lws/llm  terminated    -     5h   -        -   -",
    ]


def test_list_shows_what_of_a_rollout_somebody_should_look_at() -> None:
    seen = Observation(replicas=1, groups_asked=1, partition=0, groups=groups("F"), dispute="the template")
    rollouts = [
        listed(status(phase=Phase.STALLED, course=Course.BACK, observation=seen)),
        listed(status(phase=Phase.ROLLING_BACK, course=Course.BACK, unconfirmed=True)),
    ]
    assert [row[2] for row in list_views.listing(rollouts, NOW).rows] == [
        "stalled, rolling back, 1 failed, disputed",
        "rolling back, one step unconfirmed",
    ]


@pytest.mark.parametrize(
    ("told", "waits_for"),
    [
        (status("UUUU", phase=Phase.PAUSED), "to be resumed"),
        (
            status("UUUU", phase=Phase.PAUSED, reason="somebody has changed the template"),
            "somebody has changed the template",
        ),
        (status("UUUU", phase=Phase.COMPLETED, reason="held at partition 2"), ""),
        (status(observation=None, phase=Phase.PREPARING), ""),
    ],
)
def test_what_is_waited_for(told: RolloutStatus, waits_for: str) -> None:
    assert listed(told).waits_for == waits_for


@pytest.mark.parametrize(
    ("started", "age"),
    [
        ("2026-01-02T03:02:06+00:00", "119s"),
        ("2026-01-02T03:02:05+00:00", "2m"),
        ("2026-01-02T00:04:06+00:00", "179m"),
        ("2026-01-02T00:04:05+00:00", "3h"),
        ("2025-12-31T03:04:06+00:00", "47h"),
        ("2025-12-30T03:04:05+00:00", "3d"),
        ("2026-01-02T03:04:06+00:00", "0s"),  # the clocks differ
    ],
)
def test_ages_are_short(started: str, age: str) -> None:
    (row,) = list_views.listing([listed().model_copy(update={"started_at": started})], NOW).rows
    assert row[4] == age


def test_hostile_text_stays_in_its_cell_and_long_text_is_cut() -> None:
    hostile = listed(status(phase=Phase.STALLED, reason="\x1b[2J\n" + "x" * 500))
    (row,) = list_views.listing([hostile], NOW).rows
    assert row[-1] == "[2J " + "x" * 115 + "…"
    assert len(hostile.waits_for) > 500


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--phase", "gatd"], "--phase: there is no phase 'gatd'"),
        (["-n", "a' OR 'b"], "--namespace: \"a' OR 'b\" names none"),
        (["-n", ""], "--namespace: '' names none"),
        (["--cluster", "East"], "--cluster: 'East' names none"),
    ],
)
def test_filters_that_name_nothing_are_bad_input(arguments: list[str], says: str) -> None:
    shown = CliRunner().invoke(app, ["list", *arguments])
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert says in shown.stderr


async def play(server: Client, target: Target, phase: Phase) -> None:
    """Start a rollout that is found as one in this phase, and end it if that is an end."""
    handle = await server.start_workflow(
        WORKFLOW_TYPE,
        RolloutInput(spec=RolloutSpec(target=target)),
        id=target.workflow_id,
        task_queue=DEFAULT_TASK_QUEUE,
        search_attributes=TypedSearchAttributes([SearchAttributePair(PHASE_ATTRIBUTE, phase)]),
    )
    if phase.is_final:
        await handle.signal("go_on")
        await handle.result()


@pytest.mark.real
async def test_only_rollouts_of_a_namespace_and_in_a_phase_are_listed_if_asked_for(server: Client, run: "Run") -> None:
    for name, namespace, phase in (
        ("one", "filtered", Phase.GATED),
        ("two", "filtered", Phase.PAUSED),
        ("three", "filtered", Phase.COMPLETED),
        ("four", "filtered-too", Phase.GATED),
    ):
        await play(server, Target(namespace=namespace, name=name), phase)
    await play(server, Target(namespace="filtered-too", name="five", cluster="east"), Phase.GATED)

    async def names(*arguments: str) -> set[str]:
        shown = json.loads((await run("list", "--json", *arguments)).stdout)
        return {found["target"].removeprefix("lws/") for found in shown["rollouts"]}

    all_of_it = {"filtered/one", "filtered/two", "filtered/three"}
    async with asyncio.timeout(60):  # what is searched for is written a moment after the fact
        while await names("-n", "filtered", "--all") != all_of_it or "filtered-too/four" not in await names():
            await asyncio.sleep(0.05)
        while await names("--cluster", "east") != {"filtered-too/five@east"}:
            await asyncio.sleep(0.05)
        while await names("-n", "filtered", "--phase", "completed") != {"filtered/three"}:
            await asyncio.sleep(0.05)
    assert await names("-n", "filtered") == {"filtered/one", "filtered/two"}
    assert await names("-n", "filtered", "--phase", "paused") == {"filtered/two"}
    assert {"filtered/one", "filtered-too/four"} <= await names("--phase", "gated")
    assert "filtered/two" not in await names("--phase", "gated")
    nothing = await run("list", "-n", "filtered", "--phase", "rolled-back")
    assert (nothing.code, nothing.stdout) == (0, "")
    assert nothing.stderr == "no rollouts that are rolled back in namespace filtered\n"


@workflow.defn(name=WORKFLOW_TYPE, sandboxed=False)
class Alien:
    """Somebody else's, of the same name."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@pytest.mark.real
async def test_what_can_not_be_asked_takes_no_other_from_the_list(
    server: Client, run: "Run", monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "gone"):
        await play(server, Target(namespace="mixed", name=name), Phase.GATED)
    theirs = [
        await server.start_workflow(WORKFLOW_TYPE, id=id_, task_queue="theirs")
        for id_ in ("rollout/lws/mixed/alien", "theirs", "rollout/of-theirs")
    ]
    ask = WorkflowHandle.query

    async def query(handle: WorkflowHandle[Any, Any], *given: Any, **options: Any) -> Any:
        if handle.id.endswith("/gone"):
            raise RPCError("workflow not found", RPCStatusCode.NOT_FOUND, b"")
        return await ask(handle, *given, **options)

    monkeypatch.setattr(WorkflowHandle, "query", query)

    async def listed(*arguments: str) -> dict[str, Any]:
        shown = await run("list", "--json", *arguments)
        assert (shown.code, shown.stderr) == (0, "")
        return {found["rollout"]: found for found in json.loads(shown.stdout)["rollouts"]}

    async def are_found() -> bool:
        found = {execution.id async for execution in server.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'")}
        return {f"rollout/lws/mixed/{name}" for name in ("one", "gone")} | {alien.id for alien in theirs} <= found

    async with Worker(server, task_queue="theirs", workflows=[Alien]), asyncio.timeout(60):
        while not await are_found():
            await asyncio.sleep(0.05)
        rows = await listed("-n", "mixed")
        everywhere = await listed()
    for alien in theirs:
        await alien.terminate()
    assert rows["rollout/lws/mixed/one"]["stage"] not in ("no worker answers", "not known")
    assert rows["rollout/lws/mixed/gone"]["waits_for"] == "Temporal refuses: workflow not found"
    assert rows["rollout/lws/mixed/alien"]["waits_for"].startswith("its workflow doesn't answer as a rollout does: ")
    assert rows.keys() <= everywhere.keys()
    assert not {"theirs", "rollout/of-theirs"} & everywhere.keys()


@pytest.mark.real
async def test_a_phase_can_not_be_looked_for_without_the_search_attribute(
    start_server: "StartServer", run: "Run"
) -> None:
    bare = await start_server(attributes=())
    address = bare.client.service_client.config.target_host
    by_phase = await run("list", "--phase", "gated", address=address)
    by_namespace = await run("list", "-n", "inference", address=address)
    await bare.shutdown()
    assert by_phase.code == 1
    assert "Register what --phase looks for: temporal operator search-attribute create" in by_phase.stderr
    assert (by_namespace.code, by_namespace.stderr) == (
        0,
        "no open rollouts in namespace inference; --all shows those that have ended\n",
    )
