"""How many accelerators a group asks for."""

from typing import Any

import pytest

from rollwright.cluster.leaderworkerset import LeaderWorkerSet
from rollwright.rollout.gpus import gpus_of_group

Json = dict[str, Any]


def container(resource: str = "", count: int | str = 0, *, part: str = "limits", **more: Any) -> Json:
    return {"name": "c", "resources": {part: {resource: count}} if resource else {}, **more}


def pod(*containers: Json, before: tuple[Json, ...] = ()) -> Json:
    return {"spec": {"containers": list(containers), "initContainers": list(before)}}


def group(worker: Json, *, leader: Json | None = None, size: int = 1) -> int:
    both: Json = {"size": size, "workerTemplate": worker, **({"leaderTemplate": leader} if leader else {})}
    return gpus_of_group(LeaderWorkerSet.pods_of_group({"leaderWorkerTemplate": both}))


EIGHT = pod(container("nvidia.com/gpu", "8"))


def test_a_group_is_a_leader_and_its_workers() -> None:
    assert group(EIGHT) == 8
    assert group(EIGHT, size=4) == 32
    assert group(EIGHT, leader=pod(container("nvidia.com/gpu", 1)), size=4) == 25
    assert group(EIGHT, leader=pod(container()), size=3) == 16


@pytest.mark.parametrize(
    "resource",
    [
        "nvidia.com/gpu", "nvidia.com/mig-3g.20gb", "amd.com/gpu", "google.com/tpu", "aws.amazon.com/neuron",
        "aws.amazon.com/neuroncore", "habana.ai/gaudi", "gpu.intel.com/i915", "gpu.intel.com/xe",
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["limits", "requests"])
def test_accelerators_of_all_makers_count_by_limit_or_request(resource: str, part: str) -> None:
    assert group(pod(container(resource, "2", part=part))) == 2


@pytest.mark.parametrize(
    "resource", ["cpu", "memory", "example.com/gpu", "nvidia.com/gpu.shared", "gpu.intel.com/millicores"]
)
def test_nothing_else_does(resource: str) -> None:
    assert group(pod(container(resource, "4"))) == 0


def test_a_limit_and_the_request_that_is_equal_to_it_are_one() -> None:
    both = {"name": "c", "resources": {"limits": {"amd.com/gpu": 4}, "requests": {"amd.com/gpu": 4}}}
    assert group(pod(both, both)) == 8


def test_init_containers_count_where_they_need_more_than_what_runs_after_them() -> None:
    one, four = container("nvidia.com/gpu", 1), container("nvidia.com/gpu", 4)
    beside = container("nvidia.com/gpu", 2, restartPolicy="Always")
    assert group(pod(one, before=(four, one))) == 4
    assert group(pod(one, before=(beside,))) == 3
    assert group(pod(one, before=(beside, four))) == 6
    assert group(pod(one, before=(four, beside))) == 4


def test_a_template_without_resources_asks_for_none() -> None:
    assert group({}) == 0
    assert group({"spec": {"containers": None, "initContainers": [{"name": "c"}]}}) == 0
