"""What a report says in words and tables, the same on a page, in Markdown and on a terminal.

Nothing is escaped here: names and reasons may hold anything, and whoever shows them makes them harmless.
"""

from datetime import UTC, datetime
from typing import NamedTuple

import yaml

from rollwright.cli import views
from rollwright.cli.reports.record import Forecast, Report, Role, Shortfall
from rollwright.rollout.aim import Course
from rollwright.rollout.quantities import in_words
from rollwright.workflows import describing
from rollwright.workflows.contract import Phase
from rollwright.workflows.expecting import roughly

_MOST_SHORTFALLS = 5
PEOPLE = "paused, or with only people missing at a gate"
_SHORT_SECONDS, _LONG_SECONDS = 10.0, 3600.0


class Share(NamedTuple):
    """A part of the time that a rollout took."""

    phase: Phase
    name: str
    seconds: float


def duration(seconds: float) -> str:
    """With as much of it as matters: from tenths of a second below ten of them to minutes above an hour."""
    if seconds < _SHORT_SECONDS:
        return f"{seconds:.1f} s"
    return in_words(round(seconds)) if seconds < _LONG_SECONDS else roughly(seconds)


def took(report: Report) -> str:
    """As in "completed in 8 h 12 min"."""
    if report.is_over:
        return f"{report.outcome} in {duration(report.seconds)}"
    return f"{report.outcome} for {duration(report.seconds)}, {as_of(report)}"


def as_of(report: Report) -> str:
    """How far one that lasts is known."""
    return f"as of {moment(report.until)}"


def heading(report: Report) -> str:
    """What was rolled out."""
    return f"Rollout of {report.target}"


def change(report: Report) -> str:
    """What was to be different afterwards."""
    return views.change(report.spec.change)


def updated(report: Report) -> str:
    """How many groups are where they were to go; empty if nothing was seen."""
    if report.updated is None:
        return ""
    revision = "old" if report.course is Course.BACK else "new"
    return f"{report.updated} of {report.replicas} groups serve on the {revision} revision"


def promise(report: Report) -> str:
    """Whether it was kept, in one line."""
    kept = report.promise
    if kept.fewest is None:
        return "not known: nothing was seen of the target"
    counts = f"{fewest(report)}, {most(report)}"
    words = {True: "kept", False: "not kept", None: "can't be told"}
    excuse = " by the rollout; groups failed by themselves" if kept.kept and kept.below else ""
    return f"{words[kept.kept]}{excuse}: {counts}"


def fewest(report: Report) -> str:
    """What served at the fewest, against the promise."""
    kept = report.promise
    return f"{kept.fewest} groups served at the fewest ({kept.available_least} promised)"


def most(report: Report) -> str:
    """What was asked for at the most, against the promise."""
    kept = report.promise
    return f"{kept.most} were asked for at the most ({kept.groups_most} allowed)"


def shortfalls(report: Report) -> list[str]:
    """When fewer served than were to, a line each."""
    lines = [_shortfall(report, one) for one in report.promise.below[:_MOST_SHORTFALLS]]
    more = len(report.promise.below) - len(lines)
    return [*lines, f"and {more} more times"] if more else lines


def _shortfall(report: Report, one: Shortfall) -> str:
    when = f"{clock(report, one.start)} for {duration((one.end - one.start).total_seconds())}"
    ordinals = f"group{'s' if len(one.ordinals) > 1 else ''} {describing.ordinals(one.ordinals)}"
    why = {
        True: "the rollout had too many down",
        False: f"{ordinals} unready without having been released",
        None: "between two looks, so which groups isn't known",
    }
    return f"{when}: {one.fewest} served, at least {one.available_least} had to: {why[one.by_rollout]}"


def eta(report: Report) -> str:
    """What was told first of its end, and how that came out; empty if nothing was told, or it lasts."""
    if not report.forecasts or not report.is_over:
        return ""
    first = report.forecasts[0]
    span = f"{clock(report, first.earliest)} to {clock(report, first.latest)}"
    return f"expected {clock(report, first.ends_at)} at first ({span}); it came {off(first, report.until)}"


def off(told: Forecast, end: datetime) -> str:
    """By how much the end differed from what was told."""
    late = (end - told.ends_at).total_seconds()
    if abs(late) < 1:
        return "then"
    return f"{duration(abs(late))} {'later' if late > 0 else 'earlier'}"


def cost(report: Report) -> str:
    """What it took of the fleet."""
    return views.cost(report.cost) or "nothing"


def moment(at: datetime) -> str:
    """A time with its date."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S UTC}"


def clock(report: Report, at: datetime) -> str:
    """A time within the rollout: with its date only if that isn't clear."""
    one_day = report.started_at.astimezone(UTC).date() == report.until.astimezone(UTC).date()
    return f"{at.astimezone(UTC):{'%H:%M:%S' if one_day else '%b %d %H:%M'}}"


_SHARES = {
    Phase.PROGRESSING: "updating groups",
    Phase.ROLLING_BACK: "going back",
    Phase.ABORTING: "giving the surge back",
    Phase.GATED: "at gates",
    Phase.PAUSED: "paused",
    Phase.STALLED: "stalled",
    Phase.PREPARING: "preparing",
    Phase.RESTORING: "putting settings back",
}


def shares(report: Report) -> list[Share]:
    """Where the time went, phase by phase."""
    total = dict.fromkeys(_SHARES, 0.0)
    for passage in report.passages:
        total[passage.phase] += passage.seconds
    return [Share(phase, _SHARES[phase], seconds) for phase, seconds in total.items() if seconds]


def facts(report: Report) -> list[tuple[str, str]]:
    """What matters most: names and values."""
    revisions = {revision.role: revision.name for revision in report.revisions}
    rows = [
        ("rollout", report.rollout),
        ("change", change(report)),
        ("from", revisions.get(Role.OLD, "")),
        ("to", revisions.get(Role.NEW, "")),
        ("by", views.by(report.by)),
        ("request", report.request_id),
        ("outcome", f"{took(report)}{f': {report.reason}' if report.reason else ''}"),
        ("started", moment(report.started_at)),
        ("finished", moment(report.finished_at) if report.finished_at else ""),
        ("updated", updated(report)),
        ("promise", promise(report)),
        *(("below", line) for line in shortfalls(report)),
        ("cost", cost(report)),
        ("people", f"{duration(report.people_seconds)} {PEOPLE}" if report.people_seconds else ""),
        ("end", eta(report)),
    ]
    return [(name, value) for name, value in rows if value]


def usual(report: Report) -> str:
    """What groups took to start; empty if none came to serve."""
    if report.usual_start_up_seconds is None:
        return ""
    served = sum(1 for start in report.start_ups if start.served_at)
    return f"of {served} that came to serve, half took {duration(report.usual_start_up_seconds)} or less"


def resolution(report: Report) -> str:
    """How closely the report shows what was."""
    found = report.resolution
    if found.usual_seconds is None or found.longest_seconds is None:
        return f"Made from the workflow's history, which has {found.looks} looks at the target."
    return (
        f"Made from the workflow's history alone: {found.looks} looks at the target, usually "
        f"{duration(found.usual_seconds)} apart, {duration(found.longest_seconds)} at the most. Between two of them a "
        "group is shown as it was last seen, but for when it was taken down, began to start, and served, where the "
        "history tells that more closely. Hours are counted from one look to the next. All times are UTC."
    )


def spec(report: Report) -> str:
    """The rollout as it is written in a file; what isn't set is left out."""
    plain = report.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return yaml.safe_dump(plain, sort_keys=False)
