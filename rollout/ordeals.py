"""Groups that were started and don't serve yet: for how long, and whether that is too long.

A crash loop recreates its group over and over (LWS: RecreateGroupOnPodRestart), so what is known of a group's start
can't be read off its pods alone: it is carried from one look to the next. Times are seconds since the epoch.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rollwright.rollout.observation import Cause
from rollwright.rollout.spec import Model, Strategy

_LOOP = 3
"""So many leaders that nobody has asked for are a crash loop."""


class Ordeal(Model):
    """The start of one group, until it serves."""

    since: float
    failing_since: float | None = None
    """Since when it shows what doesn't heal by waiting."""
    leader: str
    """The uid of its leader pod; empty while there is none."""
    leaders: int = 1
    """Leader pods it has had."""

    def failure(self, strategy: Strategy, now: float) -> str:
        """Why the group counts as failed, in words; empty as long as it doesn't."""
        if self.failing_since is not None and now - self.failing_since >= strategy.failure_grace:
            return f"for {_duration(now - self.failing_since)}"
        if now - self.since >= strategy.progress_deadline:
            return f"not ready {_duration(now - self.since)} after its start"
        return ""

    def patience_seconds(self, strategy: Strategy, now: float) -> float:
        """How long until it counts as failed, if nothing changes."""
        deadlines = [self.since + strategy.progress_deadline]
        if self.failing_since is not None:
            deadlines.append(self.failing_since + strategy.failure_grace)
        return max(0.0, min(deadlines) - now)


class Start(NamedTuple):
    """A group on the target revision that doesn't serve, as seen at one moment."""

    ordinal: int
    leader: str
    cause: Cause


def follow(ordeals: Mapping[int, Ordeal], starts: Iterable[Start], now: float) -> dict[int, Ordeal]:
    """The ordeals after one more look: those that are over are forgotten."""
    return {start.ordinal: _follow(ordeals.get(start.ordinal), start, now) for start in starts}


def _follow(ordeal: Ordeal | None, start: Start, now: float) -> Ordeal:
    if ordeal is None:
        ordeal = Ordeal(since=now, leader=start.leader)
    another = start.leader not in ("", ordeal.leader)
    leaders = ordeal.leaders + (1 if another and ordeal.leader else 0)
    failing = not start.cause.heals or leaders >= _LOOP
    since = ordeal.failing_since if ordeal.failing_since is not None else now
    return Ordeal(
        since=ordeal.since,
        failing_since=since if failing else None,
        leader=start.leader or ordeal.leader,
        leaders=leaders,
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)[:20] or "0 s"
