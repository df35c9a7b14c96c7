"""The controller of the sets: revisions, the leader StatefulSet, the shared service, status. Source: LWS v0.9.0."""

import asyncio
import logging
from typing import Final

from rollwright.devcluster.standin import labels, revisions, status
from rollwright.devcluster.standin.formula import GroupState, next_target
from rollwright.devcluster.standin.manifests import (
    Key,
    Manifest,
    groups_of,
    is_terminating,
    key_of,
    label_of,
    leader_of,
    set_key_of,
    strategy_of,
)
from rollwright.devcluster.standin.store import Stores
from rollwright.devcluster.standin.templates import leader_statefulset, shared_service
from rollwright.devcluster.standin.workqueue import WorkQueue

_log = logging.getLogger(__name__)
_REST_SECONDS_PER_POD: Final = 1e-5
"""A reconciliation looks at all pods, so that one for each change of a pod would be the square of them."""


class SetController:
    """Reconciles each LeaderWorkerSet when it, a StatefulSet or a pod of it changes."""

    def __init__(self, stores: Stores, tasks: asyncio.TaskGroup) -> None:
        """Reconcile what there is, and from now on what changes, in `tasks`."""
        self._stores = stores
        self._queue = WorkQueue(tasks, self._reconcile, self._rest_seconds)
        stores.sets.on_change(lambda lws: self._queue.wake(key_of(lws)))
        for store in (stores.statefulsets, stores.pods, stores.services):
            store.on_change(lambda part: self._queue.wake(set_key_of(part)))

    def _rest_seconds(self, key: Key) -> float:
        return _REST_SECONDS_PER_POD * len(self._stores.pods.of_set(key))

    async def _reconcile(self, key: Key) -> None:
        lws = self._stores.sets.get(key)
        leaders = self._stores.statefulsets.get(key)
        if lws is None or is_terminating(lws) or (leaders is not None and is_terminating(leaders)):
            return
        revision_hash, template_changed = await self._newest_revision(lws, leaders)
        await self._apply_leaders(lws, leaders, revision_hash, template_changed=template_changed)
        service = shared_service(lws)
        if service is not None and self._stores.services.get(key) is None:
            await self._stores.services.create(service)
        if await self._write_status(lws, revision_hash):
            await self._delete_revisions_except(lws, revision_hash)

    async def _newest_revision(self, lws: Manifest, leaders: Manifest | None) -> tuple[str, bool]:
        """Return the hash of the newest revision, created if need be, and whether it is new to the leaders."""
        existing = self._revisions_of(lws)
        leaders_hash = label_of(leaders, labels.REVISION) if leaders else ""
        known = revisions.newest_of(existing, leaders_hash)
        if known is not None and known["data"] == revisions.data_of(lws):
            return leaders_hash, False
        if leaders_hash and known is None:
            _log.warning("%s/%s: revision %s has been deleted; recorded anew", *key_of(lws), leaders_hash)
        is_update = known is not None
        revision = revisions.new_revision(lws, existing, "" if is_update else leaders_hash)
        await self._stores.revisions.create(revision)
        _log.info("%s/%s: created revision %s", *key_of(lws), key_of(revision).name)
        return label_of(revision, labels.REVISION), is_update

    async def _apply_leaders(
        self, lws: Manifest, leaders: Manifest | None, revision_hash: str, *, template_changed: bool
    ) -> None:
        leader = leader_of(leaders) if leaders else None
        groups = self._groups_of(lws, revision_hash)
        missing = GroupState(ready=False, updated=False)
        states = [groups.get(ordinal, missing) for ordinal in range(leader.replicas if leader else 0)]
        target = next_target(strategy_of(lws), leader, states, template_changed=template_changed)
        if leader is None or target != (leader.partition, leader.replicas):
            _log.info("%s/%s: partition %d, replicas %d", *key_of(lws), target.partition, target.replicas)
        await self._stores.statefulsets.apply(
            leader_statefulset(lws, partition=target.partition, replicas=target.replicas, revision_hash=revision_hash)
        )

    async def _write_status(self, lws: Manifest, revision_hash: str) -> bool:
        """Write the status if it has changed; return whether the update is complete.

        Where `lws` is known to have changed meanwhile the write would be refused, and another look is due anyway.
        """
        if self._stores.sets.get(key_of(lws)) is not lws:
            return False
        leaders = self._stores.statefulsets.get(key_of(lws))
        strategy = strategy_of(lws)
        counts = status.count(self._groups_of(lws, revision_hash), strategy)
        replicas = leaders.get("status", {}).get("replicas", 0) if leaders else 0
        new_status = status.next_status(lws, leaders=replicas, counts=counts, strategy=strategy)
        if new_status != lws.get("status"):
            await self._stores.sets.replace_status({**lws, "status": new_status})
        return status.is_complete(counts, strategy)

    async def _delete_revisions_except(self, lws: Manifest, revision_hash: str) -> None:
        for revision in self._revisions_of(lws):
            if label_of(revision, labels.REVISION) != revision_hash and not is_terminating(revision):
                await self._stores.revisions.delete(revision)

    def _revisions_of(self, lws: Manifest) -> list[Manifest]:
        return revisions.owned_by(lws, self._stores.revisions.of_set(key_of(lws)))

    def _groups_of(self, lws: Manifest, revision_hash: str) -> dict[int, GroupState]:
        key = key_of(lws)
        return groups_of(lws, self._stores.pods.of_set(key), self._stores.statefulsets.of_set(key), revision_hash)
