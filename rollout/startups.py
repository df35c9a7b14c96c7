"""How long groups take from their start until they serve: what is known of it, and what it says of the others.

Seconds throughout. Groups that are still starting count as what they are: at least as slow as they are old. Without
them every estimate made early would know quick groups only.
"""

from collections.abc import Sequence
from itertools import groupby

from pydantic import Field

from rollwright.rollout.models import Model

MOST_KEPT = 20
"""So many quantiles stand for any number of start-ups."""
_ENOUGH = 10
"""With so many of its own a rollout doesn't ask what it was like before: another version may load otherwise."""
_STEPS = 40
_BEYOND = 1.25
"""How much longer than the longest known the unknown tail is taken to last."""


class StartUps(Model):
    """What the pods of a target tell at one moment."""

    seconds: tuple[float, ...] = ()
    """Of groups that serve on the target revision: from their start until they did."""
    ages: dict[int, float] = Field(default={})
    """Of groups that are starting on it: since their start, by ordinal."""


class Spread:
    """The distribution of start-up times, as quantiles."""

    def __init__(self, seconds: Sequence[float], known: int | None) -> None:
        """`seconds`: equally likely values, at least one. `known`: how many start-ups it is learned from."""
        self.seconds = sorted(seconds)
        self.known = known
        """None if it was given, and nothing is uncertain about it."""

    @property
    def usual(self) -> float:
        """The median."""
        return self.seconds[(len(self.seconds) - 1) // 2]

    @property
    def uncertainty(self) -> float:
        """The part by which the mean may well be another: 1.3 standard errors, 4 of 5 times it is within.

        Of few start-ups the spread isn't known either, and taken to be at least a fifth.
        """
        if self.known is None:
            return 0.0
        mean = sum(self.seconds) / len(self.seconds)
        variance = sum((value - mean) ** 2 for value in self.seconds) / len(self.seconds)
        relative = max(0.2, variance**0.5 / mean) if mean else 0.2
        return float(1.3 * relative / self.known**0.5)

    def left(self, age: float, part: float) -> float:
        """Seconds left for a group of this age, at the quantile `part` (0 to 1) of those that took longer.

        Of one that has been starting for longer than any before nothing is known: up to half as long again.
        """
        low, high = 0, len(self.seconds)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.seconds[middle] > age else (middle + 1, high)
        if low == len(self.seconds):
            return age * 0.5 * part
        return self.seconds[low + int(part * (len(self.seconds) - low))] - age


def spread(own: StartUps, earlier: Sequence[float]) -> Spread | None:
    """What is known of start-up times: of this rollout, filled up from earlier ones of the target; None if nothing.

    A group of unknown end counts as in a life table (Kaplan and Meier): up to its age, and no further.
    """
    before = quantiles(earlier, max(0, _ENOUGH - len(own.seconds)))
    ends = [*own.seconds, *before]
    if not ends:
        return None
    ages = sorted(own.ages.values())
    table = _life_table(sorted(ends), ages)
    unseen = max([*ends, *ages]) * _BEYOND
    return Spread([_at(table, (step + 0.5) / _STEPS, unseen) for step in range(_STEPS)], known=len(ends))


def quantiles(seconds: Sequence[float], most: int = MOST_KEPT) -> tuple[float, ...]:
    """At most so many values that stand for all, evenly spread over them."""
    ordered, count = sorted(seconds), min(most, len(seconds))
    return tuple(ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count))


def _life_table(ends: Sequence[float], ages: Sequence[float]) -> list[tuple[float, float]]:
    """Each start-up time, and the part of groups that take longer."""
    table, longer, older = [], 1.0, 0
    left = len(ends) + len(ages)
    for seconds, equal in groupby(ends):
        while older < len(ages) and ages[older] < seconds:
            older += 1
            left -= 1
        ended = len(list(equal))
        longer *= 1 - ended / left
        left -= ended
        table.append((seconds, longer))
    return table


def _at(table: Sequence[tuple[float, float]], part: float, longest: float) -> float:
    return next((seconds for seconds, longer in table if 1 - longer >= part), longest)
