"""Views on a terminal, in a pipe, or as a picture."""

import io
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import typer
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text

from rollwright.cli import check_views, doctor_views, views
from rollwright.cli.failure import CommandError
from rollwright.cli.outputs import Checked, Diagnosis, Diff, History, Plan, Snapshot, Status, Verdict
from rollwright.rollout.difference import Difference
from rollwright.rollout.stages import Stage

PIPE_WIDTH = 120
PICTURE_WIDTH = 110
_RIGHT = ("Stage", "Partition", "Replicas", "Step", "Until", "GROUP")
_GAP = 2
"""Cells between columns."""
_LEAST_FOLDED = 24
"""Cells in which text can be read that folds."""
_COLOURS = {"  - ": "red", "  + ": "green"}
_VERDICTS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.FAILED: "bold red",
    Verdict.NOT_CHECKED: "dim",
}


def console() -> Console:
    """For results: stdout. Strings are printed as they are: no markup, no emoji codes, no highlighting."""
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(width=wide, markup=False, emoji=False, highlight=False)


def show(draw: Callable[[int], RenderableType], *, least: int = 0) -> None:
    """Print what is drawn for the width there is, or `least`; in a pipe without the spaces that fill up lines."""
    screen = console()
    screen.width = max(screen.width, least)
    if screen.is_terminal:
        screen.print(draw(screen.width))
        return
    with screen.capture() as captured:
        screen.print(draw(screen.width))
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def show_table(view: views.Table) -> None:
    """Print a table for the width of the terminal; in a pipe a row is a line, however long."""
    screen = console()
    show(lambda width: table(view, width), least=0 if screen.is_terminal else sum(_widths(view)))


def _widths(view: views.Table) -> list[int]:
    """What each column takes, with the space beside it."""
    return [max(map(cell_len, column)) + _GAP for column in zip(view.columns, *view.rows, strict=True)]


def table(view: views.Table, width: int) -> RenderableType:
    """A plain table without lines, of which the last column folds; a block a row where that would be too narrow."""
    *fixed, last = _widths(view)
    if width - sum(fixed) < min(last, _LEAST_FOLDED):
        return _blocks(view)
    return _columns(view)


def _blocks(view: views.Table) -> RenderableType:
    parts: list[RenderableType] = []
    for first, *rest in view.rows:
        facts = RichTable.grid(padding=(0, 2))
        for name, value in zip(view.columns[1:], rest, strict=True):
            if value not in ("", views.UNKNOWN):
                facts.add_row("", Text(name, style="dim"), value)
        parts += [Text(f"{view.columns[0]} {first}", style="bold"), facts]
    return Group(*parts)


def _columns(view: views.Table) -> RichTable:
    last = view.columns[-1]
    columns = [
        Column(
            name, justify="right" if name in _RIGHT else "left", no_wrap=name not in (last, "Groups"), overflow="fold"
        )
        for name in view.columns
    ]
    drawn = RichTable(*columns, box=None, pad_edge=False, padding=(0, 1), header_style="bold")
    for row in view.rows:
        drawn.add_row(*row)
    return drawn


def stages(rows: tuple[Stage, ...], width: int) -> RenderableType:
    """The stage table with its legend."""
    return Group(_columns(views.stage_table(rows, width)), Text(views.LEGEND, style="dim"))


def plan(made: Plan, width: int) -> RenderableType:
    """The screen of `plan`."""
    parts: list[RenderableType] = [stages(made.stages, width), ""]
    parts += [table(views.steps(made.steps, made.stages[0].replicas), width), ""] if made.steps else []
    parts += [views.forecasts_by(made.forecasts)]
    parts += [table(views.forecasts(made.forecasts), width)] if made.forecasts else []
    parts += ["", *checks(made.checks)] if made.checks else []
    if made.changes is None:
        return Group(*parts)
    return Group(_changes(made.changes, "The template stays as it is."), "", *parts)


def checks(made: tuple[Checked, ...]) -> list[RenderableType]:
    """What was looked at, and what came of it."""
    grid = RichTable.grid(Column(no_wrap=True), Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for verdict, about, what, todo in check_views.rows(made):
        grid.add_row(Text(verdict, style=_VERDICTS[verdict]), about, what)
        if todo:
            grid.add_row("", "", Text(todo, style="dim"))
    return [Text(check_views.summary(made), style="bold"), grid]


def diff(shown: Diff) -> RenderableType:
    """The screen of `diff`."""
    heading = Text(views.difference_of(shown), style="dim")
    return Group(heading, _changes(shown.changes, "The templates are the same."))


def _changes(found: Iterable[Difference], none: str) -> RenderableType:
    lines = views.changes(found) or [none]
    return Group(*(Text(line, style=_COLOURS.get(line[:4], "")) for line in lines))


def history(shown: History) -> RenderableType:
    """The screen of `history`."""
    parts: list[RenderableType] = []
    for kept in shown.revisions:
        facts = RichTable.grid(padding=(0, 2))
        for name, value in views.revision_facts(kept):
            facts.add_row("", Text(name, style="dim"), value)
        parts += [Text(views.revision(kept), style="bold"), facts]
    if not any(kept.stands for kept in shown.revisions):
        parts += ["", "What stands is none of these: somebody changed it past rollwright. The next rollout keeps it."]
    return Group(*parts)


def status(status: Status, width: int, groups: views.Table | None = None) -> RenderableType:
    """The screen of `status`; with `groups`, each of them too."""
    facts = RichTable.grid(padding=(0, 2))
    for name, value in views.facts(status):
        facts.add_row(Text(name, style="bold"), value)
    parts: list[RenderableType] = [facts]
    if status.stage:
        parts += ["", stages((status.stage,), width)]
    if groups and groups.rows:
        parts += ["", table(groups, width)]
    if lines := views.events(status):
        parts += ["", Text("events", style="bold"), *lines]
    return Group(*parts)


def snapshot(seen: Snapshot, width: int, height: int | None = None) -> RenderableType:
    """The screen of `watch`: as many of the last stages as fit into `height` lines."""
    rows = views.facts_now(seen.status)
    fitting = len(seen.stages) if height is None else max(1, height - 6 - len(rows))
    facts = RichTable.grid(padding=(0, 2))
    for name, value in rows:
        facts.add_row(Text(name, style="bold"), value)
    return Group(
        Text(f"{seen.status.rollout}  {views.change(seen.status.spec.change)}", style="bold"),
        "",
        stages(seen.stages[-fitting:], width),
        "",
        facts,
    )


def diagnosis(seen: Diagnosis) -> RenderableType:
    """The screen of `doctor`."""
    parts: list[RenderableType] = []
    for finding in seen.findings:
        facts = RichTable.grid(padding=(0, 2))
        for name, value in doctor_views.facts(finding):
            facts.add_row(Text(f"  {name}", style="bold"), value)
        parts += [Text(f"{finding.rollout}: {finding.trouble}", style="bold"), facts]
    return Group(*parts) if parts else f"nothing found {seen.where}"


def save_picture(path: str, title: str, drawn: RenderableType) -> None:
    """Write what a screen shows as SVG. Raises CommandError if the file can't be written."""
    recorder = Console(record=True, width=PICTURE_WIDTH, file=io.StringIO(), markup=False, emoji=False, highlight=False)
    recorder.print(drawn)
    try:
        Path(path).write_text(recorder.export_svg(title=title), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from error
