"""All changes of some objects, in the order in which the API server made them: what the watcher judges by."""

import asyncio
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.dynamic.client import DynamicClient
from kubernetes.aio.dynamic.resource import Resource
from kubernetes.aio.watch import Watch

from rollwright.rollout.spec import TargetKind

_LWS = "leaderworkerset.sigs.k8s.io"
_POD_NAME = "statefulset.kubernetes.io/pod-name"
_AGAIN_AFTER_SECONDS = 0.05
_NO_ANSWER = (ApiException, aiohttp.ClientError, TimeoutError, OSError)

Manifest = dict[str, Any]


class Watched(StrEnum):
    """What the changes are of."""

    TARGET = "target"
    SETS = "sets"
    PODS = "pods"


class Spec(NamedTuple):
    """Of a LeaderWorkerSet, or of a StatefulSet that is rolled out itself."""

    partition: int
    replicas: int
    image: str = ""
    generation: int = 0
    observed: int = 0
    """The generation that its controller has acted on."""
    max_surge: int | str = 0
    max_unavailable: int | str = 1
    annotations: Mapping[str, str] = MappingProxyType({})


class GroupSet(NamedTuple):
    """A StatefulSet: that of the leaders, or that of a group's workers, which its leader owns."""

    uid: str
    owner: str
    replicas: int
    generation: int = 0
    observed: int = 0
    """The generation that the StatefulSet controller has acted on."""


class Pod(NamedTuple):
    """A leader or a worker."""

    uid: str
    owner: str
    ordinal: int
    is_leader: bool
    revision: str
    size: int
    """Pods of its group, the leader included."""
    serves: bool
    """Ready, and nobody has asked for its deletion."""
    image: str = ""
    scheduled: bool = True
    terminating: bool = False
    at_once: bool = False
    """It is to go without a grace period."""
    restarted: bool = False
    """A container of it was: LWS starts such a group anew."""


class Change(NamedTuple):
    """An object as it is from a version on; None once it is deleted."""

    version: int
    at: float
    of: Watched
    name: str
    item: Spec | GroupSet | Pod | None


class History:
    """One watch: all changes of one kind, from the first list on."""

    def __init__(
        self, of: Watched, request: Callable[..., Any], read: Callable[[Manifest], Any], changed: asyncio.Event
    ) -> None:
        self.of = of
        self.changes: list[Change] = []
        self.complete = 0
        """All changes up to this version have arrived."""
        self._request = request
        self._read = read
        self._changed = changed
        self._versions: dict[str, int] = {}
        self._alive: set[str] = set()
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
        while self.complete < _version(listing) and not self._covers(present, _version(listing)):
            self._changed.clear()
            await self._changed.wait()
        self.complete = max(self.complete, _version(listing))

    def _covers(self, present: Mapping[str, int], version: int) -> bool:
        arrived = all(self._versions.get(name, 0) >= at for name, at in present.items())
        return arrived and all(name in present or self._versions[name] > version for name in self._alive)

    async def _get(self) -> Manifest:
        response = await self._request(serialize=False)
        listing: Manifest = await response.json()
        return listing

    async def _list(self) -> None:
        listing = await self._get()
        version = _version(listing)
        gone = self._alive - {item["metadata"]["name"] for item in listing["items"]}
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
        self._alive.add(item["metadata"]["name"])
        self._add(item["metadata"]["name"], version, self._read(item))

    def _forget(self, name: str, version: int) -> None:
        self._alive.discard(name)
        self._add(name, version, None)

    def _add(self, name: str, version: int, item: Spec | GroupSet | Pod | None) -> None:
        self._versions[name] = version
        self.changes.append(Change(version, time.time(), self.of, name, item))
        self._changed.set()


def histories(client: ApiClient, namespace: str, name: str, kind: TargetKind, changed: asyncio.Event) -> list[History]:
    """The target, its StatefulSets and its pods; `changed` is set at every change of one.

    A StatefulSet that is rolled out itself is both: what is asked for, and what keeps the groups.
    """
    itself = {"field_selector": f"metadata.name={name}"}
    statefulset, pod = _resource(client, "apps/v1", "StatefulSet"), _resource(client, "v1", "Pod")
    watched: tuple[tuple[Watched, Resource, dict[str, str], Callable[[Manifest], Any]], ...]
    if kind is TargetKind.STATEFUL_SET:
        watched = (
            (Watched.TARGET, statefulset, itself, _read_statefulset),
            (Watched.SETS, statefulset, itself, _read_set),
            (Watched.PODS, pod, {"label_selector": _POD_NAME}, partial(_read_pod_of_statefulset, name)),
        )
    else:
        lws, belongs = _resource(client, "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"), f"{_LWS}/name={name}"
        watched = (
            (Watched.TARGET, lws, itself, _read_lws),
            (Watched.SETS, statefulset, {"label_selector": belongs}, _read_set),
            (Watched.PODS, pod, {"label_selector": belongs}, _read_pod),
        )
    return [
        History(of, partial(resource.get, namespace=namespace, **selector), read, changed)
        for of, resource, selector, read in watched
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


def _version(item: Manifest) -> int:
    return int(item["metadata"]["resourceVersion"])


def _owner(item: Manifest) -> str:
    return next((owner["uid"] for owner in item["metadata"].get("ownerReferences", []) if owner.get("controller")), "")


def _read_statefulset(item: Manifest) -> Spec:
    metadata, spec = item["metadata"], item["spec"]
    update = spec["updateStrategy"].get("rollingUpdate") or {}
    return Spec(
        partition=update.get("partition", 0),
        replicas=spec["replicas"],
        image=_image(spec["template"]["spec"]),
        generation=metadata["generation"],
        observed=item.get("status", {}).get("observedGeneration", 0),
        annotations=metadata.get("annotations", {}),
    )


def _read_pod_of_statefulset(name: str, item: Manifest) -> Pod | None:
    """A group of one; None if it is of another StatefulSet."""
    metadata = item["metadata"]
    if metadata.get("generateName") != f"{name}-":
        return None
    ordinal, revision = int(metadata["name"].rpartition("-")[2]), metadata["labels"]["controller-revision-hash"]
    return _read_pod(item)._replace(ordinal=ordinal, is_leader=True, revision=revision)


def _read_lws(item: Manifest) -> Spec:
    metadata, spec = item["metadata"], item["spec"]
    update = spec["rolloutStrategy"]["rollingUpdateConfiguration"]
    return Spec(
        partition=update.get("partition", 0),
        replicas=spec["replicas"],
        image=_image(spec["leaderWorkerTemplate"]["workerTemplate"]["spec"]),
        generation=metadata["generation"],
        observed=item.get("status", {}).get("observedGeneration", 0),
        max_surge=update.get("maxSurge", 0),
        max_unavailable=update.get("maxUnavailable", 1),
        annotations=metadata.get("annotations", {}),
    )


def _read_set(item: Manifest) -> GroupSet:
    metadata = item["metadata"]
    return GroupSet(
        uid=metadata["uid"],
        owner=_owner(item),
        replicas=item["spec"]["replicas"],
        generation=metadata["generation"],
        observed=item.get("status", {}).get("observedGeneration", 0),
    )


def _read_pod(item: Manifest) -> Pod:
    metadata, status = item["metadata"], item.get("status", {})
    labels, annotations = metadata["labels"], metadata.get("annotations", {})
    terminating = "deletionTimestamp" in metadata
    ready = any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in status.get("conditions", [])
    )
    return Pod(
        uid=metadata["uid"],
        owner=_owner(item),
        ordinal=int(labels.get(f"{_LWS}/group-index", "-1")),
        is_leader=labels.get(f"{_LWS}/worker-index") == "0",
        revision=labels.get(f"{_LWS}/template-revision-hash", ""),
        size=int(annotations.get(f"{_LWS}/size", "1")),
        serves=ready and not terminating,
        image=_image(item["spec"]),
        scheduled="nodeName" in item["spec"],
        terminating=terminating,
        at_once=metadata.get("deletionGracePeriodSeconds") == 0,
        restarted=any(container["restartCount"] > 0 for container in status.get("containerStatuses", [])),
    )


def _image(pod: Manifest) -> str:
    image: str = pod["containers"][0]["image"]
    return image
