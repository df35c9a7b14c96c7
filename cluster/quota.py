"""Quota by Kueue (kueue.x-k8s.io), where it is installed and a target has a queue: what is left of it, in groups."""

from collections.abc import Sequence
from decimal import Decimal

from rollwright.cluster.api import Api, Kind, Manifest
from rollwright.cluster.causes import condition
from rollwright.cluster.errors import MissingError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.resources import Amounts, amounts, requests_of
from rollwright.rollout.gates.questions import Places

QUEUE_NAME = "kueue.x-k8s.io/queue-name"
_VERSIONS = ("v1beta2", "v1beta1")
"""That have what is read here, newest first."""


def queue_of(item: TargetObject, template: Manifest) -> str:
    """The LocalQueue of the pods of a template, or of the whole object; empty if there is none."""
    labelled = (*item.pod_templates(template), item.manifest)
    return next(filter(None, map(_queue_named, labelled)), "")


def _queue_named(manifest: Manifest) -> str:
    labels = (manifest.get("metadata") or {}).get("labels") or {}
    name: str = labels.get(QUEUE_NAME, "")
    return name


async def count_by_quota(api: Api, namespace: str, queue: str, group: Sequence[tuple[Manifest, int]]) -> Places | None:
    """How many more groups the quota of a LocalQueue's ClusterQueue leaves room for.

    None if there is no Kueue, or no quota of what they ask for. Raises ClusterError, also if there is no such queue.
    """
    for version in _VERSIONS:
        path = f"/apis/kueue.x-k8s.io/{version}"
        try:
            listing = await api.list_all(Kind(path, "localqueues"), namespace)
        except MissingError:
            continue  # not served
        found = next((one for one in listing["items"] if one["metadata"]["name"] == queue), None)
        if found is None:
            raise MissingError(f"there is no LocalQueue {queue} in namespace {namespace}, by the label {QUEUE_NAME}")
        cluster_queue = await api.get(Kind(path, "clusterqueues"), "", found["spec"]["clusterQueue"])
        return groups_by_quota(found, cluster_queue, group)
    return None


def groups_by_quota(local: Manifest, cluster_queue: Manifest, group: Sequence[tuple[Manifest, int]]) -> Places | None:
    """How many groups what is left of the nominal quota is enough for; nothing is borrowed. None: any number.

    A group takes all that a resource group covers from one flavor. What no resource group covers isn't limited.
    """
    for kind, queue in (("LocalQueue", local), ("ClusterQueue", cluster_queue)):
        if condition(queue, "Active").get("status") == "False":
            return Places(short_of=f"an active {kind} {queue['metadata']['name']}")
    asked, name = _asked(group), cluster_queue["metadata"]["name"]
    reserved = {
        flavor["name"]: amounts({one["name"]: one.get("total", 0) for one in flavor["resources"]})
        for flavor in cluster_queue.get("status", {}).get("flavorsReservation") or ()
    }
    found = []
    for covering in cluster_queue["spec"].get("resourceGroups") or ():
        covered = {resource: asked[resource] for resource in covering["coveredResources"] if resource in asked}
        if covered:
            groups = sum(
                _of_flavor(flavor, reserved.get(flavor["name"], {}), covered) for flavor in covering["flavors"]
            )
            short_of = f"quota of {', '.join(sorted(covered))} in the ClusterQueue {name}"
            found.append(Places(groups=groups, short_of=short_of))
    return min(found, key=lambda places: places.groups, default=None)


def _asked(group: Sequence[tuple[Manifest, int]]) -> Amounts:
    """What the pods of a group ask for together."""
    total: dict[str, Decimal] = {}
    for template, count in group:
        for name, amount in requests_of(template.get("spec") or {}).items():
            total[name] = total.get(name, Decimal()) + count * amount
    return total


def _of_flavor(flavor: Manifest, reserved: Amounts, covered: Amounts) -> int:
    quotas = amounts({one["name"]: one["nominalQuota"] for one in flavor["resources"]})
    left = ((quotas[name] - reserved.get(name, Decimal())) // asked for name, asked in covered.items())
    return max(0, int(min(left)))
