# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""One kind of object: a watched copy of what the API server has, and the writes to it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, NamedTuple, Self

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.dynamic.client import DynamicClient
from kubernetes.aio.dynamic.resource import Resource
from kubernetes.aio.watch import Watch

from rollwright.devcluster.standin import labels
from rollwright.devcluster.standin.manifests import Key, Manifest, holds, key_of, set_key_of

_log = logging.getLogger(__name__)

API_ERRORS: Final = (ApiException, aiohttp.ClientError, TimeoutError, OSError)
_RELIST_AFTER_SECONDS: Final = 0.5
_FIELD_MANAGER: Final = "lws"


class Store:
    """All objects of one kind, or those that match a label selector.

    What a write returns is kept at once, so that nobody reads less than has been written, or older than has been seen.
    """

    def __init__(self, client: ApiClient, api_version: str, kind: str, *, selector: str | None = None) -> None:
        """Hold nothing until `run` has listed."""
        group, _, version = api_version.rpartition("/")
        plural = f"{kind.lower()}s"
        self._kind = kind
        self._resource = Resource(
            prefix="apis" if group else "api",
            group=group,
            api_version=version,
            kind=kind,
            name=plural,
            namespaced=True,
            client=DynamicClient(client),
            subresources={"status": {"kind": kind, "name": f"{plural}/status", "namespaced": True}},
        )
        self._selector = selector
        self._objects: dict[Key, Manifest] = {}
        self._of_set: dict[Key, dict[Key, Manifest]] = defaultdict(dict)
        self._versions: dict[Key, int] = {}
        self._applied: dict[Key, Manifest] = {}
        self._listeners: list[Callable[[Manifest], None]] = []
        self.listed = asyncio.Event()

    def on_change(self, listener: Callable[[Manifest], None]) -> None:
        """Call `listener` with every object there is, and then with each that is added, changed or deleted."""
        self._listeners.append(listener)
        for manifest in self._objects.values():
            listener(manifest)

    def get(self, key: Key) -> Manifest | None:
        """Return an object, None when there is none. It must not be changed."""
        return self._objects.get(key)

    def of_set(self, set_key: Key) -> Collection[Manifest]:
        """Return the objects that carry the name of a LeaderWorkerSet. They must not be changed."""
        return self._of_set[set_key].values() if set_key in self._of_set else ()

    async def create(self, manifest: Manifest) -> None:
        """Create an object. Raises ApiException, with status 409 when there is one of that name."""
        await self._write(self._resource.create(body=manifest, serialize=False))

    async def apply(self, manifest: Manifest) -> None:
        """Write the fields of `manifest` as LWS does: server-side apply that takes over what others hold.

        LWS asks for it at every look. Here nothing is sent where all of it stands as it was last applied: nobody could
        tell, and with hundreds of sets the API server would do little else.
        """
        key = key_of(manifest)
        standing = self._objects.get(key)
        if standing is not None and self._applied.get(key) == manifest and holds(standing, manifest):
            return
        apply = self._resource.server_side_apply
        await self._write(apply(body=manifest, field_manager=_FIELD_MANAGER, force_conflicts=True, serialize=False))
        self._applied[key] = manifest

    async def replace_status(self, manifest: Manifest) -> None:
        """Write the status of `manifest`. Raises ApiException, with status 409 when it isn't the newest any more."""
        await self._write(self._resource.status.replace(body=manifest, serialize=False))

    async def delete(self, manifest: Manifest, *, propagation: str = "Background") -> None:
        """Ask for the deletion of this very object; that it is gone already is fine.

        `propagation` is what becomes of the objects it owns, "Foreground" being before it.
        """
        key = key_of(manifest)
        options = {"propagationPolicy": propagation, "preconditions": {"uid": manifest["metadata"]["uid"]}}
        try:
            await self._resource.delete(name=key.name, namespace=key.namespace, body=options)
        except ApiException as error:
            if error.status not in (404, 409):
                raise

    async def run(self) -> None:
        """Keep the copy up to date until cancelled, listing anew whenever the watch breaks."""
        lost = False
        while True:
            try:
                version = await self._list()
                lost = False
                await self._watch_from(version)
            except API_ERRORS as error:
                _log.log(
                    logging.DEBUG if lost else logging.WARNING, "lost sight of %ss: %s", self._kind, describe(error)
                )
                lost = True
                await asyncio.sleep(_RELIST_AFTER_SECONDS)

    async def _list(self) -> str:
        response = await self._resource.get(label_selector=self._selector, serialize=False)
        listing: Manifest = await response.json()
        version: str = listing["metadata"]["resourceVersion"]
        found = set()
        for item in listing["items"]:
            manifest = {"apiVersion": self._resource.group_version, "kind": self._kind, **item}
            found.add(key_of(manifest))
            self._keep(manifest)
        for key in [key for key in self._objects if key not in found and self._versions[key] <= int(version)]:
            self._drop(self._objects[key])
        self.listed.set()
        return version

    async def _watch_from(self, version: str) -> None:
        async with Watch() as watch:
            events = watch.stream(
                self._resource.get, label_selector=self._selector, resource_version=version, serialize=False
            )
            async for event in events:
                manifest: Manifest = event["raw_object"]
                if event["type"] in ("ADDED", "MODIFIED"):
                    self._keep(manifest)
                elif event["type"] == "DELETED":
                    self._versions[key_of(manifest)] = int(manifest["metadata"]["resourceVersion"])
                    self._drop(manifest)

    async def _write(self, request: Awaitable[Any]) -> None:
        response = await request
        self._keep(await response.json())

    def _keep(self, manifest: Manifest) -> None:
        key, version = key_of(manifest), int(manifest["metadata"]["resourceVersion"])
        if version > self._versions.get(key, 0):
            self._versions[key] = version
            self._objects[key] = manifest
            self._of_set[set_key_of(manifest)][key] = manifest
            self._notify(manifest)

    def _drop(self, manifest: Manifest) -> None:
        key, set_key = key_of(manifest), set_key_of(manifest)
        self._objects.pop(key, None)
        self._of_set[set_key].pop(key, None)
        if not self._of_set[set_key]:
            del self._of_set[set_key]
        self._notify(manifest)

    def _notify(self, manifest: Manifest) -> None:
        for listener in self._listeners:
            listener(manifest)


def describe(error: BaseException) -> str:
    """Return `error` in one line: of an API error what the server said, without headers and traceback."""
    if isinstance(error, ApiException):
        body = error.body.decode() if isinstance(error.body, bytes) else error.body
        return f"{error.status} {error.reason}: {body}".rstrip()
    return f"{type(error).__name__}: {error}"


class Stores(NamedTuple):
    """The kinds LWS reads and writes."""

    sets: Store
    revisions: Store
    statefulsets: Store
    services: Store
    pods: Store

    @classmethod
    def of(cls, client: ApiClient) -> Self:
        """Return the stores of a cluster; of the kinds that others use too, they hold what is labelled for a set."""
        return cls(
            sets=Store(client, labels.API_VERSION, labels.KIND),
            revisions=Store(client, "apps/v1", "ControllerRevision", selector=labels.SET_NAME),
            statefulsets=Store(client, "apps/v1", "StatefulSet", selector=labels.SET_NAME),
            services=Store(client, "v1", "Service", selector=labels.SET_NAME),
            pods=Store(client, "v1", "Pod", selector=labels.SET_NAME),
        )
