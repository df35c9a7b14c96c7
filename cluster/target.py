"""A LeaderWorkerSet as a target: read, watched, written to under the fence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from rollwright.cluster import names, patches
from rollwright.cluster.api import LEADER_WORKER_SETS, PODS, STATEFUL_SETS, Api, Manifest
from rollwright.cluster.errors import ConflictError, GoneError, MissingError, RefusedError, SupersededError
from rollwright.cluster.ledger import Ledger
from rollwright.cluster.record import Fence, Record, record_text
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.watching import Watches


class LeaderWorkerSet:
    """One target in one cluster. Every method raises a ClusterError for what goes wrong."""

    def __init__(
        self, api: Api, watches: Watches, namespace: str, name: str, *, uid: str = "", record: str = ""
    ) -> None:
        """`uid`: of the very object to write to; one made anew under its name is another. Empty: whichever is there.

        `record`: the text of the record as last read, which counts where somebody has removed or spoilt it.
        """
        self._api = api
        self._uid = uid
        self._record = record
        self._watches = watches
        self._namespace = namespace
        self._name = name
        self.ledger = Ledger(api, namespace, name)

    def __str__(self) -> str:
        return f"lws/{self._name} in namespace {self._namespace}"

    async def read(self) -> Snapshot:
        """Read everything anew, in the order that makes it trustworthy: the LWS, its StatefulSets, the pods."""
        selector = f"{names.NAME}={self._name}"
        lws = await self.read_object()
        sets = await self._api.list_all(STATEFUL_SETS, self._namespace, selector)
        pods = await self._api.list_all(PODS, self._namespace, selector)
        return Snapshot(lws, sets["items"], pods["items"], self._last_record(lws))

    async def read_object(self) -> Manifest:
        """Read the LWS itself."""
        try:
            return await self._api.get(LEADER_WORKER_SETS, self._namespace, self._name)
        except MissingError as error:
            raise GoneError(f"{self} does not exist, or this cluster has no LeaderWorkerSets: {error}") from error

    async def last_seen(self) -> Snapshot | None:
        """What the shared watches have told, at no cost, if anything. They may disagree: decide on `read`."""
        lws = (await self._watches.of(LEADER_WORKER_SETS, self._namespace)).owned_by(self._name)
        if not lws:
            return None
        sets = await self._watches.of(STATEFUL_SETS, self._namespace, names.NAME)
        pods = await self._watches.of(PODS, self._namespace, names.NAME)
        return Snapshot(lws[0], sets.owned_by(self._name), pods.owned_by(self._name), self._last_record(lws[0]))

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something of the target changes."""
        changed = asyncio.Event()
        with ExitStack() as stack:
            for kind, label in ((LEADER_WORKER_SETS, ""), (STATEFUL_SETS, names.NAME), (PODS, names.NAME)):
                watch = await self._watches.of(kind, self._namespace, label)
                stack.enter_context(watch.waking(self._name, changed))
            yield changed

    def record_of(self, lws: Manifest) -> Record | None:
        """The record on the target, or the last one that was; None if nothing was begun on it.

        Raises RefusedError if there is one that can't be read, and none is known from before.
        """
        text = self._last_record(lws)
        if not text and lws["metadata"].get("annotations", {}).get(names.RECORD):
            raise RefusedError(f"{self}: its annotation {names.RECORD} can't be read; mend it, or remove it")
        return Record.parse(text) if text else None

    def _last_record(self, lws: Manifest) -> str:
        self._record = record_text(lws) or self._record
        return self._record

    async def write(self, lws: Manifest, generation: int, fence: Fence, changes: list[Manifest]) -> None:
        """Change the LWS, if its spec is still the one planned on and no newer step has acted.

        Does nothing if an earlier attempt of this very step has written. Raises ConflictError or SupersededError.
        """
        found = Fence.of(lws)
        if found == fence:
            return
        if found and found.scheduled > fence.scheduled:
            raise SupersededError(f"{self}: a newer step ({found}) has acted; this one ({fence}) does nothing")
        self.check_uid(lws)
        if lws["metadata"]["generation"] != generation:
            raise ConflictError(f"{self}: its spec has changed since the step was planned")
        await self._patch(lws, patches.guarded(lws, fence, changes))

    async def amend(self, lws: Manifest, fence: Fence, changes: list[Manifest]) -> None:
        """Change the LWS again within the same step. Raises SupersededError if another has acted meanwhile."""
        self.check_fence(lws, fence)
        await self._patch(lws, patches.guarded(lws, fence, changes))

    def check_uid(self, lws: Manifest) -> None:
        """Raise ConflictError if this is another object than the one to write to."""
        if self._uid not in ("", lws["metadata"]["uid"]):
            raise ConflictError(f"{self}: it was deleted and made anew since the step was planned")

    def check_fence(self, lws: Manifest, fence: Fence) -> None:
        """Raise SupersededError if another step has acted since this one wrote its fence."""
        if Fence.of(lws) != fence:
            raise SupersededError(f"{self}: a newer step ({Fence.of(lws)}) has acted; this one ({fence}) stops")

    async def delete_leader(self, pod: Manifest) -> None:
        """Delete a leader pod, and with it its group, if it is exactly the one that was read."""
        metadata = pod["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        try:
            await self._api.delete(PODS, self._namespace, metadata["name"], preconditions)
        except (ConflictError, MissingError):
            return  # it has changed or gone: the next reading tells what it is now

    async def fence_off(self, pod: Manifest, fence: Fence) -> None:
        """Touch a pod so that deletes decided on before, with its old resourceVersion, can't hit it."""
        try:
            await self._api.patch(PODS, self._namespace, pod["metadata"]["name"], patches.guarded(pod, fence, []))
        except (ConflictError, MissingError, RefusedError):
            return  # it has changed or gone by itself, which serves as well

    async def _patch(self, lws: Manifest, patch: list[Manifest]) -> None:
        try:
            self._last_record(await self._api.patch(LEADER_WORKER_SETS, self._namespace, self._name, patch))
        except RefusedError as error:
            # The API server answers a failed test like bad input, without details: look which it was.
            if _assumed(await self.read_object()) == _assumed(lws):
                raise
            raise ConflictError(f"{self}: changed by somebody else at this very moment") from error


def _assumed(lws: Manifest) -> tuple[object, ...]:
    """What the tests of a guarded patch are about."""
    metadata = lws["metadata"]
    fence = metadata.get("annotations", {}).get(names.FENCE)
    return metadata["uid"], metadata["generation"], "annotations" in metadata, fence
