"""What a worker measures of its way to the cluster: requests to the API server, and how long watches have been told."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollwright.cluster.api import Api
from rollwright.cluster.watching import Watches


class ClusterReach(Collector):
    """Of one cluster."""

    def __init__(self, api: Api, watches: Watches) -> None:
        self._api = api
        self._watches = watches

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for it."""
        requests = CounterMetricFamily(
            "rollwright_api_requests",
            "Requests to the API server by what it answered; code none: it did not.",
            labels=["verb", "resource", "code"],
        )
        for (counted, code), count in self._api.answers.items():
            requests.add_metric([*counted.split(" ", 1), code], count)
        age = GaugeMetricFamily(
            "rollwright_watch_age_seconds",
            "Since the API server last told a watch something; bookmarks come every minute or so.",
            labels=["resource", "namespace"],
        )
        ages: dict[tuple[str, str], float] = {}
        for kind, namespace, watch in self._watches.all():
            if not watch.is_refused:  # that is told by the rollout that asked for it
                place = (kind.plural, namespace)
                ages[place] = max(watch.age_seconds, ages.get(place, 0.0))
        for place, seconds in ages.items():
            age.add_metric(place, seconds)
        yield from (requests, age)
