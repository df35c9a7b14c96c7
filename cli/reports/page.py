"""The report as one page of HTML that needs nothing else and may do nothing: no scripts, nothing from elsewhere."""

import base64
import hashlib
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rollwright.cli import views
from rollwright.cli.reports import chart, tables, words
from rollwright.cli.reports.gantt import gantt, look_of
from rollwright.cli.reports.record import Report, State
from rollwright.cli.reports.scale import Scale
from rollwright.cli.text import plain
from rollwright.cli.views import Table
from rollwright.workflows.contract import Phase

_WIDE = 10**6
"""Cells: the stage table has a column a group as long as that is readable."""
_MOST_COLUMNS = 24
_MOST_STAGES = 400
_BY_REVISION = (State.SERVING, State.STARTING)


class Tile(NamedTuple):
    """One thing to know first."""

    name: str
    value: str
    more: str
    kind: str
    """good, bad, doubt or plain."""


def page(report: Report) -> str:
    """The whole page."""
    environment = Environment(
        loader=PackageLoader("rollwright.cli.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": plain}
    style = (environment.get_template("report.css")).render()
    scale = Scale(report.started_at, report.until)
    return environment.get_template("report.html.j2").render(
        report=report,
        words=words,
        style=Markup(style),  # noqa: S704 - a file of ours
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        tiles=_tiles(report),
        shares=_shares(report),
        served=chart.served(report, scale),
        gantt=gantt(report, scale),
        told=chart.told(report, scale) if report.forecasts else "",
        legend=_legend(report),
        sections=[
            ("Steps and gates", "", tables.stops(report)),
            ("Who did what", "", tables.deeds(report)),
            ("Slowest start-ups", words.usual(report), tables.start_ups(report)),
        ],
        forecasts=tables.forecasts(report),
        stages=_stages(report),
        stages_legend=views.LEGEND,
    )


def _tiles(report: Report) -> list[Tile]:
    kept = report.promise
    kinds = {True: "good", False: "bad", None: "doubt"}
    so_far = "" if report.is_over else " so far"
    verdicts = {True: f"kept{so_far}", False: "not kept", None: "not known"}
    counts = f"{words.fewest(report)}, {words.most(report)}"
    value, unit = _cost(report)
    outcome = {Phase.COMPLETED: "good", "running": "plain"}.get(report.outcome, "doubt")
    return [
        Tile(
            "Outcome",
            report.outcome,
            words.updated(report),
            outcome,
        ),
        Tile("Promise", verdicts[kept.kept], counts if report.looks else "", kinds[kept.kept]),
        Tile(*_lasted(report), "plain"),
        Tile("Paused, or only people missing", *_people(report), "plain"),
        Tile("Cost", value, unit, "plain"),
    ]


def _lasted(report: Report) -> tuple[str, str, str]:
    """How long it took, or runs, and what is to be known of that."""
    name, more = ("Took", words.eta(report)) if report.is_over else ("Runs for", words.as_of(report))
    return name, words.duration(report.seconds), more


def _cost(report: Report) -> tuple[str, str]:
    """What it took, and of what."""
    cost = report.cost
    each, unit = (cost.gpus, "GPU-hours") if cost.gpus else (1, "group-hours")
    total = (cost.out_of_service_group_hours + cost.surplus_group_hours) * each
    return f"{total:.1f} {unit}", words.cost(report)


def _people(report: Report) -> tuple[str, str]:
    """For how long, and where."""
    if not report.people_seconds:
        return "never", ""
    part = 100 * report.people_seconds / max(report.seconds, report.people_seconds)
    return words.duration(report.people_seconds), f"{part:.0f} % of the time"


def _shares(report: Report) -> list[tuple[str, str, str, str]]:
    """Name, duration, percent and class of each part of the time."""
    shares = words.shares(report)
    total = sum(share.seconds for share in shares) or 1.0
    return [
        (
            share.name,
            words.duration(share.seconds),
            f"{100 * share.seconds / total:.2f}",
            chart.kind_of(share.phase),
        )
        for share in shares
    ]


def _legend(report: Report) -> list[tuple[str, str]]:
    """Class and words of the looks that are in the picture."""
    seen = {look_of(span): span for track in report.tracks for span in track.spans}
    order = list(State)
    return [
        (look, f"{span.state} on the {span.role} revision" if span.state in _BY_REVISION else span.state)
        for look, span in sorted(seen.items(), key=lambda item: (order.index(item[1].state), item[0]))
    ]


def _stages(report: Report) -> Table:
    most = max((len(stage.groups) for stage in report.stages), default=0)
    return views.stage_table(report.stages[:_MOST_STAGES], _WIDE if most <= _MOST_COLUMNS else 0)
