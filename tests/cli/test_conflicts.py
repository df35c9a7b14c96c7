"""What `start` does where the target has a rollout already, against a real Temporal server; the rollouts are played."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Client

from rollwright.cli import temporal
from rollwright.cli.failure import CommandError
from rollwright.rollout.spec import Change, Target
from rollwright.workflows.contract import STATUS, RolloutStatus
from tests.cli.played import flags, go_on, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Start, StartServer

pytestmark = pytest.mark.real

OTHER = ["--image", "model=llm:v3", "--actor", "ann", "--reason", "hotfix"]


async def status(server: Client, name: str) -> RolloutStatus:
    answer: RolloutStatus = await server.get_workflow_handle(rollout(name)).query(STATUS, result_type=RolloutStatus)
    return answer


async def run_id(server: Client, name: str) -> str:
    return (await server.get_workflow_handle(rollout(name)).describe()).run_id


def other(name: str) -> list[str]:
    """A start of another change."""
    return ["start", "--target", f"lws/{name}", "-n", "inference", *OTHER, "--no-check"]


async def test_a_rollout_keeps_who_has_started_it_and_for_which_request(server: Client, run: "Run") -> None:
    await run(*other("signed"), "--request-id", "build-7")
    seen = await status(server, "signed")
    assert (seen.by.actor, seen.by.reason, seen.request_id) == ("ann", "hotfix", "build-7")


async def test_the_same_request_takes_the_rollout_that_is_open(server: Client, run: "Run") -> None:
    first = await run(*flags("again"), "--request-id", "build-7")
    second = await run(*flags("again"), "--request-id", "build-7")
    assert (second.code, second.stdout) == (0, first.stdout)
    assert second.stderr == "note: rollout/lws/inference/again answers the request build-7 already\n"


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--image", "model=llm:v3", "--max-surge", "2"], "with model=llm:v2"),
        (["--image", "model=llm:v2", "--max-surge", "1"], "with a strategy of at most"),
    ],
)
async def test_the_same_request_for_something_else_is_refused(
    server: Client, run: "Run", options: list[str], told: str, ended: bool
) -> None:
    name = f"reused-{ended}-{options[1][-1]}".lower()
    await run(*flags(name), "--request-id", "release-7")
    if ended:
        await go_on(server, name)
    before = await run_id(server, name)
    what = ["--target", f"lws/{name}", "-n", "inference", *options, "--no-check"]
    ran = await run("start", *what, "--request-id", "release-7", "--on-conflict", "retarget")
    assert (ran.code, ran.stdout) == (2, "")
    assert f"the request release-7 is of something else: {rollout(name)} answers it, {told}" in ran.stderr
    assert await run_id(server, name) == before


async def test_a_request_that_is_carried_out_already_is_taken_up_though_its_change_would_be_refused_now(
    server: Client, run: "Run", monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(*flags("gone"), "--request-id", "build-7")
    await go_on(server, "gone")

    async def refused(*_: object) -> None:
        raise CommandError("no such target")

    monkeypatch.setattr("rollwright.cli.preflight.look", refused)
    checked = [word for word in flags("gone") if word != "--no-check"]
    assert (await run(*checked, "--request-id", "build-7", "--wait")).code == 0
    assert (await run(*checked, "--request-id", "build-8", "--wait")).code == 1


async def test_the_same_request_waits_for_the_rollout_that_is_open(server: Client, run: "Run", start: "Start") -> None:
    await run(*flags("joined"), "--request-id", "build-7")
    command = await start(*flags("joined"), "--request-id", "build-7", "--wait")
    for _ in range(4):
        await command.line()
    await go_on(server, "joined")
    assert (await command.end()).code == 0


async def test_the_same_request_takes_the_result_of_the_rollout_that_has_completed(server: Client, run: "Run") -> None:
    await run(*flags("done"), "--request-id", "build-7")
    await go_on(server, "done")
    before = await run_id(server, "done")
    ran = await run(*flags("done"), "--request-id", "build-7", "--wait")
    assert (ran.code, ran.stdout.splitlines()[-1]) == (0, "completed")
    assert await run_id(server, "done") == before


async def test_the_same_request_starts_anew_after_a_rollout_that_was_rolled_back(server: Client, run: "Run") -> None:
    await run(*flags("failed"), "--request-id", "build-7")
    await run("rollback", "lws/failed", "-n", "inference")
    before = await run_id(server, "failed")
    ran = await run(*flags("failed"), "--request-id", "build-7")
    assert (ran.code, ran.stderr) == (0, "")
    assert await run_id(server, "failed") != before


@pytest.mark.parametrize("request_id", [[], ["--request-id", "build-8"]])
async def test_another_request_starts_anew_once_the_one_before_has_completed(
    server: Client, run: "Run", request_id: list[str]
) -> None:
    name = f"next-{len(request_id)}"
    await run(*flags(name), "--request-id", "build-7")
    await go_on(server, name)
    before = await run_id(server, name)
    assert (await run(*flags(name), *request_id)).code == 0
    assert await run_id(server, name) != before


async def test_another_request_is_refused_while_a_rollout_is_open(run: "Run") -> None:
    await run(*flags("busy"), "--request-id", "build-7")
    ran = await run(*other("busy"), "--request-id", "build-8")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: lws/busy in namespace inference has an open rollout")


async def test_two_starts_of_the_same_request_at_once_come_to_one_rollout(
    server: Client, run: "Run", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has looked before the first has started."""
    first = await run(*flags("raced"), "--request-id", "build-7")
    look_up, looks = temporal.look_up, iter([None])

    async def look_up_too_early(client: Client, target: Target) -> object:
        return next(looks, await look_up(client, target))

    monkeypatch.setattr(temporal, "look_up", look_up_too_early)
    second = await run(*flags("raced"), "--request-id", "build-7")
    assert (second.code, second.stdout) == (0, first.stdout)


async def test_retargeting_sets_the_open_rollout_the_new_change_and_leaves_its_strategy(
    server: Client, run: "Run"
) -> None:
    first = await run(*flags("aimed"))
    ran = await run(*other("aimed"), "--request-id", "build-8", "--on-conflict", "retarget")
    assert (ran.code, ran.stdout) == (0, first.stdout)
    assert ran.stderr == (
        "note: rollout/lws/inference/aimed was open; it goes on towards the new change, llm-rw-next\n"
    )
    seen = await status(server, "aimed")
    assert seen.spec.change == Change(images={"model": "llm:v3"})
    assert seen.spec.strategy.max_surge == 2
    again = await run(*other("aimed"), "--request-id", "build-8", "--on-conflict", "retarget")
    assert again.stderr == "note: rollout/lws/inference/aimed answers the request build-8 already\n"


async def test_retargeting_with_a_strategy_sets_the_whole_of_it(server: Client, run: "Run") -> None:
    await run(*flags("restyled"))
    await run(*other("restyled"), "--max-unavailable", "3", "--on-conflict", "retarget")
    strategy = (await status(server, "restyled")).spec.strategy
    assert (strategy.max_unavailable, strategy.max_surge) == (3, 0)


async def test_what_would_retarget_a_rollout_that_is_just_over_starts_after_it(
    server: Client, run: "Run", start: "Start"
) -> None:
    await run(*flags("over"))
    await server.get_workflow_handle(rollout("over")).signal("be_over")
    command = await start(*other("over"), "--on-conflict", "retarget")
    assert command.process.stderr
    told = (await asyncio.wait_for(command.process.stderr.readline(), 60)).decode()
    assert told.startswith("rollout/lws/inference/over is open; waiting here for its end")
    await go_on(server, "over")
    ran = await command.end()
    assert (ran.code, ran.stdout.splitlines()[0]) == (0, "started rollout/lws/inference/over")
    assert (await status(server, "over")).spec.change == Change(images={"model": "llm:v3"})


async def test_queueing_starts_once_the_open_rollout_has_ended(server: Client, run: "Run", start: "Start") -> None:
    await run(*flags("queued"))
    command = await start(*other("queued"), "--on-conflict", "queue")
    assert command.process.stderr
    told = (await asyncio.wait_for(command.process.stderr.readline(), 60)).decode()
    assert told.startswith("rollout/lws/inference/queued is open; waiting here for its end")
    assert (await status(server, "queued")).spec.change == Change(images={"model": "llm:v2"})
    await go_on(server, "queued")
    ran = await command.end()
    assert (ran.code, ran.stdout.splitlines()[0]) == (0, "started rollout/lws/inference/queued")
    assert (await status(server, "queued")).spec.change == Change(images={"model": "llm:v3"})


async def test_retargeting_without_a_worker_says_that_it_is_not_known_what_came_of_it(
    start_server: "StartServer", run: "Run", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rollwright.cli.temporal._KEEPING", timedelta(seconds=1))
    idle = await start_server()
    address = idle.client.service_client.config.target_host
    await run(*flags("idle"), address=address)
    ran = await run(*other("idle"), "--on-conflict", "retarget", address=address)
    await idle.shutdown()
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(
        "error: rollout/lws/inference/idle did not answer whether it goes on towards the new change: no worker answers"
    )


async def test_an_overlong_request_is_bad_input(run: "Run") -> None:
    ran = await run(*flags("long"), "--request-id", "x" * 201)
    assert (ran.code, ran.stderr) == (2, "error: --request-id: at most 200 characters\n")
