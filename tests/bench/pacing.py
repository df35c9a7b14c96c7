"""Ordered against eager pacing in virtual time: `python -m tests.bench.pacing --cases N --seed S` prints JSON.

Each case is a rollout of 1 to 64 groups whose start-up times are drawn at random; both pacings get the same ones, by
ordinal. The gain is how many times longer ordered takes.
"""

import argparse
import json
import random
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from rollwright.rollout.planner import Done
from rollwright.rollout.simulator import World, simulate
from rollwright.rollout.spec import Pacing, Strategy

MOST_REPLICAS = 64
_MEAN_SECONDS = 1200.0

DISTRIBUTIONS: dict[str, Callable[[random.Random], float]] = {
    "equal": lambda _: _MEAN_SECONDS,
    "uniform": lambda draw: draw.uniform(0.5, 1.5) * _MEAN_SECONDS,
    "log-normal": lambda draw: draw.lognormvariate(-0.125, 0.5) * _MEAN_SECONDS,
    "long tail": lambda draw: draw.paretovariate(1.5) / 3 * _MEAN_SECONDS,
    "stragglers": lambda draw: (draw.uniform(5, 10) if draw.random() < 0.05 else 1.0) * _MEAN_SECONDS,
}


@dataclass(frozen=True)
class Case:
    """One rollout to time with both pacings."""

    distribution: str
    replicas: int
    max_unavailable: int
    max_surge: int
    start_up_seconds: tuple[float, ...]
    """By ordinal, the surge groups too."""

    def strategy(self, pacing: Pacing) -> Strategy:
        """The budget with a pacing, and the reclaim that is usual with it."""
        return Strategy(max_unavailable=self.max_unavailable, max_surge=self.max_surge, pacing=pacing)

    def seconds(self, pacing: Pacing) -> float:
        """How long it takes."""
        frames = simulate(self.strategy(pacing), World(self.replicas), lambda ordinal: self.start_up_seconds[ordinal])
        *_, last = frames
        assert isinstance(last.verdict, Done), f"{pacing} gets stuck: {self}"
        return last.seconds


def cases(number: int, seed: int) -> Iterator[Case]:
    """So many cases, the same for the same seed; small budgets are as frequent as large ones."""
    draw = random.Random(seed)
    for distribution in islice(cycle(DISTRIBUTIONS), number):
        replicas = draw.randint(1, MOST_REPLICAS)
        unavailable, surge = (min(replicas, int(draw.expovariate(1 / draw.choice((2, 8))))) for _ in range(2))
        if unavailable == surge == 0:
            unavailable = 1
        start_ups = tuple(DISTRIBUTIONS[distribution](draw) for _ in range(replicas + surge))
        yield Case(distribution, replicas, unavailable, surge, start_ups)


def compare(number: int, seed: int) -> dict[str, Any]:
    """How much longer ordered takes, by distribution: median, nine in ten, most; and what eager was slower in."""
    gains: dict[str, list[float]] = defaultdict(list)
    slower: list[Case] = []
    for case in cases(number, seed):
        ordered, eager = case.seconds(Pacing.ORDERED), case.seconds(Pacing.EAGER)
        gains[case.distribution].append(ordered / eager)
        gains["all"].append(ordered / eager)
        if eager > ordered * (1 + 1e-9):
            slower.append(case)
    return {
        "cases": number,
        "seed": seed,
        "eager_slower": len(slower),
        "first_slower": str(slower[0]) if slower else None,
        "gain": {name: _in_short(found) for name, found in gains.items()},
    }


def _in_short(gains: list[float]) -> dict[str, float | int]:
    quantiles = statistics.quantiles(gains, n=10, method="inclusive") if len(gains) > 1 else gains * 9
    return {
        "cases": len(gains),
        "median": round(statistics.median(gains), 3),
        "p90": round(quantiles[8], 3),
        "most": round(max(gains), 3),
        "quicker": Counter(gain > 1 + 1e-9 for gain in gains)[True],
    }


def main() -> int:
    """Compare, print, and fail if eager was ever slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    found = compare(given.cases, given.seed)
    print(json.dumps(found, indent=2))
    return 1 if found["eager_slower"] else 0


if __name__ == "__main__":
    sys.exit(main())
