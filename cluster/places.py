"""Where the groups of a target run, and since when, for people who look at it: nothing is decided on it."""

from datetime import datetime
from typing import NamedTuple

from rollwright.cluster.api import PODS, Api
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.rollout.spec import Target


class Place(NamedTuple):
    """Of the leader pod of a group."""

    node: str
    """Empty until it has one."""
    since: datetime
    """When the pod was made."""
    revision: str = ""
    """As the controllers name it."""


async def places(api: Api, target: Target, uid: str) -> dict[int, Place]:
    """By ordinal; empty if the object that this cluster has under the name is another one. Raises ClusterError."""
    kind = SNAPSHOTS[target.kind]
    item = kind.OBJECT(await api.get(kind.OBJECT.RESOURCE, target.namespace, target.name))
    found: dict[int, Place] = {}
    if item.uid != uid:
        return found
    async for page in api.pages(PODS, target.namespace, kind.leader_selector(item)):
        for ordinal, pod in kind(item, {PODS: page["items"]}).leaders.items():
            made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
            found[ordinal] = Place(pod["spec"].get("nodeName", ""), made, kind.revision_of(pod))
    return found
