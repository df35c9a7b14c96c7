"""A target as a rollout leaves it when it is cut short."""

import copy

from rollwright.cluster import patches
from rollwright.cluster.record import Asked, Record
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.templates import kept_name
from tests.cluster.conftest import Real, fence
from tests.devcluster.standin.namespace import until

NEW, OLD = "m:2", "m:1"


async def leave(
    real: Real,
    *,
    image: str = NEW,
    ready_after: str = "0s",
    partition: int = 3,
    groups: int = 3,
    max_unavailable: int = 1,
    ready: int = 3,
) -> str:
    """As a rollout leaves the groups when it is cut short; so many of all get ready. The template before."""
    await real.is_ready((await real.spec())["replicas"])
    lws = await real.target.read_object()
    await real.target.ledger.keep_standing(lws, fence(0))
    template = copy.deepcopy(lws.template)
    pod = template["leaderWorkerTemplate"]["workerTemplate"]
    pod["spec"]["containers"][0]["image"] = image
    pod["metadata"]["annotations"]["devcluster.rollwright.io/ready-after"] = ready_after
    asked = Asked(partition=partition, max_unavailable=max_unavailable, template=kept_name(lws, template))
    record = Record.first(lws).model_copy(update={"groups": groups})
    await real.write(1, [*patches.template(template, lws), *patches.hold(lws, record, asked)], read=lws)
    await real.target.ledger.keep_standing(await real.target.read_object(), fence(1))
    await until(real.target.read, lambda snapshot: snapshot.shows(partition))
    await until(real.target.read, lambda snapshot: _has_gone_so_far(snapshot, partition, ready))
    return record.template


def _has_gone_so_far(snapshot: Snapshot, partition: int, ready: int) -> bool:
    """Whether so many groups serve; if it is all of them, what is released has been replaced too."""
    groups = snapshot.observe(None, 0, now()).asked
    replaced = all(group.updated for group in groups[partition:])
    return (replaced or ready < len(groups)) and sum(group.available for group in groups) == ready
