"""`start --wait` as a job of CI, against a real Temporal server; the rollouts are played."""

import asyncio
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Client

from rollwright.workflows.contract import STATUS, Phase, RolloutStatus
from tests.cli.played import flags, go_on, rollout
from tests.cli.test_ci import GITHUB, GITLAB

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Ran, Run, Start

pytestmark = pytest.mark.real

OTHER = ("--image", "model=llm:v3", "--actor", "ann", "--no-check")


def other(name: str) -> list[str]:
    """A start of another change."""
    return ["start", "--target", f"lws/{name}", "-n", "inference", *OTHER]


async def waited_for(start: "Start", name: str, *options: str, **env: str) -> "Command":
    """A job that waits, and has shown the stage at which the rollout stands."""
    command = await start(*flags(name), "--wait", *options, **env)
    printed = command.process.stderr if "--annotations" in options else command.process.stdout
    assert printed
    while b"stage 2" not in await asyncio.wait_for(printed.readline(), 60):
        assert not printed.at_eof()
    return command


async def status(server: Client, name: str) -> RolloutStatus:
    answer: RolloutStatus = await server.get_workflow_handle(rollout(name)).query(STATUS, result_type=RolloutStatus)
    return answer


async def run_id(server: Client, name: str) -> str:
    return (await server.get_workflow_handle(rollout(name)).describe()).run_id


@pytest.mark.parametrize("variables", [GITHUB, GITLAB])
async def test_a_job_that_is_run_again_takes_up_the_rollout_that_is_open_and_the_one_that_has_completed(
    server: Client, run: "Run", variables: dict[str, str]
) -> None:
    name = next(iter(variables)).partition("_")[0].lower()
    first = await run(*flags(name), **variables)
    begun = await run_id(server, name)
    again = await run(*flags(name), **variables)
    assert (again.code, again.stdout) == (0, first.stdout)
    assert f"answers the request {name}:" in again.stderr
    await go_on(server, name)
    done = await run(*flags(name), "--wait", **variables)
    assert (done.code, done.stdout.splitlines()[-1], await run_id(server, name)) == (0, "completed", begun)
    assert (await run(*other(name), **variables)).code == 0  # the same commit and job, but another change
    assert await run_id(server, name) != begun


async def test_two_jobs_of_one_commit_start_a_rollout_each_and_say_who_has_asked(server: Client, run: "Run") -> None:
    for name in ("left-of-two", "right-of-two"):
        assert (await run(*flags(name), **GITHUB)).code == 0
        seen = await status(server, name)
        assert (seen.by.actor, seen.request_id[:7]) == ("octocat", "github:")


async def test_a_job_can_be_told_to_be_no_request(server: Client, run: "Run") -> None:
    await run(*flags("unasked"), "--request-id", "", **GITHUB)
    assert (await status(server, "unasked")).request_id == ""
    assert (await run(*flags("unasked"), "--request-id", "", **GITHUB)).code == 1


@pytest.mark.parametrize("variables", [{}, GITHUB])
async def test_a_job_whose_change_somebody_replaces_ends_with_6(
    start: "Start", run: "Run", tmp_path: Path, variables: dict[str, str]
) -> None:
    name = f"replaced-{len(variables)}"
    file = tmp_path / "summary.md"
    command = await waited_for(start, name, "--summary", str(file), **variables)
    assert (await run(*other(name), "--on-conflict", "retarget")).code == 0
    ran = await command.end()
    assert ran.code == 6
    assert "superseded: ann has put another change in the place of the one that was waited for" in ran.stderr
    assert f"rollout/lws/inference/{name} goes to model=llm:v3 now" in ran.stderr
    assert ran.stdout == ""  # nothing of the other change
    told = file.read_text()
    assert told.startswith(f"### lws/{name} in namespace inference: superseded by another change\n")
    assert "| change | model=llm:v2 |" in told


async def test_a_job_whose_change_somebody_asks_for_too_goes_on_waiting(
    server: Client, start: "Start", run: "Run"
) -> None:
    command = await waited_for(start, "shared")
    same = ["start", "--target", "lws/shared", "-n", "inference", "--image", "model=llm:v2", "--no-check"]
    assert (await run(*same, "--request-id", "theirs", "--on-conflict", "retarget")).code == 0
    await go_on(server, "shared")
    assert (await command.end()).code == 0


async def test_a_rollout_that_was_superseded_and_has_completed_is_not_taken_for_ones_own(
    server: Client, start: "Start", run: "Run"
) -> None:
    command = await waited_for(start, "late")
    command.process.send_signal(signal.SIGSTOP)  # as if it were cut off meanwhile
    await run(*other("late"), "--on-conflict", "retarget")
    await go_on(server, "late")
    command.process.send_signal(signal.SIGCONT)
    assert (await command.end()).code == 6


async def queue(start: "Start", name: str, image: str) -> "Command":
    """A job that waits for the end of the open rollout."""
    options = ["--image", f"model={image}", "--no-check", "--wait", "--on-conflict", "queue"]
    command = await start("start", "--target", f"lws/{name}", "-n", "inference", *options)
    assert command.process.stderr
    told = await asyncio.wait_for(command.process.stderr.readline(), 60)
    assert b"waiting here for its end" in told
    return command


async def test_a_queued_job_is_superseded_by_one_that_was_asked_for_later_and_starts_first(
    server: Client, start: "Start", run: "Run"
) -> None:
    await run(*flags("outrun"))
    queued = await queue(start, "outrun", "llm:v3")
    queued.process.send_signal(signal.SIGSTOP)
    await go_on(server, "outrun")
    await run("start", "--target", "lws/outrun", "-n", "inference", "--image", "model=llm:v4", "--no-check")
    newer = await run_id(server, "outrun")
    queued.process.send_signal(signal.SIGCONT)
    ran = await queued.end()
    assert (ran.code, ran.stdout) == (6, "")
    assert (
        "superseded: another rollout of lws/outrun in namespace inference, asked for later, has started" in ran.stderr
    )
    assert await run_id(server, "outrun") == newer


async def test_a_queued_job_is_superseded_by_a_change_that_was_set_later_and_has_completed(
    server: Client, start: "Start", run: "Run"
) -> None:
    await run(*flags("reset"))
    queued = await queue(start, "reset", "llm:v3")
    await run("start", *other("reset")[1:-5], "--image", "model=llm:v4", "--no-check", "--on-conflict", "retarget")
    before = await run_id(server, "reset")
    await go_on(server, "reset")
    ran = await queued.end()
    assert (ran.code, ran.stdout) == (6, "")
    assert "set another change, asked for later, and has completed" in ran.stderr
    assert await run_id(server, "reset") == before


async def test_a_queued_job_starts_after_a_change_that_was_set_later_and_taken_back(
    server: Client, start: "Start", run: "Run"
) -> None:
    await run(*flags("unset"))
    queued = await queue(start, "unset", "llm:v3")
    await run("start", *other("unset")[1:-5], "--image", "model=llm:v4", "--no-check", "--on-conflict", "retarget")
    await run("rollback", "lws/unset", "-n", "inference")
    assert await queued.line() == "started rollout/lws/inference/unset"


async def test_of_two_queued_jobs_the_later_one_waits_for_the_earlier_one(
    server: Client, start: "Start", run: "Run"
) -> None:
    await run(*flags("lined-up"))
    first = await queue(start, "lined-up", "llm:v3")
    second = await queue(start, "lined-up", "llm:v4")
    second.process.send_signal(signal.SIGSTOP)  # the first is to be the first
    await go_on(server, "lined-up")
    assert await first.line() == "started rollout/lws/inference/lined-up"
    second.process.send_signal(signal.SIGCONT)
    await go_on(server, "lined-up")
    assert (await first.end()).code == 0
    assert await second.line() == "started rollout/lws/inference/lined-up"
    assert (await status(server, "lined-up")).spec.change.images == {"model": "llm:v4"}
    await go_on(server, "lined-up")
    assert (await second.end()).code == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize(
    ("on_cancel", "phase", "said"),
    [
        ((), Phase.PROGRESSING, "the rollout goes on; follow it: rollwright watch {}"),
        (("--on-cancel", "pause"), Phase.PAUSED, "sent pause to {}, by octocat; follow it: rollwright watch {}"),
        (("--on-cancel", "abort"), Phase.ABORTED, "sent abort to {}, by octocat; follow it: rollwright watch {}"),
    ],
)
async def test_cancelling_a_job_says_to_the_rollout_what_was_asked_for(
    server: Client,
    start: "Start",
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    on_cancel: tuple[str, ...],
    phase: Phase,
    said: str,
) -> None:
    name, file = f"cancelled-{code}-{phase}", tmp_path / "summary.md"
    command = await waited_for(start, name, *on_cancel, "--summary", str(file), **GITHUB)
    command.process.send_signal(number)
    ran = await command.end()
    said = said.format(*[rollout(name)] * 2)
    assert (ran.code, ran.stderr.splitlines()[-1]) == (code, said)
    seen = await status(server, name)
    assert seen.phase is phase
    if on_cancel:
        assert (seen.events[-1].actor, seen.events[-1].reason) == ("octocat", "the job that waits for it was cancelled")
    told = file.read_text()
    assert told.startswith(
        f"### lws/{name} in namespace inference: no longer waited for: the job was cancelled\n\n{said}"
    )
    assert "| 2 | 4 | 6 |" in told


async def test_more_signals_change_nothing_of_what_the_first_has_begun(server: Client, start: "Start") -> None:
    """GitHub sends SIGINT, then SIGTERM."""
    command = await waited_for(start, "twice-cancelled", "--on-cancel", "pause")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
        command.process.send_signal(number)
    assert (await command.end()).code in (130, 143)  # those sent at one moment may come in any order
    assert (await status(server, "twice-cancelled")).phase is Phase.PAUSED


async def test_cancelling_a_queued_job_starts_nothing_and_leaves_the_other_rollout_alone(
    server: Client, start: "Start", run: "Run"
) -> None:
    await run(*flags("occupied"))
    queued = await queue(start, "occupied", "llm:v3")
    queued.process.send_signal(signal.SIGTERM)
    ran = await queued.end()
    assert (ran.code, ran.stdout) == (143, "")
    said = "cancelled before a rollout of lws/occupied in namespace inference was started"
    assert ran.stderr.splitlines()[-1] == said
    assert (await status(server, "occupied")).phase is Phase.PROGRESSING


async def test_cancelling_a_job_whose_change_an_open_rollout_is_about_to_take_up_says_it_to_that_one(
    server: Client, start: "Start", run: "Run"
) -> None:
    await run(*flags("taking-up"))
    await server.get_workflow_handle(rollout("taking-up")).signal("hold")
    command = await start(*other("taking-up"), "--on-conflict", "retarget", "--wait", "--on-cancel", "pause")
    async with asyncio.timeout(60):
        while not (await status(server, "taking-up")).events:
            await asyncio.sleep(0.1)
    command.process.send_signal(signal.SIGTERM)
    ran = await command.end()
    said = f"sent pause to {rollout('taking-up')}, by ann; follow it: rollwright watch {rollout('taking-up')}"
    assert (ran.code, ran.stderr) == (143, f"{said}\n")
    assert (await status(server, "taking-up")).phase is Phase.PAUSED


async def ended(start: "Start", run: "Run", server: Client, name: str, how: str, *options: str) -> "Ran":
    """A job whose rollout ends like this."""
    command = await waited_for(start, name, *options)
    if how == "completed":
        await go_on(server, name)
    else:
        await run(how, f"lws/{name}", "-n", "inference", "--reason", "::error::no")
    return await command.end()


@pytest.mark.parametrize(
    ("how", "code", "words", "level"),
    [
        ("completed", 0, "completed", "notice"),
        ("rollback", 3, "rolled back", "error"),
        ("abort", 4, "aborted", "error"),
        ("pause", 5, "stands, and is still open", "error"),
    ],
)
async def test_every_end_is_in_the_exit_code_the_summary_and_the_annotations(
    start: "Start", run: "Run", server: Client, tmp_path: Path, how: str, code: int, words: str, level: str
) -> None:
    file = tmp_path / "summary.md"
    options = ("--summary", str(file), "--annotations", "github")
    timeout = ("--wait-timeout", "0") if how == "pause" else ()
    ran = await ended(start, run, server, f"told-{how}", how, *options, *timeout)
    assert ran.code == code
    told = file.read_text()
    assert told.startswith(f"### lws/told-{how} in namespace inference: {words}\n\n")
    assert "| promise | at most 6 groups are asked for: most seen 6 |" in told
    assert ran.stdout == ""
    lines = ran.stderr.splitlines()
    assert f"::{level} title=lws/told-{how} in namespace inference::{words}" in lines[-1]
    assert re.fullmatch(r"::\w{32}::", lines[-2])


async def test_a_start_that_fails_is_in_the_summary_and_the_annotations(run: "Run", tmp_path: Path) -> None:
    await run(*flags("taken"))
    file = tmp_path / "summary.md"
    ran = await run(*other("taken"), "--wait", "--summary", str(file), "--annotations", "github")
    assert ran.code == 1
    assert "error: lws/taken in namespace inference has an open rollout" in ran.stderr
    assert "::error title=lws/taken in namespace inference::could not be carried out" in ran.stderr.splitlines()[-1]
    assert "lws/taken in namespace inference has an open rollout: rollout/lws/inference/taken\n" in file.read_text()


async def test_a_summary_that_can_not_be_written_is_told_before_anything_is_started(
    server: Client, run: "Run", tmp_path: Path
) -> None:
    ran = await run(*flags("unwritten"), "--wait", "--summary", str(tmp_path / "missing" / "summary.md"))
    assert ran.code == 2
    assert "summary.md can't be written: No such file or directory" in ran.stderr
    assert (await run("status", "lws/unwritten", "-n", "inference")).code == 1


@pytest.mark.parametrize("options", [["--summary", "s.md"], ["--annotations", "github"], ["--on-cancel", "abort"]])
async def test_what_is_about_the_wait_is_refused_without_it(run: "Run", options: list[str]) -> None:
    ran = await run(*flags("unwaited"), *options)
    assert (ran.code, ran.stdout) == (2, "")
    assert "give --wait too" in ran.stderr


async def test_a_summary_without_a_name_is_none(start: "Start", server: Client) -> None:
    command = await waited_for(start, "nameless", "--summary", "")
    await go_on(server, "nameless")
    assert (await command.end()).code == 0
