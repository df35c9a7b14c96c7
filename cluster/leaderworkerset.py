"""A LeaderWorkerSet as a target: groups of a leader and workers, updated by LWS through a StatefulSet of leaders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from rollwright.cluster import names
from rollwright.cluster.api import LEADER_WORKER_SETS, PODS, STATEFUL_SETS, Manifest
from rollwright.cluster.causes import Unreadiness
from rollwright.cluster.native import own_surge, unfinished
from rollwright.cluster.objects import Settings, TargetObject, label
from rollwright.cluster.readiness import group_unreadiness, is_placed
from rollwright.cluster.record import Record
from rollwright.cluster.snapshot import Snapshot
from rollwright.rollout.observation import Group
from rollwright.rollout.quantities import resolve
from rollwright.rollout.spec import Strategy, TargetKind


@dataclass(frozen=True)
class LeaderWorkerSet(TargetObject):
    """The object itself, leaderworkerset.x-k8s.io/v1."""

    KIND = TargetKind.LEADER_WORKER_SET
    RESOURCE = LEADER_WORKER_SETS
    TEMPLATE_PARTS = ("leaderWorkerTemplate", "networkConfig")
    OWN_BUDGET = True

    @property
    def settings(self) -> Settings:
        """Its rollingUpdateConfiguration."""
        found = self._configuration
        return Settings(found.get("partition", 0), found.get("maxUnavailable", 1), found.get("maxSurge", 0))

    def pace(self, settings: Settings) -> list[Manifest]:
        """Set all three: while replicas carry the surge, LWS must not surge by itself."""
        value = self._configuration | {
            "partition": settings.partition,
            "maxUnavailable": settings.max_unavailable,
            "maxSurge": settings.max_surge,
        }
        strategy = {"type": "RollingUpdate", "rollingUpdateConfiguration": value}
        return [{"op": "add", "path": "/spec/rolloutStrategy", "value": strategy}]

    @staticmethod
    def pod_templates(template: Manifest) -> list[Manifest]:
        """The leader's, if it has one of its own, and the workers'."""
        both = template["leaderWorkerTemplate"]
        return [both[role] for role in ("leaderTemplate", "workerTemplate") if both.get(role)]

    @staticmethod
    def pods_of_group(template: Manifest) -> list[tuple[Manifest, int]]:
        """Where there is no template of its own the leader is made by that of the workers."""
        both = template["leaderWorkerTemplate"]
        workers = both["workerTemplate"]
        return [(both.get("leaderTemplate") or workers, 1), (workers, int(both.get("size", 1)) - 1)]

    def check(self, strategy: Strategy) -> None:
        """Any can be rolled out."""

    @property
    def exclusive_topology(self) -> str | None:
        """By its annotation."""
        return self.annotations.get(names.EXCLUSIVE_TOPOLOGY)

    @property
    def _configuration(self) -> Manifest:
        strategy = self.manifest["spec"].get("rolloutStrategy") or {}
        configuration: Manifest = strategy.get("rollingUpdateConfiguration") or {}
        return configuration


@dataclass(frozen=True)
class LeaderWorkerSetSnapshot(Snapshot):
    """A LeaderWorkerSet, its StatefulSets (of the leaders, and of the workers of each group), and their pods."""

    OBJECT = LeaderWorkerSet
    PARTS = (STATEFUL_SETS, PODS)

    @classmethod
    def selector(cls, item: TargetObject) -> str:
        """LWS gives all of them the name of the set as a label."""
        return f"{names.NAME}={item.name}"

    @classmethod
    def leader_selector(cls, item: TargetObject) -> str:
        """LWS numbers the pods of a group."""
        return f"{cls.selector(item)},{names.WORKER_INDEX}=0"

    @cached_property
    def leader_set(self) -> Manifest | None:
        """It has the name of the LWS."""
        return self._sets.get(self.item.name)

    @property
    def target_revision(self) -> str:
        """As LWS names it."""
        return label(self.leader_set, names.REVISION) if self.leader_set else ""

    @cached_property
    def pods(self) -> Sequence[Manifest]:
        """Leaders and workers."""
        return self.parts[PODS]

    @staticmethod
    def ordinal_of(pod: Manifest) -> int:
        """LWS writes it on every pod."""
        return int(label(pod, names.GROUP_INDEX) or -1)

    @staticmethod
    def is_leader(pod: Manifest) -> bool:
        """Whether it is the first of its group."""
        return label(pod, names.WORKER_INDEX) == "0"

    @staticmethod
    def revision_of(leader: Manifest) -> str:
        """As LWS names it."""
        return label(leader, names.REVISION)

    @staticmethod
    def kept_by_controller(item: TargetObject, revision: str) -> str:
        """Those of LWS itself: the StatefulSets of its groups have their own, with the same labels and an index."""
        return f"{names.NAME}={item.name},{names.REVISION}={revision},!{names.GROUP_INDEX}"

    @staticmethod
    def is_kept_in(kept: Manifest, revision: str) -> bool:
        """By its label."""
        return label(kept, names.REVISION) == revision

    def unreadiness(self, leader: Manifest, pods: list[Manifest], now: datetime) -> Unreadiness | None:
        """Of the leader, and of the workers that are its own."""
        return group_unreadiness(leader, self._sets.get(leader["metadata"]["name"]), pods, now)

    def is_placed(self, leader: Manifest, pods: list[Manifest]) -> bool:
        """Workers count, too, unless they come only once the leader is ready."""
        leader_first = self.item.manifest["spec"].get("startupPolicy") == "LeaderReady"
        return is_placed(leader, pods, leader_first=leader_first)

    @property
    def is_settled(self) -> bool:
        """Whether both controllers have seen the last write, and LWS has begun to act on its maxSurge."""
        return super().is_settled and not self._surge_is_to_come

    @cached_property
    def _sets(self) -> dict[str, Manifest]:
        return {found["metadata"]["name"]: found for found in self.parts[STATEFUL_SETS]}

    @property
    def _surge_is_to_come(self) -> bool:
        """Whether LWS has seen maxSurge and not acted on it yet: where replicas are raised too, those come first."""
        replicas = self.item.replicas
        if not self._max_surge or self.own_surge or not self.reflected_partition:
            return False
        outdated = sum(
            1
            for ordinal, leader in self.leaders.items()
            if ordinal < replicas and self.revision_of(leader) != self.target_revision
        )
        return own_surge(outdated, self._max_surge, self._own_max_unavailable) > 0

    @property
    def _own_max_unavailable(self) -> int:
        """LWS's own maxUnavailable, as it stands."""
        return resolve(self.item.settings.max_unavailable, self.item.replicas, round_up=False)

    @property
    def _groups_at_most(self) -> int:
        """While LWS acts on its maxSurge, with it and without."""
        written = self.item.replicas
        if not self._max_surge:
            return written
        return max(self.groups_standing, written if self.is_settled else written + self._max_surge)

    def _groups_asked(self, groups: tuple[Group, ...]) -> int:
        """By spec.replicas and by maxSurge: those are gone that LWS is about to give back."""
        at_most, written = self._groups_at_most, self.item.replicas
        if not self._max_surge or not self.is_settled:
            return at_most
        kept = own_surge(unfinished(groups[:written]), self._max_surge, self._own_max_unavailable)
        return min(at_most, written + kept)

    def _is_widened(self, record: Record, groups: tuple[Group, ...]) -> bool:
        """Also maxSurge, once all it was asked for is done: held at a partition, LWS would surge when a group fails."""
        if super()._is_widened(record, groups):
            return True
        idle = self.is_settled and not self.own_surge and not unfinished(groups[: self.item.replicas])
        return self._max_surge > 0 and self.reflected_partition > 0 and idle
