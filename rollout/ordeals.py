"""Groups that were started and don't serve yet: for how long, and whether that is too long.

A crash loop recreates its group over and over (LWS: RecreateGroupOnPodRestart), so what is known of a group's start
can't be read off its pods alone: it is carried from one look to the next. Times are seconds since the epoch.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, PlainSerializer

from rollwright.rollout.models import Model
from rollwright.rollout.observation import Cause, Group
from rollwright.rollout.quantities import in_words
from rollwright.rollout.spec import Strategy

_LOOP = 3
"""So many leaders that nobody has asked for are a crash loop."""
_ENOUGH = 8
"""Of a uid: what comes after it tells no more pods of one group apart."""
_LEAST_CALM_SECONDS = 60.0
"""If one lasts so long, and for the strategy's failureGrace, it is none: nodes are drained while models load."""


class Ordeal(Model):
    """The start of one group, until it serves."""

    since: float
    failing_since: float | None = None
    """Since when it shows what doesn't heal by waiting."""
    leader: str
    """The beginning of the uid of its leader pod; empty while there is none."""
    leaders: int = 1
    """Leader pods it has had, without one of them lasting."""
    leader_since: float | None = None
    unplaced_since: float | None = None
    """Since when not all of its pods have nodes."""
    ready_since: float | None = None
    """It serves since then, which doesn't mean much yet: a crash loop may be ready between crashes."""

    def failure(self, strategy: Strategy, now: float) -> str:
        """Why the group counts as failed, in words that stay the same; empty as long as it doesn't."""
        if self.failing_since is not None and now - self.failing_since >= strategy.failure_grace:
            loop = "its leader dies again and again, " if self.leaders >= _LOOP else ""
            return f"{loop}for more than {in_words(strategy.failure_grace)}"
        if now - self.since >= strategy.progress_deadline:
            return f"not ready {in_words(strategy.progress_deadline)} after its start"
        return ""


_TIMES = ("leader_since", "failing_since", "unplaced_since", "ready_since")


def _pack(ordeals: Mapping[int, Ordeal]) -> dict[str, Any]:
    """A word a group, as all of them are in a workflow's history with each look: `ORDINAL:LEADER:SINCE:LEADERS:...`.

    Times are tenths of a second from the first start on; what isn't known is left out.
    """
    first = min((ordeal.since for ordeal in ordeals.values()), default=0.0)
    return {"first": first, "groups": " ".join(_word(ordinal, ordeal, first) for ordinal, ordeal in ordeals.items())}


def _word(ordinal: int, ordeal: Ordeal, first: float) -> str:
    times = ("" if at is None else str(round(10 * (at - first))) for at in (getattr(ordeal, name) for name in _TIMES))
    since, leaders = round(10 * (ordeal.since - first)), "" if ordeal.leaders == 1 else str(ordeal.leaders)
    return ":".join([str(ordinal), ordeal.leader[:_ENOUGH], str(since), leaders, *times]).rstrip(":")


def _unpack(packed: object) -> object:
    if not isinstance(packed, dict) or not isinstance(packed.get("groups"), str):
        return packed
    return dict(_read(word, packed["first"]) for word in packed["groups"].split())


def _read(word: str, first: float) -> tuple[int, Ordeal]:
    ordinal, leader, since, leaders, *times = [*word.split(":"), *[""] * 5][:8]
    known = {name: first + int(at) / 10 for name, at in zip(_TIMES, times, strict=True) if at}
    return int(ordinal), Ordeal(since=first + int(since) / 10, leader=leader, leaders=int(leaders or 1), **known)


Ordeals = Annotated[Mapping[int, Ordeal], BeforeValidator(_unpack), PlainSerializer(_pack)]
"""By ordinal."""


class Start(NamedTuple):
    """A group that was released or is on the target revision, and doesn't serve, as seen at one moment."""

    ordinal: int
    leader: str
    """Empty as long as there is none on the target revision."""
    cause: Cause
    placed: bool = True
    """All its pods are there and have nodes."""


def follow(
    ordeals: Mapping[int, Ordeal], groups: Iterable[Group], starts: Iterable[Start], now: float, strategy: Strategy
) -> dict[int, Ordeal]:
    """The ordeals after one more look at the groups that are asked for.

    One is over once its group has served for the grace, or is to be replaced. While a group is leaving it lasts: the
    leader of a crash loop may take its time.
    """
    calm_seconds = max(_LEAST_CALM_SECONDS, strategy.failure_grace)
    followed = {start.ordinal: _follow(ordeals.get(start.ordinal), start, now, calm_seconds) for start in starts}
    for group in groups:
        ordeal = ordeals.get(group.ordinal)
        if ordeal is None or not group.updated or group.ordinal in followed:
            continue
        ready_since = now if ordeal.ready_since is None else ordeal.ready_since
        if not group.available:
            followed[group.ordinal] = ordeal
        elif now - ready_since < strategy.unready_grace:
            followed[group.ordinal] = ordeal.model_copy(update={"ready_since": ready_since})
    return followed


def placed_surge(
    ordeals: Mapping[int, Ordeal], *, replicas: int, groups_asked: int, patience_seconds: float, now: float
) -> int | None:
    """How many surge groups have nodes, if one above has looked for nodes longer than the patience."""
    waiting = [
        ordinal
        for ordinal in range(replicas, groups_asked)
        if (ordeal := ordeals.get(ordinal))
        and ordeal.unplaced_since is not None
        and now - ordeal.unplaced_since >= patience_seconds
    ]
    return min(waiting) - replicas if waiting else None


def _follow(ordeal: Ordeal | None, start: Start, now: float, calm_seconds: float) -> Ordeal:
    leader = start.leader[:_ENOUGH]
    if ordeal is None:
        ordeal = Ordeal(since=now, leader=leader)
    another = bool(ordeal.leader) and leader not in ("", ordeal.leader[:_ENOUGH])
    leader_since = now if another or ordeal.leader_since is None else ordeal.leader_since
    leaders = 1 if now - leader_since >= calm_seconds else ordeal.leaders + another
    failing = not start.cause.heals or leaders >= _LOOP
    since = now if ordeal.failing_since is None else ordeal.failing_since
    return Ordeal(
        since=ordeal.since,
        failing_since=since if failing else None,
        unplaced_since=None if start.placed else ordeal.unplaced_since or now,
        leader=leader or ordeal.leader,
        leaders=leaders,
        leader_since=leader_since,
    )
