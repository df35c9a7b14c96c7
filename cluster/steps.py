"""The planner's steps, carried out on a LeaderWorkerSet.

Each may run twice, late, or after a newer one: it writes only to the spec it was planned on and under its fence, and
deletes only pods that are exactly the ones it read.
"""

import asyncio
from contextlib import suppress

from rollwright.cluster import patches
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import ConflictError, NotYetError, RefusedError
from rollwright.cluster.record import Asked, Fence, Record, configuration, record_text
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LeaderWorkerSet
from rollwright.cluster.templates import kept_name, template_of
from rollwright.rollout.planner import Step, stuck_below

_ARRIVAL_SECONDS = 3.0


async def freeze(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence) -> None:
    """Stop what somebody else's change has set going, in one write; what they have set is written down, and kept.

    Written first and kept after it: LWS acts on it meanwhile, and the template stands in the object as it is.
    """
    snapshot = await target.read()
    lws = snapshot.lws
    record = _taken_down(target, lws, lws["spec"]["replicas"])
    if found := record.edited(lws):
        record = record.model_copy(update={"found": record.found.with_later(found) if record.found else found})
    await target.write(lws, generation, fence, patches.hold(lws, record, _asked(lws, record, step.partition)))
    for leader in snapshot.old_window():
        await target.fence_off(leader, fence)
    await target.ledger.keep_standing(lws, fence)


async def settle(target: LeaderWorkerSet, fence: Fence, *, theirs: bool) -> str:
    """End a dispute about the target, frozen as it is; return the name of the template that stands if theirs holds.

    Ours: what they have set is forgotten, and the planner puts our template in place. Theirs: their settings become the
    user's. Where they have changed it again since the freeze nothing is settled: that is not what was decided on.
    """
    lws = await target.read_object()
    target.check_uid(lws)
    record = target.record_of(lws)
    if record is None or record.edited(lws):
        return ""
    name = await target.ledger.keep_standing(lws, fence) if theirs else ""
    if found := record.found:
        record = record.model_copy(update={"found": None, **(found.settings if theirs else {})})
        record = _at(record, lws, lws["spec"]["replicas"])
        asked = _asked(lws, record, configuration(lws).get("partition", 0))
        await target.write(lws, lws["metadata"]["generation"], fence, patches.hold(lws, record, asked))
    return name


async def prepare(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence, template_name: str) -> None:
    """Put the template in place, frozen, and ask for the surge, all in one write: nothing else moves."""
    snapshot = await target.read()
    lws = snapshot.lws
    template = await target.ledger.template(template_name)
    record = _taken_down(target, lws, step.groups)
    asked = _asked(lws, record, step.partition, template=template)
    changes = [*patches.template(template, lws), *patches.hold(lws, record, asked)]
    await target.write(lws, generation, fence, changes)
    for leader in snapshot.old_window():
        await target.fence_off(leader, fence)


async def lower_partition(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence) -> None:
    """Release groups and, once the leader StatefulSet shows the release, replace them all together.

    LWS's own maxUnavailable is opened just as far as this needs, or LWS would hold its partition back, and closed at
    once: left open it would let somebody else's template edit take down the whole fleet. The partition is written even
    where somebody has set a lower one that LWS holds back by itself: opened, it would release all of that at once.
    """
    snapshot = await target.read()
    record = _taken_down(target, snapshot.lws, step.groups)
    needed = _needed(snapshot, step.groups, step.partition)
    asked = _asked(snapshot.lws, record, step.partition, at_least=needed)
    await target.write(snapshot.lws, generation, fence, patches.hold(snapshot.lws, record, asked))
    if arrived := await _arrival(target, step.partition):
        await _replace_released(target, fence, arrived)


async def scale(target: LeaderWorkerSet, step: Step, generation: int, fence: Fence) -> None:
    """Ask for more groups, or give some back: the highest ordinals go."""
    lws = await target.read_object()
    await target.write(lws, generation, fence, _closed(target, lws, step.groups))


async def take_in_hand(target: LeaderWorkerSet, generation: int, fence: Fence) -> None:
    """Hold LWS's own settings as a rollout does, and finish a release that was cut short."""
    lws = await target.read_object()
    await target.write(lws, generation, fence, _closed(target, lws, lws["spec"]["replicas"]))
    await _replace_released(target, fence, await target.read())


async def _replace_released(target: LeaderWorkerSet, fence: Fence, snapshot: Snapshot) -> None:
    """Delete the leaders that are released and old, and close what was opened for the release.

    Only while the spec is as this step has written it. Under another template groups that are done would look old, and
    a lower partition would have more of them released than was planned; closed over, neither would ever be noticed.
    """
    target.check_fence(snapshot.lws, fence)
    record = target.record_of(snapshot.lws)
    if record and (found := record.edited(snapshot.lws)):
        raise ConflictError(f"{target}: somebody else has changed it since the groups were released ({found})")
    await asyncio.gather(*(target.delete_leader(leader) for leader in snapshot.released_leaders()))
    if record and configuration(snapshot.lws).get("maxUnavailable") != record.narrow(record.groups):
        await target.amend(snapshot.lws, fence, _closed(target, snapshot.lws, record.groups))


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
    target.check_uid(lws)
    record = target.record_of(lws)
    if record is None:
        return ""
    if found := record.edited(lws):
        if not record_text(lws):
            return ""  # put back by an earlier attempt, and the record with it
        raise ConflictError(f"{target}: somebody else has changed it meanwhile ({found})")
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
    await target.write(lws, lws["metadata"]["generation"], fence, [*settings, *patches.forget(lws)])


def _taken_down(target: LeaderWorkerSet, lws: Manifest, groups: int) -> Record:
    """The record to write with `groups` asked for. The user's settings are taken down when the first step comes."""
    return _at(target.record_of(lws) or Record.first(lws), lws, groups)


def _at(record: Record, lws: Manifest, groups: int) -> Record:
    return record.model_copy(update={"replicas": record.replicas_wanted(lws["spec"]["replicas"]), "groups": groups})


def _asked(
    lws: Manifest, record: Record, partition: int, *, at_least: int = 0, template: Manifest | None = None
) -> Asked:
    """What to ask for: LWS's own settings as narrow as the user has them, or as wide as a release needs."""
    return Asked(
        partition=partition,
        max_unavailable=max(record.narrow(record.groups), at_least),
        template=kept_name(lws, template or template_of(lws)),
    )


def _closed(target: LeaderWorkerSet, lws: Manifest, groups: int) -> list[Manifest]:
    """What a rollout holds while nothing is being released, with so many groups; the partition stays."""
    record = _taken_down(target, lws, groups)
    return patches.hold(lws, record, _asked(lws, record, configuration(lws).get("partition", 0)))


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
