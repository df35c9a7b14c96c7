"""Targets that a rollout has left its record on: in which state they are, and their user's settings put back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from rollwright.cluster import names, patches
from rollwright.cluster.api import LEADER_WORKER_SETS, Api, Manifest
from rollwright.cluster.left import Left, Obstacle, Settings
from rollwright.cluster.record import Asked, Fence, Record, configuration
from rollwright.cluster.restoring import put_back
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LeaderWorkerSet
from rollwright.cluster.templates import kept_name, template_of
from rollwright.rollout.observation import Group
from rollwright.rollout.quantities import resolve


async def list_recorded(api: Api, namespace: str) -> list[tuple[str, str]]:
    """Namespace and name of the targets with a record, in one namespace or, if that is empty, in all.

    Raises ClusterError.
    """
    found = (await api.list_all(LEADER_WORKER_SETS, namespace))["items"]
    return [(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found if is_recorded(item)]


def is_recorded(lws: Manifest) -> bool:
    """Whether there is a record on a target, be it one that can't be read."""
    return names.RECORD in lws["metadata"].get("annotations", {})


async def examine(target: LeaderWorkerSet) -> Left | None:
    """How a target was left; None if it has no record that can be read. Raises ClusterError."""
    return left(await target.read())


def left(snapshot: Snapshot) -> Left | None:
    """How a target was left, by what was read; None if it has no record that can be read."""
    lws, record = snapshot.lws, snapshot.record
    if record is None:
        return None
    seen, fence, settings = snapshot.observe(None, 0, now()), Fence.of(lws), _settings(_with_later(record, lws), lws)
    groups_asked = max(seen.groups_asked, _groups_of_leaders(snapshot))
    outdated = tuple(group.ordinal for group in seen.asked if not group.updated)
    unready = tuple(group.ordinal for group in seen.asked if not group.available)
    obstacles = {
        # A group below a partition comes back on the StatefulSet's current revision, which must not be an older one.
        Obstacle.UNSETTLED: not (snapshot.is_complete if settings.partition > 0 else snapshot.is_settled),
        Obstacle.OUTDATED: bool(outdated),
        Obstacle.SURGE: groups_asked > seen.replicas,
        Obstacle.UNREADY: bool(unready) and snapshot.reflected_partition > 0,
    }
    return Left(
        namespace=lws["metadata"]["namespace"],
        name=lws["metadata"]["name"],
        since=fence.scheduled if fence else None,
        settings=settings,
        partition=snapshot.reflected_partition,
        groups_asked=groups_asked,
        updated=tuple(group.ordinal for group in seen.asked if group.updated),
        outdated=outdated,
        unready=unready,
        before=record.template,
        edited=seen.edited or seen.dispute,
        obstacles=tuple(obstacle for obstacle, stands in obstacles.items() if stands),
    )


def _with_later(record: Record, lws: Manifest) -> Record:
    """What somebody else has set since counts as the user's."""
    edited = record.edited(lws)
    later = (record.found.settings if record.found else {}) | (edited.settings if edited else {})
    return record.model_copy(update=later)


def _settings(wanted: Record, lws: Manifest) -> Settings:
    return Settings(
        replicas=wanted.replicas_wanted(lws["spec"]["replicas"]),
        partition=wanted.partition,
        max_unavailable=wanted.max_unavailable,
        max_surge=wanted.max_surge,
    )


def _groups_of_leaders(snapshot: Snapshot) -> int:
    """LWS's own surge shows in the leader StatefulSet alone."""
    replicas: int = (snapshot.leader_set or {"spec": {}})["spec"].get("replicas", 0)
    return replicas


class Repaired(NamedTuple):
    """What has come of putting the user's settings back."""

    found: Left
    """How the target was left before; with obstacles, the settings go on waiting."""
    note: str
    """What could not be put back as it was, in words."""


async def put_settings_back(target: LeaderWorkerSet, fence: Fence) -> Repaired | None:
    """Put the user's settings back, and remove the record, if no group moves by that. None if there is no record.

    Else what LWS might do by itself is stopped, and the settings go on waiting in the record: no released group is
    replaced any more, and maxUnavailable is narrow. What somebody else has set meanwhile is left alone until then.
    Raises ClusterError: ConflictError if anybody acts on the target at the same moment.
    """
    snapshot = await target.read()
    lws, record, found = snapshot.lws, snapshot.record, left(snapshot)
    if record is None or found is None:
        return None
    if last := Fence.of(lws):  # not by the clock of this machine, which may be ahead of Temporal's
        fence = Fence(last.scheduled + timedelta(microseconds=1), fence.workflow_id)
    generation = lws["metadata"]["generation"]
    if not found.obstacles:
        return Repaired(found, await put_back(target, lws, generation, fence, _with_later(record, lws)))
    changes = [] if found.edited else _stand_still(snapshot, found.settings.replicas)
    await target.write(lws, generation, fence, changes)
    for leader in snapshot.leaders.values():  # a worker of that rollout may yet delete what it has read
        await target.fence_off(leader, fence)
    return Repaired(found, "")


def _stand_still(snapshot: Snapshot, replicas_wanted: int) -> list[Manifest]:
    """Changes that have no further group replaced, and none of the surge taken down."""
    lws, record = snapshot.lws, snapshot.record or Record.first(snapshot.lws)
    replicas = lws["spec"]["replicas"]
    surges = _groups_of_leaders(snapshot) > replicas
    max_surge = resolve(configuration(lws).get("maxSurge", 0), replicas, round_up=True) if surges else 0
    asked = Asked(
        partition=max(snapshot.reflected_partition, _split(snapshot.observe(None, 0, now()).groups)),
        max_unavailable=record.narrow(replicas, max_surge),
        max_surge=max_surge,
        template=kept_name(lws, template_of(lws)),
    )
    return patches.hold(lws, record.model_copy(update={"replicas": replicas_wanted, "groups": replicas}), asked)


def _split(groups: Sequence[Group]) -> int:
    """The partition above all groups that are on an older revision and stay."""
    return max((group.ordinal + 1 for group in groups if not group.updated and not group.terminating), default=0)
