"""The report as Markdown, as for a ticket or a pull request. What comes from elsewhere is escaped."""

import re
from collections.abc import Iterator

from rollwright.cli.reports import tables, words
from rollwright.cli.reports.record import Report
from rollwright.cli.text import markdown as escaped
from rollwright.cli.text import markdown_table
from rollwright.cli.views import Table
from rollwright.workflows import details

_RUN = re.compile("`+")


def markdown(report: Report) -> str:
    """The whole of it."""
    parts = [f"# {escaped(report.target)}: {escaped(words.took(report))}", *_parts(report)]
    return "\n\n".join(parts) + "\n"


def _parts(report: Report) -> Iterator[str]:
    yield _table(Table(("", ""), tuple(words.facts(report))))
    total = sum(share.seconds for share in words.shares(report))
    rows = [
        (share.name, words.duration(share.seconds), f"{100 * share.seconds / total:.0f} %")
        for share in words.shares(report)
    ]
    yield from _section("Where the time went", Table(("Phase", "Time", "Share"), tuple(rows)))
    yield from _section("Steps and gates", tables.stops(report))
    yield from _section("Who did what", tables.deeds(report))
    yield from _section("Slowest start-ups", tables.start_ups(report))
    yield from _section("When it was expected to end", tables.forecasts(report))
    if report.stages:
        yield "## Stages"
        yield details.table(report.stages)
    yield "## Specification"
    yield _fenced(words.spec(report))
    yield "## How this was made"
    yield escaped(words.resolution(report))
    yield from (escaped(note) for note in report.notes)


def _section(title: str, table: Table) -> Iterator[str]:
    if table.rows:
        yield f"## {title}"
        yield _table(table)


def _table(table: Table) -> str:
    return markdown_table(table.columns, [tuple(map(escaped, row)) for row in table.rows])


def _fenced(text: str) -> str:
    """In a fence that is longer than any in it."""
    fence = "`" * max(3, 1 + max((len(run) for run in _RUN.findall(text)), default=0))
    return f"{fence}yaml\n{text.rstrip()}\n{fence}"
