"""When a group serves, and in which words it doesn't."""

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.cluster.readiness import group_unreadiness, is_blip, is_unscheduled, is_unscheduled_for
from tests.cluster.objects import Json, pod, worker_set

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def of_two(*, worker_ready: bool = True, leaving: bool = False) -> tuple[Json, list[Json]]:
    """The leader and all pods of a group of two."""
    leader = pod(0, size=2)
    return leader, [leader, pod(0, worker=1, ready=worker_ready, leaving=leaving, size=2)]


def waiting(reason: str, message: str = "") -> Json:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


def test_a_group_of_one_is_ready_with_its_leader() -> None:
    assert group_unreadiness(pod(0), None, [pod(0)]) == ""


def test_a_leader_that_is_deleted_serves_no_more_though_it_is_ready_still() -> None:
    leaving = pod(0, leaving=True)
    assert group_unreadiness(leaving, None, [leaving]) == "leaving"


def test_a_group_is_ready_with_all_its_workers() -> None:
    leader, pods = of_two()
    assert group_unreadiness(leader, worker_set(0), pods) == ""


@pytest.mark.parametrize(
    ("workers", "why"),
    [
        pytest.param(None, "its workers are being started", id="no StatefulSet yet"),
        pytest.param(worker_set(0, owner="u-before"), "its workers are being started", id="of the leader before"),
        pytest.param(worker_set(0, revision="x", owner="u-llm-0-old"), "its workers are being started", id="old"),
        pytest.param(worker_set(0, ready=0), "starting", id="not ready"),
        pytest.param(worker_set(0, observed=0), "starting", id="its status is of another spec"),
    ],
)
def test_workers_count_if_they_are_this_leaders_and_up_to_date(workers: Json | None, why: str) -> None:
    leader, pods = of_two()
    assert group_unreadiness(leader, workers, pods) == why


def test_a_worker_that_is_deleted_takes_its_group_along() -> None:
    leader, pods = of_two(leaving=True)
    assert group_unreadiness(leader, worker_set(0), pods) == "a worker is leaving"


def test_the_size_is_the_groups_own() -> None:
    small = pod(0, size=1)
    assert group_unreadiness(small, worker_set(0, ready=0), [small]) == ""


@pytest.mark.parametrize(
    ("status", "why"),
    [
        pytest.param({}, "starting", id="nothing known yet"),
        pytest.param(waiting("ContainerCreating"), "starting", id="the usual way"),
        pytest.param(waiting("ImagePullBackOff", "no such image"), "llm-0: ImagePullBackOff: no such image", id="pull"),
        pytest.param(waiting("CrashLoopBackOff"), "llm-0: CrashLoopBackOff", id="no message"),
        pytest.param(
            {"initContainerStatuses": waiting("CrashLoopBackOff")["containerStatuses"]},
            "llm-0: CrashLoopBackOff",
            id="init container",
        ),
        pytest.param(
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/8"}]},
            "llm-0: Unschedulable: 0/8",
            id="no node",
        ),
        pytest.param({"reason": "Evicted", "message": "disk"}, "llm-0: Evicted: disk", id="evicted"),
    ],
)
def test_the_reason_is_in_the_pods_own_words(status: Json, why: str) -> None:
    leader = pod(0, status=status or {"phase": "Pending"})
    assert group_unreadiness(leader, None, [leader]) == why


def test_the_worker_that_holds_a_group_back_is_named() -> None:
    leader, _ = of_two()
    worker = pod(0, worker=1, status=waiting("ImagePullBackOff", "no such image"), size=2)
    why = group_unreadiness(leader, worker_set(0, ready=0), [worker, leader])
    assert why == "llm-0-1: ImagePullBackOff: no such image"


def test_reasons_are_cut_short() -> None:
    leader = pod(0, status=waiting("ImagePullBackOff", "x" * 1000))
    assert len(group_unreadiness(leader, None, [leader])) == 200


def at(seconds: int) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def conditions(*, placed: int, unready_since: int, ready: str = "False") -> Json:
    return {
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(placed)},
            {"type": "Ready", "status": ready, "lastTransitionTime": at(unready_since)},
        ]
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(conditions(placed=-900, unready_since=-10), True, id="was ready until 10 s ago"),
        pytest.param(conditions(placed=-900, unready_since=-40), False, id="for longer than the grace"),
        pytest.param(conditions(placed=-11, unready_since=-10), False, id="never was ready"),
        pytest.param(conditions(placed=-900, unready_since=-10, ready="True"), False, id="is ready"),
        pytest.param({"phase": "Pending"}, False, id="no conditions yet"),
    ],
)
def test_a_blip_is_a_pod_that_was_ready_a_moment_ago(status: Json, expected: bool) -> None:
    assert is_blip(pod(0, status=status), timedelta(seconds=30), NOON) is expected


def test_a_pod_without_a_node_is_unscheduled_and_for_how_long_is_known() -> None:
    scheduled = {"type": "PodScheduled", "status": "False", "lastTransitionTime": at(-61)}
    nowhere = pod(0, status={"conditions": [scheduled]})
    assert is_unscheduled(nowhere)
    assert is_unscheduled_for(nowhere, timedelta(seconds=60), NOON)
    assert not is_unscheduled_for(nowhere, timedelta(seconds=62), NOON)
    assert not is_unscheduled(pod(0))
