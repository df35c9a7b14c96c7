"""The planner's steps, carried out on a LeaderWorkerSet.

Each may run twice, late, or after a newer one: it writes only to the spec it was planned on and under its fence, and
deletes only pods that are exactly the ones it read.
"""

import asyncio
from contextlib import suppress

from rollwright.cluster import asking, patches
from rollwright.cluster.errors import ClusterError, ConflictError, NotYetError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Fence, Found, record_text
from rollwright.cluster.restoring import put_back
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.difference import in_short
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Step, stuck_below
from rollwright.rollout.spec import SurgeBy

_ARRIVAL_SECONDS = 3.0


async def freeze(target: LiveTarget, step: Step, generation: int, fence: Fence) -> None:
    """Stop what somebody else's change has set going, in one write; what they have set is written down, and kept.

    Written first and kept after it: LWS acts on it meanwhile, and the template stands in the object as it is. Of a
    surge by maxSurge what stands is left: given back now, it might be missed.
    """
    snapshot = await target.read()
    item, record = snapshot.item, target.begun_record(snapshot.item)
    if found := record.edited(item):
        together = record.found.with_later(found) if record.found else found
        record = record.model_copy(update={"found": await _with_changes(target, together, item)})
    held = asking.unchanged(item, record, partition=step.partition, standing=snapshot.own_surge)
    await target.write(item, generation, fence, patches.hold(item, *held))
    await _fence_off(target, snapshot, fence)
    await target.ledger.keep_standing(item, fence)


async def _fence_off(target: LiveTarget, snapshot: Snapshot, fence: Fence) -> None:
    """Have deletes miss that were decided on before a freeze: a group that is deleted now would come back old.

    `snapshot`: from before the freeze. If it is of an earlier attempt, what the window was isn't known any more.
    """
    is_later_attempt = Fence.of(snapshot.item.manifest) == fence
    for leader in snapshot.leaders.values() if is_later_attempt else snapshot.old_window():
        await target.fence_off(leader, fence)


async def _with_changes(target: LiveTarget, found: Found | None, item: TargetObject) -> Found | None:
    """What was found, with what of the template it is; a ledger that can't say so must not keep from freezing."""
    if found is None or found.template is None:
        return found
    try:
        ours = await target.ledger.template(found.asked.template)
    except ClusterError:
        return found
    return found.model_copy(update={"template_changes": in_short(ours, item.template)})


async def settle(target: LiveTarget, fence: Fence, *, theirs: bool) -> str:
    """End a dispute about the target, frozen as it is; return the name of the template that stands if theirs holds.

    Ours: what they have set is forgotten, and the planner puts our template in place. Theirs: their settings become the
    user's. Where they have changed it again since the freeze nothing is settled: that is not what was decided on.
    """
    item = await target.read_object()
    target.check_uid(item)
    record = target.record_of(item)
    if record is None or record.edited(item):
        return ""
    name = ""
    if theirs:
        await target.ledger.check_standing(item)
        name = await target.ledger.keep_standing(item, fence)
    if found := record.found:
        record = record.model_copy(update={"found": None, **(found.settings if theirs else {})})
        changes = patches.hold(item, *asking.unchanged(item, record))
        await target.write(item, item.generation, fence, changes)
    return name


async def prepare(
    target: LiveTarget,
    step: Step,
    generation: int,
    fence: Fence,
    *,
    template_name: str,
    surge_by: SurgeBy = SurgeBy.REPLICAS,
) -> None:
    """Put the template in place, frozen, and ask for the surge, all in one write: nothing else moves."""
    snapshot = await target.read()
    item, record = snapshot.item, target.begun_record(snapshot.item)
    template = await target.ledger.template(template_name)
    held = asking.closed(item, record, step.groups, surge_by, partition=step.partition, template=template)
    changes = [*patches.template(template, item), *patches.hold(item, *held)]
    await target.write(item, generation, fence, changes)
    await _fence_off(target, snapshot, fence)


async def lower_partition(
    target: LiveTarget,
    step: Step,
    generation: int,
    fence: Fence,
    *,
    floor: int = 0,
    surge_by: SurgeBy = SurgeBy.REPLICAS,
) -> None:
    """Release groups and, once the leader StatefulSet shows the release, replace them all together.

    LWS's own maxUnavailable is opened just as far as this needs, or LWS would hold its partition back, and closed at
    once: left open it would let somebody else's template edit take down the whole fleet. The partition is written even
    where somebody has set a lower one that LWS holds back by itself: opened, it would release all of that at once.
    Raises ConflictError if fewer than `floor` groups would be left by now: one may have failed since it was planned.
    """
    snapshot = await target.read()
    item, record = snapshot.item, target.begun_record(snapshot.item)
    seen = await _still_safe(target, snapshot, step, generation, fence, floor=floor)
    wide = asking.opened(item, record, step, surge_by, seen)
    await target.write(item, generation, fence, patches.hold(item, *wide))
    if arrived := await _arrival(target, step.partition):
        await _replace_released(target, fence, arrived)


async def scale(
    target: LiveTarget,
    step: Step,
    generation: int,
    fence: Fence,
    *,
    floor: int = 0,
    surge_by: SurgeBy = SurgeBy.REPLICAS,
) -> None:
    """Ask for more groups, or give some back: the highest ordinals go.

    Raises ConflictError if fewer than `floor` groups would be left by now.
    """
    snapshot = await target.read()
    item = snapshot.item
    await _still_safe(target, snapshot, step, generation, fence, floor=floor)
    held = asking.closed(item, target.begun_record(item), step.groups, surge_by, partition=step.partition)
    await target.write(item, generation, fence, patches.hold(item, *held))


async def _still_safe(
    target: LiveTarget, snapshot: Snapshot, step: Step, generation: int, fence: Fence, *, floor: int
) -> Observation:
    """What is seen now, if the step may still be taken. Raises ConflictError if groups have failed since.

    An attempt that was frozen half way is not to go on either, so the fence is written then, too.
    """
    seen = snapshot.observe(None, 0, now())
    if seen.kept(step.partition, step.groups) < min(floor, seen.kept(seen.partition, seen.groups_asked)):
        await target.write(snapshot.item, generation, fence, [])
        raise ConflictError(f"{target}: groups have become unready since the step was planned")
    return seen


async def take_in_hand(
    target: LiveTarget, step: Step, generation: int, fence: Fence, *, surge_by: SurgeBy = SurgeBy.REPLICAS
) -> None:
    """Hold LWS's own settings as a rollout does, and finish a release that was cut short."""
    await scale(target, step, generation, fence, surge_by=surge_by)
    await _replace_released(target, fence, await target.read())


async def _replace_released(target: LiveTarget, fence: Fence, snapshot: Snapshot) -> None:
    """Close what was opened for the release, and delete the leaders that are released and old.

    Only while the spec is as this step has written it. Under another template groups that are done would look old, and
    a lower partition would have more of them released than was planned; closed over, neither would ever be noticed.
    """
    _check_unchanged(target, fence, snapshot)
    closed = await _closed(target, fence, snapshot)
    if closed is None:
        return  # seen to be late, they are replaced by a step of their own
    _check_unchanged(target, fence, closed)
    if released := closed.released_leaders():
        target.check_fence(await target.read_object(), fence)  # the pods were read after the object: it may be late
        await asyncio.gather(*(target.delete_leader(leader) for leader in released))


def _check_unchanged(target: LiveTarget, fence: Fence, snapshot: Snapshot) -> None:
    """Raise SupersededError or ConflictError if anybody has written to the target since this step did."""
    target.check_fence(snapshot.item, fence)
    record = target.record_of(snapshot.item)
    if record and (found := record.edited(snapshot.item)):
        raise ConflictError(f"{target}: somebody else has changed it since the groups were released ({found})")


async def _closed(target: LiveTarget, fence: Fence, snapshot: Snapshot) -> Snapshot | None:
    """What is there once LWS has taken up that its maxUnavailable is narrow again; None if that takes too long.

    Groups are taken down after it: where its cache is behind, LWS raises the partition of its StatefulSet again with
    this very write (seen of v0.9.0 after an outage of the API server), and they would come back old.
    """
    held = asking.unchanged(snapshot.item, target.begun_record(snapshot.item))
    if snapshot.item.settings.max_unavailable == held.asked.max_unavailable:
        return snapshot
    await target.amend(snapshot.item, fence, patches.hold(snapshot.item, *held))
    return await _arrival(target, snapshot.reflected_partition)


async def unblock(target: LiveTarget, step: Step, generation: int, fence: Fence) -> None:
    """Delete broken leaders below the partition; each returns on the StatefulSet's current revision.

    Only those that are still broken: a retry must not hit the pods that came back. A group that has come to serve by
    its workers has the leader that was read, so the watches are asked just before each deletion, one after another.
    """
    snapshot = await target.read()
    await target.write(snapshot.item, generation, fence, [])
    broken = stuck_below(snapshot.observe(None, 0, now()))
    for ordinal in sorted(set(step.delete).intersection(broken)):
        seen = await target.last_seen()
        if seen and ordinal in stuck_below(seen.observe(None, 0, now())):
            await target.delete_leader(snapshot.leaders[ordinal])


async def restore(target: LiveTarget, generation: int, fence: Fence, *, complete: bool = True) -> str:
    """Put the user's own settings back; return what could not be put back as it was, in words.

    LWS refuses percentages that come to 0 together at the present replicas: then they are put back as whole numbers.
    A partition of the user's own goes back only once the StatefulSet's update is complete, or groups that die would
    come back old; where it never may be, not `complete`, the settings wait in the record.
    """
    snapshot = await target.read()
    item = snapshot.item
    target.check_uid(item)
    record = target.record_of(item)
    if record is None:
        return ""
    if found := record.edited(item):
        if not record_text(item):
            return ""  # put back by an earlier attempt, and the record with it
        raise ConflictError(f"{target}: somebody else has changed it meanwhile ({found})")
    if record.partition > 0 and not snapshot.is_complete:
        if not complete:
            return f"your own settings wait: partition {record.partition} can't be put back while groups aren't updated"
        raise NotYetError(
            f"{target}: partition {record.partition} is put back once the StatefulSet's update is complete"
        )
    return await put_back(target, item, generation, fence, record)


async def hold_back(target: LiveTarget, generation: int, fence: Fence) -> None:
    """Make the partition in force ours: LWS may hold back more than we have asked for, and release it by and by."""
    snapshot = await target.read()
    item, held = snapshot.item, snapshot.reflected_partition
    target.check_uid(item)
    record = target.begun_record(item)
    if found := record.edited(item):
        raise ConflictError(f"{target}: somebody else has changed it meanwhile ({found})")
    changes = patches.hold(item, *asking.unchanged(item, record, partition=held))
    await target.write(item, generation, fence, changes)  # also where nothing changes: whoever comes late is told


async def _arrival(target: LiveTarget, partition: int) -> Snapshot | None:
    """What is there once the leader StatefulSet shows the partition; None if that takes longer than a step may.

    The watches tell when to look; what they show is read anew, as leaders are deleted on it.
    """
    async with target.changes(of_pods=False) as changed:
        with suppress(TimeoutError):
            async with asyncio.timeout(_ARRIVAL_SECONDS):
                while True:
                    changed.clear()
                    seen = await target.last_seen()
                    if seen and seen.shows(partition) and (snapshot := await target.read()).shows(partition):
                        return snapshot
                    await changed.wait()
    return None
