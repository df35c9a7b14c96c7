"""Targets that a rollout has left its record on: in which state they are, and their user's settings put back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from rollwright.cluster import names, patches
from rollwright.cluster.api import Api, Manifest
from rollwright.cluster.errors import ForbiddenError, MissingError
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.cluster.left import Left, Obstacle, Settings
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Asked, Fence, Record
from rollwright.cluster.restoring import put_back
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import kept_name
from rollwright.rollout.observation import Group
from rollwright.rollout.quantities import resolve
from rollwright.rollout.spec import Target


async def list_recorded(api: Api, namespace: str) -> list[Target]:
    """The targets with a record, in one namespace or, if that is empty, in all. Raises ClusterError."""
    found: list[Target] = []
    forbidden: list[ForbiddenError] = []
    for snapshot in SNAPSHOTS.values():
        try:
            found += await _recorded(api, namespace, snapshot.OBJECT)
        except ForbiddenError as error:
            forbidden.append(error)  # somebody may have only targets of other kinds
    if len(forbidden) == len(SNAPSHOTS):
        raise forbidden[0]
    return found


async def _recorded(api: Api, namespace: str, kind: type[TargetObject]) -> list[Target]:
    try:
        listing = await api.list_all(kind.RESOURCE, namespace)
    except MissingError:
        return []  # this cluster has no objects of the kind
    return [item.target for item in map(kind, listing["items"]) if is_recorded(item)]


def is_recorded(item: TargetObject) -> bool:
    """Whether there is a record on a target, be it one that can't be read."""
    return names.RECORD in item.annotations


async def examine(target: LiveTarget) -> Left | None:
    """How a target was left; None if it has no record that can be read. Raises ClusterError."""
    return left(await target.read_anew())


def left(snapshot: Snapshot) -> Left | None:
    """How a target was left, by what was read; None if it has no record that can be read."""
    item, record = snapshot.item, snapshot.record
    if record is None:
        return None
    seen, fence = snapshot.observe(None, 0, now()), Fence.of(item.manifest)
    settings = _settings(_with_later(record, item), item)
    groups_asked = max(seen.groups_asked, snapshot.groups_standing)  # a surge of LWS's own shows in these alone
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
        kind=item.KIND,
        namespace=item.namespace,
        name=item.name,
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


def _with_later(record: Record, item: TargetObject) -> Record:
    """What somebody else has set since counts as the user's."""
    edited = record.edited(item)
    later = (record.found.settings if record.found else {}) | (edited.settings if edited else {})
    return record.model_copy(update=later)


def _settings(wanted: Record, item: TargetObject) -> Settings:
    return Settings(
        replicas=wanted.replicas_wanted(item.replicas),
        partition=wanted.partition,
        max_unavailable=wanted.max_unavailable,
        max_surge=wanted.max_surge,
    )


class Repaired(NamedTuple):
    """What has come of putting the user's settings back."""

    found: Left
    """How the target was left before; with obstacles, the settings go on waiting."""
    note: str
    """What could not be put back as it was, in words."""


async def put_settings_back(target: LiveTarget, fence: Fence) -> Repaired | None:
    """Put the user's settings back, and remove the record, if no group moves by that. None if there is no record.

    Else what LWS might do by itself is stopped, and the settings go on waiting in the record: no released group is
    replaced any more, and maxUnavailable is narrow. What somebody else has set meanwhile is left alone until then.
    Raises ClusterError: ConflictError if anybody acts on the target at the same moment.
    """
    snapshot = await target.read_anew()
    item, record, found = snapshot.item, snapshot.record, left(snapshot)
    if record is None or found is None:
        return None
    if last := Fence.of(item.manifest):  # not by the clock of this machine, which may be ahead of Temporal's
        fence = Fence(last.scheduled + timedelta(microseconds=1), fence.workflow_id)
    generation = item.generation
    if not found.obstacles:
        return Repaired(found, await put_back(target, item, generation, fence, _with_later(record, item)))
    changes = [] if found.edited else _stand_still(snapshot, found.settings.replicas)
    await target.write(item, generation, fence, changes)
    for leader in snapshot.leaders.values():  # a worker of that rollout may yet delete what it has read
        await target.fence_off(leader, fence)
    return Repaired(found, "")


def _stand_still(snapshot: Snapshot, replicas_wanted: int) -> list[Manifest]:
    """Changes that have no further group replaced, and none of the surge taken down."""
    item, record = snapshot.item, snapshot.record or Record.first(snapshot.item)
    replicas = item.replicas
    surges = snapshot.groups_standing > replicas
    max_surge = resolve(item.settings.max_surge, replicas, round_up=True) if surges else 0
    asked = Asked(
        partition=max(snapshot.reflected_partition, _split(snapshot.observe(None, 0, now()).groups)),
        max_unavailable=record.narrow(replicas, max_surge),
        max_surge=max_surge,
        template=kept_name(item, item.template),
    )
    return patches.hold(item, record.model_copy(update={"replicas": replicas_wanted, "groups": replicas}), asked)


def _split(groups: Sequence[Group]) -> int:
    """The partition above all groups that are on an older revision and stay."""
    return max((group.ordinal + 1 for group in groups if not group.updated and not group.terminating), default=0)
