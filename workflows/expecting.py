"""Words for when a rollout ends, what it costs, and which groups are slow. Pure; times in the zone they come in."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from rollwright.rollout.quantities import in_words

_SHORT = timedelta(minutes=10)
"""In a range of less than this seconds matter."""


class Range(NamedTuple):
    """When something is expected, and the range it should be in."""

    at: datetime
    earliest: datetime
    latest: datetime


def end(expected: Range | None, usual_seconds: float | None) -> str:
    """As in "about 2026-01-02 05:10 UTC (04:50 to 05:40); groups usually start in 12 min"."""
    if usual_seconds is None:
        return "not known: no group's start-up time is known yet"
    usual = f"groups usually start in {roughly(usual_seconds)}"
    if expected is None:
        return f"not known; {usual}"
    at, earliest, latest = expected
    clock = "%H:%M:%S" if latest - earliest < _SHORT else "%H:%M"
    form = clock if len({moment.date() for moment in expected}) == 1 else f"%Y-%m-%d {clock}"
    return f"about {at:%Y-%m-%d {clock} %Z} ({earliest:{form}} to {latest:{form}}); {usual}"


def slow(ordinal: int, since: datetime, seconds: float, usual_seconds: float | None) -> str:
    """As in "group 5: starting for more than 31 min, since 04:12 UTC; usual are 12 min"."""
    starting = f"group {ordinal}: starting for more than {roughly(seconds)}, since {since:%H:%M %Z}"
    return starting if usual_seconds is None else f"{starting}; usual are {roughly(usual_seconds)}"


def cost(out_of_service_hours: float, surplus_hours: float, gpus: int) -> str:
    """As in "12.0 GPU-hours out of service, 8.5 surplus", of hours of groups; of those if a group has no GPUs."""
    unit, each = ("GPU-hours", gpus) if gpus else ("group-hours", 1)
    return f"{out_of_service_hours * each:.1f} {unit} out of service, {surplus_hours * each:.1f} surplus"


def roughly(seconds: float) -> str:
    """A duration with as much of it as matters: seconds up to two minutes, whole minutes beyond."""
    whole = round(seconds)
    return in_words(whole if whole < 120 else round(seconds / 60) * 60)


def moment(seconds: float) -> datetime:
    """A time given in seconds since the epoch, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
