"""Where the groups of a target are, on a real API server."""

import pytest

from rollwright.cluster.leaders import Leader, read_leaders
from rollwright.rollout.spec import Target, TargetKind
from tests.cluster.conftest import Real
from tests.devcluster.standin.namespace import Json, until

pytestmark = pytest.mark.real


async def placed(real: Real, target: Target, groups: int) -> dict[int, Leader]:
    """Once each group has a node."""

    async def read() -> dict[int, Leader]:
        return await read_leaders(real.api, target)

    return await until(read, lambda leaders: len(leaders) == groups and all(one.node for one in leaders.values()))


async def labels(real: Real, pod: str, path: str) -> str:
    return await real.kubectl("get", "pod", pod, f"--output=jsonpath={path}")


@pytest.mark.parametrize("group_size", [2])
async def test_of_a_leader_worker_set_the_leaders_are_told_and_no_workers(real: Real) -> None:
    leaders = await placed(real, real.named, 3)
    assert sorted(leaders) == [0, 1, 2]
    for ordinal, leader in leaders.items():
        path = "{.spec.nodeName} {.metadata.labels.leaderworkerset\\.sigs\\.k8s\\.io/template-revision-hash}"
        assert f"{leader.node} {leader.revision}" == await labels(real, f"llm-{ordinal}", path)
        assert 0 <= leader.age_seconds < 600


async def test_of_a_stateful_set_each_pod_is_told(real: Real) -> None:
    pod: Json = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "w:1"}]}}
    spec = {"replicas": 2, "serviceName": "web", "selector": {"matchLabels": {"app": "web"}}, "template": pod}
    await real.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"}, "spec": spec})
    target = Target(kind=TargetKind.STATEFUL_SET, namespace=real.namespace.name, name="web")
    leaders = await placed(real, target, 2)
    assert sorted(leaders) == [0, 1]
    path = "{.spec.nodeName} {.metadata.labels.controller-revision-hash}"
    assert f"{leaders[1].node} {leaders[1].revision}" == await labels(real, "web-1", path)
