"""The report on a terminal: what matters most. The page has the rest."""

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from rollwright.cli import render
from rollwright.cli.reports import tables, words
from rollwright.cli.reports.record import Deed, Report
from rollwright.cli.text import one_line
from rollwright.cli.views import Table

_BAR_CELLS = 30


def screen(report: Report, width: int) -> RenderableType:
    """The summary."""
    facts = RichTable.grid(padding=(0, 2))
    for name, value in words.facts(report):
        facts.add_row(Text(name, style="bold"), one_line(value))
    parts: list[RenderableType] = [facts, *_section("where the time went", _shares(report), width)]
    parts += _section("steps and gates", tables.stops(report), width)
    if report.deeds:
        parts += ["", Text("who did what", style="bold"), *map(_deed, report.deeds)]
    parts += _section("slowest start-ups", tables.start_ups(report), width)
    parts += ["", Text(one_line(words.resolution(report)), style="dim")]
    return Group(*parts, *(Text(one_line(note), style="dim") for note in report.notes))


def _deed(deed: Deed) -> str:
    why = f" ({deed.reason})" if deed.reason else ""
    came = f": {tables.came_of(deed)}" if deed.came_of_it else ""
    return one_line(f"{words.moment(deed.at)} {deed.actor}: {deed.what}{why}{came}")


def _shares(report: Report) -> Table:
    shares = words.shares(report)
    longest = max((share.seconds for share in shares), default=0.0)
    rows = [
        (share.name, words.duration(share.seconds), "█" * max(1, round(_BAR_CELLS * share.seconds / longest)))
        for share in shares
    ]
    return Table(("Phase", "Time", ""), tuple(rows))


def _section(title: str, table: Table, width: int) -> list[RenderableType]:
    if not table.rows:
        return []
    plain = Table(table.columns, tuple(tuple(map(one_line, row)) for row in table.rows))
    return ["", Text(title, style="bold"), render.table(plain, width)]
