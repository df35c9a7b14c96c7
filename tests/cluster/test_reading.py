"""What a decision costs to read: no list, unless the pod watch might hide that groups have gone."""

import asyncio
import copy
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from rollwright.cluster import names
from rollwright.cluster.api import PODS, STATEFUL_SETS, Api, Kind
from rollwright.cluster.doubt import may_hide_groups_gone
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Target, TargetKind

Json = dict[str, Any]


def sts(*, partition: int = 3, replicas: int = 3, revision: str = "new", generation: int = 1, uid: str = "u") -> Json:
    return {
        "metadata": {"name": "web", "namespace": "default", "uid": uid, "generation": generation},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {}},
            "updateStrategy": {"rollingUpdate": {"partition": partition}},
            "template": {},
        },
        "status": {"observedGeneration": generation, "updateRevision": revision},
    }


def pod(ordinal: int) -> Json:
    owner = {"kind": "StatefulSet", "name": "web", "uid": "u", "controller": True}
    labels = {names.CONTROLLER_REVISION: "old"}
    return {"metadata": {"name": f"web-{ordinal}", "uid": f"u-{ordinal}", "labels": labels, "ownerReferences": [owner]}}


class Server(Api):
    """An API server whose watches tell of a change only once they are let."""

    def __init__(self) -> None:
        self._version = 1
        self._there: dict[tuple[Kind, str], Json] = {}
        self._events: defaultdict[Kind, asyncio.Queue[Json]] = defaultdict(asyncio.Queue)
        self._untold: list[tuple[Kind, Json]] = []
        self.lists: list[str] = []

    def put(self, kind: Kind, item: Json, event: str = "MODIFIED") -> None:
        """A change that no watch tells of yet."""
        self._version += 1
        item = copy.deepcopy(item)
        item["metadata"]["resourceVersion"] = str(self._version)
        key = (kind, item["metadata"]["name"])
        if event == "DELETED":
            del self._there[key]
        else:
            self._there[key] = item
        self._untold.append((kind, {"type": event, "object": item}))

    async def tell(self, *kinds: Kind) -> None:
        """Have the watches of these kinds tell what they have not yet."""
        told = [entry for entry in self._untold if entry[0] in kinds]
        self._untold = [entry for entry in self._untold if entry[0] not in kinds]
        for kind, event in told:
            self._events[kind].put_nowait(copy.deepcopy(event))
        while any(not queue.empty() for queue in self._events.values()):
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def get(self, kind: Kind, namespace: str, name: str) -> Json:
        return copy.deepcopy(self._there[kind, name])

    async def list_all(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> Json:
        self.lists.append(kind.plural)
        items = [copy.deepcopy(item) for (found, _), item in self._there.items() if found == kind]
        return {"items": items, "metadata": {"resourceVersion": str(self._version)}}

    async def watch(
        self, kind: Kind, namespace: str, selector: str, version: str, *, fields: str = ""
    ) -> AsyncIterator[Json]:
        while True:
            yield await self._events[kind].get()


class Site:
    """A StatefulSet of three pods that are watched, and what it is read by."""

    def __init__(self, server: Server, target: LiveTarget) -> None:
        self.server = server
        self._target = target

    async def read(self) -> tuple[list[str], int]:
        """The pods that are seen, and how many lists that took."""
        before = len(self.server.lists)
        snapshot = await self._target.read()
        return sorted(found["metadata"]["name"] for found in snapshot.pods), len(self.server.lists) - before


@asynccontextmanager
async def trusted() -> AsyncIterator[Site]:
    """A target whose pods were listed once and seen to be as the watch shows them."""
    server = Server()
    server.put(STATEFUL_SETS, sts())
    for ordinal in range(3):
        server.put(PODS, pod(ordinal))
    watches = Watches(server)
    site = Site(server, LiveTarget(server, watches, Target(kind=TargetKind.STATEFUL_SET, name="web")))
    try:
        await site.read()
        await server.tell(PODS, STATEFUL_SETS)
        await site.read()
        yield site
    finally:
        await watches.close()


ALL = ["web-0", "web-1", "web-2"]


async def test_a_decision_takes_no_list() -> None:
    async with trusted() as site:
        assert await site.read() == (ALL, 0)


async def test_a_partition_that_falls_needs_no_list() -> None:
    async with trusted() as site:
        site.server.put(STATEFUL_SETS, sts(partition=1, generation=2))
        await site.server.tell(STATEFUL_SETS)
        assert await site.read() == (ALL, 0)


async def test_after_a_freeze_pods_that_a_late_watch_still_shows_do_not_count() -> None:
    async with trusted() as site:
        site.server.put(STATEFUL_SETS, sts(partition=0, generation=2))
        await site.server.tell(STATEFUL_SETS)
        site.server.put(PODS, pod(2), "DELETED")
        site.server.put(STATEFUL_SETS, sts(partition=3, generation=3))
        await site.server.tell(STATEFUL_SETS)
        assert await site.read() == (ALL[:2], 1)
        assert await site.read() == (ALL[:2], 1)  # the watch still is late
        await site.server.tell(PODS)
        assert await site.read() == (ALL[:2], 1)
        assert await site.read() == (ALL[:2], 0)


async def test_pods_that_only_change_are_no_reason_to_go_on_doubting() -> None:
    async with trusted() as site:
        site.server.put(STATEFUL_SETS, sts(partition=4, generation=2))
        site.server.put(PODS, pod(1))  # of which the watch hasn't told yet
        await site.server.tell(STATEFUL_SETS)
        assert await site.read() == (ALL, 1)
        await site.server.tell(PODS)
        assert await site.read() == (ALL, 0)


async def test_a_statefulset_that_the_watch_has_not_told_of_yet_is_no_ground_to_trust_it() -> None:
    async with trusted() as site:
        site.server.put(STATEFUL_SETS, sts(partition=5, generation=2))
        assert await site.read() == (ALL, 1)


async def test_a_watch_that_tells_nothing_for_a_while_may_be_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    async with trusted() as site:
        monkeypatch.setattr("rollwright.cluster.watching._LIVELY_SECONDS", 0.0)
        assert await site.read() == (ALL, 1)


@pytest.mark.parametrize(
    ("before", "after", "doubt"),
    [
        pytest.param(sts(), sts(), False, id="the same"),
        pytest.param(sts(partition=3), sts(partition=2), False, id="the partition falls"),
        pytest.param(sts(partition=2), sts(partition=3), True, id="the partition is raised"),
        pytest.param(sts(revision="old"), sts(revision="new"), True, id="another revision"),
        pytest.param(sts(replicas=5), sts(replicas=4), False, id="fewer groups"),
        pytest.param(sts(replicas=4), sts(replicas=5), True, id="more groups, again perhaps"),
        pytest.param(sts(uid="u"), sts(uid="v"), True, id="another object"),
        pytest.param(None, sts(), True, id="nothing was known"),
    ],
)
def test_what_a_watch_of_pods_may_hide(before: Json | None, after: Json, doubt: bool) -> None:
    assert may_hide_groups_gone(before, after) is doubt
