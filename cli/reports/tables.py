"""The tables of a report, the same on a page, in Markdown and on a terminal. Nothing is escaped here."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from rollwright.cli.reports import words
from rollwright.cli.reports.record import Deed, Ending, Forecast, GateFound, Report, StartUp, Stop
from rollwright.cli.views import Table
from rollwright.rollout.gates.gate import Finding

_SLOWEST = 12
_MOST_FORECASTS = 8


def stops(report: Report) -> Table:
    """The gates, a row each; a step that only waited to be promoted has one too."""
    columns = ("Step", "Until", "Gate", "Found", "Opened", "Took", "By", "Message")
    rows = [row for stop in report.stops for row in _stop(report, stop)]
    return Table(columns, tuple(rows))


def _stop(report: Report, stop: Stop) -> Iterable[tuple[str, ...]]:
    opened, until = words.clock(report, stop.opened_at), stop.until
    lasted = words.duration(stop.seconds) if stop.seconds is not None else "open"
    if not stop.gates:
        yield str(stop.step), until, "promote", stop.ending, opened, lasted, stop.by, ""
    for gate in stop.gates:
        by = ", ".join(approval.actor for approval in gate.approvals)
        overruled = stop.ending is Ending.PROMOTED and gate.finding is not Finding.PASSED
        found = f"{gate.finding}, promoted" if overruled else str(gate.finding)
        yield (
            str(stop.step),
            until,
            _named(gate),
            found,
            opened,
            _decided(gate) or lasted,
            stop.by if overruled else by,
            gate.message,
        )


def _named(gate: GateFound) -> str:
    return gate.name if gate.name == gate.kind else f"{gate.name} ({gate.kind})"


def _decided(gate: GateFound) -> str:
    return words.duration((gate.decided_at - gate.opened_at).total_seconds()) if gate.decided_at else ""


def deeds(report: Report) -> Table:
    """Who did what, numbered as on the page's picture."""
    rows = [
        (str(number), words.clock(report, deed.at), deed.actor, deed.what, deed.reason, came_of(deed))
        for number, deed in enumerate(report.deeds, 1)
    ]
    return Table(("#", "When", "Who", "What", "Why", "What came of it"), tuple(rows))


def came_of(deed: Deed) -> str:
    """What came of it; empty if that isn't known."""
    return f"refused: {deed.came_of_it}" if deed.refused else deed.came_of_it


def start_ups(report: Report) -> Table:
    """The slowest starts."""
    rows = [
        (
            str(start.ordinal),
            start.role,
            words.clock(report, start.begun_at),
            _lasted(report, start),
            words.duration(start.unplaced_seconds) if start.unplaced_seconds else "",
            words.duration(start.alone_seconds) if start.alone_seconds else "",
            start.reason,
        )
        for start in report.start_ups[:_SLOWEST]
    ]
    columns = ("Group", "Revision", "From", "Took", "Without nodes", "Waited for alone", "Showed last")
    return Table(columns, tuple(rows))


def _lasted(report: Report, start: StartUp) -> str:
    """How long it took, or was tried: surge may be given back before it serves; others go on after the end."""
    lasted = words.duration(start.seconds)
    if start.served_at:
        return lasted
    if start.begun_at + timedelta(seconds=start.seconds) < report.until:
        return f"{lasted}, then given up"
    return f"{lasted}, not ready when it ended" if report.is_over else f"{lasted} so far"


def forecasts(report: Report) -> Table:
    """What was told of the end, the first and the last and some between, against how it came."""
    told = _some(report.forecasts)
    rows = [
        (
            words.clock(report, one.at),
            words.clock(report, one.ends_at),
            f"{words.clock(report, one.earliest)} to {words.clock(report, one.latest)}",
            words.off(one, report.until) if report.is_over else "",
        )
        for one in told
    ]
    return Table(("Told at", "End", "Range", "It came"), tuple(rows))


def _some(told: Sequence[Forecast]) -> list[Forecast]:
    if len(told) <= _MOST_FORECASTS:
        return list(told)
    last = len(told) - 1
    places = [round(place * last / (_MOST_FORECASTS - 1)) for place in range(_MOST_FORECASTS)]
    return [told[place] for place in places]
