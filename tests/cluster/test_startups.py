"""Start-up times, read off pods, and kept with templates."""

from datetime import UTC, datetime

import pytest

from rollwright.cluster import names, startups
from rollwright.cluster.api import PODS, STATEFUL_SETS
from rollwright.cluster.leaderworkerset import LeaderWorkerSetSnapshot
from rollwright.rollout.startups import StartUps
from tests.cluster.objects import Json, as_watched, leader_set, lws, pod, worker_set

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ready(at: str) -> Json:
    return {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T{at}Z"}]}


def told(*pods: Json, replicas: int = 4, partition: int = 0, digest: str | None = None) -> StartUps:
    """What the pods tell of the groups of a target; of another template than its own by a `digest`."""
    sets = [leader_set(replicas, partition=partition), *(worker_set(i, revision="new") for i in range(replicas))]
    snapshot = LeaderWorkerSetSnapshot(
        lws(replicas, partition=partition), {STATEFUL_SETS: sets, PODS: as_watched(pods)}
    )
    return snapshot.start_ups(snapshot.observe(digest, 30, NOON), NOON)


def test_a_start_up_lasts_from_the_leaders_creation_until_the_last_pod_of_the_group_was_ready() -> None:
    leader = pod(0, revision="new", size=2, created="2026-01-01T11:00:00Z", status=ready("11:10:00"))
    worker = pod(0, worker=1, revision="new", created="2026-01-01T11:05:00Z", status=ready("11:20:30"))
    assert told(leader, worker, replicas=1) == StartUps(seconds=(20 * 60 + 30,))


def test_what_is_starting_is_as_old_as_its_leader_and_what_has_none_yet_is_not_told_of() -> None:
    starting = pod(0, revision="new", ready=False, created="2026-01-01T11:59:00Z")
    leaving = pod(1, revision="new", ready=False, leaving=True)
    assert told(starting, leaving, replicas=3) == StartUps(ages={0: 60.0})


def test_groups_of_another_revision_tell_nothing_of_this_one() -> None:
    old = pod(0, revision="old", status=ready("11:10:00"))
    new = pod(1, revision="new", status=ready("11:30:00"))
    assert told(old, new, replicas=2, partition=1) == StartUps(seconds=(1800.0,))
    assert told(old, new, replicas=2, partition=1, digest="another") == StartUps()


def test_of_thousands_of_groups_some_hundreds_are_asked_spread_over_all() -> None:
    pods = [pod(i, revision="new", status=ready(f"11:{i // 60:02}:{i % 60:02}")) for i in range(1000)]
    seconds = told(*pods, replicas=1000).seconds
    assert len(seconds) == 200
    assert (seconds[0], seconds[-1]) == (0.0, 995.0)


def entry(text: str) -> Json:
    return {"metadata": {"annotations": {names.START_UPS: text}}}


def test_what_is_kept_with_a_template_is_small_and_can_be_read_again() -> None:
    text = startups.written([float(value) for value in range(100)])
    assert text == "2,7,12,17,22,27,32,37,42,47,52,57,62,67,72,77,82,87,92,97"
    assert startups.read([entry(text)])[::19] == (2.0, 97.0)
    assert startups.written([]) == ""


@pytest.mark.parametrize("text", ["soon", "10,soon,-3,20", "," * 10, "10," * 1000])
def test_what_somebody_else_has_written_there_does_no_harm(text: str) -> None:
    assert set(startups.read([entry(text)])) <= {10.0, 20.0}
    assert len(startups.read([entry(text)])) <= 20


def test_the_newest_rollouts_count_until_there_are_enough() -> None:
    four, twenty = ",".join(["10"] * 4), ",".join(["20"] * 20)
    assert startups.read([entry("99"), {"metadata": {}}, entry(four)]) == (10.0,) * 4 + (99.0,)
    assert startups.read([entry("99"), entry(twenty), entry("")]) == (20.0,) * 20


def test_before_a_first_rollout_the_groups_that_serve_tell_and_those_that_were_unready_later_do_not() -> None:
    pods = [pod(i, revision="new", status=ready(at)) for i, at in enumerate(["11:10:00", "11:11:00", "11:50:00"])]
    pods.append(pod(3, revision="old", status=ready("11:20:00")))
    snapshot = LeaderWorkerSetSnapshot(lws(4, partition=4), {STATEFUL_SETS: [leader_set(4, partition=4)], PODS: pods})
    assert snapshot.standing_start_ups(NOON) == (600.0, 660.0)
    assert LeaderWorkerSetSnapshot(lws(0), {STATEFUL_SETS: [leader_set(0)], PODS: []}).standing_start_ups(NOON) == ()


def test_a_group_that_was_unready_for_a_moment_hours_later_tells_no_start_up() -> None:
    times = ["11:10:00"] * 5 + ["11:59:00"]
    pods = [pod(i, revision="new", created="2026-01-01T11:04:00Z", status=ready(at)) for i, at in enumerate(times)]
    assert told(*pods, replicas=6).seconds == (360.0,) * 5


def test_a_group_in_a_blip_is_not_starting() -> None:
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"},
        {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T11:59:50Z"},
    ]
    blip = pod(0, revision="new", created="2026-01-01T11:00:00Z", status={"conditions": conditions})
    assert told(blip, replicas=1).ages == {}
