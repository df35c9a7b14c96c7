"""Start, status, watch, list and steering against a real Temporal server; the rollouts are played."""

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from temporalio.client import Client

from rollwright.devcluster.state import free_ports
from rollwright.workflows.contract import (
    INITIATOR_ATTRIBUTE,
    NAMESPACE_ATTRIBUTE,
    NEEDED_ATTRIBUTES,
    PHASE_ATTRIBUTE,
    TARGET_ATTRIBUTE,
)
from tests.cli.played import flags, go_on, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Command, MakeWorker, Run, Start, StartServer

pytestmark = pytest.mark.real

NOW_LINES = [
    "stage 1   partition 0   replicas 4   ✅✅✅✅  Before rolling update",
    "stage 2   partition 4   replicas 6   ❎❎❎❎⏳⏳  Rolling update started",
]
LAST_LINES = ["stage 3   partition 0   replicas 4   ✅✅✅✅  Rolling update completed", "completed"]


async def lines(command: "Command", number: int) -> list[str]:
    return [await command.line() for _ in range(number)]


async def test_start_starts_a_searchable_workflow_and_prints_its_id_and_link(server: Client, run: "Run") -> None:
    ran = await run(*flags("started"), "--actor", "ada")
    handle = server.get_workflow_handle(rollout("started"))
    described = await handle.describe()
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "started rollout/lws/inference/started",
        "http://localhost:8233/namespaces/default/workflows/rollout%2Flws%2Finference%2Fstarted/" + described.run_id,
    ]
    assert described.workflow_type == "Rollout"
    assert described.typed_search_attributes.get(TARGET_ATTRIBUTE) == "lws/inference/started"
    assert described.typed_search_attributes.get(PHASE_ATTRIBUTE) == "preparing"
    assert described.typed_search_attributes.get(NAMESPACE_ATTRIBUTE) == "inference"
    assert described.typed_search_attributes.get(INITIATOR_ATTRIBUTE) == "ada"
    assert await described.static_summary() == "lws/inference/started: model=llm:v2"
    assert (await handle.query("status"))["spec"]["strategy"]["maxSurge"] == 2


async def test_a_second_rollout_of_an_open_target_is_refused_with_what_can_be_done(run: "Run") -> None:
    await run(*flags("twice"))
    ran = await run(*flags("twice"))
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "error: lws/twice in namespace inference has an open rollout: rollout/lws/inference/twice",
        "Follow it: rollwright watch rollout/lws/inference/twice",
        "End it, then start again: rollwright abort rollout/lws/inference/twice --reason ...",
        "Or start with --on-conflict retarget, which sets it the new target, or with --on-conflict queue.",
    ]


async def test_start_prints_json(server: Client, run: "Run") -> None:
    ran = await run(*flags("json"), "--json", "--ui", "https://temporal.example.com")
    run_id = (await server.get_workflow_handle(rollout("json")).describe()).run_id
    assert json.loads(ran.stdout) == {
        "format": 1,
        "rollout": "rollout/lws/inference/json",
        "run_id": run_id,
        "ui": "https://temporal.example.com/namespaces/default/workflows/rollout%2Flws%2Finference%2Fjson/" + run_id,
    }


async def test_start_without_a_cluster_in_reach_leaves_the_check_to_the_worker(run: "Run") -> None:
    ran = await run(*flags("unchecked")[:-1])
    assert ran.code == 0
    assert ran.stderr.startswith("note: not checked beforehand, the worker will: no kubeconfig")


async def test_waiting_prints_a_line_a_stage_and_exits_0_when_completed(server: Client, start: "Start") -> None:
    command = await start(*flags("waited"), "--wait")
    assert (await lines(command, 4))[2:] == NOW_LINES
    await go_on(server, "waited")
    ran = await command.end()
    assert (ran.stdout.splitlines(), ran.stderr, ran.code) == (LAST_LINES, "", 0)


@pytest.mark.parametrize(("verb", "phase", "code"), [("rollback", "rolled back", 3), ("abort", "aborted", 4)])
async def test_waiting_for_a_rollout_that_does_not_complete_says_so_by_its_exit_code(
    start: "Start", run: "Run", verb: str, phase: str, code: int
) -> None:
    command = await start(*flags(f"ends-{verb}"), "--wait")
    await lines(command, 4)
    await run(verb, f"lws/ends-{verb}", "-n", "inference", "--reason", "wrong image")
    ran = await command.end()
    assert (ran.stdout.splitlines(), ran.code) == ([phase], code)
    assert (await run("watch", f"lws/ends-{verb}", "-n", "inference")).code == code


async def test_watching_a_rollout_whose_target_was_deleted_exits_1(server: Client, run: "Run") -> None:
    await run(*flags("gone"))
    await server.get_workflow_handle(rollout("gone")).signal("lose_target")
    ran = await run("watch", "lws/gone", "-n", "inference")
    assert (ran.stdout.splitlines()[-1], ran.code) == ("target deleted", 1)


async def test_a_gate_that_waits_too_long_ends_the_wait_with_what_goes_on(run: "Run", tmp_path: Path) -> None:
    (tmp_path / "rollout.yaml").write_text(
        "apiVersion: rollwright/v1\nkind: Rollout\ntarget: {name: gate, namespace: inference}\n"
        "strategy: {steps: [{until: 1}]}\n"
    )
    for command in (["start", "-f", str(tmp_path / "rollout.yaml"), "--no-check", "--wait"], ["watch", "lws/gate"]):
        ran = await run(*command, "-n", "inference", "--wait-timeout", "0")
        assert ran.code == 5
        assert ran.stdout.splitlines()[-2].startswith("gated")
        assert ran.stdout.splitlines()[-1] == "  rollwright promote lws/gate -n inference"
        assert "the rollout stands (gated) for longer than --wait-timeout" in ran.stderr


async def test_waiting_for_a_rollout_that_stands_too_long_exits_5_and_leaves_it_open(
    server: Client, start: "Start", run: "Run"
) -> None:
    command = await start(*flags("standing"), "--wait", "--wait-timeout", "1s")
    await lines(command, 4)
    await run("pause", "lws/standing", "-n", "inference")
    ran = await command.end()
    assert ran.code == 5
    assert "the rollout stands (paused) for longer than --wait-timeout" in ran.stderr
    assert "`rollwright status rollout/lws/inference/standing` says why" in ran.stderr
    assert (await server.get_workflow_handle(rollout("standing")).describe()).close_time is None


async def test_interrupting_the_wait_leaves_the_rollout_running(server: Client, start: "Start") -> None:
    command = await start(*flags("left"), "--wait")
    await lines(command, 4)
    command.process.send_signal(signal.SIGINT)
    ran = await command.end()
    assert ran.code == 130
    assert ran.stderr == "the rollout goes on; follow it: rollwright watch rollout/lws/inference/left\n"
    assert (await server.get_workflow_handle(rollout("left")).describe()).close_time is None


async def test_waiting_goes_on_over_a_restart_of_the_server(
    start_server: "StartServer", make_worker: "MakeWorker", start: "Start", tmp_path: Path
) -> None:
    settings = {"dev_server_database_filename": str(tmp_path / "temporal.db"), "port": free_ports(1)[0]}
    first = await start_server(**settings)
    address = first.client.service_client.config.target_host
    async with make_worker(first.client):
        command = await start(*flags("restarted"), "--wait", address=address)
        assert (await lines(command, 4))[2:] == NOW_LINES
        await first.shutdown()
        assert command.process.stderr
        told = await asyncio.wait_for(command.process.stderr.readline(), 60)
        assert b"Temporal is away" in told
        second = await start_server(**settings)
        await go_on(second.client, "restarted")
        ran = await command.end()
    await second.shutdown()
    assert (ran.stdout.splitlines(), ran.code) == (LAST_LINES, 0)


async def test_waiting_follows_its_own_rollout_over_continue_as_new_and_not_the_next_one(
    server: Client, start: "Start", run: "Run"
) -> None:
    command = await start(*flags("renewed"), "--wait")
    await lines(command, 4)
    handle = server.get_workflow_handle(rollout("renewed"))
    first_run_id = (await handle.describe()).run_id
    await handle.signal("renew")
    async with asyncio.timeout(30):
        while (await handle.describe()).run_id == first_run_id:
            pass
    await go_on(server, "renewed")
    await handle.result()
    await run(*flags("renewed"))
    ran = await command.end()
    assert (ran.stdout.splitlines(), ran.code) == (LAST_LINES, 0)


async def test_a_rollout_that_was_terminated_is_told_of_as_an_error(server: Client, start: "Start", run: "Run") -> None:
    command = await start(*flags("killed"), "--wait")
    await lines(command, 4)
    await server.get_workflow_handle(rollout("killed")).terminate()
    for ran in (await command.end(), await run("status", "lws/killed", "-n", "inference")):
        assert ran.code == 1
        assert ran.stderr.startswith("error: rollout/lws/inference/killed ended without a result: terminated")
        assert "`rollwright doctor rollout/lws/inference/killed` says so, and mends it" in ran.stderr


async def test_status_of_an_open_and_of_an_ended_rollout(server: Client, run: "Run") -> None:
    await run(*flags("asked"))
    while_open = await run("status", "rollout/lws/inference/asked")
    assert "now      progressing: waiting for groups 4 (pulling the image), 5 (pulling the image)" in while_open.stdout
    await go_on(server, "asked")
    ended = json.loads((await run("status", "lws/asked", "-n", "inference", "--json")).stdout)
    assert (ended["phase"], ended["available"], ended["available_least"], ended["groups_most"]) == (
        "completed",
        4,
        3,
        6,
    )


async def test_there_is_no_status_of_a_target_never_rolled_out(run: "Run") -> None:
    ran = await run("status", "lws/never")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: there is no rollout of lws/never in namespace default\n")


async def test_watch_prints_objects_until_the_end(server: Client, start: "Start", run: "Run") -> None:
    await run(*flags("watched"))
    command = await start("watch", "lws/watched", "-n", "inference", "--json")
    first = json.loads(await command.line())
    await go_on(server, "watched")
    ran = await command.end()
    last = json.loads(ran.stdout.splitlines()[-1])
    assert [first["status"]["phase"], last["status"]["phase"]] == ["progressing", "completed"]
    assert [len(first["stages"]), len(last["stages"])] == [2, 3]
    assert ran.code == 0


async def test_watch_and_start_print_a_yaml_document_for_each_change(
    server: Client, start: "Start", run: "Run"
) -> None:
    started = await start(*flags("streamed"), "--wait", "-o", "yaml")
    async with asyncio.timeout(60):
        while await started.line() != "  phase: progressing":
            pass
    await go_on(server, "streamed")
    ran = await started.end()
    watched = await run("watch", "lws/streamed", "-n", "inference", "-o", "yaml")
    (last,) = yaml.safe_load_all(watched.stdout)
    assert (last["status"]["phase"], len(last["stages"]), watched.code) == ("completed", 3, 0)
    assert yaml.safe_load(ran.stdout.rpartition("---\n")[2]) == last


async def test_the_namespace_is_that_of_the_kubeconfig_where_none_is_given(
    server: Client, run: "Run", tmp_path: Path
) -> None:
    await run(*flags("placed"))
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("current-context: gpu\ncontexts: [{name: gpu, context: {namespace: inference}}]")
    by_flag = await run("status", "lws/placed", "--kubeconfig", str(kubeconfig), "-o", "json")
    by_environment = await run("pause", "lws/placed", KUBECONFIG=str(kubeconfig))
    assert json.loads(by_flag.stdout)["rollout"] == rollout("placed")
    assert by_environment.stdout.startswith(f"sent pause to {rollout('placed')}")


async def test_watching_a_rollout_that_has_ended_shows_how_it_went(server: Client, run: "Run") -> None:
    await run(*flags("past"))
    await go_on(server, "past")
    ran = await run("watch", "lws/past", "-n", "inference")
    assert (ran.stdout.splitlines(), ran.code) == (NOW_LINES + LAST_LINES, 0)


async def test_watch_draws_its_last_screen_as_a_picture(server: Client, run: "Run", tmp_path: Path) -> None:
    await run(*flags("drawn"))
    await go_on(server, "drawn")
    ran = await run("watch", "lws/drawn", "-n", "inference", "--svg", str(tmp_path / "watch.svg"))
    assert ran.code == 0
    assert "Rolling&#160;update&#160;completed" in (tmp_path / "watch.svg").read_text()


async def test_list_shows_open_rollouts_and_with_all_the_ended_ones(server: Client, run: "Run") -> None:
    await run(*flags("listed"))
    await run(*flags("ended"))
    await go_on(server, "ended")

    async def names(*arguments: str) -> dict[str, dict[str, Any]]:
        shown = json.loads((await run("list", "--json", *arguments)).stdout)
        return {listed["target"]: listed for listed in shown["rollouts"]}

    async with asyncio.timeout(60):  # what is searched for is written a moment after the fact
        while "lws/inference/ended" in (found := await names()) or "lws/inference/listed" not in found:
            pass
    assert (found["lws/inference/listed"]["phase"], found["lws/inference/listed"]["stage"]) == (
        "progressing",
        "2 Rolling update started",
    )
    assert "lws/inference/ended" in await names("--all")
    assert "lws/inference/ended" in await names("--all", "-n", "inference")
    assert await names("--all", "-n", "without-any") == {}


async def test_list_and_status_show_more_when_wide(run: "Run") -> None:
    await run(*flags("wide"), "--request-id", "build-7")

    async def row() -> list[str]:
        shown = await run("list", "-n", "inference", "-o", "wide")
        return next((re.split(r"  +", line) for line in shown.stdout.splitlines() if "lws/inference/wide " in line), [])

    async with asyncio.timeout(60):
        while not (found := await row()):
            pass
    assert found[-5:-1] == ["4/4", "-", "build-7", "rollout/lws/inference/wide"]
    assert found[-1].startswith("Rolling update started") or "pulling the image" in found[-1]
    asked = await run("status", "lws/wide", "-n", "inference", "-o", "wide")
    assert asked.stderr.startswith("note: nodes and ages of groups are not known: the cluster can't be asked: no kube")
    assert "    5  new       not ready  -     -    pulling the image" in asked.stdout.splitlines()


async def test_without_search_attributes_rollouts_start_and_are_listed_all_the_same(
    start_server: "StartServer", make_worker: "MakeWorker", run: "Run"
) -> None:
    bare = await start_server(attributes=())
    address = bare.client.service_client.config.target_host
    async with make_worker(bare.client):
        started = await run(*flags("bare"), address=address)
        only = await listed_alone(run, address)
    await bare.shutdown()
    assert started.code == 0
    assert started.stderr.startswith("note: the rollout is not searchable: Namespace default has no mapping defined")
    assert "temporal operator search-attribute create" in started.stderr
    assert (only["target"], only["phase"]) == ("lws/inference/bare", "progressing")


async def test_with_the_three_attributes_of_old_a_rollout_is_searchable_by_those(
    start_server: "StartServer", run: "Run"
) -> None:
    older = await start_server(attributes=NEEDED_ATTRIBUTES)
    started = await run(*flags("older"), address=older.client.service_client.config.target_host)
    described = await older.client.get_workflow_handle("rollout/lws/inference/older").describe()
    await older.shutdown()
    assert started.code == 0
    assert started.stderr.startswith("note: the rollout is not searchable by namespace and initiator: ")
    assert "--name RolloutInitiator --type Keyword" in started.stderr
    assert described.typed_search_attributes.get(TARGET_ATTRIBUTE) == "lws/inference/older"
    assert described.typed_search_attributes.get(NAMESPACE_ATTRIBUTE) is None


async def test_without_a_worker_status_says_so_and_list_still_lists(start_server: "StartServer", run: "Run") -> None:
    idle = await start_server()
    address = idle.client.service_client.config.target_host
    await run(*flags("idle"), address=address)
    asked = await run("status", "lws/idle", "-n", "inference", address=address)
    only = await listed_alone(run, address)
    await idle.shutdown()
    assert asked.code == 1
    assert asked.stderr.startswith(
        "error: rollout/lws/inference/idle: no worker answers; start one: rollwright worker\n"
    )
    assert (only["phase"], only["stage"]) == ("preparing", "no worker answers")


async def listed_alone(run: "Run", address: str) -> dict[str, Any]:
    """The one rollout that a server lists, once it does."""
    async with asyncio.timeout(60):  # what is searched for is written a moment after the fact
        while not (found := json.loads((await run("list", "--json", address=address)).stdout)["rollouts"]):
            pass
    (only,) = found
    return cast("dict[str, Any]", only)
