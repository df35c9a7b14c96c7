"""The verbs that steer a rollout, against a real Temporal server; the rollouts are played."""

import asyncio
import json
import socket
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from rollwright.cli.main import app
from rollwright.rollout.spec import Change, GatedStep, Pacing, Reclaim, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import (
    DEFAULT_TASK_QUEUE,
    STATUS,
    WORKFLOW_TYPE,
    RolloutInput,
    RolloutStatus,
    Steering,
)
from tests.cli.played import go_on, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import MakeWorker, Run, Start, StartServer

pytestmark = pytest.mark.real

VERBS = ("pause", "resume", "abort", "rollback", "promote")
GATES = Strategy(max_surge=2, steps=(GatedStep(until=1), GatedStep(until=2)))


async def begin(server: Client, name: str, strategy: Strategy = GATES) -> None:
    """A played rollout; with gates unless another strategy is given."""
    spec = RolloutSpec(
        target=Target(name=name, namespace="inference"), change=Change(images={"model": "m:2"}), strategy=strategy
    )
    await server.start_workflow(WORKFLOW_TYPE, RolloutInput(spec=spec), id=rollout(name), task_queue=DEFAULT_TASK_QUEUE)


async def status(server: Client, name: str) -> RolloutStatus:
    answer: RolloutStatus = await server.get_workflow_handle(rollout(name)).query(STATUS, result_type=RolloutStatus)
    return answer


async def steer(run: "Run", verb: str, name: str, *options: str, **env: str) -> Any:
    return await run(
        verb, f"lws/{name}", "-n", "inference", "--actor", "ann@ops", "--reason", "why not", *options, **env
    )


async def test_programs_are_told_what_came_of_it(server: Client, run: "Run") -> None:
    await begin(server, "to-programs")
    ran = await steer(run, "pause", "to-programs", "--json")
    assert json.loads(ran.stdout) == {
        "format": 1,
        "rollout": "rollout/lws/inference/to-programs",
        "message": "pause",
        "actor": "ann@ops",
        "reason": "why not",
        "sent": True,
        "answer": "played pause",
    }


@pytest.mark.parametrize("verb", VERBS)
async def test_every_verb_says_what_came_of_it_and_the_rollout_keeps_who_and_why(
    server: Client, run: "Run", verb: str
) -> None:
    await begin(server, f"to-{verb}")
    ran = await steer(run, verb, f"to-{verb}")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"sent {verb} to rollout/lws/inference/to-{verb}, by ann@ops",
        f"played {verb}",
    ]
    (event,) = (await status(server, f"to-{verb}")).events
    assert (event.what.split()[0], event.actor, event.reason) == (verb, "ann@ops", "why not")


@pytest.mark.parametrize(
    ("verb", "option", "sent"),
    [
        ("resume", "--ours", "resume side=ours"),
        ("resume", "--theirs", "resume side=theirs"),
        ("rollback", "--fast", "rollback fast=True"),
        ("promote", "--full", "promote full=True gate=1"),
    ],
)
async def test_options_go_with_the_message(server: Client, run: "Run", verb: str, option: str, sent: str) -> None:
    name = f"with{option}"
    await begin(server, name)
    await steer(run, verb, name, option)
    assert [event.what for event in (await status(server, name)).events] == [sent]


async def test_promote_names_the_gate_it_has_seen_waiting(server: Client, run: "Run") -> None:
    await begin(server, "gated")
    for gate in (1, 2):
        assert (await status(server, "gated")).gate == gate
        await steer(run, "promote", "gated")
    assert [event.what for event in (await status(server, "gated")).events] == ["promote gate=1", "promote gate=2"]


async def test_a_message_that_is_refused_is_an_error_with_the_reason(server: Client, run: "Run") -> None:
    await begin(server, "gateless", Strategy())
    ran = await steer(run, "promote", "gateless")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr == "error: rollout/lws/inference/gateless does not promote: no gate waits now\n"


@pytest.mark.parametrize("verb", ["pause", "promote"])
async def test_without_a_worker_a_message_is_left_and_taken_later_once(
    start_server: "StartServer", make_worker: "MakeWorker", run: "Run", monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr("rollwright.cli.temporal._PATIENCE", timedelta(seconds=3))
    idle = await start_server()
    address = idle.client.service_client.config.target_host
    await begin(idle.client, "idle")
    ran = await steer(run, verb, "idle", address=address)
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        f"sent {verb} to rollout/lws/inference/idle, by ann@ops",
        "accepted; it takes effect once a worker is there (no worker answers; start one: rollwright worker)",
    ]
    async with make_worker(idle.client), asyncio.timeout(60):
        while not (seen := await status(idle.client, "idle")).events:
            pass
    await idle.shutdown()
    assert {event.what.split()[0] for event in seen.events} == {verb}
    assert seen.gate in (None, 2) if verb == "promote" else seen.gate == 1, "no more than one gate is passed"


async def test_the_actor_is_whoever_is_logged_in(server: Client, run: "Run") -> None:
    await begin(server, "mine")
    ran = await run("pause", "lws/mine", "-n", "inference", LOGNAME="ann")
    assert ran.stdout.splitlines()[0] == f"sent pause to rollout/lws/inference/mine, by ann@{socket.gethostname()}"


@pytest.mark.parametrize("verb", ["pause", "resume", "abort", "promote"])
async def test_steering_a_rollout_that_has_ended_is_refused(server: Client, run: "Run", verb: str) -> None:
    await begin(server, f"over-{verb}")
    await go_on(server, f"over-{verb}")
    ran = await steer(run, verb, f"over-{verb}")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[0] == (
        f"error: rollout/lws/inference/over-{verb} has ended: there is nothing to {verb}"
    )


async def test_rolling_an_aborted_rollout_back_starts_another_one_that_goes_all_the_way_back(
    server: Client, run: "Run"
) -> None:
    await begin(server, "half", Strategy(max_unavailable=2, partition=1, steps=GATES.steps))
    await steer(run, "abort", "half")
    ran = await steer(run, "rollback", "half", "--fast")
    assert ran.code == 0
    assert ran.stderr.startswith("note: not checked beforehand, the worker will: no kubeconfig")
    assert ran.stdout.splitlines()[0] == (
        "rollout/lws/inference/half was aborted; started another one, back to llm-rw-before"
    )
    back = await status(server, "half")
    assert back.spec.change == Change(revision="llm-rw-before")
    assert back.spec.strategy == Strategy(max_unavailable=2, pacing=Pacing.EAGER, reclaim=Reclaim.GRADUAL)
    assert (back.by.actor, back.by.reason) == ("ann@ops", "why not")


async def test_rolling_back_waits_for_the_end_of_a_rollout_that_is_just_over(
    server: Client, run: "Run", start: "Start"
) -> None:
    await begin(server, "closing")
    handle = server.get_workflow_handle(rollout("closing"))
    await handle.signal("be_over")
    command = await start("rollback", "lws/closing", "-n", "inference")
    assert command.process.stderr
    told = (await asyncio.wait_for(command.process.stderr.readline(), 60)).decode()
    assert told.startswith("rollout/lws/inference/closing is open; waiting here for its end")
    await handle.signal("abort", Steering())
    ran = await command.end()
    assert (ran.code, ran.stdout.splitlines()[0]) == (
        0,
        "rollout/lws/inference/closing was aborted; started another one, back to llm-rw-before",
    )


async def test_rolling_a_completed_rollout_back_is_refused_and_undo_pointed_to(server: Client, run: "Run") -> None:
    await begin(server, "whole")
    await go_on(server, "whole")
    ran = await steer(run, "rollback", "whole")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "error: rollout/lws/inference/whole has ended: completed",
        "To go back all the same: rollwright undo lws/whole -n inference",
    ]


async def test_an_overlong_reason_is_bad_input(run: "Run") -> None:
    ran = await run("pause", "lws/any", "--reason", "x" * 1001)
    assert (ran.code, ran.stderr) == (2, "error: --reason: String should have at most 1000 characters\n")


async def test_one_version_can_hold(run: "Run") -> None:
    ran = await run("resume", "lws/any", "--ours", "--theirs")
    assert (ran.code, ran.stderr) == (2, "error: --ours and --theirs are both given; one version can hold\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_asks_for_target_actor_and_reason(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "100"}).stdout
    assert all(word in shown for word in ("TARGET", "--namespace", "--actor", "--reason"))


async def test_what_steered_it_is_shown(server: Client, run: "Run") -> None:
    await begin(server, "shown")
    await steer(run, "pause", "shown")
    (event,) = json.loads((await run("status", "lws/shown", "-n", "inference", "--json")).stdout)["events"]
    assert (event["what"], event["actor"]) == ("pause", "ann@ops")
