"""What each group did, a row a group, as SVG. Many groups have thin rows; all of one look are one path then. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup

from rollwright.cli.reports import chart, words
from rollwright.cli.reports.record import Report, Role, Span, State, Track
from rollwright.cli.reports.scale import LEFT, RIGHT, WIDTH, Scale, axis, drawn, number, picture

_MOST_TELLING = 150
"""With more groups than this no row says what it shows when pointed at: the page would become large."""
_TALLEST, _HEIGHT, _FLATTEST = 20.0, 1200.0, 1.0
_LABEL_HEIGHT = 11.0
_GAPPED = 5.0
"""Rows are set apart from this height on: between thinner ones gaps would only grey the picture."""
_MARK_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


def gantt(report: Report, scale: Scale) -> Markup:
    """The rows, the highest ordinal first as a rollout goes, surge groups above; with the times below."""
    tracks = sorted(report.tracks, key=lambda track: -track.ordinal)
    row = max(_FLATTEST, min(_TALLEST, _HEIGHT / max(1, len(tracks))))
    bottom = 4 + row * len(tracks)
    draw = _telling if len(tracks) <= _MOST_TELLING else _in_paths
    parts = [
        *chart.shades(report, scale, 0.0, bottom),
        axis(scale, 0.0, bottom),
        *_ordinals(tracks, row),
        *_users(tracks, report.replicas, row),
        *draw(tracks, scale, row),
        *(_line(scale.x(deed.at), bottom) for deed in report.deeds),
    ]
    return picture(bottom + 24, "What each group did, over time", parts)


def _ordinals(tracks: Sequence[Track], row: float) -> Iterator[Markup]:
    """As many labels as there is room for, at round ordinals."""
    step = next((step for step in _MARK_STEPS if step * row >= _LABEL_HEIGHT), _MARK_STEPS[-1])
    for place, track in enumerate(tracks):
        if track.ordinal % step == 0:
            label = '<text class="level" x="{0}" y="{1}">{2}</text>'
            yield drawn(label, number(LEFT - 8), number(4 + (place + 0.5) * row + 4), track.ordinal)


def _users(tracks: Sequence[Track], replicas: int | None, row: float) -> Iterator[Markup]:
    """A line between the surge and the groups that the user wants."""
    surge = sum(1 for track in tracks if replicas is not None and track.ordinal >= replicas)
    if 0 < surge < len(tracks):
        y = 4 + surge * row
        form = '<path class="users" d="M{0} {1}H{2}"/><text class="promised" x="2" y="{3}">surge</text>'
        yield drawn(form, "0", number(y), number(WIDTH - RIGHT), number(max(10.0, y - 4)))


def _line(x: float, bottom: float) -> Markup:
    return drawn('<path class="deed-line" d="M{0} 0V{1}"/>', number(x), number(bottom))


def _telling(tracks: Sequence[Track], scale: Scale, row: float) -> Iterator[Markup]:
    """A rectangle for each span, which says what it is."""
    height = row - (3 if row >= 10 else 1 if row >= _GAPPED else 0)
    for place, track in enumerate(tracks):
        y = 4 + place * row + (row - height) / 2
        for span in track.spans:
            x, width = scale.x(span.start), _width(span, scale)
            form = '<rect class="{0}" x="{1}" y="{2}" width="{3}" height="{4}"><title>{5}</title></rect>'
            said = f"group {track.ordinal}: {span.state}, {span.role} revision, {words.duration(span.seconds)}"
            values = map(number, (x, y, width, height))
            yield drawn(form, look_of(span), *values, said)


def _in_paths(tracks: Sequence[Track], scale: Scale, row: float) -> Iterator[Markup]:
    paths: dict[str, list[str]] = {}
    height = number(row if row < _GAPPED else row - 1)
    for place, track in enumerate(tracks):
        y = number(4 + place * row)
        for span in track.spans:
            x, width = number(scale.x(span.start)), number(_width(span, scale))
            paths.setdefault(look_of(span), []).append(f"M{x} {y}h{width}v{height}h-{width}z")
    for look, path in paths.items():
        yield drawn('<path class="groups {0}" d="{1}"/>', look, "".join(path))


def _width(span: Span, scale: Scale) -> float:
    """Never so narrow that it can't be seen."""
    return max(0.5, scale.x(span.end) - scale.x(span.start))


_LOOKS: Mapping[State, str] = {
    State.LEAVING: "leaving",
    State.UNPLACED: "unplaced",
    State.DOWN: "down",
    State.FAILED: "failed",
}


def look_of(span: Span) -> str:
    """The class that it is drawn with: serving by revision, else by state."""
    if span.state is State.SERVING:
        return f"serving-{span.role}"
    if span.state is State.STARTING:
        return "starting back" if span.role is Role.OLD else "starting"
    return _LOOKS[span.state]
