"""`status --wait-for`, on a real Temporal server; the rollouts are played."""

import json
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from rollwright.cli.main import app
from tests.cli.played import flags, go_on, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Start, StartServer


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--wait-for", "phase=gatd"], "--wait-for: there is no phase 'gatd'"),
        (["--wait-for", "phase=gated,"], "--wait-for: there is no phase ''"),
        (["--wait-for", "gated"], "--wait-for 'gated': only phases can be waited for"),
        (["--wait-for", "phase=gated", "--wait-timeout", "soon"], "--wait-timeout: "),
        (["--wait-timeout", "1m"], "--wait-timeout is for --wait-for"),
    ],
)
def test_what_can_not_be_waited_for_is_bad_input_before_anybody_is_asked(arguments: list[str], says: str) -> None:
    shown = CliRunner().invoke(app, ["status", "lws/llm", *arguments], env={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert f"error: {says}" in shown.stderr


@pytest.mark.real
async def test_it_is_shown_once_it_is_in_one_of_the_phases(start: "Start", run: "Run") -> None:
    await run(*flags("until-paused"))
    command = await start(
        "status", "lws/until-paused", "-n", "inference", "--wait-for", "phase=rolled-back,paused", "--json"
    )
    await run("pause", "lws/until-paused", "-n", "inference")
    ran = await command.end()
    assert (json.loads(ran.stdout)["phase"], ran.code) == ("paused", 0)


@pytest.mark.real
async def test_an_end_can_be_waited_for(server: Client, start: "Start", run: "Run") -> None:
    await run(*flags("until-completed"))
    waiting = ("status", "lws/until-completed", "-n", "inference", "--wait-for", "phase=completed")
    command = await start(*waiting)
    await go_on(server, "until-completed")
    ran = await command.end()
    assert "now       completed" in ran.stdout
    assert ran.code == 0
    assert (await run(*waiting)).code == 0  # as it has ended already


@pytest.mark.real
@pytest.mark.parametrize("end", ["go_on", "terminate"])
async def test_a_rollout_that_has_ended_otherwise_is_told_with_how(
    server: Client, start: "Start", run: "Run", end: str
) -> None:
    name = f"not-gated-{end.replace('_', '-')}"
    await run(*flags(name))
    command = await start("status", f"lws/{name}", "-n", "inference", "--wait-for", "phase=gated")
    handle = server.get_workflow_handle(rollout(name))
    await (handle.terminate() if end == "terminate" else handle.signal("go_on"))
    ran = await command.end()
    assert (ran.stdout, ran.code) == ("", 1)
    how = "has ended and is not gated: completed" if end == "go_on" else "ended without a result: terminated"
    assert f"error: {rollout(name)} {how}" in ran.stderr


@pytest.mark.real
async def test_when_the_time_is_over_it_says_where_the_rollout_stands(run: "Run") -> None:
    await run(*flags("never-gated"))
    waiting = ("status", "lws/never-gated", "-n", "inference", "--wait-for", "phase=gated,paused")
    ran = await run(*waiting, "--wait-timeout", "0")
    assert (ran.stdout, ran.code) == ("", 5)
    assert f"{rollout('never-gated')} is not gated or paused within --wait-timeout; progressing: waiting" in ran.stderr


@pytest.mark.real
async def test_it_is_waited_for_while_no_worker_answers(start_server: "StartServer", run: "Run") -> None:
    idle = await start_server()
    address = idle.client.service_client.config.target_host
    await run(*flags("unanswered"), address=address)
    waiting = ("status", "lws/unanswered", "-n", "inference", "--wait-for", "phase=gated", "--wait-timeout", "1s")
    ran = await run(*waiting, address=address)
    await idle.shutdown()
    assert ran.code == 5
    told, error, _ = ran.stderr.splitlines()
    assert told == f"{rollout('unanswered')}: no worker answers; start one: rollwright worker; trying again"
    assert error.endswith("is not gated within --wait-timeout; no worker answers; start one: rollwright worker")
