"""The table of `list`: where each rollout stands, and for whom or what it waits."""

from collections.abc import Iterable
from datetime import datetime

from rollwright.cli.outputs import Listed, Status
from rollwright.cli.text import one_line
from rollwright.cli.views import UNKNOWN, Table, unready
from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import Finding
from rollwright.workflows.contract import Phase

_GOING = {Course.BACK: Phase.ROLLING_BACK, Course.STOP: Phase.ABORTING}
"""What a rollout that stands would be doing on its course."""
_WAITING_CELLS = 120
_UNITS = ((2 * 86400, 86400, "d"), (3 * 3600, 3600, "h"), (120, 60, "m"))
"""From how many seconds on each is used, as kubectl does."""


def waits_for(status: Status) -> str:
    """What it waits for, or why it stands."""
    if status.phase.is_final:
        return ""
    if status.phase is Phase.GATED:
        return "; ".join(_gates(status)) or "to be promoted"
    reason = status.reason or ("to be resumed" if status.phase is Phase.PAUSED else "")
    return "; ".join(filter(None, (one_line(reason), unready(status.groups))))


def _gates(status: Status) -> list[str]:
    """Those that have not passed, first of all an approval, whose name says whose it is."""
    left = [gate for gate in status.open_gates if gate.finding is not Finding.PASSED]
    left.sort(key=lambda gate: gate.kind != "approval")
    return [one_line(f"{gate.name}: {gate.message or gate.finding}") for gate in left]


def listing(rollouts: Iterable[Listed], now: datetime, *, wide: bool = False) -> Table:
    """The table. What is waited for is last, as it may fold."""
    more = ("AVAILABLE", "REVISION", "REQUEST", "ID") if wide else ()
    return Table(
        ("NAMESPACE", "TARGET", "PHASE", "DONE", "AGE", "ENDS IN", "BY", *more, "WAITS FOR"),
        tuple(tuple(one_line(cell) or UNKNOWN for cell in _cells(listed, now, wide=wide)) for listed in rollouts),
    )


def _cells(listed: Listed, now: datetime, *, wide: bool) -> tuple[str, ...]:
    kind, _, named = listed.target.partition("/")
    namespace, _, name = named.partition("/")
    return (
        namespace,
        f"{kind}/{name}",
        _phase(listed),
        "" if listed.replicas is None else f"{listed.done}/{listed.replicas}",
        _between(listed.started_at, now),
        _until(listed.ends_at, now),
        listed.by.actor if listed.by else "",
        *(_more_of(listed) if wide else ()),
        _cut(one_line(listed.waits_for)),
    )


def _more_of(listed: Listed) -> tuple[str, ...]:
    available = "" if listed.available is None else f"{listed.available}/{listed.replicas}"
    return available, listed.revision, listed.request_id, listed.rollout


def _phase(listed: Listed) -> str:
    """The phase, with what about it somebody should look at."""
    going = _GOING.get(listed.course) if listed.course else None
    parts = [
        f"{listed.phase} {listed.gate} of {listed.gates}" if listed.gate else listed.phase,
        going if going and going != listed.phase else "",
        f"{listed.failed} failed" if listed.failed else "",
        "disputed" if listed.dispute else "",
        "one step unconfirmed" if listed.unconfirmed else "",
    ]
    return ", ".join(filter(None, parts))


def _cut(text: str) -> str:
    """What matters comes first; all of it is in the JSON, and in `status`."""
    return text if len(text) <= _WAITING_CELLS else f"{text[: _WAITING_CELLS - 1].rstrip()}…"


def _between(text: str, now: datetime) -> str:
    return _short((now - datetime.fromisoformat(text)).total_seconds())


def _until(text: str, now: datetime) -> str:
    """Soon where it should have ended by now."""
    if not text:
        return ""
    seconds = (datetime.fromisoformat(text) - now).total_seconds()
    return _short(seconds) if seconds > 0 else "soon"


def _short(seconds: float) -> str:
    """A duration in one unit, as in 3d, 5h, 90m or 40s."""
    for least, length, unit in _UNITS:
        if seconds >= least:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"
