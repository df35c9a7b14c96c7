"""Where groups run, read from a real cluster for people who look."""

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.cluster.errors import MissingError
from rollwright.cluster.places import places
from rollwright.rollout.spec import Target
from tests.cluster.conftest import NAME, Real

pytestmark = pytest.mark.real


@pytest.mark.parametrize("group_size", [2])
async def test_each_group_is_where_its_leader_is_and_as_old(real: Real) -> None:
    await real.is_ready(3)
    uid = (await real.target.read_object()).uid
    found = await places(real.api, real.named, uid)
    leaders = [await real.leader(ordinal) for ordinal in range(3)]
    assert {ordinal: place.node for ordinal, place in found.items()} == {
        ordinal: leader["spec"]["nodeName"] for ordinal, leader in enumerate(leaders)
    }
    assert {ordinal: place.revision for ordinal, place in found.items()} == {
        ordinal: leader["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/template-revision-hash"]
        for ordinal, leader in enumerate(leaders)
    }
    assert found[0].since == datetime.fromisoformat(leaders[0]["metadata"]["creationTimestamp"])
    assert timedelta() <= datetime.now(UTC) - found[0].since < timedelta(hours=1)


async def test_another_object_of_that_name_is_not_the_one(real: Real) -> None:
    assert await places(real.api, real.named, "of another cluster") == {}


async def test_a_cluster_without_it_says_so(real: Real) -> None:
    with pytest.raises(MissingError):
        await places(real.api, Target(namespace=real.namespace.name, name=f"not-{NAME}"), "any")
