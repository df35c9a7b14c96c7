"""The user's own settings, put back in place of what a rollout holds."""

from rollwright.cluster import patches
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Fence, Record
from rollwright.cluster.target import LiveTarget


async def put_back(target: LiveTarget, item: TargetObject, generation: int, fence: Fence, record: Record) -> str:
    """Put the settings of a record back, and remove it; return what could not be put back as it was, in words.

    LWS refuses percentages that come to 0 together at the present replicas: then they are put back as whole numbers.
    """
    forgotten = patches.forget(item)
    try:
        await target.write(item, generation, fence, [*item.pace(record.settings), *forgotten])
    except RefusedError:
        narrow = record.narrow(item.replicas)
        whole = record.settings._replace(max_unavailable=narrow)
        await target.write(item, generation, fence, [*item.pace(whole), *forgotten])
        return f"maxUnavailable is left at {narrow}: LWS refuses {record.max_unavailable} at this number of replicas"
    return ""
