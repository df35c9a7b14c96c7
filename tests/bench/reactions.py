"""How soon a readiness is followed by the write it allows, as both arrive at one process that watches."""

import asyncio
import statistics
import time
from typing import Any

from rollwright.cluster.api import Api, Manifest
from tests.bench.case import LWS, TargetKind
from tests.bench.witness import Witness


class Reactions:
    """Milliseconds from the first readiness that was not followed by a write yet, to that write.

    Meant for updates in which every readiness allows one. What comes after the last write was followed by none.
    """

    def __init__(self, api: Api, kind: TargetKind, witness: Witness) -> None:
        self._api = api
        self._kind = kind
        self._witness = witness
        self._asked: dict[str, tuple[int, int]] = {}
        self._answered: dict[str, int] = {}
        self.milliseconds: list[float] = []
        self.listed = asyncio.Event()

    async def follow(self) -> None:
        """Watch until cancelled."""
        namespace = self._witness.namespace
        listing = await self._api.list_all(self._kind.api, namespace)
        for target in listing["items"]:
            self._take(target)
        self.listed.set()
        version = listing["metadata"]["resourceVersion"]
        while True:  # as the witness does
            async for event in self._api.watch(self._kind.api, namespace, "", version):
                assert event["type"] != "ERROR", event
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._take(event["object"])
                version = event["object"]["metadata"]["resourceVersion"]

    def _take(self, target: Manifest) -> None:
        name, asked = target["metadata"]["name"], _asked(self._kind, target)
        before = self._asked.get(name)
        self._asked[name] = asked
        if before in (None, asked):
            return
        ready = self._witness.seen[name].ready_at
        answered = self._answered.get(name, 0)
        if len(ready) > answered:
            self.milliseconds.append(1000 * (time.perf_counter() - ready[answered]))
            self._answered[name] = len(ready)


def _asked(kind: TargetKind, target: Manifest) -> tuple[int, int]:
    """What a step changes: the partition and the number of groups."""
    spec = target["spec"]
    if kind is LWS:
        settings = (spec.get("rolloutStrategy") or {}).get("rollingUpdateConfiguration") or {}
    else:
        settings = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    return settings.get("partition", 0), spec["replicas"]


def percentiles(milliseconds: list[float]) -> dict[str, Any]:
    """The number of them, the median and the 99th of a hundred."""
    if len(milliseconds) < 2:
        return {"n": len(milliseconds)}
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {"n": len(milliseconds), "p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}
