"""The controller of the groups: the workers of each leader, and the restart of a whole group. Source: LWS v0.9.0."""

import asyncio
import logging

from kubernetes.aio.client import ApiException

from rollwright.devcluster.standin import labels, revisions
from rollwright.devcluster.standin.manifests import (
    Key,
    Manifest,
    controller_of,
    is_controlled_by,
    is_leader,
    is_terminating,
    key_of,
    label_of,
    leader_name_of,
    pod_has_restarted,
    pod_is_ready,
    set_key_of,
    size_of,
)
from rollwright.devcluster.standin.store import Store, Stores
from rollwright.devcluster.standin.templates import group_service, worker_statefulset
from rollwright.devcluster.standin.workqueue import WorkQueue

_log = logging.getLogger(__name__)


class GroupController:
    """Reconciles each pod of a LeaderWorkerSet when it, or the StatefulSet of its workers, changes."""

    def __init__(self, stores: Stores, tasks: asyncio.TaskGroup) -> None:
        """Reconcile what there is, and from now on what changes, in `tasks`."""
        self._stores = stores
        self._queue = WorkQueue(tasks, self._reconcile)
        stores.pods.on_change(lambda pod: self._queue.wake(key_of(pod)))
        stores.statefulsets.on_change(lambda workers: self._queue.wake(key_of(workers)))

    async def _reconcile(self, key: Key) -> None:
        pod = self._stores.pods.get(key)
        if pod is None:
            return
        lws = self._stores.sets.get(Key(key.namespace, label_of(pod, labels.SET_NAME)))
        if lws is None or await self._recreated_group(lws, pod) or not is_leader(pod):
            return
        if not label_of(pod, labels.GROUP_INDEX):
            _log.warning("%s/%s: no group-index; deleted, for manifests/lws-admission.yaml was not in force yet", *key)
            await self._stores.pods.delete(pod)
            return
        service = group_service(lws, pod)
        if service is not None and self._stores.services.get(key) is None:
            await _create_once(self._stores.services, service)
        if not is_terminating(pod) and size_of(lws) > 1:
            await self._create_workers(lws, pod)

    async def _create_workers(self, lws: Manifest, leader: Manifest) -> None:
        if lws["spec"]["startupPolicy"] == "LeaderReady" and not pod_is_ready(leader):
            return
        if self._stores.statefulsets.get(key_of(leader)) is not None:
            return
        own = revisions.owned_by(lws, self._stores.revisions.of_set(key_of(lws)))
        revision = revisions.newest_of(own, label_of(leader, labels.REVISION))
        if revision is None:
            _log.warning("%s/%s: no workers, for the revision of this leader has been deleted", *key_of(leader))
            return
        await _create_once(self._stores.statefulsets, worker_statefulset(lws, leader, revision))

    async def _recreated_group(self, lws: Manifest, pod: Manifest) -> bool:
        """Delete the leader of `pod` if its group has to start anew; return whether the leader is on its way out."""
        policy = lws["spec"]["leaderWorkerTemplate"]["restartPolicy"]
        if policy not in ("RecreateGroupOnPodRestart", "RecreateGroupAfterStart"):
            return False
        if not pod_has_restarted(pod) and not is_terminating(pod):
            return False
        if policy == "RecreateGroupAfterStart" and self._is_starting(lws, pod):
            return False
        leader = pod if is_leader(pod) else self._leader_of(pod)
        if leader is None:
            return False
        if not is_terminating(leader):
            _log.info("%s/%s: recreating the group of %s", *key_of(leader), key_of(pod).name)
            await self._stores.pods.delete(leader, propagation="Foreground")
        return True

    def _leader_of(self, worker: Manifest) -> Manifest | None:
        """Return the leader of `worker`, None when the pod of that name is another one that has followed it."""
        namespace = key_of(worker).namespace
        leader = self._stores.pods.get(Key(namespace, leader_name_of(worker)))
        reference = controller_of(worker)
        if leader is None or reference is None:
            return None
        workers = self._stores.statefulsets.get(Key(namespace, reference["name"]))
        if workers is None or workers["metadata"]["uid"] != reference["uid"] or not is_controlled_by(workers, leader):
            return None
        same_revision = label_of(leader, labels.REVISION) == label_of(worker, labels.REVISION)
        return leader if same_revision else None

    def _is_starting(self, lws: Manifest, pod: Manifest) -> bool:
        group = [
            other
            for other in self._stores.pods.of_set(set_key_of(pod))
            if label_of(other, labels.GROUP_INDEX) == label_of(pod, labels.GROUP_INDEX)
        ]
        return len(group) != size_of(lws) or any(other["status"]["phase"] == "Pending" for other in group)


async def _create_once(store: Store, manifest: Manifest) -> None:
    """Create an object; one of its name that is still there is left alone, its deletion brings us back."""
    try:
        await store.create(manifest)
    except ApiException as error:
        if error.status != 409:
            raise
