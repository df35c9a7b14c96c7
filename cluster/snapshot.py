"""A LeaderWorkerSet and what belongs to it, as read; and what the planner makes of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.causes import STARTING
from rollwright.cluster.native import own_surge, unfinished
from rollwright.cluster.readiness import group_unreadiness, is_blip, is_placed
from rollwright.cluster.record import Record, configuration, record_text
from rollwright.cluster.templates import digest, template_of
from rollwright.rollout.observation import Cause, Group, Observation
from rollwright.rollout.ordeals import Start
from rollwright.rollout.quantities import resolve
from rollwright.rollout.spec import SurgeBy


@dataclass(frozen=True)
class Snapshot:
    """The objects of one target, read one after another: first the LWS, then the StatefulSets, then the pods."""

    lws: Manifest
    sets: list[Manifest]
    pods: list[Manifest]
    last_record: str = ""
    """The text of the record as it was last read, which counts where somebody has removed or spoilt it."""

    @property
    def name(self) -> str:
        """The name of the LWS, and of its leader StatefulSet."""
        name: str = self.lws["metadata"]["name"]
        return name

    @cached_property
    def leader_set(self) -> Manifest | None:
        """The StatefulSet of the leaders."""
        return next((item for item in self.sets if item["metadata"]["name"] == self.name), None)

    @cached_property
    def leaders(self) -> dict[int, Manifest]:
        """Leader pods by ordinal."""
        return {_ordinal(pod): pod for pod in self.pods if _label(pod, names.WORKER_INDEX) == "0"}

    @cached_property
    def record(self) -> Record | None:
        """What is written down of the user's settings and of what was asked for; None if nothing was begun."""
        return Record.parse(self.record_text) if self.record_text else None

    @property
    def record_text(self) -> str:
        """The same as text, to be carried on."""
        return record_text(self.lws) or self.last_record

    @property
    def target_revision(self) -> str:
        """The revision, as LWS names it, that released groups run."""
        return _label(self.leader_set, names.REVISION) if self.leader_set else ""

    @property
    def reflected_partition(self) -> int:
        """The partition the StatefulSet controller acts on."""
        strategy = (self.leader_set or {"spec": {}})["spec"].get("updateStrategy", {})
        partition: int = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        return partition

    @property
    def is_settled(self) -> bool:
        """Whether both controllers have seen the last write."""
        leader_set, replicas = self.leader_set, self.lws["spec"]["replicas"]
        return (
            leader_set is not None
            and _is_observed(self.lws)
            and _is_observed(leader_set)
            and replicas <= self._groups_standing <= replicas + self._max_surge
            and not self._surge_is_to_come
        )

    @property
    def own_surge(self) -> int:
        """Groups above spec.replicas that the leader StatefulSet asks for: the surge of LWS's own maxSurge."""
        return max(0, self._groups_standing - int(self.lws["spec"]["replicas"]))

    @property
    def _groups_standing(self) -> int:
        """Groups that the leader StatefulSet asks for."""
        replicas: int = (self.leader_set or {"spec": {}})["spec"].get("replicas", 0)
        return replicas

    @property
    def _max_surge(self) -> int:
        """LWS's own maxSurge as we have asked for it; 0 where spec.replicas carries the surge."""
        return self.record.asked.max_surge if self.record and self.record.asked else 0

    @property
    def _surge_is_to_come(self) -> bool:
        """Whether LWS has seen maxSurge and not acted on it yet: where replicas are raised too, those come first."""
        replicas = self.lws["spec"]["replicas"]
        if not self._max_surge or self.own_surge or not self.reflected_partition:
            return False
        outdated = sum(
            1
            for ordinal, leader in self.leaders.items()
            if ordinal < replicas and _label(leader, names.REVISION) != self.target_revision
        )
        return own_surge(outdated, self._max_surge, self._own_max_unavailable) > 0

    @property
    def _own_max_unavailable(self) -> int:
        """LWS's own maxUnavailable, as it stands."""
        settings, replicas = configuration(self.lws), self.lws["spec"]["replicas"]
        return resolve(settings.get("maxUnavailable", 1), replicas, round_up=False)

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
        released = [self.reflected_partition, configuration(self.lws).get("partition", 0)]
        asked = self.record.asked if self.record else None
        return self._outdated_from(min([*released, asked.partition] if asked else released))

    def _outdated_from(self, partition: int) -> list[Manifest]:
        return [
            pod
            for ordinal, pod in sorted(self.leaders.items())
            if ordinal >= partition and _label(pod, names.REVISION) != self.target_revision and not _is_terminating(pod)
        ]

    def released_leaders(self) -> list[Manifest]:
        """Leaders to replace: released, still on another revision, and not leaving yet.

        Empty until the leader StatefulSet itself shows the release: a leader deleted before comes back old.
        """
        if not self.is_settled:
            return []
        released = self._outdated_from(self.reflected_partition)
        return [pod for pod in released if _ordinal(pod) < self._groups_standing]

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
        written: int = self.lws["spec"]["replicas"]
        record, settled = self.record, self.is_settled
        edited = record.edited(self.lws) if record else None
        on_target = target_digest in (None, digest(template_of(self.lws)))
        revision = self.target_revision if on_target else None
        partition = self.reflected_partition if settled else configuration(self.lws).get("partition", 0)
        grace = timedelta(seconds=unready_grace_seconds)
        highest = max([self._groups_at_most(written) - 1, *self.leaders])  # some may not have been taken down yet
        groups = tuple(self._group(ordinal, partition, revision, grace, now) for ordinal in range(highest + 1))
        return Observation(
            replicas=record.replicas_wanted(written) if record else written,
            groups_asked=self._groups_asked(groups, written),
            partition=partition,
            groups=groups,
            on_target=on_target,
            settled=settled,
            uid=self.lws["metadata"]["uid"],
            generation=self.lws["metadata"]["generation"],
            unheld=(on_target or (record is not None and record.found is not None))
            and self._is_unheld(record, surge_by),
            template=digest(template_of(self.lws)),
            edited=str(edited or ""),
            dispute=str((record and record.found) or ""),
            loose=settled and configuration(self.lws).get("partition", 0) < partition,
            widened=record is not None and self._is_widened(record, groups),
        )

    def _groups_at_most(self, written: int) -> int:
        """Groups that may be asked for: while LWS acts on its maxSurge, with it and without."""
        if not self._max_surge:
            return written
        return max(self._groups_standing, written if self.is_settled else written + self._max_surge)

    def _groups_asked(self, groups: tuple[Group, ...], written: int) -> int:
        """Groups asked for, by spec.replicas and by maxSurge: those are gone that LWS is about to give back."""
        at_most = self._groups_at_most(written)
        if not self._max_surge or not self.is_settled:
            return at_most
        kept = own_surge(unfinished(groups[:written]), self._max_surge, self._own_max_unavailable)
        return min(at_most, written + kept)

    def _is_widened(self, record: Record, groups: tuple[Group, ...]) -> bool:
        """Whether LWS's own settings stand wider than they need to, now that nothing is being released.

        Also maxSurge, once all that it was asked for is done: held at a partition, LWS would surge when a group fails.
        """
        written: int = self.lws["spec"]["replicas"]
        if configuration(self.lws).get("maxUnavailable") != record.narrow(written, self._max_surge):
            return True
        idle = self.is_settled and not self.own_surge and not unfinished(groups[:written])
        return self._max_surge > 0 and self.reflected_partition > 0 and idle

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

    def _start(self, group: Group) -> Start:
        leader = self.leaders.get(group.ordinal)
        return Start(
            ordinal=group.ordinal,
            leader=leader["metadata"]["uid"] if leader else "",
            cause=group.cause or Cause.STARTING,
            placed=not group.unscheduled,
        )

    def _is_unheld(self, record: Record | None, surge_by: SurgeBy) -> bool:
        """Whether LWS may surge by itself while it is held back, or the record lacks or no longer tells what holds.

        A wish of replicas must be written down where a surge stands in them, or it would be forgotten with the next.
        """
        settings, written = configuration(self.lws), self.lws["spec"]["replicas"]
        if record is None:
            return settings.get("maxSurge", 0) not in (0, "0%") and settings.get("partition", 0) > 0
        in_replicas = record.groups != record.replicas
        wrong_carrier = in_replicas if surge_by is SurgeBy.MAX_SURGE else self._max_surge > 0
        is_lost = not record_text(self.lws) or record.asked is None
        return is_lost or wrong_carrier or (in_replicas and record.groups != written)

    def _group(self, ordinal: int, partition: int, revision: str | None, grace: timedelta, now: datetime) -> Group:
        """One group; `revision` is the target's as LWS names it, None while the target's template isn't in place."""
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
        workers = self._workers.get(leader["metadata"]["name"])
        pods = self._pods_by_group[ordinal]
        unready = group_unreadiness(leader, workers, pods, now)
        return Group(
            ordinal=ordinal,
            updated=_label(leader, names.REVISION) == revision,
            ready=unready is None,
            terminating=_is_terminating(leader),
            reason=unready.words if unready else "",
            cause=unready.cause if unready else None,
            blip=unready is not None and any(is_blip(pod, grace, now) for pod in pods),
            unscheduled=not is_placed(leader, pods, leader_first=self._starts_leaders_first),
            misplaced=_label(leader, "controller-revision-hash") != self._current_revision,
        )

    @cached_property
    def _workers(self) -> dict[str, Manifest]:
        return {item["metadata"]["name"]: item for item in self.sets}

    @property
    def _starts_leaders_first(self) -> bool:
        return bool(self.lws["spec"].get("startupPolicy") == "LeaderReady")

    @cached_property
    def _pods_by_group(self) -> dict[int, list[Manifest]]:
        groups: dict[int, list[Manifest]] = {}
        for pod in self.pods:
            groups.setdefault(_ordinal(pod), []).append(pod)
        return groups

    @property
    def _current_revision(self) -> str:
        status = (self.leader_set or {}).get("status", {})
        revision: str = status.get("currentRevision", "")
        return revision


def now() -> datetime:
    """The present moment, as Kubernetes writes it."""
    return datetime.now(UTC)


def _label(item: Manifest, label: str) -> str:
    value: str = item["metadata"].get("labels", {}).get(label, "")
    return value


def _ordinal(pod: Manifest) -> int:
    return int(_label(pod, names.GROUP_INDEX) or -1)


def _is_terminating(item: Manifest) -> bool:
    return "deletionTimestamp" in item["metadata"]


def _is_observed(item: Manifest) -> bool:
    seen: bool = item.get("status", {}).get("observedGeneration") == item["metadata"]["generation"]
    return seen
