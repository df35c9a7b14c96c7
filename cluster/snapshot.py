"""A target and what belongs to it, as read; and what the planner makes of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import ClassVar

from rollwright.cluster import names
from rollwright.cluster.api import Kind, Manifest
from rollwright.cluster.causes import STARTING, Unreadiness, restarts
from rollwright.cluster.objects import TargetObject, is_observed, is_terminating, label, rolling_update
from rollwright.cluster.readiness import is_blip
from rollwright.cluster.record import Record, record_text
from rollwright.cluster.startups import standing, start_ups
from rollwright.cluster.templates import digest
from rollwright.rollout.gates.gate import GroupSeen
from rollwright.rollout.observation import Cause, Group, Observation
from rollwright.rollout.ordeals import Start
from rollwright.rollout.spec import SurgeBy
from rollwright.rollout.startups import StartUps

WhyNot = Callable[[Manifest], str]
"""Why the group of a leader pod doesn't serve although its pods are ready, on one line; empty if it does."""


@dataclass(frozen=True)
class Snapshot(ABC):
    """The objects of one target, read one after another: the target first, the pods last.

    Groups are kept by a StatefulSet, one leader pod each: that is what all kinds of target have in common.
    """

    item: TargetObject
    parts: Mapping[Kind, Sequence[Manifest]]
    """What belongs to it, by kind."""
    last_record: str = ""
    """The text of the record as it was last read, which counts where somebody has removed or spoilt it."""
    why_not: WhyNot | None = None
    """Who serves; None if that is told by the pods alone."""

    OBJECT: ClassVar[type[TargetObject]]
    PARTS: ClassVar[tuple[Kind, ...]]
    """What belongs to a target of this kind, in the order to read it."""

    @classmethod
    @abstractmethod
    def selector(cls, item: TargetObject) -> str:
        """The label selector for what belongs to this very target."""

    @classmethod
    def leader_selector(cls, item: TargetObject) -> str:
        """The same for the leader pods alone, as far as labels tell them apart."""
        return cls.selector(item)

    @property
    @abstractmethod
    def leader_set(self) -> Manifest | None:
        """The StatefulSet of the leaders."""

    @property
    @abstractmethod
    def target_revision(self) -> str:
        """The revision that released groups run; empty while that isn't known."""

    @cached_property
    @abstractmethod
    def pods(self) -> Sequence[Manifest]:
        """All pods of its groups."""

    @staticmethod
    @abstractmethod
    def ordinal_of(pod: Manifest) -> int:
        """The ordinal of the group of a pod."""

    @staticmethod
    @abstractmethod
    def is_leader(pod: Manifest) -> bool:
        """Whether a group stands and falls with this pod."""

    @staticmethod
    @abstractmethod
    def revision_of(leader: Manifest) -> str:
        """The revision that the group of this leader runs."""

    @staticmethod
    @abstractmethod
    def kept_by_controller(item: TargetObject, revision: str) -> str:
        """The label selector for the ControllerRevision in which the target's controller keeps a revision."""

    @staticmethod
    @abstractmethod
    def is_kept_in(kept: Manifest, revision: str) -> bool:
        """Whether a ControllerRevision of the target's controller keeps this revision."""

    @abstractmethod
    def unreadiness(self, leader: Manifest, pods: list[Manifest], now: datetime) -> Unreadiness | None:
        """Why a group doesn't serve; None if it does."""

    @abstractmethod
    def is_placed(self, leader: Manifest, pods: list[Manifest]) -> bool:
        """Whether all pods of a group have nodes."""

    def is_blip(self, pod: Manifest, grace: timedelta, now: datetime) -> bool:
        """Whether a pod that doesn't serve may in a moment, as it did a moment ago."""
        return is_blip(pod, grace, now)

    @property
    def is_in_hand(self) -> bool:
        """Whether what the partition has released may be replaced by us: the budget was kept when it was lowered."""
        return True

    @property
    def min_ready_seconds(self) -> int:
        """For so long a group must be ready to count."""
        return 0

    @property
    def starts_in_turn(self) -> bool:
        """Whether a group is started only once all below it are ready."""
        return False

    @cached_property
    def leaders(self) -> dict[int, Manifest]:
        """Leader pods by ordinal."""
        return {self.ordinal_of(pod): pod for pod in self.pods if self.is_leader(pod)}

    @cached_property
    def record(self) -> Record | None:
        """What is written down of the user's settings and of what was asked for; None if nothing was begun."""
        return Record.parse(self.record_text) if self.record_text else None

    @property
    def record_text(self) -> str:
        """The same as text, to be carried on."""
        return record_text(self.item) or self.last_record

    @property
    def running_revisions(self) -> set[str]:
        """The revisions that its groups run, but for those that are leaving."""
        return self.revisions_below(max(self.leaders, default=0) + 1)

    def revisions_below(self, ordinal: int) -> set[str]:
        """The same, but for the groups from this one on."""
        leaders = (leader for number, leader in self.leaders.items() if number < ordinal)
        return {self.revision_of(leader) for leader in leaders if not is_terminating(leader)}

    @property
    def reflected_partition(self) -> int:
        """The partition the StatefulSet controller acts on."""
        partition: int = rolling_update(self.leader_set or {"spec": {}}).get("partition", 0)
        return partition

    @property
    def is_taken_up(self) -> bool:
        """Whether all controllers have seen the specs as they stand, and so the revision of the template is known."""
        return self.leader_set is not None and is_observed(self.item.manifest) and is_observed(self.leader_set)

    @property
    def is_settled(self) -> bool:
        """Whether all controllers have seen the last write, and the groups that it asks for are asked for."""
        fewest, most = self.item.replicas, self.item.replicas + self._max_surge
        return self.is_taken_up and fewest <= self.groups_standing <= most

    @property
    def groups_standing(self) -> int:
        """Groups that the leader StatefulSet asks for."""
        replicas: int = (self.leader_set or {"spec": {}})["spec"].get("replicas", 0)
        return replicas

    @property
    def own_surge(self) -> int:
        """Groups above spec.replicas that the leader StatefulSet asks for: a surge of the controller's own."""
        return max(0, self.groups_standing - self.item.replicas)

    @property
    def _max_surge(self) -> int:
        """The controller's own maxSurge as we have asked for it; 0 where spec.replicas carries the surge."""
        return self.record.asked.max_surge if self.record and self.record.asked else 0

    @property
    def is_complete(self) -> bool:
        """Whether the StatefulSet would start groups on the new revision wherever the partition is."""
        status = (self.leader_set or {}).get("status", {})
        return self.is_settled and status.get("currentRevision") == status.get("updateRevision")

    def shows(self, partition: int) -> bool:
        """Whether a release down to this partition has reached the leader StatefulSet."""
        return self.is_settled and self.reflected_partition <= partition

    def old_window(self) -> list[Manifest]:
        """Leaders released and not yet replaced, also by a write that the leader StatefulSet doesn't show yet.

        And by what we have asked for, whatever somebody else has set since.
        """
        released = [self.reflected_partition, self.item.settings.partition]
        asked = self.record.asked if self.record else None
        return self._outdated_from(min([*released, asked.partition] if asked else released))

    def _outdated_from(self, partition: int) -> list[Manifest]:
        return [
            pod
            for ordinal, pod in sorted(self.leaders.items())
            if ordinal >= partition and self.revision_of(pod) != self.target_revision and not is_terminating(pod)
        ]

    def released_leaders(self) -> list[Manifest]:
        """Leaders to replace: released, still on another revision, and not leaving yet.

        Empty until the leader StatefulSet itself shows the release: a leader deleted before comes back old.
        """
        if not self.is_settled:
            return []
        released = self._outdated_from(self.reflected_partition)
        return [pod for pod in released if self.ordinal_of(pod) < self.groups_standing]

    def observe(
        self,
        target_digest: str | None,
        unready_grace_seconds: int,
        now: datetime,
        surge_by: SurgeBy = SurgeBy.REPLICAS,
    ) -> Observation:
        """What the planner needs to know. Without a `target_digest` the template that stands is the target's.

        The partition is the one in force: LWS takes the higher of ours and its own, so ours may be held back.
        """
        written: int = self.item.replicas
        record, settled = self.record, self.is_settled
        edited = record.edited(self.item) if record else None
        found = record.found if record else None
        stands = self._stands(target_digest)
        on_target = stands and self.is_in_hand
        revision = self.target_revision if stands else None
        partition = self.reflected_partition if settled else self.item.settings.partition
        grace = timedelta(seconds=unready_grace_seconds)
        highest = max([self._groups_at_most - 1, *self.leaders])  # some may not have been taken down yet
        groups = tuple(self._group(ordinal, partition, revision, grace, now) for ordinal in range(highest + 1))
        return Observation(
            replicas=record.replicas_wanted(written) if record else written,
            groups_asked=self._groups_asked(groups),
            partition=partition,
            groups=groups,
            on_target=on_target,
            settled=settled,
            uid=self.item.uid,
            generation=self.item.generation,
            unheld=(on_target or found is not None) and self._is_unheld(record, surge_by),
            template=digest(self.item.template),
            edited=str(edited or ""),
            dispute=str(found or ""),
            agreed=found is not None and found.is_only(target_digest),
            loose=settled and self.item.settings.partition < partition,
            widened=record is not None and self._is_widened(record, groups),
            starts_in_turn=self.starts_in_turn,
        )

    def to_be_asked(self, target_digest: str | None, now: datetime) -> list[Manifest]:
        """Leaders of the groups on the target revision whose pods are ready: whether they serve may have to be asked.

        Without a `target_digest` the template that stands is the target's.
        """
        if not self._stands(target_digest) or not is_observed(self.item.manifest):
            return []
        return [
            leader
            for ordinal, leader in self.leaders.items()
            if self.revision_of(leader) == self.target_revision
            and self.unreadiness(leader, self._pods_by_group[ordinal], now) is None
        ]

    def _stands(self, target_digest: str | None) -> bool:
        return target_digest in (None, digest(self.item.template))

    @property
    def _groups_at_most(self) -> int:
        """Groups that may be asked for, while it isn't sure what the controller makes of the last write."""
        return self.item.replicas

    def _groups_asked(self, groups: tuple[Group, ...]) -> int:
        """Groups asked for."""
        return self._groups_at_most

    def _is_widened(self, record: Record, groups: tuple[Group, ...]) -> bool:
        """Whether the controller's own settings stand wider than they need to, now that nothing is being released."""
        return self.item.settings.max_unavailable != record.narrow(self.item.replicas, self._max_surge)

    def starts(self, observation: Observation) -> list[Start]:
        """The groups, of those asked for, that are to serve on the target revision and don't yet, as observed on this.

        Also those whose old leader doesn't go: its node may be away for good.
        """
        starting = [group for group in observation.asked if group.updated and not group.terminating]
        leaving = [group for group in observation.asked[observation.partition :] if not group.updated]
        return [
            *(self._start(group) for group in starting if not group.available),
            *(Start(group.ordinal, leader="", cause=Cause.STARTING) for group in leaving if not group.available),
        ]

    def start_ups(self, observation: Observation, now: datetime) -> StartUps:
        """How long groups took to start, and those that do are at it, as observed on this."""
        return start_ups(self._pods_by_group, observation, now, least=self.min_ready_seconds)

    def groups_seen(self, observation: Observation) -> tuple[GroupSeen, ...]:
        """The groups that the user wants, as gates look at them, observed on this."""
        return tuple(self._seen(group) for group in observation.groups[: observation.replicas])

    def _seen(self, group: Group) -> GroupSeen:
        leader = self.leaders.get(group.ordinal)
        if leader is None:
            return GroupSeen(ordinal=group.ordinal, updated=group.updated)
        return GroupSeen(
            ordinal=group.ordinal,
            pod=leader["metadata"]["name"],
            uid=leader["metadata"]["uid"],
            address=leader.get("status", {}).get("podIP", ""),
            restarts=sum(restarts(pod) for pod in self._pods_by_group[group.ordinal]),
            updated=group.updated,
            available=group.available,
        )

    def standing_start_ups(self, now: datetime) -> tuple[float, ...]:
        """How long the groups took to start that serve by the template that stands."""
        return standing(self.start_ups(self.observe(None, 0, now), now))

    def _start(self, group: Group) -> Start:
        leader = self.leaders.get(group.ordinal)
        return Start(
            ordinal=group.ordinal,
            leader=leader["metadata"]["uid"] if leader else "",
            cause=group.cause or Cause.STARTING,
            placed=not group.unscheduled or (leader is None and self.starts_in_turn),  # it isn't its turn yet
        )

    def _is_unheld(self, record: Record | None, surge_by: SurgeBy) -> bool:
        """Whether LWS may surge by itself while it is held back, or the record lacks or no longer tells what holds.

        A wish of replicas must be written down where a surge stands in them, or it would be forgotten with the next.
        """
        settings, written = self.item.settings, self.item.replicas
        if record is None:
            return settings.max_surge not in (0, "0%") and settings.partition > 0
        in_replicas = record.groups != record.replicas
        wrong_carrier = in_replicas if surge_by is SurgeBy.MAX_SURGE else self._max_surge > 0
        is_lost = not record_text(self.item) or record.asked is None
        return is_lost or wrong_carrier or (in_replicas and record.groups != written)

    def _group(self, ordinal: int, partition: int, revision: str | None, grace: timedelta, now: datetime) -> Group:
        """One group; `revision` is the target's, None while its template isn't in place."""
        leader = self.leaders.get(ordinal)
        if leader is None:
            return Group(
                ordinal=ordinal,
                updated=revision is not None and ordinal >= partition,
                ready=False,
                reason=STARTING.words,
                cause=STARTING.cause,
                unscheduled=True,
            )
        pods = self._pods_by_group[ordinal]
        updated = self.revision_of(leader) == revision
        # An old version may have neither the Service nor the path that the new one is asked for. If all of it counted
        # as unavailable, nothing would keep it from being taken down at once.
        unready = self.unreadiness(leader, pods, now) or (self._not_serving(leader) if updated else None)
        return Group(
            ordinal=ordinal,
            updated=updated,
            ready=unready is None,
            terminating=is_terminating(leader),
            reason=unready.words if unready else "",
            cause=unready.cause if unready else None,
            blip=unready is not None and any(self.is_blip(pod, grace, now) for pod in pods),
            unscheduled=not self.is_placed(leader, pods),
            misplaced=label(leader, names.CONTROLLER_REVISION) != self._current_revision,
        )

    def _not_serving(self, leader: Manifest) -> Unreadiness | None:
        """Not said of any group until the controller has seen the template: what is updated isn't known before."""
        words = self.why_not(leader) if self.why_not and is_observed(self.item.manifest) else ""
        return Unreadiness(Cause.SERVING, words) if words else None

    @cached_property
    def _pods_by_group(self) -> dict[int, list[Manifest]]:
        groups: dict[int, list[Manifest]] = {}
        for pod in self.pods:
            groups.setdefault(self.ordinal_of(pod), []).append(pod)
        return groups

    @property
    def _current_revision(self) -> str:
        status = (self.leader_set or {}).get("status", {})
        revision: str = status.get("currentRevision", "")
        return revision


def now() -> datetime:
    """The present moment, as Kubernetes writes it."""
    return datetime.now(UTC)
