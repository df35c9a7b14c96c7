"""Pictures of a rollout over time: what served against what was promised, and its end as it was told. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from markupsafe import Markup

from rollwright.cli.reports import words
from rollwright.cli.reports.record import Deed, Look, Report
from rollwright.cli.reports.scale import LEFT, RIGHT, WIDTH, Scale, axis, drawn, number, picture
from rollwright.workflows.contract import Phase

_PHASE_HEIGHT, _SERVED_HEIGHT, _TOLD_HEIGHT = 14.0, 150.0, 120.0
_SHADED = (Phase.GATED, Phase.PAUSED, Phase.STALLED)
_MARK_SIZE = 15.0


def served(report: Report, scale: Scale) -> Markup:
    """Available groups and groups asked for, over time, against floor and ceiling; phases above, what people did."""
    top = 2 * _MARK_SIZE + 2 + _PHASE_HEIGHT
    bottom = top + _SERVED_HEIGHT
    counts = [(look.available, look.groups_asked, look.available_least, look.groups_most) for look in report.looks]
    highest, lowest = max((max(four) for four in counts), default=1), min((min(four) for four in counts), default=0)
    low = max(0.0, lowest - 0.15 * (highest - lowest) - 1)

    def y(count: float) -> float:
        return bottom - (count - low) / max(1.0, highest + 0.5 - low) * _SERVED_HEIGHT

    parts = [*shades(report, scale, 2 * _MARK_SIZE, bottom), *_strip(report, scale, 2 * _MARK_SIZE)]
    parts += [axis(scale, top, bottom, labelled=False), *_levels(low, highest, y)]
    if report.looks:
        parts += _lines(report, scale, y)
    parts += _labels(report.looks, y)
    parts.append(marks(report.deeds, scale, bottom))
    return picture(bottom, "Groups that served and groups asked for, over time", parts)


def _strip(report: Report, scale: Scale, top: float) -> list[Markup]:
    """Which phase it was."""
    form = '<rect class="{0}" x="{1}" y="{2}" width="{3}" height="{4}"><title>{5}</title></rect>'
    return [
        drawn(
            form,
            kind_of(passage.phase),
            number(scale.x(passage.start)),
            number(top),
            number(scale.x(passage.end) - scale.x(passage.start)),
            number(_PHASE_HEIGHT - 4),
            f"{passage.phase}: {words.duration(passage.seconds)}",
        )
        for passage in report.passages
    ]


def shades(report: Report, scale: Scale, top: float, bottom: float) -> Iterator[Markup]:
    """Over all where the rollout stood."""
    form = '<rect class="shade {0}" x="{1}" y="{2}" width="{3}" height="{4}"/>'
    for passage in report.passages:
        if passage.phase in _SHADED:
            x, width = scale.x(passage.start), scale.x(passage.end) - scale.x(passage.start)
            yield drawn(form, kind_of(passage.phase), *map(number, (x, top, width, bottom - top)))


def kind_of(phase: Phase) -> str:
    """The class that it is drawn with."""
    return phase.value.replace(" ", "-")


def marks(deeds: Sequence[Deed], scale: Scale, bottom: float) -> Markup:
    """A numbered line for each thing that was done, numbered as in the table; those that would overlap move aside."""
    parts, taken = [], -_MARK_SIZE
    for place, deed in enumerate(deeds, 1):
        x = scale.x(deed.at)
        beside = min(max(x, taken + _MARK_SIZE), WIDTH - _MARK_SIZE / 2)
        taken = beside
        form = (
            '<g class="deed{0}"><title>{1}</title><path d="M{2} {3}L{4} {5}V{6}"/>'
            '<circle cx="{2}" cy="{7}" r="7"/><text x="{2}" y="{8}">{9}</text></g>'
        )
        said = f"{deed.actor}: {deed.what}" + (f" ({deed.reason})" if deed.reason else "")
        heights = (_MARK_SIZE, _MARK_SIZE + 12, bottom, _MARK_SIZE - 6, _MARK_SIZE - 2.5)
        line, bend, end, centre, base = map(number, heights)
        itself = " itself" if deed.by_itself else ""
        parts.append(drawn(form, itself, said, number(beside), line, number(x), bend, end, centre, base, place))
    return Markup("").join(parts)


def _levels(low: float, high: float, y: Callable[[float], float]) -> Iterable[Markup]:
    """Whole numbers of groups at the left, not too many."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if (high - low) / step <= 6)
    for count in range(-(-int(low + 0.999) // step) * step, int(high) + 1, step):
        line = '<path class="grid" d="M{0} {1}H{2}"/><text class="level" x="{3}" y="{4}">{5}</text>'
        at = y(count)
        yield drawn(line, number(LEFT), number(at), number(WIDTH - RIGHT), number(LEFT - 8), number(at + 4), count)


def _lines(report: Report, scale: Scale, y: Callable[[float], float]) -> list[Markup]:
    looks, end = report.looks, report.until
    floor = _stairs(looks, end, scale, lambda look: y(look.available_least))
    ceiling = _stairs(looks, end, scale, lambda look: y(look.groups_most))
    asked = _stairs(looks, end, scale, lambda look: y(look.groups_asked))
    available = _stairs(looks, end, scale, lambda look: y(look.available))
    lines = [("promise", ceiling), ("promise", floor), ("asked", asked), ("available", available)]
    dips = "".join(
        f"M{number(scale.x(look.at))} {number(y(look.available))}V{number(y(look.fewest))}"
        for look in looks
        if look.fewest < look.available
    )
    return [drawn('<path class="{0}" d="{1}"/>', kind, path) for kind, path in [*lines, ("dip", dips)] if path]


def _stairs(looks: Sequence[Look], end: datetime, scale: Scale, y: Callable[[Look], float]) -> str:
    """From look to look: a value holds until the next one."""
    first, *others = looks
    steps = "".join(f"H{number(scale.x(look.at))}V{number(y(look))}" for look in others)
    return f"M{number(scale.x(first.at))} {number(y(first))}{steps}H{number(scale.x(end))}"


def _labels(looks: Sequence[Look], y: Callable[[float], float]) -> list[Markup]:
    """What the two lines of the promise are."""
    if not looks:
        return []
    first = looks[0]
    text = '<text class="promised" x="{0}" y="{1}">{2}</text>'
    told = [
        (y(first.groups_most) - 4, f"at most {first.groups_most} groups"),
        (y(first.available_least) + 13, f"at least {first.available_least} serving"),
    ]
    return [drawn(text, number(LEFT + 6), number(at), label) for at, label in told]


def told(report: Report, scale: Scale) -> Markup:
    """The end as it was told at each moment, with its range, against when it came: both axes are times."""
    ends = [one.latest for one in report.forecasts] + [one.ends_at for one in report.forecasts] + [report.until]
    lowest, highest = report.started_at.timestamp(), max(end.timestamp() for end in ends)
    top, bottom = 8.0, 8.0 + _TOLD_HEIGHT

    def y(at: datetime) -> float:
        return bottom - (at.timestamp() - lowest) / max(0.001, highest - lowest) * _TOLD_HEIGHT

    spans = "".join(
        f"M{number(scale.x(one.at))} {number(y(one.earliest))}V{number(y(one.latest))}" for one in report.forecasts
    )
    dots = [
        drawn(
            '<circle class="told" cx="{0}" cy="{1}" r="2.5"><title>{2}</title></circle>',
            number(scale.x(one.at)),
            number(y(one.ends_at)),
            f"told at {words.clock(report, one.at)}: {words.clock(report, one.ends_at)}",
        )
        for one in report.forecasts
    ]
    came = drawn(
        '<path class="came" d="M{0} {1}H{2}"/><text class="promised" x="{3}" y="{4}">{5}</text>',
        number(LEFT),
        number(y(report.until)),
        number(WIDTH - RIGHT),
        number(LEFT + 6),
        number(y(report.until) + 13),
        f"it came {words.clock(report, report.until)}" if report.is_over else "now",
    )
    parts = [axis(scale, top, bottom), drawn('<path class="range" d="{0}"/>', spans), came, *dots]
    return picture(bottom + 24, "When the rollout was expected to end, as told on the way", parts)
