"""The leader pods of a target as they stand now: where each group is, what it runs, and since when."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rollwright.cluster.api import PODS, Api, Manifest
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Target


@dataclass(frozen=True)
class Leader:
    """The leader pod of a group."""

    node: str
    """Empty while it has none."""
    revision: str
    """As the controllers name it."""
    age_seconds: float


async def read_leaders(api: Api, target: Target) -> dict[int, Leader]:
    """Of each group that has one, by ordinal. Raises ClusterError."""
    kind = SNAPSHOTS[target.kind]
    item = await LiveTarget(api, Watches(api), target).read_object()
    listing = await api.list_all(PODS, target.namespace, kind.selector(item))
    snapshot = kind(item, {PODS: listing["items"]})
    return {kind.ordinal_of(pod): _leader(kind, pod) for pod in snapshot.pods if kind.is_leader(pod)}


def _leader(kind: type[Snapshot], pod: Manifest) -> Leader:
    created = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return Leader(
        node=pod["spec"].get("nodeName", ""),
        revision=kind.revision_of(pod),
        age_seconds=max(0.0, (datetime.now(UTC) - created).total_seconds()),
    )
