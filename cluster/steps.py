"""The planner's steps, carried out on a LeaderWorkerSet.

Each may run twice, late, or after a newer one: it writes only to the spec it was planned on and under its fence, and
deletes only pods that are exactly the ones it read.
"""

import asyncio
from contextlib import suppress

from rollwright.cluster import patches
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import ConflictError, NotYetError, RefusedError
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.snapshot import Snapshot, configuration, now
from rollwright.cluster.target import LeaderWorkerSet
from rollwright.cluster.templates import template_of
from rollwright.rollout.planner import Step, stuck_below

_ARRIVAL_SECONDS = 3.0


async def prepare(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence, template_name: str) -> None:
    """Put the template in place, frozen, and ask for the surge, all in one write: nothing else moves."""
    snapshot = await target.read()
    record = _next_record(snapshot.lws, step.groups)
    changes = [
        *patches.template(await target.ledger.template(template_name), snapshot.lws),
        *patches.scale(step.groups),
        *patches.pace(snapshot.lws, partition=step.partition, max_unavailable=record.narrow(step.groups)),
    ]
    await target.write(snapshot.lws, generation, fence, changes, record)
    for leader in snapshot.old_window():
        await target.fence_off(leader, fence)


async def lower_partition(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence) -> None:
    """Release groups and, once the leader StatefulSet shows the release, replace them all together.

    LWS's own maxUnavailable is opened just as far as this needs, or LWS would hold its partition back, and closed at
    once: left open it would let somebody else's template edit take down the whole fleet. The partition is written even
    where somebody has set a lower one that LWS holds back by itself: opened, it would release all of that at once.
    """
    snapshot = await target.read()
    record = _next_record(snapshot.lws, step.groups)
    wide = max(record.narrow(step.groups), _needed(snapshot, step.groups, step.partition))
    changes = [
        *patches.scale(step.groups),
        *patches.pace(snapshot.lws, partition=step.partition, max_unavailable=wide),
    ]
    await target.write(snapshot.lws, generation, fence, changes, record)
    if arrived := await _arrival(target, step.partition):
        await _replace_released(target, fence, arrived, template_of(snapshot.lws))


async def scale(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence) -> None:
    """Ask for more groups, or give some back: the highest ordinals go."""
    lws = await target.read_object()
    await target.write(lws, generation, fence, patches.scale(step.groups), _next_record(lws, step.groups))


async def take_in_hand(target: LeaderWorkerSet, generation: int, fence: Fence) -> None:
    """Hold LWS's own settings as a rollout does, and finish a release that was cut short."""
    lws = await target.read_object()
    asked = lws["spec"]["replicas"]
    record = _next_record(lws, asked)
    await target.write(lws, generation, fence, _narrow(lws, record), record)
    await _replace_released(target, fence, await target.read(), template_of(lws))


async def _replace_released(target: LeaderWorkerSet, fence: Fence, snapshot: Snapshot, released_for: Manifest) -> None:
    """Delete the leaders that are released and old, and close what was opened for the release.

    Only while the template is the one they were released for: under another, groups that are done would look old.
    """
    target.check_fence(snapshot.lws, fence)
    if template_of(snapshot.lws) != released_for:
        raise ConflictError(f"{target}: its template has changed since the groups were released")
    await asyncio.gather(*(target.delete_leader(leader) for leader in snapshot.released_leaders()))
    record = _next_record(snapshot.lws, snapshot.lws["spec"]["replicas"])
    if configuration(snapshot.lws).get("maxUnavailable") != record.narrow(record.groups):
        await target.amend(snapshot.lws, fence, _narrow(snapshot.lws, record))


def _narrow(lws: Manifest, record: Record) -> list[Manifest]:
    """LWS's own settings while nothing is being released; the partition stays."""
    partition = configuration(lws).get("partition", 0)
    return patches.pace(lws, partition=partition, max_unavailable=record.narrow(record.groups))


async def unblock(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence) -> None:
    """Delete broken leaders below the partition; each returns on the StatefulSet's current revision.

    Only those that are still broken: a retry must not hit the pods that came back.
    """
    snapshot = await target.read()
    await target.write(snapshot.lws, generation, fence, [])
    broken = set(stuck_below(snapshot.observe(None, 0, now())))
    for ordinal in broken.intersection(step.delete):
        await target.delete_leader(snapshot.leaders[ordinal])


async def restore(target: LeaderWorkerSet, fence: Fence) -> str:
    """Put the user's own settings back; return what could not be put back as it was, in words.

    LWS refuses percentages that come to 0 together at the present replicas: then they are put back as whole numbers.
    """
    snapshot = await target.read()
    lws = snapshot.lws
    record = Record.of(lws)
    if record is None:
        return ""
    if record.partition > 0 and not snapshot.is_complete:
        raise NotYetError(
            f"{target}: partition {record.partition} is put back once the StatefulSet's update is complete"
        )
    try:
        await _put_back(target, lws, fence, record, record.max_unavailable)
    except RefusedError:
        narrow = record.narrow(lws["spec"]["replicas"])
        await _put_back(target, lws, fence, record, narrow)
        return f"maxUnavailable is left at {narrow}: LWS refuses {record.max_unavailable} at this number of replicas"
    return ""


async def _put_back(
    target: LeaderWorkerSet, lws: Manifest, fence: Fence, record: Record, max_unavailable: int | str
) -> None:
    settings = patches.pace(
        lws, partition=record.partition, max_unavailable=max_unavailable, max_surge=record.max_surge
    )
    await target.write(lws, lws["metadata"]["generation"], fence, [*settings, *patches.forget()])


def _next_record(lws: Manifest, groups: int) -> Record:
    """The record to write with `groups` asked for. The user's settings are taken down when the first step comes."""
    asked: int = lws["spec"]["replicas"]
    settings = configuration(lws)
    record = Record.of(lws) or Record(
        replicas=asked,
        groups=asked,
        max_unavailable=settings.get("maxUnavailable", 1),
        max_surge=settings.get("maxSurge", 0),
        partition=settings.get("partition", 0),
    )
    if (surge := settings.get("maxSurge", 0)) != 0:  # a rollout holds 0: the user has set it anew since
        record = record.model_copy(update={"max_surge": surge})
    return record.model_copy(update={"replicas": record.replicas_wanted(asked), "groups": groups})


def _needed(snapshot: Snapshot, groups: int, partition: int) -> int:
    """LWS's maxUnavailable that lets its own partition come down this far.

    LWS holds it at groups - maxUnavailable - (groups done, from the highest ordinal down without a gap), and one
    higher for each unavailable group below.
    """
    seen = snapshot.observe(None, 0, now()).groups[:groups]
    run = next((count for count, group in enumerate(reversed(seen)) if not group.done), len(seen))
    if len(seen) < groups:
        run = 0  # the groups yet to come are the highest
    unavailable = sum(1 for group in seen[:partition] if not group.available)
    return groups - run - partition + unavailable


async def _arrival(target: LeaderWorkerSet, partition: int) -> Snapshot | None:
    """What is there once the leader StatefulSet shows the partition; None if that takes longer than a step may.

    The watches tell when to look; what they show is read anew, as leaders are deleted on it.
    """
    async with target.changes() as changed:
        with suppress(TimeoutError):
            async with asyncio.timeout(_ARRIVAL_SECONDS):
                while True:
                    changed.clear()
                    seen = await target.last_seen()
                    if seen and seen.shows(partition) and (snapshot := await target.read()).shows(partition):
                        return snapshot
                    await changed.wait()
    return None
