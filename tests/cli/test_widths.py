"""Whole screens on terminals of three widths, as tests/cli/screens has them; and where there are colours."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import RenderableType
from typer.testing import CliRunner

from rollwright.cli import groups, list_views, outputs, render
from rollwright.cli.main import app
from rollwright.cli.outputs import Forecast, Forecasts, History, Plan, PlannedGate, PlannedStep, Revision, Status
from rollwright.cluster.places import Place
from rollwright.rollout.difference import Difference
from rollwright.rollout.spec import Pacing, Reclaim
from rollwright.rollout.timing import Cost
from rollwright.workflows.contract import Phase
from tests.cli.test_listing import NOW, listed
from tests.cli.test_screens import EXPECTED, HOUR, MINUTE, SPENT, STAGES, answer, screen

SCREENS = Path(__file__).with_name("screens")
WIDTHS = (140, 100, 60)
STATUS = Status.of(answer(estimate=EXPECTED, cost=SPENT, gpus=8))
PLACES = {
    ordinal: Place(f"gpu-{ordinal}", NOW - timedelta(seconds=seconds), "58b9c4d" if ordinal < 2 else "66d5f4c7b9")
    for ordinal, seconds in enumerate((40, 12 * MINUTE, 36 * MINUTE, 2 * HOUR, 90))
}
LISTED = (listed(answer(phase=Phase.GATED, gate=1, gates=3, revision="llm-rw-2")), listed())
PLAN = Plan(
    stages=STAGES,
    changes=(Difference(field="containers[model].image", before='"m:1"', after='"m:2"'),),
    steps=(
        PlannedStep(
            number=1,
            until=1,
            gates=(
                PlannedGate(name="bake", kind="bake", by_people=False),
                PlannedGate(name="on call", kind="approval", by_people=True),
            ),
            done_seconds=12 * MINUTE,
            passed_seconds=HOUR,
        ),
    ),
    forecasts=Forecasts(
        start_up_seconds=12 * MINUTE,
        start_ups=20,
        pacings=(
            Forecast(
                pacing=Pacing.EAGER,
                reclaim=Reclaim.PROMPT,
                seconds=HOUR,
                seconds_low=0.9 * HOUR,
                seconds_high=1.2 * HOUR,
                cost=outputs.Cost.of(Cost(out_of_service_seconds=HOUR, surplus_seconds=HOUR / 2), 8),
            ),
        ),
    ),
)
HISTORY = History(
    target="lws/inference/llm",
    revisions=(
        Revision(
            revision=1,
            name="llm-rw-1",
            kept_at="2026-01-02T03:04:05+00:00",
            actor="",
            reason="",
            images=("model=registry.example.com/llm:v1",),
            outcome="",
            stands=False,
            rejected=None,
        ),
        Revision(
            revision=2,
            name="llm-rw-2",
            kept_at="2026-01-02T04:04:05+00:00",
            actor="ci",
            reason="nightly release",
            images=("model=registry.example.com/llm:v2", "proxy=registry.example.com/proxy:1.4"),
            outcome="completed 2026-01-02T05:04:05+00:00",
            stands=True,
            rejected=outputs.Rejected(
                actor="ann@ops",
                reason="answers in Klingon, and takes far longer than the one before",
                at="2026-01-02T06:04:05+00:00",
            ),
        ),
    ),
)
DRAWN: dict[str, Callable[[int], RenderableType]] = {
    "status": lambda width: render.status(STATUS, width),
    "status-wide": lambda width: render.status(STATUS, width, groups.table(STATUS, PLACES, NOW)),
    "list": lambda width: render.table(list_views.listing(LISTED, NOW), width),
    "list-wide": lambda width: render.table(list_views.listing(LISTED, NOW, wide=True), width),
    "plan": lambda width: render.plan(PLAN, width),
    "history": lambda _: render.history(HISTORY),
}


@pytest.fixture(autouse=True)
def berlin(zone: Callable[[str], None]) -> None:
    """People are an hour ahead of UTC, in which all times are given."""
    zone("Europe/Berlin")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", DRAWN)
def test_a_screen_at_this_width(name: str, width: int) -> None:
    shown = screen(DRAWN[name](width), width)
    assert shown == (SCREENS / f"{name}-{width}.txt").read_text().splitlines()


@pytest.mark.parametrize("width", WIDTHS)
def test_an_error_is_left_to_the_terminal_to_fold_so_that_commands_in_it_can_be_copied(width: int) -> None:
    shown = CliRunner().invoke(app, ["status", "llm"], env={"COLUMNS": str(width)})
    assert (shown.exit_code, shown.stdout) == (2, "")
    assert shown.stderr.splitlines() == [
        "error: 'llm' names no target",
        "Write lws/NAME or sts/NAME with -n NAMESPACE, or a rollout's id: rollout/lws/NAMESPACE/NAME; of a cluster "
        "with a name lws/NAME@CLUSTER.",
    ]


def test_in_a_pipe_a_row_of_a_table_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    actor = answer().by.model_copy(update={"actor": "x" * 300})
    render.show_table(list_views.listing([listed(answer(by=actor)), listed()], NOW, wide=True))
    heading, first, second = capsys.readouterr().out.splitlines()
    names = ["NAMESPACE", "TARGET", "PHASE", "DONE", "AGE", "ENDS IN", "BY", "AVAILABLE", "REVISION", "REQUEST", "ID"]
    assert re.split(r"  +", heading) == [*names, "WAITS FOR"]
    assert f"  {'x' * 300}  " in first
    assert "  Since the last replica is not ready" in first
    assert second.split()[-2:] == ["rollout/lws/inference/llm", "-"]


def errors_on_a_terminal(*arguments: str, **env: str) -> str:
    """What the command line says on a terminal of what somebody mistypes."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "rollwright.cli.main", *arguments]
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    subprocess.run(command, stderr=theirs, env={**clean, "TERM": "xterm-256color", **env}, check=False, timeout=60)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    return said


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "\x1b[1;31merror: \x1b[0m'llm' names no target"),
        ({"NO_COLOR": "1"}, "\x1b[1merror: \x1b[0m'llm' names no target"),
        ({"TERM": "dumb"}, "error: 'llm' names no target"),
    ],
)
def test_colours_are_for_terminals_and_for_people_who_want_them(env: dict[str, str], says: str) -> None:
    assert errors_on_a_terminal("status", "llm", **env).startswith(says)
