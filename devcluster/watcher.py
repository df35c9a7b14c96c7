"""An independent witness of one LeaderWorkerSet: what the API server held, version by version.

It shares no code with the rollout it watches: other client calls, another notion of readiness (the pods themselves, not
the status of StatefulSets), another arithmetic.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.config import new_client_from_config
from kubernetes.aio.dynamic.client import DynamicClient
from kubernetes.aio.dynamic.resource import Resource
from kubernetes.aio.watch import Watch

_LWS = "leaderworkerset.sigs.k8s.io"
_AGAIN_AFTER_SECONDS = 0.05
_NO_ANSWER = (ApiException, aiohttp.ClientError, TimeoutError, OSError)

Manifest = dict[str, Any]


class Leader(NamedTuple):
    """A leader pod: a group was replaced when its ordinal has another one."""

    uid: str
    revision: str


class Moment(NamedTuple):
    """What held from a moment on until the next one."""

    at: float
    """Seconds since the epoch, when the news arrived here."""
    partition: int
    """Of the LeaderWorkerSet's spec, as is replicas."""
    replicas: int
    available: int
    """Groups that serve, on whichever revision."""
    asked: int
    """Groups asked for: by spec.replicas, or by the leader StatefulSet where that asks for more."""


class _Spec(NamedTuple):
    partition: int
    replicas: int


class _Set(NamedTuple):
    uid: str
    owner: str
    replicas: int


class _Pod(NamedTuple):
    uid: str
    owner: str
    ordinal: int
    is_leader: bool
    revision: str
    size: int
    serves: bool
    """Ready, and nobody has asked for its deletion."""


class _Change(NamedTuple):
    """An object as it is from a version on; None once it is deleted."""

    version: int
    at: float
    kind: str
    name: str
    item: _Spec | _Set | _Pod | None


class Watcher:
    """Records a LeaderWorkerSet, its StatefulSets and its pods while its context is open.

    What it measures: every write to the API server's store has a version, one count for all kinds, and every event of
    a watch carries it. So the events of three watches, put in the order of their versions, give the very states the
    API server went through, however late each watch is: no group is counted twice or missed because news of one kind
    came before news of another. A state counts once all three watches are known to have passed it; leaving the context
    waits for that. Where a watch had to list anew, since the API server was away, the versions it missed don't count.

    A group is available when its leader is Ready and not being deleted and, with a size (the group's own) of more than
    1, as many workers as belong to it are as well, of the pods of the StatefulSet that this very leader owns.

    It holds for API servers that keep all kinds in one store: the embedded one and nearly all others.
    """

    def __init__(self, kubeconfig: Path | str, namespace: str, name: str) -> None:
        """Watch the LeaderWorkerSet of this name; it need not exist yet."""
        self._kubeconfig = str(kubeconfig)
        self._namespace = namespace
        self._name = name
        self._changed = asyncio.Event()
        self._streams: list[_Stream] = []

    async def __aenter__(self) -> Self:
        """Begin; what there is when this returns is the first moment."""
        self._client = await new_client_from_config(self._kubeconfig, persist_config=False)
        self._streams = _streams(self._client, self._namespace, self._name, self._changed)
        self._tasks = [asyncio.create_task(stream.run()) for stream in self._streams]
        await self.catch_up()
        return self

    async def __aexit__(self, error: type[BaseException] | None, *_details: object) -> None:
        try:
            if error is None:
                await self.catch_up()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.close()

    async def catch_up(self, timeout_seconds: float = 30.0) -> None:
        """Wait until all that the API server holds by now has arrived. Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            for _ in range(2):  # the lists differ in their versions: the second round covers them all
                for stream in self._streams:
                    await stream.catch_up()

    async def until(self, condition: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
        """Wait until the condition holds, looking at every change. Raises TimeoutError that says what was seen."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(
                f"not seen within {timeout_seconds} s; partition and replicas so far: {self.partition_replicas}, "
                f"then {self.moments[-1:]}"
            ) from None

    @property
    def partition_replicas(self) -> list[tuple[int, int]]:
        """The partition and replicas of the LeaderWorkerSet's spec, one entry for every change of the two."""
        specs = [(*change.item,) for change in self._streams[0].changes if isinstance(change.item, _Spec)]
        return [spec for spec, _ in groupby(specs)]

    @property
    def moments(self) -> list[Moment]:
        """All states in order, each other than the one before."""
        return [next(same) for _, same in groupby(self._replayed(), lambda moment: moment[1:])]

    @property
    def available_min(self) -> int:
        """The fewest groups that were available at once."""
        return min(moment.available for moment in self.moments)

    @property
    def groups_max(self) -> int:
        """The most groups that were asked for."""
        return max(moment.asked for moment in self.moments)

    @property
    def leaders(self) -> dict[int, list[Leader]]:
        """All leader pods of each ordinal, in the order in which they came."""
        found: dict[int, list[Leader]] = {}
        for change in self._changes():
            pod = change.item
            if isinstance(pod, _Pod) and pod.is_leader:
                known = found.setdefault(pod.ordinal, [])
                if pod.uid not in (leader.uid for leader in known):
                    known.append(Leader(pod.uid, pod.revision))
        return dict(sorted(found.items()))

    def _changes(self) -> list[_Change]:
        return sorted((change for stream in self._streams for change in stream.changes), key=attrgetter("version"))

    def _replayed(self) -> Iterator[Moment]:
        """Every state that is known completely."""
        changes = self._changes()
        complete = min(stream.complete for stream in self._streams)
        ends = [change.version - 1 for change in changes[1:]] + [complete]
        state: dict[str, dict[str, Any]] = {stream.kind: {} for stream in self._streams}
        for change, end in zip(changes, ends, strict=True):
            state[change.kind][change.name] = change.item
            last = min(end, complete)
            known = last >= change.version and all(stream.knows(last) for stream in self._streams)
            spec: _Spec | None = state["LeaderWorkerSet"].get(self._name)
            if spec and known:
                leader_set: _Set | None = state["StatefulSet"].get(self._name)
                asked = max(spec.replicas, leader_set.replicas if leader_set else 0)
                available = _available(state["StatefulSet"], state["Pod"])
                yield Moment(change.at, spec.partition, spec.replicas, available, asked)


class _Stream:
    """One watch: all changes of one kind, from the first list on."""

    def __init__(
        self, kind: str, request: Callable[..., Any], read: Callable[[Manifest], Any], changed: asyncio.Event
    ) -> None:
        self.kind = kind
        self.changes: list[_Change] = []
        self.complete = 0
        """All changes up to this version have arrived."""
        self._request = request
        self._read = read
        self._changed = changed
        self._versions: dict[str, int] = {}
        self._missed: list[tuple[int, int]] = []

    def knows(self, version: int) -> bool:
        """Whether the state at this version was seen, and not only what became of it."""
        return not any(first < version < last for first, last in self._missed)

    async def run(self) -> None:
        """Follow the API server until cancelled, through every outage."""
        listed = False
        while True:
            try:
                if not listed:
                    await self._list()
                    listed = True
                await self._follow()
            except _NO_ANSWER as error:
                listed = listed and not isinstance(error, ApiException)
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)

    async def catch_up(self) -> None:
        """Wait until everything that a list returns now has arrived by the watch."""
        while True:
            try:
                listing = await self._get()
                break
            except _NO_ANSWER:
                await asyncio.sleep(_AGAIN_AFTER_SECONDS)
        present = {item["metadata"]["name"]: _version(item) for item in listing["items"]}
        while not self._covers(present, _version(listing)):
            self._changed.clear()
            await self._changed.wait()
        self.complete = max(self.complete, _version(listing))

    def _covers(self, present: Mapping[str, int], version: int) -> bool:
        arrived = all(self._versions.get(name, 0) >= at for name, at in present.items())
        return arrived and all(name in present or at > version for name, at in self._versions.items())

    async def _get(self) -> Manifest:
        response = await self._request(serialize=False)
        listing: Manifest = await response.json()
        return listing

    async def _list(self) -> None:
        listing = await self._get()
        version = _version(listing)
        gone = self._versions.keys() - {item["metadata"]["name"] for item in listing["items"]}
        for item in sorted(listing["items"], key=_version):
            if _version(item) > self._versions.get(item["metadata"]["name"], 0):
                self._take(item, _version(item))
        for name in gone:
            self._forget(name, version)
        self._missed.append((self.complete, version))
        self.complete = version

    async def _follow(self) -> None:
        async with Watch() as watch:
            events = watch.stream(self._request, serialize=False, resource_version=str(self.complete))
            async for event in events:
                item = event["raw_object"]
                match event["type"]:
                    case "ADDED" | "MODIFIED":
                        self._take(item, _version(item))
                    case "DELETED":
                        self._forget(item["metadata"]["name"], _version(item))
                self.complete = max(self.complete, _version(item))

    def _take(self, item: Manifest, version: int) -> None:
        name = item["metadata"]["name"]
        self._versions[name] = version
        self._add(name, version, self._read(item))

    def _forget(self, name: str, version: int) -> None:
        self._versions.pop(name, None)
        self._add(name, version, None)

    def _add(self, name: str, version: int, item: Any) -> None:
        self.changes.append(_Change(version, time.time(), self.kind, name, item))
        self._changed.set()


def _streams(client: ApiClient, namespace: str, name: str, changed: asyncio.Event) -> list[_Stream]:
    label = f"{_LWS}/name={name}"
    kinds = (
        ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", {"field_selector": f"metadata.name={name}"}, _read_spec),
        ("apps/v1", "StatefulSet", {"label_selector": label}, _read_set),
        ("v1", "Pod", {"label_selector": label}, _read_pod),
    )
    return [
        _Stream(kind, partial(_resource(client, version, kind).get, namespace=namespace, **selector), read, changed)
        for version, kind, selector, read in kinds
    ]


def _resource(client: ApiClient, api_version: str, kind: str) -> Resource:
    group, _, version = api_version.rpartition("/")
    return Resource(
        prefix="apis" if group else "api",
        group=group,
        api_version=version,
        kind=kind,
        name=f"{kind.lower()}s",
        namespaced=True,
        client=DynamicClient(client),
    )


def _available(sets: Mapping[str, _Set | None], pods: Mapping[str, _Pod | None]) -> int:
    owners = {item.uid: item.owner for item in sets.values() if item}
    workers = Counter(owners.get(pod.owner) for pod in pods.values() if pod and pod.serves and not pod.is_leader)
    leaders = [pod for pod in pods.values() if pod and pod.serves and pod.is_leader]
    return sum(1 for leader in leaders if workers[leader.uid] >= leader.size - 1)


def _version(item: Manifest) -> int:
    return int(item["metadata"]["resourceVersion"])


def _owner(item: Manifest) -> str:
    return next((owner["uid"] for owner in item["metadata"].get("ownerReferences", []) if owner.get("controller")), "")


def _read_spec(item: Manifest) -> _Spec:
    spec = item["spec"]
    return _Spec(spec["rolloutStrategy"]["rollingUpdateConfiguration"].get("partition", 0), spec["replicas"])


def _read_set(item: Manifest) -> _Set:
    return _Set(item["metadata"]["uid"], _owner(item), item["spec"]["replicas"])


def _read_pod(item: Manifest) -> _Pod:
    metadata = item["metadata"]
    labels, annotations = metadata["labels"], metadata.get("annotations", {})
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in item.get("status", {}).get("conditions", [])
    )
    return _Pod(
        uid=metadata["uid"],
        owner=_owner(item),
        ordinal=int(labels.get(f"{_LWS}/group-index", "-1")),
        is_leader=labels.get(f"{_LWS}/worker-index") == "0",
        revision=labels.get(f"{_LWS}/template-revision-hash", ""),
        size=int(annotations.get(f"{_LWS}/size", "1")),
        serves=ready and "deletionTimestamp" not in metadata,
    )
