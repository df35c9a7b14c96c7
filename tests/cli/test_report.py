"""`rollwright report` as it is run: on files, and on real rollouts of a Temporal server."""

import json
import os
import stat
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typer.testing import CliRunner

from rollwright.cli.main import app
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy, Target
from rollwright.workflows import rollout as loop
from rollwright.workflows.contract import Intervention, RolloutInput
from rollwright.workflows.rollout import RolloutWorkflow
from tests.cli.conftest import Ran, Run
from tests.support.fakes import FakeCluster
from tests.support.record_history import HISTORIES
from tests.support.starting import Handle, started

STORED = str(HISTORIES / "completed.json")
GATED = Strategy(max_unavailable=2, max_surge=2, steps=(GatedStep(until=1),))


def report(*arguments: str) -> Ran:
    ran = CliRunner().invoke(app, ["report", *arguments])
    return Ran(ran.stdout, ran.stderr, ran.exit_code)


def test_without_a_form_a_summary_is_printed() -> None:
    shown = report("--history", STORED)
    assert shown.code == 0
    assert "rollout/lws/default/llm" in shown.stdout
    assert "2 groups served at the fewest (2 promised)" in shown.stdout


def test_markdown_begins_with_what_was_rolled_out() -> None:
    assert report("--history", STORED, "--md").stdout.startswith("# lws/llm in namespace default: completed in 4.5 s\n")


@pytest.mark.parametrize("name", ["gates", "told"])
def test_json_is_as_its_schema_says(name: str) -> None:
    schema = json.loads(CliRunner().invoke(app, ["schema", "--of", "report"]).stdout)
    printed = json.loads(report("--history", str(HISTORIES / f"{name}.json"), "--json").stdout)
    assert [error.message for error in Draft202012Validator(schema).iter_errors(printed)] == []
    assert printed["promise"]["kept"] is True


def test_the_page_is_written_where_it_is_asked_for_and_nothing_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("an earlier one")
    page.chmod(0o644)
    shown = report("--history", STORED, "--html", str(page))
    assert (shown.code, shown.stdout) == (0, "")
    assert page.read_text().startswith("<!doctype html>")
    assert stat.S_IMODE(page.stat().st_mode) & 0o444 == 0o444
    assert list(tmp_path.iterdir()) == [page]


def test_a_link_is_followed_and_stays_one(tmp_path: Path) -> None:
    page, link = tmp_path / "report.html", tmp_path / "latest.html"
    link.symlink_to(page)
    report("--history", STORED, "--html", str(link))
    assert link.is_symlink()
    assert page.read_text().startswith("<!doctype html>")


def test_a_page_goes_through_no_link_that_others_have_put_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder like /tmp everybody may make one; whoever foresees the name decides what is overwritten."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda _: "foreseen")
    (tmp_path / ".report.html.foreseen").symlink_to(precious)
    shown = report("--history", STORED, "--html", str(tmp_path / "report.html"))
    assert (shown.code, precious.read_text()) == (1, "mine")
    assert "can't be written: File exists" in shown.stderr


def test_a_page_is_written_into_a_pipe() -> None:
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as readers, open(reading, encoding="utf-8") as pipe:
        page = readers.submit(pipe.read)
        shown = report("--history", STORED, "--html", f"/dev/fd/{writing}")
        os.close(writing)
        assert (shown.code, shown.stderr) == (0, "")
        assert page.result().startswith("<!doctype html>")


def test_one_that_lasts_is_told_of_as_far_as_a_file_knows(tmp_path: Path) -> None:
    stored = json.loads(Path(STORED).read_text())
    file = tmp_path / "events.json"
    file.write_text(json.dumps({"events": stored["events"][:-1]}))
    made = json.loads(report("--history", str(file), "--json").stdout)
    as_of = f"{made['until'][:19].replace('T', ' ')} UTC"
    assert made["until"][:19] == stored["events"][-2]["eventTime"][:19]
    assert f"as of {as_of}" in report("--history", str(file), "--md").stdout.splitlines()[0]


def test_a_page_that_can_not_be_written_is_told_of(tmp_path: Path) -> None:
    shown = report("--history", STORED, "--html", str(tmp_path / "nowhere" / "report.html"))
    assert shown.code == 1
    assert "report.html can't be written: No such file or directory" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either TARGET or --history FILE"),
        (("lws/llm", "--history", STORED), "either TARGET or --history FILE"),
        (("--history", STORED, "--run-id", "x"), "leave --run-id and -n away"),
        (("--history", STORED, "--json", "--md"), "-o json and --md both print"),
        (("--history", "no-such-file"), "no-such-file can't be read: No such file or directory"),
    ],
)
def test_what_can_not_be_is_bad_input(arguments: tuple[str, ...], said: str) -> None:
    shown = report(*arguments)
    assert shown.code == 2
    assert said in shown.stderr


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"events": [1]}', '{"events": [{"eventId": "x"}]}', "{"])
def test_a_file_without_a_history_is_bad_input_and_says_how_to_get_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "events.json"
    file.write_text(text)
    shown = report("--history", str(file))
    assert shown.code == 2
    assert "holds no history of a workflow" in shown.stderr
    assert "temporal workflow show" in shown.stderr


def test_a_history_of_another_workflow_is_bad_input(tmp_path: Path) -> None:
    stored = json.loads(Path(STORED).read_text())
    stored["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] = "Billing"
    file = tmp_path / "events.json"
    file.write_text(json.dumps(stored))
    shown = report("--history", str(file))
    assert shown.code == 2
    assert "it is of a workflow of type Billing, not of a rollout" in shown.stderr


def test_a_payload_that_only_others_can_read_is_told_of(tmp_path: Path) -> None:
    stored = json.loads(Path(STORED).read_text())
    given = stored["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]
    given["metadata"]["encoding"] = "YmluYXJ5L2VuY3J5cHRlZA=="
    file = tmp_path / "events.json"
    file.write_text(json.dumps(stored))
    shown = report("--history", str(file))
    assert shown.code == 2
    assert "binary/encrypted" in shown.stderr


@asynccontextmanager
async def rolling(server: Client, name: str, strategy: Strategy, replicas: int = 4) -> AsyncIterator[Handle]:
    """A real rollout of lws/NAME in a played cluster, whose groups serve as soon as they are looked at."""
    target = Target(namespace="inference", name=name)
    spec = RolloutSpec(target=target, change=Change(images={"model": "m:new"}), strategy=strategy)
    cluster = FakeCluster(World(replicas), start_up=timedelta(0), gpus=16)
    queue = f"report-{name}"
    async with Worker(
        server,
        task_queue=queue,
        workflows=[RolloutWorkflow],
        activities=cluster.activities(),
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield await started(
            server, RolloutInput(spec=spec, task_queue=queue, by=Intervention(actor="ada", reason="nightly"))
        )


async def reported(run: Run, *arguments: str) -> Any:
    shown = await run("report", *arguments, "-n", "inference", "--json")
    assert shown.code == 0, shown.stderr
    return json.loads(shown.stdout)


@pytest.mark.real
async def test_a_real_rollout_is_told_of_while_it_runs_and_afterwards(server: Client, run: Run) -> None:
    async with rolling(server, "told", GATED) as handle:
        gated = await run("watch", "lws/told", "-n", "inference", "--wait-timeout", "0s")
        assert gated.code == 5, gated.stderr
        looked_at = datetime.now(UTC)
        open_one = await reported(run, "lws/told")
        assert datetime.fromisoformat(open_one["until"]) >= looked_at - timedelta(milliseconds=1)
        assert (open_one["outcome"], open_one["finished_at"]) == ("running", None)
        assert [stop["ending"] for stop in open_one["stops"]] == ["open"]
        promoted = await run("promote", "lws/told", "-n", "inference", "--reason", "fine", "--actor", "grace")
        assert promoted.code == 0, promoted.stderr
        status = await handle.result()
    made = await reported(run, "lws/told")
    assert (made["outcome"], made["updated"], made["by"]["actor"]) == ("completed", 4, "ada")
    assert made["promise"]["kept"] is True
    assert (made["promise"]["fewest"], made["promise"]["most"]) == (status.available_min, status.groups_max)
    assert [(stop["ending"], stop["by"]) for stop in made["stops"]] == [("promoted", "grace")]
    assert [(deed["actor"], deed["what"], deed["came_of_it"]) for deed in made["deeds"]] == [
        ("grace", "promote", "passes the gate")
    ]
    assert made["cost"]["gpus"] == 16


@pytest.mark.real
async def test_runs_that_continue_each_other_are_one_rollout(
    server: Client, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_EVENTS_A_RUN", 60)
    async with rolling(server, "long", Strategy(max_unavailable=1), replicas=8) as handle:
        status = await handle.result()
    made = await reported(run, "lws/long")
    assert len(made["run_ids"]) > 2
    assert (made["notes"], made["outcome"]) == ([], "completed")
    assert sum(step["outcome"] == "done" for step in made["steps"]) == status.steps
    assert len(made["tracks"]) == 8
    for run_id in made["run_ids"]:
        assert await reported(run, "lws/long", "--run-id", run_id) == made


@pytest.mark.real
async def test_an_earlier_rollout_is_told_of_by_its_run(server: Client, run: Run) -> None:
    async with rolling(server, "twice", Strategy()) as first:
        await first.result()
    async with rolling(server, "twice", Strategy(max_unavailable=2)) as second:
        await second.result()
    assert first.first_execution_run_id
    latest, earlier = (
        await reported(run, "lws/twice"),
        await reported(run, "lws/twice", "--run-id", first.first_execution_run_id),
    )
    assert [made["spec"]["strategy"]["maxUnavailable"] for made in (earlier, latest)] == [1, 2]


@pytest.mark.real
async def test_what_there_is_not_is_told_of(server: Client, run: Run) -> None:
    nothing = await run("report", "lws/nothing", "-n", "inference")
    assert nothing.code == 1
    assert "there is no rollout of lws/nothing in namespace inference" in nothing.stderr
    other = await run("report", "lws/nothing", "--run-id", "01a21574-97fa-7c4a-b44e-8d7ad216dd4e")
    assert "Temporal knows no run 01a21574-97fa-7c4a-b44e-8d7ad216dd4e" in other.stderr
    assert "temporal workflow list" in other.stderr


@pytest.mark.real
async def test_a_terminated_rollout_says_so(server: Client, run: Run) -> None:
    async with rolling(server, "ended", GATED) as handle:
        await run("watch", "lws/ended", "-n", "inference", "--wait-timeout", "0s")
        await handle.terminate(reason="nobody needs it")
    made = await reported(run, "lws/ended")
    assert (made["outcome"], made["reason"]) == ("terminated", "nobody needs it")
    assert made["finished_at"] == made["until"]
