"""What the groups run under a frozen partition, on a real API server."""

import pytest

from rollwright.cluster.running import running_template
from tests.cluster.conftest import NAME, Real
from tests.devcluster.standin.namespace import until

pytestmark = pytest.mark.real

IMAGE = "/spec/leaderWorkerTemplate/workerTemplate/spec/containers/0/image"
SETTINGS = "/spec/rolloutStrategy/rollingUpdateConfiguration"


@pytest.mark.parametrize("partition", [3, 2147483647])
async def test_a_surge_that_lws_makes_by_itself_does_not_hide_what_the_groups_run(real: Real, partition: int) -> None:
    await real.is_ready(3)
    before = (await real.target.read_object()).template
    frozen = {"partition": partition, "maxUnavailable": 1, "maxSurge": 1}
    await real.namespace.patch_set(NAME, [{"op": "replace", "path": SETTINGS, "value": frozen}])
    await real.namespace.patch_set(NAME, [{"op": "replace", "path": IMAGE, "value": "m:2"}])
    await until(real.uids, lambda pods: len(pods) == 4)
    snapshot = await until(real.target.read, lambda found: found.is_taken_up)
    assert not snapshot.is_settled, "for as long as the surge stands"
    assert await running_template(real.api, snapshot) == before
