"""A time axis in SVG: where moments are, and where its marks go. Lengths are in the units of the drawing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

from markupsafe import Markup

from rollwright.cli.text import plain

WIDTH = 1120.0
LEFT, RIGHT = 66.0, 14.0
_MARKS = 9
_DAY = 86_400
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, _DAY)


@dataclass(frozen=True)
class Scale:
    """From `start` at the left to `end` at the right."""

    start: datetime
    end: datetime

    def x(self, at: datetime) -> float:
        """Where a moment is; what is outside is at the edge."""
        part = (at - self.start).total_seconds() / max(0.001, (self.end - self.start).total_seconds())
        return LEFT + min(1.0, max(0.0, part)) * (WIDTH - LEFT - RIGHT)

    def marks(self) -> Iterator[tuple[float, str]]:
        """Round times, in UTC, each with its place; with the date where a day begins."""
        seconds = max(1.0, (self.end - self.start).total_seconds())
        step = next((step for step in _STEPS if seconds / step <= _MARKS), 0) or _DAY * -(-seconds // (_DAY * _MARKS))
        first = -(-self.start.timestamp() // step) * step
        for number in range(int((self.end.timestamp() - first) // step) + 1):
            at = datetime.fromtimestamp(first, UTC) + timedelta(seconds=number * step)
            midnight = at.hour == at.minute == at.second == 0
            yield self.x(at), f"{at:{'%b %d' if midnight else '%H:%M:%S' if step < 60 else '%H:%M'}}"


def axis(scale: Scale, top: float, bottom: float, *, labelled: bool = True) -> Markup:
    """Lines through the whole height, and the times below it."""
    line = '<path class="grid" d="M{0} {1}V{2}"/>'
    form = line + '<text class="mark" x="{0}" y="{3}">{4}</text>' if labelled else line
    parts = [
        drawn(
            form,
            *(number(x), number(top), number(bottom), number(bottom + 16)),
            label,
        )
        for x, label in scale.marks()
    ]
    return Markup("").join(parts)


def drawn(form: LiteralString, *values: object) -> Markup:
    """SVG of a form of ours; what is put into it is escaped."""
    harmless = (plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value for value in values)
    return Markup(form).format(*harmless)  # noqa: S704 - the form is ours, and the values are escaped


def number(value: float) -> str:
    """A tenth of a unit is closer than anybody sees."""
    return f"{value:.1f}".removesuffix(".0")


def picture(height: float, title: str, parts: list[Markup]) -> Markup:
    """A drawing as wide as the page, with what it shows in words."""
    form = '<svg viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}</svg>'
    return drawn(form, number(WIDTH), number(height), title, Markup("").join(parts))
