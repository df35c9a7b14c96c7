"""The kinds of target there are. A new one is a file beside `statefulset` and an entry here."""

from collections.abc import Mapping

from rollwright.cluster.leaderworkerset import LeaderWorkerSetSnapshot
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.statefulset import StatefulSetSnapshot
from rollwright.rollout.spec import TargetKind

SNAPSHOTS: Mapping[TargetKind, type[Snapshot]] = {
    snapshot.OBJECT.KIND: snapshot for snapshot in (LeaderWorkerSetSnapshot, StatefulSetSnapshot)
}
"""How a target of each kind is read; `OBJECT` is how it is written to."""
