"""Annotations on GitHub, read back as its runner reads the log: nobody else's text becomes a command."""

import re
from typing import NamedTuple

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from rollwright.cli.annotations import GitHub, Level, command
from rollwright.cli.failure import ExitCode
from rollwright.cli.outputs import Snapshot, Status
from rollwright.cli.reporting import Ending
from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.workflows.contract import Phase, RolloutStatus

TARGET = Target(name="llm", namespace="inference")
HOSTILE = "x\r\n::add-mask::y\n::set-output name=a::b ##[error]z %0A::error::w \x1b[2J"
_ANYWHERE = re.compile(r"##\[(?P<name>[^ \]]+)[^\]]*\](?P<data>.*)")
_COMMAND = re.compile(r"::(?P<name>[^ :]+)(?: (?P<properties>[^:]*))?::(?P<data>.*)")


class Command(NamedTuple):
    name: str
    title: str
    text: str


def runner(log: str) -> tuple[list[Command], bool]:
    """What a runner takes out of a log, and whether it takes commands after it."""
    found, token = [], ""
    for line in log.splitlines():
        match = _COMMAND.match(line.lstrip())
        if token:
            token = "" if match and match["name"] == token else token
        elif match and match["name"] == "stop-commands":
            token = match["data"]
        elif match:
            title = _decoded((match["properties"] or "").removeprefix("title="))
            found.append(Command(match["name"], title, _decoded(match["data"])))
        if within := _ANYWHERE.search(line):  # also while others are stopped: the page of the log takes them
            found.append(Command(within["name"], "", within["data"]))
    return found, not token


def _decoded(text: str) -> str:
    for code in ("%3A", "%2C", "%0D", "%0A", "%25"):
        text = text.replace(code, chr(int(code[1:], 16)))
    return text


def seen(phase: Phase, reason: str = "", *, gate: int | None = None, next_: tuple[str, ...] = ()) -> Snapshot:
    status = RolloutStatus(
        rollout="rollout/lws/inference/llm",
        phase=phase,
        reason=reason,
        spec=RolloutSpec(target=TARGET),
        gate=gate,
        next=next_,
    )
    return Snapshot(status=Status.of(status), stages=())


def annotated(
    *snapshots: Snapshot, end: Ending, capsys: pytest.CaptureFixture[str], between: str = ""
) -> list[Command]:
    github = GitHub(TARGET)
    github.begins()
    logged = capsys.readouterr().err
    for snapshot in snapshots:
        github.sees(snapshot)
        typer.echo(between, nl=False)
        logged += capsys.readouterr().err
    github.ends(end)
    commands, goes_on = runner(logged + capsys.readouterr().err)
    assert goes_on
    return commands


def test_stalls_gates_and_the_end_are_told_once_each(capsys: pytest.CaptureFixture[str]) -> None:
    promote = ("rollwright promote lws/llm -n inference",)
    commands = annotated(
        seen(Phase.PROGRESSING),
        seen(Phase.GATED, "gate 1 waits", gate=1, next_=promote),
        seen(Phase.GATED, "gate 1 waits", gate=1, next_=promote),
        seen(Phase.STALLED, "group 3 has failed: 100% of it, twice: why"),
        seen(Phase.STALLED, "group 4 has failed: 100% of it, twice: why"),
        seen(Phase.PAUSED),
        end=Ending(ExitCode.DONE, seen(Phase.COMPLETED), ()),
        capsys=capsys,
    )
    title = "lws/llm in namespace inference"
    assert commands == [
        Command("notice", title, "gated: gate 1 waits\nrollwright promote lws/llm -n inference"),
        Command("warning", title, "stalled: group 3 has failed: 100% of it, twice: why"),
        Command("warning", title, "paused"),
        Command("notice", title, "completed"),
    ]


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (ExitCode.COULD_NOT, "error"),
        (ExitCode.ROLLED_BACK, "error"),
        (ExitCode.ABORTED, "error"),
        (ExitCode.STANDS, "error"),
        (ExitCode.SUPERSEDED, "warning"),
        (ExitCode.TERMINATED, "error"),
    ],
)
def test_an_end_that_is_none_is_told_with_its_reason(
    code: ExitCode, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (only,) = annotated(end=Ending(code, None, ("what has happened\nwhat to do",)), capsys=capsys)
    assert (only.name, only.text.splitlines()[1:]) == (level, ["what has happened", "what to do"])


def test_what_a_cluster_says_is_no_command_neither_in_annotations_nor_in_other_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands = annotated(
        seen(Phase.STALLED, HOSTILE),
        end=Ending(ExitCode.COULD_NOT, None, (HOSTILE,)),
        capsys=capsys,
        between="::error::printed by somebody\n  ::add-mask::z\n::stop-commands::mine\n so ##[group]x\n",
    )
    assert [found.name for found in commands] == ["warning", "error"]
    assert "::add-mask::y ::set-output name=a::b ## [error]z %0A::error::w [2J" in commands[0].text


def test_reasons_that_change_for_ever_fill_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    stalls = [seen(Phase.STALLED, "because of " + "x" * number) for number in range(20)]
    assert len(annotated(*stalls, end=Ending(ExitCode.STANDS, None, ()), capsys=capsys)) == 8 + 1


@given(title=st.text(), lines=st.lists(st.text(), max_size=3))
def test_any_text_is_one_command(title: str, lines: list[str]) -> None:
    ((found, *_), _) = runner(command(Level.ERROR, title, lines))
    assert found.name == "error"
    assert len(found.text.splitlines()) <= max(1, len(lines))


def test_afterwards_everything_is_printed_where_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    annotated(end=Ending(ExitCode.DONE, None, ()), capsys=capsys)
    typer.echo("##[out]")
    typer.echo("##[err]", err=True)
    assert capsys.readouterr() == ("##[out]\n", "##[err]\n")


def test_data_stays_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    github = GitHub(TARGET, data_on_stdout=True)
    github.begins()
    typer.echo("{}")
    github.ends(Ending(ExitCode.DONE, None, ()))
    assert capsys.readouterr().out == "{}\n"
