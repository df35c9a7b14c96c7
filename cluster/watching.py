"""One watch a kind and namespace, shared by all rollouts of a worker.

Not the client's own informer: that one blocks a thread a watch and turns every event into models. Here an event is a
dictionary, of which only what is read is kept, and whoever waits is woken. Watches wake, and show the pods; what else
is decided on is read anew.
"""

import asyncio
import logging
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from itertools import count
from typing import TypeVar

from rollwright.cluster import names
from rollwright.cluster.api import ENDPOINT_SLICES, LEADER_WORKER_SETS, PODS, STATEFUL_SETS, Api, Kind, Manifest
from rollwright.cluster.doubt import may_hide_groups_gone, pacing_of
from rollwright.cluster.errors import ClusterError, PermanentError, TemporaryError, UnreachableError
from rollwright.cluster.objects import controller_of
from rollwright.cluster.pruning import pruned

_log = logging.getLogger(__name__)
_Member = TypeVar("_Member")
_FIRST_RETRY_SECONDS = 0.2
_LAST_RETRY_SECONDS = 5.0
_LIVELY_SECONDS = 2.0
ANYBODY = ""
"""Who waits for changes of objects whosever they are."""


class SharedWatch:
    """A copy, kept up to date, of the objects of one kind in one namespace that may belong to a target or a Service.

    Or of the one of a name, for what may be read of no other.
    """

    def __init__(self, api: Api, kind: Kind, namespace: str, name: str = "") -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._fields = f"metadata.name={name}" if name else ""
        self._objects: dict[str, Manifest] = {}
        self._by_owner: dict[str, set[str]] = defaultdict(set)
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._doubts: dict[str, int] = {}
        self._numbers = count(1)
        self._heard = -math.inf
        self._told = time.monotonic()
        self._error: ClusterError | None = None
        self._tried = asyncio.Event()

    async def listed(self) -> None:
        """Return once the objects have been listed. Raises the ClusterError that stands in the way."""
        await self._tried.wait()
        if self._error:
            raise self._error

    def owned_by(self, owner: str) -> list[Manifest]:
        """The objects that belong to the target, or the Service, of this name, or are it. Not to be changed."""
        return [self._objects[name] for name in self._by_owner.get(owner, ())]

    def everything(self) -> list[Manifest]:
        """All objects there are. Not to be changed."""
        return list(self._objects.values())

    def doubts(self, name: str) -> int:
        """Which doubt stands about the groups of a StatefulSet (see `doubt`); 0 if none does."""
        return self._doubts.get(name, 0 if name in self._objects else -1)

    def settle_doubts(self, name: str, doubts: int) -> None:
        """The pods were seen to be as their watch shows them; a doubt that has come up since remains."""
        if self._doubts.get(name) == doubts:
            del self._doubts[name]

    def knows(self, leader_set: Manifest) -> bool:
        """Whether a StatefulSet was told of as it is here, as far as it makes a difference to its groups."""
        found = self._objects.get(leader_set["metadata"]["name"])
        return found is not None and pacing_of(found) == pacing_of(leader_set)

    @property
    def is_lively(self) -> bool:
        """Whether the API server has told something just now: a connection may be dead without anybody noticing."""
        return time.monotonic() - self._heard < _LIVELY_SECONDS

    @property
    def age_seconds(self) -> float:
        """For how long the API server has told nothing; of a watch that is well, bookmarks come every minute or so."""
        return time.monotonic() - self._told

    @property
    def trouble(self) -> str:
        """Why the API server can't be heard, while that lasts. That something may not be seen is no such trouble."""
        return str(self._error) if isinstance(self._error, TemporaryError) else ""

    @property
    def is_refused(self) -> bool:
        """Whether it may not be watched, or this cluster has no such kind: nothing will be told until that changes."""
        return isinstance(self._error, PermanentError)

    @contextmanager
    def waking(self, owner: str, event: asyncio.Event) -> Iterator[None]:
        """Set `event` at every change of an object of `owner`; of any object, if that is ANYBODY."""
        self._waiting[owner].add(event)
        try:
            yield
        finally:
            _discard(self._waiting, owner, event)

    async def run(self) -> None:
        """Keep the copy up to date until cancelled, through every outage."""
        pause = _FIRST_RETRY_SECONDS
        while True:
            followed_since = math.inf
            try:
                version = await self._list()
                followed_since = time.monotonic()
                await self._follow(version)
                why = "the server has forgotten where it stood"
            except ClusterError as error:
                self._error, why = error, str(error)
            except Exception as error:  # noqa: BLE001 - a copy that nobody keeps up looks like a cluster at rest
                _log.exception("watch of %s in %s", *self._where)
                why = f"watch {self._kind.plural} in {self._namespace}: {type(error).__name__}: {error}"
                self._error = UnreachableError(why)
            self._tried.set()
            if time.monotonic() - followed_since > _LAST_RETRY_SECONDS:
                pause = _FIRST_RETRY_SECONDS  # all was well meanwhile: this is another outage
            _log.warning("watch of %s in %s broke off, again within %.1f s: %s", *self._where, pause, why)
            # All watches of all workers may have broken off together.
            await asyncio.sleep(random.uniform(0.5, 1) * pause)  # noqa: S311 - no secret
            pause = min(2 * pause, _LAST_RETRY_SECONDS)

    @property
    def _where(self) -> tuple[str, str]:
        return self._kind.plural, self._namespace

    async def _list(self) -> str:
        listing = await self._api.list_all(self._kind, self._namespace, self._selector, fields=self._fields)
        found = {item["metadata"]["name"]: item for item in listing["items"]}
        for name in self._objects.keys() - found.keys():
            self._forget(self._objects[name])
        for item in found.values():
            self._keep(item)
            self._raise_doubt(item)  # what has happened since nobody watched isn't known
        self._error = None
        self._told = time.monotonic()
        self._tried.set()
        version: str = listing["metadata"]["resourceVersion"]
        return version

    async def _follow(self, version: str) -> None:
        """Take events up until the server ends the stream; goes on from there without listing anew."""
        while True:
            began = time.monotonic()
            async for event in self._api.watch(
                self._kind, self._namespace, self._selector, version, fields=self._fields
            ):
                item: Manifest = event["object"]
                self._heard = self._told = time.monotonic()
                match event["type"]:
                    case "ADDED" | "MODIFIED":
                        self._keep(item)
                    case "DELETED":
                        self._forget(item)
                    case "ERROR":
                        self._heard = -math.inf  # what is shown is known to be too old
                        _log.info("watch of %s in %s expired: %s", *self._where, item.get("message"))
                        return
                version = item["metadata"]["resourceVersion"]
            if time.monotonic() - began < _FIRST_RETRY_SECONDS:
                await asyncio.sleep(_FIRST_RETRY_SECONDS)  # something between ends every stream at once

    def _keep(self, whole: Manifest) -> None:
        item = pruned(self._kind, whole)
        name = item["metadata"]["name"]
        before = self._objects.get(name)
        if before is not None and self._owner(before) != self._owner(item):
            self._forget(before)  # it was orphaned, or adopted
        if self._kind == STATEFUL_SETS and may_hide_groups_gone(before, item):
            self._raise_doubt(item)
        self._objects[name] = item
        self._by_owner[self._owner(item)].add(name)
        self._wake(item)

    def _forget(self, item: Manifest) -> None:
        """`item`: of any version; whose it was is told by the one that is kept."""
        name = item["metadata"]["name"]
        known = self._objects.pop(name, None)
        self._doubts.pop(name, None)
        if known is not None:
            _discard(self._by_owner, self._owner(known), name)
            self._wake(known)

    def _raise_doubt(self, item: Manifest) -> None:
        if self._kind == STATEFUL_SETS:
            self._doubts[item["metadata"]["name"]] = next(self._numbers)

    def _owner(self, item: Manifest) -> str:
        """The name of what an object belongs to, or is.

        The target, by LWS's label or the StatefulSet of a pod; of an EndpointSlice the Service.
        """
        metadata: Manifest = item["metadata"]
        if self._kind == ENDPOINT_SLICES:
            return str(metadata["labels"][names.SERVICE_NAME])
        if self._kind == LEADER_WORKER_SETS:
            return str(metadata["name"])
        owner = (controller_of(item) if self._kind == PODS else None) or metadata
        return str(metadata.get("labels", {}).get(names.NAME, owner["name"]))

    @property
    def _selector(self) -> str:
        """All groups are pods of StatefulSets; slices that are of no Service are nobody's."""
        return {PODS: names.POD_NAME, ENDPOINT_SLICES: names.SERVICE_NAME}.get(self._kind, "")

    def _wake(self, item: Manifest) -> None:
        for owner in (self._owner(item), ANYBODY):
            for event in self._waiting.get(owner, ()):
                event.set()


def _discard(sets: dict[str, set[_Member]], name: str, member: _Member) -> None:
    """Take a member out of one of the sets by name, and with the last of them the set."""
    sets[name].discard(member)
    if not sets[name]:
        del sets[name]


class Watches:
    """The watches of a worker, started when first asked for."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._watches: dict[tuple[Kind, str, str], SharedWatch] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def of(self, kind: Kind, namespace: str, name: str = "") -> SharedWatch:
        """The watch of a kind in a namespace, once it has listed. Raises the ClusterError that stands in the way.

        `name`: of the only object to watch.
        """
        watch = self.begun(kind, namespace, name)
        await watch.listed()
        return watch

    def begun(self, kind: Kind, namespace: str, name: str = "") -> SharedWatch:
        """The same, whether it has listed or not."""
        key = (kind, namespace, name)
        if key not in self._watches:
            self._watches[key] = SharedWatch(self._api, kind, namespace, name)
            # What it logs is not about whoever has asked for it first.
            watching, nobodys = self._watches[key].run(), Context()
            name_of_task = f"watch {kind.plural} {namespace}"
            self._tasks.append(asyncio.create_task(watching, name=name_of_task, context=nobodys))
        return self._watches[key]

    def all(self) -> Iterator[tuple[Kind, str, SharedWatch]]:
        """Each with its kind and namespace."""
        for (kind, namespace, _), watch in self._watches.items():
            yield kind, namespace, watch

    @property
    def ended(self) -> list[str]:
        """The names of those that nobody keeps up any more, which never happens to one that is well."""
        return [task.get_name() for task in self._tasks if task.done()]

    async def close(self) -> None:
        """Stop them all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
