"""Free places for groups: nodes and pods of the whole cluster are read, and the quota where there is some."""

import asyncio

from rollwright.cluster.api import NODES, PODS, Api, Manifest
from rollwright.cluster.errors import ClusterError
from rollwright.cluster.placing import Usage, places
from rollwright.cluster.quota import count_by_quota, queue_of
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.gates.questions import CountPlaces, Places

_BOUND_AND_NOT_ENDED = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"


async def count_places(api: Api, target: LiveTarget, template_name: str, question: CountPlaces) -> Places:
    """How many more groups of a kept template would find nodes, and have quota; why that can't be told, if so.

    Surge groups that stand are no obstacle: their places count as free, as the surge that is asked about gets them.
    """
    try:
        return await _count(api, target, template_name, question)
    except ClusterError as error:
        return Places(error=str(error))


async def _count(api: Api, target: LiveTarget, template_name: str, question: CountPlaces) -> Places:
    snapshot = await target.last_seen() or await target.read()
    return await places_for(api, snapshot, await target.ledger.template(template_name), question)


async def places_for(api: Api, snapshot: Snapshot, template: Manifest, question: CountPlaces) -> Places:
    """The same for a template, kept or not, and a target as read. Raises ClusterError."""
    item = snapshot.item
    group = item.pods_of_group(template)
    surge = _surge_pods(snapshot)
    queue = queue_of(item, template)
    quota = await count_by_quota(api, item.namespace, queue, group) if queue else None
    usage = await _read_usage(api, item.namespace, frozenset(surge))
    # In a thread: with thousands of nodes, the steps of other rollouts would wait for it.
    found = await asyncio.to_thread(places, group, usage, question, exclusive=item.exclusive_topology)
    if quota is None:
        return found
    return min(found, quota.model_copy(update={"groups": quota.groups + len(set(surge.values()))}), key=_groups)


async def _read_usage(api: Api, namespace: str, passing_over: frozenset[str]) -> Usage:
    nodes = [_counted(node) async for page in api.pages(NODES, "") for node in page["items"]]
    usage = Usage(nodes, namespace=namespace, passing_over=passing_over)
    async for page in api.pages(PODS, "", fields=_BOUND_AND_NOT_ENDED):
        usage.add(page["items"])
    return usage


def _counted(node: Manifest) -> Manifest:
    """What counts of a node; the rest, such as the images it has, is by far the most of it."""
    metadata, status = node["metadata"], node.get("status", {})
    return {
        "metadata": {name: metadata[name] for name in ("name", "labels") if name in metadata},
        "spec": node["spec"],
        "status": {name: status[name] for name in ("allocatable", "conditions") if name in status},
    }


def _surge_pods(snapshot: Snapshot) -> dict[str, int]:
    """Pods of surge groups that have nodes: their uids, with the ordinal of the group."""
    record, written = snapshot.record, snapshot.item.replicas
    replicas = record.replicas_wanted(written) if record else written
    return {
        pod["metadata"]["uid"]: snapshot.ordinal_of(pod)
        for pod in snapshot.pods
        if snapshot.ordinal_of(pod) >= replicas and pod["spec"].get("nodeName")
    }


def _groups(places: Places) -> int:
    return places.groups
