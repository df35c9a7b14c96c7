"""How long groups took to start, and who waited for whom."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from rollwright.cli.reports.record import Span, StartUp, State, Track

Shown = Sequence[tuple[datetime, str]]
Reasons = Mapping[int, Shown]
_TRYING = (State.STARTING, State.UNPLACED, State.FAILED)


def start_ups(tracks: Sequence[Track], reasons: Reasons, since: datetime) -> tuple[StartUp, ...]:
    """Every start that was seen from its beginning, the slowest first.

    `reasons`: what groups have shown. `since`: what was there when it was looked at first began before.
    """
    found = [
        start for track in tracks for start in _of(track, reasons.get(track.ordinal, ())) if start.begun_at > since
    ]
    alone = _alone(found)
    found = [start.model_copy(update={"alone_seconds": alone[place]}) for place, start in enumerate(found)]
    return tuple(sorted(found, key=lambda start: (-start.seconds, start.ordinal)))


def usual_seconds(starts: Iterable[StartUp]) -> float | None:
    """The median of those that came to serve; None if none did."""
    took = [start.seconds for start in starts if start.served_at]
    return median(took) if took else None


def _of(track: Track, reasons: Shown) -> Iterable[StartUp]:
    """Starts of one group. One that is taken down and begun anew on the same revision is still the same start."""
    trying: list[Span] = []
    for span in track.spans:
        goes_on = bool(trying) and span.role is trying[0].role and span.state in (*_TRYING, State.LEAVING)
        if trying and not goes_on:
            yield _start(track.ordinal, trying, span, reasons)
            trying = []
        if goes_on or span.state in _TRYING:
            trying.append(span)
    if trying:
        yield _start(track.ordinal, trying, None, reasons)


def _start(ordinal: int, trying: Sequence[Span], then: Span | None, reasons: Shown) -> StartUp:
    served = then is not None and then.state is State.SERVING and then.role is trying[0].role
    begun, ended = trying[0].start, trying[-1].end
    return StartUp(
        ordinal=ordinal,
        role=trying[0].role,
        begun_at=begun,
        served_at=ended if served else None,
        seconds=(ended - begun).total_seconds(),
        unplaced_seconds=sum(span.seconds for span in trying if span.state is State.UNPLACED),
        alone_seconds=0.0,
        reason=next((reason for at, reason in reversed(reasons) if begun <= at <= ended), ""),
    )


def _alone(starts: Sequence[StartUp]) -> list[float]:
    """For how long each was the only one that was starting, in seconds."""
    changes: list[tuple[datetime, int, int]] = []
    for place, start in enumerate(starts):
        ended = start.begun_at + timedelta(seconds=start.seconds)
        changes += [(start.begun_at, 1, place), (ended, 0, place)]
    alone, under_way, since = [0.0] * len(starts), set[int](), None
    for at, begins, place in sorted(changes):
        if since and len(under_way) == 1:
            alone[next(iter(under_way))] += (at - since).total_seconds()
        under_way = under_way | {place} if begins else under_way - {place}
        since = at
    return alone
