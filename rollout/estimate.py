"""When a rollout will end and what it will cost, by what is known of start-up times.

Several futures are run from the present observation, each with start-up times drawn from those that are known: by a
fixed rule, so that the same question has the same answer. The more groups there are, the fewer futures (`_futures`):
their ends differ less, and an estimate must not cost more than a few tens of milliseconds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.models import Model
from rollwright.rollout.observation import Observation
from rollwright.rollout.startups import Spread, StartUps, spread
from rollwright.rollout.timing import Cost, Took, run

_MOST_FUTURES, _FEWEST_FUTURES = 25, 3
_GROUPS_IN_ALL = 6000
_OUTSIDE = 10
"""One in so many futures is left out at either end of the range."""
_SLOW = 2
"""A group is slow once it has been starting for so many times the usual."""
_SLOW_AT_LEAST_SECONDS = 30.0
"""And for so much longer: of start-ups of seconds, twice as long means nothing."""
_MOST_SLOW = 20
_NEWS_SECONDS = 10.0


class Outlook(NamedTuple):
    """How long it will take, in seconds, and what it will cost in the middle one of the futures.

    What gates take at least is counted, waits for people are not.
    """

    low: float
    middle: float
    high: float
    cost: Cost
    reached: tuple[float, ...]
    """Until all is done at each of the bounds ahead, in the middle of the futures."""


class SlowGroup(Model):
    """A group that has been starting for much longer than usual."""

    ordinal: int
    since: float
    """Seconds since the epoch."""


class Estimate(Model):
    """What is expected at one moment. Times are seconds since the epoch."""

    at: float
    known: int = 0
    """How many start-ups it is based on."""
    usual_seconds: float | None = None
    """Their median; None if none is known."""
    ends_at: float | None = None
    """None if no start-up is known, or the rollout can't end by itself."""
    earliest: float | None = None
    latest: float | None = None
    """The range that 4 of 5 rollouts should end in; it holds what gates take at least, not what people do."""
    cost: Cost = Cost()
    """What is yet to come."""
    slow: tuple[SlowGroup, ...] = ()

    def is_news(self, before: "Estimate | None") -> bool:
        """Whether people who know the estimate before should be told: not of every second that a straggler takes."""
        if before is None:
            return self.usual_seconds is not None
        if [group.ordinal for group in self.slow] != [group.ordinal for group in before.slow]:
            return True
        if self.ends_at is None or before.ends_at is None:
            return (self.ends_at, self.usual_seconds is None) != (before.ends_at, before.usual_seconds is None)
        enough = max(_NEWS_SECONDS, 0.1 * (self.usual_seconds or 0.0), 0.25 * (self.ends_at - self.at))
        return abs(self.ends_at - before.ends_at) > enough


def estimate(
    aim: Aim,
    seen: Observation,
    own: StartUps,
    *,
    earlier: Sequence[float] = (),
    since: Mapping[int, float] | None = None,
    now: float,
) -> Estimate:
    """What is to be expected now. `earlier`: start-ups of earlier rollouts of the target, in seconds.

    `since`: when groups were first seen to start, in seconds since the epoch, where that is longer ago than their pods
    tell.
    """
    known = spread(own, earlier)
    if known is None:
        return Estimate(at=now)
    slow = tuple(_slow(seen, own, since or {}, known.usual, now))
    made = Estimate(at=now, known=known.known or 0, usual_seconds=known.usual, slow=slow)
    ahead = None if aim.course is Course.STOP else outlook(aim, seen, known, own.ages)
    if ahead is None:
        return made
    return made.model_copy(
        update={
            "ends_at": now + ahead.middle,
            "earliest": now + ahead.low,
            "latest": now + ahead.high,
            "cost": ahead.cost,
        }
    )


def outlook(aim: Aim, seen: Observation, known: Spread, ages: Mapping[int, float] | None = None) -> Outlook | None:
    """How it goes on from what is seen; None if it can't end by itself. `ages`: of groups that are starting."""
    ends = [_future(number, aim, seen, known, ages or {}) for number in range(_futures(seen))]
    took = sorted((end for end in ends if end is not None), key=lambda end: end.seconds)
    if not took:
        return None
    out, doubt = len(took) // _OUTSIDE, known.uncertainty
    middle = took[len(took) // 2]
    return Outlook(
        low=took[out].seconds * max(0.0, 1 - doubt),
        middle=middle.seconds,
        high=took[-1 - out].seconds * (1 + 2 * doubt),
        cost=middle.cost,
        reached=tuple(sorted(seconds)[len(took) // 2] for seconds in zip(*(end.reached for end in took), strict=True)),
    )


def _future(number: int, aim: Aim, seen: Observation, known: Spread, ages: Mapping[int, float]) -> Took | None:
    values = known.seconds

    def start_up(ordinal: int) -> float:
        return values[_drawn(number, ordinal) * len(values) >> 32]

    def left(ordinal: int) -> float:
        age = ages.get(ordinal)
        return start_up(ordinal) if age is None else known.left(age, _drawn(number, ordinal) / 2**32)

    bounds = aim.bounds(seen.replicas)
    return run(aim.effective, seen, start_up, left, bounds=bounds, surge_limit=aim.surge_limit)


def _futures(seen: Observation) -> int:
    return max(_FEWEST_FUTURES, min(_MOST_FUTURES, _GROUPS_IN_ALL // (len(seen.groups) + 1)))


def _drawn(number: int, ordinal: int) -> int:
    """32 bits that look random, always the same for the same future and group (the mixing of SplitMix)."""
    mixed = ((number + 1) * 0x9E3779B1 ^ (ordinal + 1) * 0x85EBCA77) & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 16) * 0x21F0AAAD & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 15) * 0x735A2D97 & 0xFFFFFFFF
    return mixed ^ mixed >> 15


def _slow(seen: Observation, own: StartUps, since: Mapping[int, float], usual: float, now: float) -> list[SlowGroup]:
    limit = max(_SLOW * usual, usual + _SLOW_AT_LEAST_SECONDS)
    failed = {group.ordinal for group in seen.failed}
    begun = {
        ordinal: min(now - age, since.get(ordinal, now)) for ordinal, age in own.ages.items() if ordinal not in failed
    }
    slow = [SlowGroup(ordinal=ordinal, since=at) for ordinal, at in sorted(begun.items()) if now - at > limit]
    return slow[:_MOST_SLOW]
