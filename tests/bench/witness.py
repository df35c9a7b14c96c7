"""An independent witness of many targets: from the pods alone, which groups serve, on which version, and how many."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from rollwright.cluster.api import PODS, Api, Manifest
from tests.bench.case import APP, NEW


@dataclass
class Seen:
    """The groups of one target, at every version of its pods that there was."""

    present: set[str] = field(default_factory=set)
    serving: set[str] = field(default_factory=set)
    updated: set[str] = field(default_factory=set)
    """Those that serve on the new version."""
    fewest: int = 0
    """The fewest that served since `begin`."""
    most: int = 0
    """The most that there were since `begin`."""
    ready_at: list[float] = field(default_factory=list)
    """When one became ready on the new version, by time.perf_counter, since `begin`."""
    last: float = 0.0
    """When the last of them changed."""

    def begin(self) -> None:
        self.fewest, self.most = len(self.serving), len(self.present)
        self.ready_at.clear()

    def take(self, name: str, pod: Manifest | None) -> None:
        serves = pod is not None and _serves(pod)
        new = pod is not None and pod["spec"]["containers"][0]["image"] == NEW
        self.last = time.perf_counter()
        if serves and new and name not in self.updated:
            self.ready_at.append(self.last)
        for groups, holds in ((self.present, pod is not None), (self.serving, serves), (self.updated, serves and new)):
            (groups.add if holds else groups.discard)(name)
        self.fewest = min(self.fewest, len(self.serving))
        self.most = max(self.most, len(self.present))

    def serves(self, groups: int) -> bool:
        """Whether it has just so many groups, which all serve."""
        return len(self.serving) == len(self.present) == groups

    def is_updated(self, groups: int) -> bool:
        """Whether it has just so many groups, which all serve on the new version."""
        return len(self.updated) == len(self.present) == groups


class Witness:
    """Watches the pods of all targets in a namespace. One version missed would prove nothing, so it fails then."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        self._changed = asyncio.Event()
        self.seen: dict[str, Seen] = defaultdict(Seen)

    async def follow(self) -> None:
        """Watch until cancelled."""
        listing = await self._api.list_all(PODS, self.namespace, APP)
        for pod in listing["items"]:
            self._take(pod, gone=False)
        version = listing["metadata"]["resourceVersion"]
        while True:  # the server drops watchers that can't keep up for a moment; nothing is lost by that
            async for event in self._api.watch(PODS, self.namespace, APP, version):
                assert event["type"] != "ERROR", event
                if event["type"] != "BOOKMARK":
                    self._take(event["object"], gone=event["type"] == "DELETED")
                version = event["object"]["metadata"]["resourceVersion"]

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until a condition on what is seen holds. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _take(self, pod: Manifest, *, gone: bool) -> None:
        metadata = pod["metadata"]
        self.seen[metadata["labels"][APP]].take(metadata["name"], None if gone else pod)
        self._changed.set()


def _serves(pod: Manifest) -> bool:
    if "deletionTimestamp" in pod["metadata"]:
        return False
    conditions = pod.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
