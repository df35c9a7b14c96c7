"""The user's own settings, put back in place of what a rollout holds."""

from functools import partial

from rollwright.cluster import patches
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.target import LeaderWorkerSet


async def put_back(target: LeaderWorkerSet, lws: Manifest, generation: int, fence: Fence, record: Record) -> str:
    """Put the settings of a record back, and remove it; return what could not be put back as it was, in words.

    LWS refuses percentages that come to 0 together at the present replicas: then they are put back as whole numbers.
    """
    users = partial(patches.pace, lws, partition=record.partition, max_surge=record.max_surge)
    forgotten = patches.forget(lws)
    try:
        await target.write(lws, generation, fence, [*users(max_unavailable=record.max_unavailable), *forgotten])
    except RefusedError:
        narrow = record.narrow(lws["spec"]["replicas"])
        await target.write(lws, generation, fence, [*users(max_unavailable=narrow), *forgotten])
        return f"maxUnavailable is left at {narrow}: LWS refuses {record.max_unavailable} at this number of replicas"
    return ""
