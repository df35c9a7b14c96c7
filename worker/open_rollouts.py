"""How far the open rollouts are that this worker looks after: told by its waits, which look every second.

A rollout that has ended, or has gone on to another worker, or whose cluster can't be seen any more, is not told of.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollwright.activities.messages import WaitReadiness
from rollwright.rollout.observation import Observation
from rollwright.rollout.spec import Target

_LASTS_SECONDS = 30.0
"""Between two waits there is a step, of 15 s at most."""


class _Seen(NamedTuple):
    at: float
    done: int
    wanted: int
    margin: int


class OpenRollouts(Collector):
    """The last look at each."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def looked(self, request: WaitReadiness, seen: Observation) -> None:
        """Take up what a wait has seen."""
        floor = seen.budget(request.aim.strategy).floor
        done = sum(group.done for group in seen.groups[: seen.replicas])
        self._seen[request.target.path] = _Seen(time.monotonic(), done, seen.replicas, seen.available - floor)

    def forget(self, target: Target) -> None:
        """It has ended."""
        self._seen.pop(target.path, None)

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        now = time.monotonic()
        self._seen = {target: seen for target, seen in self._seen.items() if now - seen.at < _LASTS_SECONDS}
        done = GaugeMetricFamily(
            "rollwright_rollout_groups_done", "Groups on the new version and ready.", labels=["target"]
        )
        wanted = GaugeMetricFamily(
            "rollwright_rollout_groups_wanted", "Groups that are to be: replicas.", labels=["target"]
        )
        margin = GaugeMetricFamily(
            "rollwright_rollout_promise_margin_groups",
            "Available groups above the fewest that the budget allows; below 0 there are too few.",
            labels=["target"],
        )
        for target, seen in self._seen.items():
            done.add_metric([target], seen.done)
            wanted.add_metric([target], seen.wanted)
            margin.add_metric([target], seen.margin)
        yield from (done, wanted, margin)
