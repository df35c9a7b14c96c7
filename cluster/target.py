"""A target in a cluster: read, watched, written to under the fence; whatever its kind."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace

from rollwright.cluster import names, patches
from rollwright.cluster.api import PODS, STATEFUL_SETS, Api, Kind, Manifest
from rollwright.cluster.doubt import gone_and_there
from rollwright.cluster.errors import ConflictError, GoneError, MissingError, RefusedError, SupersededError
from rollwright.cluster.formats import check_format
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.cluster.ledger import Ledger
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Fence, Record, record_text
from rollwright.cluster.serving import Witness
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.watching import SharedWatch, Watches
from rollwright.rollout.spec import Target


class LiveTarget:
    """One target in one cluster. Every method raises a ClusterError for what goes wrong."""

    def __init__(
        self,
        api: Api,
        watches: Watches,
        target: Target,
        *,
        uid: str = "",
        record: str = "",
        before: str = "",
        witness: Witness | None = None,
    ) -> None:
        """`uid`: of the very object to write to; one made anew under its name is another. Empty: whichever is there.

        `record`: the text of the record as last read, which counts where somebody has removed or spoilt it.
        `before`: name of the kept template to go back to, for a record that is begun; empty: the one that stands.
        `witness`: who knows which groups serve; None if their pods do.
        """
        self._api = api
        self._uid = uid
        self._record = record
        self._before = before
        self._watches = watches
        self._target = target
        self._witness = witness
        self._snapshot = SNAPSHOTS[target.kind]
        self.ledger = Ledger(api, target, self._snapshot.OBJECT)

    def __str__(self) -> str:
        return str(self._target)

    async def read(self) -> Snapshot:
        """What there is now, to decide on: the target and its StatefulSet read anew, the pods as the watch shows them.

        Where the watch might hide that groups have gone (see `doubt`), or hasn't told anything for a while, the pods
        are listed.
        """
        snapshot = await self._read()
        return replace(snapshot, why_not=await self._witness.read(snapshot)) if self._witness else snapshot

    async def _read(self) -> Snapshot:
        item = await self.read_object()
        sets, pods = await self._watch(STATEFUL_SETS), await self._watch(PODS)
        doubts, leader_set = sets.doubts(item.name), await self._leader_set(item)
        # Asked again: a doubt may have come up while the StatefulSet was read.
        if leader_set and not sets.doubts(item.name) and sets.knows(leader_set) and pods.is_lively:
            return self._snapshot(item, await self._watched(leader_set), self._last_record(item))
        snapshot = await self._list_parts(item)
        if snapshot.is_settled and leader_set:
            shown = self._snapshot(item, await self._watched(leader_set))
            if gone_and_there(shown.pods) == gone_and_there(snapshot.pods):
                sets.settle_doubts(item.name, doubts)
        return snapshot

    async def read_anew(self) -> Snapshot:
        """Read everything, in the order that makes it trustworthy: the target first, the pods last. Needs no watch.

        Who serves is told by the pods alone.
        """
        return await self._list_parts(await self.read_object())

    async def _list_parts(self, item: TargetObject) -> Snapshot:
        selector = self._snapshot.selector(item)
        parts: dict[Kind, Sequence[Manifest]] = {}
        for kind in self._snapshot.PARTS:
            parts[kind] = (await self._api.list_all(kind, self._target.namespace, selector))["items"]
        return self._snapshot(item, parts, self._last_record(item))

    async def _leader_set(self, item: TargetObject) -> Manifest | None:
        if item.RESOURCE == STATEFUL_SETS:
            return item.manifest
        try:
            return await self._api.get(STATEFUL_SETS, item.namespace, item.name)
        except MissingError:
            return None

    async def _watched(self, leader_set: Manifest | None = None) -> dict[Kind, Sequence[Manifest]]:
        """What belongs to the target by the watches, but for its StatefulSet if something newer is known of that."""
        name = self._target.name
        parts: dict[Kind, Sequence[Manifest]] = {}
        for kind in self._snapshot.PARTS:
            parts[kind] = (await self._watch(kind)).owned_by(name)
        if leader_set and STATEFUL_SETS in parts:
            others = [found for found in parts[STATEFUL_SETS] if found["metadata"]["name"] != name]
            parts[STATEFUL_SETS] = [leader_set, *others]
        return parts

    async def _watch(self, kind: Kind) -> SharedWatch:
        return await self._watches.of(kind, self._target.namespace)

    async def read_object(self) -> TargetObject:
        """Read the object itself."""
        kind, name = self._snapshot.OBJECT, self._target.name
        try:
            item = await self._api.get(kind.RESOURCE, self._target.namespace, name)
        except MissingError as error:
            raise GoneError(f"{self} does not exist, or this cluster has no {kind.KIND}s: {error}") from error
        check_format(item, str(self))
        return kind(item)

    async def last_seen(self) -> Snapshot | None:
        """What the shared watches have told, at no cost, if anything. They may disagree: decide on `read`."""
        kind, name = self._snapshot.OBJECT, self._target.name
        found = (await self._watch(kind.RESOURCE)).owned_by(name)
        if not found:
            return None
        item = kind(found[0])
        snapshot = self._snapshot(item, await self._watched(), self._last_record(item))
        return replace(snapshot, why_not=await self._witness.last_seen(snapshot)) if self._witness else snapshot

    @asynccontextmanager
    async def changes(self, *, of_pods: bool = True) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever something of the target changes; there are by far the most changes of pods.

        Without those, nobody who waits for groups to serve is woken, either.
        """
        changed, kinds = asyncio.Event(), (self._snapshot.OBJECT.RESOURCE, *self._snapshot.PARTS)
        with ExitStack() as stack:
            for kind in (kind for kind in kinds if of_pods or kind != PODS):
                watch = await self._watch(kind)
                stack.enter_context(watch.waking(self._target.name, changed))
            if of_pods and self._witness:
                stack.enter_context(await self._witness.waking(changed))
            yield changed

    def record_of(self, item: TargetObject) -> Record | None:
        """The record on the target, or the last one that was; None if nothing was begun on it.

        Raises RefusedError if there is one that can't be read, and none is known from before.
        """
        text = self._last_record(item)
        if not text and item.annotations.get(names.RECORD):
            raise RefusedError(f"{self}: its annotation {names.RECORD} can't be read; mend it, or remove it")
        return Record.parse(text) if text else None

    def begun_record(self, item: TargetObject) -> Record:
        """The record on the target, or the one to begin with. Raises RefusedError if it can't be read."""
        return self.record_of(item) or Record.first(item, self._before)

    def _last_record(self, item: TargetObject) -> str:
        self._record = record_text(item) or self._record
        return self._record

    async def write(self, item: TargetObject, generation: int, fence: Fence, changes: list[Manifest]) -> None:
        """Change the object, if its spec is still the one planned on and no newer step has acted.

        Does nothing if an earlier attempt of this very step has written. Raises ConflictError or SupersededError.
        """
        found = Fence.of(item.manifest)
        if found == fence:
            return
        if found and found.scheduled > fence.scheduled:
            raise SupersededError(f"{self}: a newer step ({found}) has acted; this one ({fence}) does nothing")
        self.check_uid(item)
        if item.generation != generation:
            raise ConflictError(f"{self}: its spec has changed since the step was planned")
        await self._patch(item, patches.guarded(item.manifest, fence, changes))

    async def amend(self, item: TargetObject, fence: Fence, changes: list[Manifest]) -> None:
        """Change the object again within the same step. Raises SupersededError if another has acted meanwhile."""
        self.check_fence(item, fence)
        await self._patch(item, patches.guarded(item.manifest, fence, changes))

    def check_uid(self, item: TargetObject) -> None:
        """Raise ConflictError if this is another object than the one to write to."""
        if self._uid not in ("", item.uid):
            raise ConflictError(f"{self}: it was deleted and made anew since the step was planned")

    def check_fence(self, item: TargetObject, fence: Fence) -> None:
        """Raise SupersededError if another step has acted since this one wrote its fence."""
        found = Fence.of(item.manifest)
        if found != fence:
            raise SupersededError(f"{self}: a newer step ({found}) has acted; this one ({fence}) stops")

    async def delete_leader(self, pod: Manifest) -> None:
        """Delete a leader pod, and with it its group, if it is exactly the one that was read."""
        metadata = pod["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        try:
            await self._api.delete(PODS, self._target.namespace, metadata["name"], preconditions)
        except (ConflictError, MissingError):
            return  # it has changed or gone: the next reading tells what it is now

    async def fence_off(self, pod: Manifest, fence: Fence) -> None:
        """Touch a pod so that deletes decided on before, with its old resourceVersion, can't hit it."""
        try:
            await self._api.patch(
                PODS, self._target.namespace, pod["metadata"]["name"], patches.guarded(pod, fence, [])
            )
        except (ConflictError, MissingError, RefusedError):
            return  # it has changed or gone by itself, which serves as well

    async def _patch(self, item: TargetObject, patch: list[Manifest]) -> None:
        try:
            answer = await self._api.patch(item.RESOURCE, item.namespace, item.name, patch)
            self._last_record(replace(item, manifest=answer))
        except RefusedError as error:
            # The API server answers a failed test like bad input, without details: look which it was.
            if _assumed(await self.read_object()) == _assumed(item):
                raise
            raise ConflictError(f"{self}: changed by somebody else at this very moment") from error


def _assumed(item: TargetObject) -> tuple[object, ...]:
    """What the tests of a guarded patch are about."""
    return item.uid, item.generation, "annotations" in item.manifest["metadata"], item.annotations.get(names.FENCE)
