"""What is left of Kueue's quota, in groups."""

from typing import Any

import pytest

from rollwright.cluster.leaderworkerset import LeaderWorkerSet
from rollwright.cluster.quota import groups_by_quota, queue_of
from rollwright.rollout.gates.questions import Places
from tests.cluster.objects import TEMPLATE, lws

Json = dict[str, Any]
GPU = "nvidia.com/gpu"
QUEUE = {"labels": {"kueue.x-k8s.io/queue-name": "ours"}}
LOCAL: Json = {"metadata": {"name": "ours"}, "spec": {"clusterQueue": "all"}}


def group(size: int = 2) -> list[tuple[Json, int]]:
    """Pods of eight GPUs and four cores each."""
    pod = {"spec": {"containers": [{"resources": {"requests": {GPU: 8, "cpu": "4"}}}]}}
    return LeaderWorkerSet.pods_of_group({"leaderWorkerTemplate": {"size": size, "workerTemplate": pod}})


def covering(**flavors: Json) -> Json:
    """A resource group: its flavors, each with what it has of the resources."""
    return {
        "coveredResources": list(next(iter(flavors.values()))),
        "flavors": [
            {"name": name, "resources": [{"name": one, "nominalQuota": quota} for one, quota in resources.items()]}
            for name, resources in flavors.items()
        ],
    }


def cluster_queue(*groups: Json, active: str = "True", **reserved: Json) -> Json:
    reservations = [
        {"name": name, "resources": [{"name": one, "total": total} for one, total in resources.items()]}
        for name, resources in reserved.items()
    ]
    return {
        "metadata": {"name": "all"},
        "spec": {"resourceGroups": list(groups)},
        "status": {"flavorsReservation": reservations, "conditions": [{"type": "Active", "status": active}]},
    }


def short_of(resources: str) -> str:
    return f"quota of {resources} in the ClusterQueue all"


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        pytest.param(cluster_queue(covering(h100={GPU: "48"})), Places(groups=3, short_of=short_of(GPU)), id="unused"),
        pytest.param(
            cluster_queue(covering(h100={GPU: 48}), h100={GPU: "24"}),
            Places(groups=1, short_of=short_of(GPU)),
            id="less what is reserved",
        ),
        pytest.param(
            cluster_queue(covering(h100={GPU: 48}), h100={GPU: 64}),
            Places(groups=0, short_of=short_of(GPU)),
            id="more reserved than its own: it has borrowed",
        ),
        pytest.param(
            cluster_queue(covering(h100={GPU: 24}, h200={GPU: 24})),
            Places(groups=2, short_of=short_of(GPU)),
            id="a group takes one flavor",
        ),
        pytest.param(
            cluster_queue(covering(h100={GPU: 48, "cpu": "8"})),
            Places(groups=1, short_of=short_of(f"cpu, {GPU}")),
            id="the scarcer of two resources",
        ),
        pytest.param(
            cluster_queue(covering(h100={GPU: 48}), covering(any={"cpu": "16"})),
            Places(groups=2, short_of=short_of("cpu")),
            id="the scarcer of two resource groups",
        ),
        pytest.param(
            cluster_queue(covering(h100={GPU: 48}), covering(any={"example.com/nic": 0})),
            Places(groups=3, short_of=short_of(GPU)),
            id="what isn't asked for",
        ),
        pytest.param(cluster_queue(covering(any={"example.com/nic": 0})), None, id="nothing that is asked for"),
        pytest.param(cluster_queue(), None, id="no quota at all"),
        pytest.param(
            cluster_queue(covering(h100={GPU: 48}), active="False"),
            Places(groups=0, short_of="an active ClusterQueue all"),
            id="stopped",
        ),
    ],
)
def test_groups_that_the_quota_is_enough_for(queue: Json, expected: Places | None) -> None:
    assert groups_by_quota(LOCAL, queue, group()) == expected


def test_a_local_queue_that_is_stopped_admits_none() -> None:
    stopped = {**LOCAL, "status": {"conditions": [{"type": "Active", "status": "False"}]}}
    found = groups_by_quota(stopped, cluster_queue(covering(h100={GPU: 48})), group())
    assert found == Places(groups=0, short_of="an active LocalQueue ours")


def test_the_queue_is_the_pods_or_else_the_whole_objects() -> None:
    pod = {"metadata": QUEUE, "spec": {"containers": []}}
    template = {"leaderWorkerTemplate": {"size": 1, "workerTemplate": pod}}
    assert queue_of(lws(), TEMPLATE) == ""
    assert queue_of(lws(), template) == "ours"
    item = lws()
    item.manifest["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "theirs"}
    assert queue_of(item, TEMPLATE) == "theirs"
    assert queue_of(item, template) == "ours"
