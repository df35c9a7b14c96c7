"""When a group serves, and which of its pods tells why it doesn't."""

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.cluster.causes import Unreadiness
from rollwright.cluster.readiness import group_unreadiness, is_blip, is_placed
from rollwright.rollout.observation import Cause
from tests.cluster.objects import Json, pod, worker_set

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def of_two(*, worker_ready: bool = True, leaving: bool = False) -> tuple[Json, list[Json]]:
    """The leader and all pods of a group of two."""
    leader = pod(0, size=2)
    return leader, [leader, pod(0, worker=1, ready=worker_ready, leaving=leaving, size=2)]


def waiting(reason: str, message: str = "") -> Json:
    return {"containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


NO_IMAGE = waiting("ImagePullBackOff", "no such image")
CRASHES = waiting("CrashLoopBackOff", "back-off 10s")
CREATING = waiting("ContainerCreating")
NO_NODE: Json = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Full", "message": "0/8"}]}
GATED: Json = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
EVICTED: Json = {"phase": "Failed", "reason": "Evicted", "message": "disk"}
LOADING: Json = {
    "containerStatuses": [{"started": True, "state": {"running": {"startedAt": "2026-01-01T11:00:00Z"}}}],
    "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "[model]"}],
}


def why(leader: Json, workers: Json | None, pods: list[Json]) -> str:
    """The words; empty if the group is ready."""
    unreadiness = group_unreadiness(leader, workers, pods, NOON)
    return unreadiness.words if unreadiness else ""


def test_a_group_of_one_is_ready_with_its_leader() -> None:
    assert group_unreadiness(pod(0), None, [pod(0)], NOON) is None


def test_a_leader_that_is_deleted_serves_no_more_though_it_is_ready_still() -> None:
    leaving = pod(0, leaving=True)
    assert why(leaving, None, [leaving]) == "leaving"


def test_a_group_is_ready_with_all_its_workers() -> None:
    leader, pods = of_two()
    assert group_unreadiness(leader, worker_set(0), pods, NOON) is None


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        pytest.param(None, "its workers are being started", id="no StatefulSet yet"),
        pytest.param(worker_set(0, owner="u-before"), "its workers are being started", id="of the leader before"),
        pytest.param(worker_set(0, revision="x", owner="u-llm-0-old"), "its workers are being started", id="old"),
        pytest.param(worker_set(0, ready=0), "starting", id="not ready"),
        pytest.param(worker_set(0, observed=0), "starting", id="its status is of another spec"),
    ],
)
def test_workers_count_if_they_are_this_leaders_and_up_to_date(workers: Json | None, words: str) -> None:
    leader, pods = of_two()
    assert group_unreadiness(leader, workers, pods, NOON) == Unreadiness(Cause.STARTING, words)


def test_a_worker_of_the_leader_before_that_does_not_go_is_told() -> None:
    leader = pod(0, size=2)
    stuck = pod(0, worker=1, size=2, ready=False, leaving=True)
    stuck["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z"
    found = group_unreadiness(leader, worker_set(0, owner="u-before"), [leader, stuck], NOON)
    assert found
    assert (found.cause, found.words.partition(":")[0]) == (Cause.NODE, "llm-0-1")


def test_a_worker_that_is_deleted_takes_its_group_along() -> None:
    leader, pods = of_two(leaving=True)
    assert why(leader, worker_set(0), pods) == "llm-0-1: leaving"


def test_the_size_is_the_groups_own() -> None:
    small = pod(0, size=1)
    assert why(small, worker_set(0, ready=0), [small]) == ""


@pytest.mark.parametrize(
    ("leader_status", "worker_status", "expected"),
    [
        pytest.param(None, NO_IMAGE, Unreadiness(Cause.IMAGE, "llm-0-1: ImagePullBackOff: no such image"), id="worker"),
        pytest.param(NO_IMAGE, None, Unreadiness(Cause.IMAGE, "llm-0: ImagePullBackOff: no such image"), id="leader"),
        pytest.param(NO_IMAGE, NO_IMAGE, Unreadiness(Cause.IMAGE, "llm-0: ImagePullBackOff: no such image"), id="both"),
        pytest.param(
            NO_NODE,
            NO_IMAGE,
            Unreadiness(Cause.IMAGE, "llm-0-1: ImagePullBackOff: no such image"),
            id="a node may turn up, an image does not",
        ),
        pytest.param(
            LOADING,
            CRASHES,
            Unreadiness(Cause.CRASH, "llm-0-1: CrashLoopBackOff: back-off 10s"),
            id="the leader waits for a worker that crashes",
        ),
        pytest.param(
            LOADING, NO_NODE, Unreadiness(Cause.UNSCHEDULABLE, "llm-0-1: Full: 0/8"), id="for one without a node"
        ),
        pytest.param(EVICTED, NO_NODE, Unreadiness(Cause.NODE, "llm-0: Evicted: disk"), id="evicted"),
        pytest.param(GATED, NO_NODE, Unreadiness(Cause.UNSCHEDULABLE, "llm-0-1: Full: 0/8"), id="gated"),
        pytest.param(LOADING, CREATING, Unreadiness(Cause.STARTING, "starting"), id="for one that starts"),
        pytest.param(LOADING, None, Unreadiness(Cause.UNREADY, "llm-0: [model]"), id="only the probe fails"),
    ],
)
def test_of_a_group_the_pod_that_tells_most_is_heard(
    leader_status: Json | None, worker_status: Json | None, expected: Unreadiness
) -> None:
    leader = pod(0, size=2, status=leader_status)
    worker = pod(0, worker=1, size=2, status=worker_status)
    for pods in ([leader, worker], [worker, leader]):
        assert group_unreadiness(leader, worker_set(0, ready=0), pods, NOON) == expected


def test_of_workers_alike_the_first_is_named() -> None:
    leader = pod(0, size=11)
    workers = [pod(0, worker=number, size=11, status=NO_IMAGE) for number in (10, 2, 3)]
    assert why(leader, worker_set(0, ready=7), [*workers, leader]).startswith("llm-0-2: ")


def test_words_are_cut_short() -> None:
    leader = pod(0, status=waiting("ImagePullBackOff", "x" * 1000))
    words = why(leader, None, [leader])
    assert len(words) == 200
    assert words.endswith("x…")


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


@pytest.mark.parametrize(
    ("pods", "leader_first", "placed"),
    [
        pytest.param([pod(0, size=2), pod(0, worker=1, size=2)], False, True, id="all there"),
        pytest.param([pod(0, size=2), pod(0, worker=1, status=NO_NODE)], False, False, id="a worker has no node"),
        pytest.param([pod(0, size=2)], False, False, id="a worker isn't there yet"),
        pytest.param([pod(0, size=2, ready=False)], True, True, id="workers come once the leader is ready"),
        pytest.param([pod(0, size=2, ready=True)], True, False, id="workers are due"),
    ],
)
def test_a_group_is_placed_once_all_its_pods_have_nodes(pods: list[Json], *, leader_first: bool, placed: bool) -> None:
    assert is_placed(pods[0], pods, leader_first=leader_first) is placed


def test_a_count_of_ready_workers_from_a_while_ago_does_not_count() -> None:
    """With the controller manager away the StatefulSet goes on saying that they are ready."""
    leader, pods = of_two(worker_ready=False)
    assert why(leader, worker_set(0, ready=1), pods) != ""
