"""What the objects of a target say together: whether they agree yet, what is released, how each group stands."""

import dataclasses
from datetime import UTC, datetime

import pytest

from rollwright.cluster import names
from rollwright.cluster.api import PODS, STATEFUL_SETS
from rollwright.cluster.leaderworkerset import LeaderWorkerSet, LeaderWorkerSetSnapshot
from rollwright.cluster.record import Asked, Record
from rollwright.cluster.templates import digest, kept_name
from rollwright.rollout.observation import Cause, Observation
from rollwright.rollout.ordeals import Start
from rollwright.rollout.spec import SurgeBy
from tests.cluster.objects import TEMPLATE, Json, as_watched, leader_set, lws, pod, worker_set

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RECORD = Record(replicas=4, groups=6, max_unavailable=2, max_surge=1, partition=0)
RECORDED = {names.RECORD: RECORD.model_dump_json(by_alias=True)}
HELD = {
    names.RECORD: RECORD.model_copy(
        update={"asked": Asked(partition=0, max_unavailable=1, template="llm-rw-new")}
    ).model_dump_json(by_alias=True, exclude_none=True)
}
NOWHERE: Json = {
    "conditions": [
        {"type": "PodScheduled", "status": "False", "lastTransitionTime": "2026-01-01T11:58:00Z", "reason": "Full"}
    ]
}


def snapshot(target: LeaderWorkerSet, leaders: Json | None, *pods: Json) -> LeaderWorkerSetSnapshot:
    return LeaderWorkerSetSnapshot(target, {STATEFUL_SETS: [leaders] if leaders else [], PODS: as_watched(pods)})


def observe(target: LeaderWorkerSet, leaders: Json, *pods: Json) -> Observation:
    return snapshot(target, leaders, *pods).observe(None, 30, NOON)


OLD_LEADERS = [pod(ordinal) for ordinal in range(4)]


def test_it_is_settled_when_both_controllers_have_seen_the_last_write() -> None:
    assert snapshot(lws(), leader_set()).is_settled


@pytest.mark.parametrize(
    ("target", "leaders"),
    [
        pytest.param(lws(generation=2, observed=1), leader_set(), id="LWS is behind"),
        pytest.param(lws(), leader_set(observed=0), id="the StatefulSet controller is behind"),
        pytest.param(lws(6), leader_set(4), id="the groups are not asked for yet"),
        pytest.param(lws(), None, id="there is no StatefulSet yet"),
    ],
)
def test_it_is_not_settled_before_that(target: LeaderWorkerSet, leaders: Json | None) -> None:
    assert not snapshot(target, leaders).is_settled


def test_released_are_the_old_leaders_from_the_partition_up() -> None:
    released = snapshot(lws(partition=2), leader_set(partition=2), *OLD_LEADERS).released_leaders()
    assert [leader["metadata"]["name"] for leader in released] == ["llm-2", "llm-3"]


def test_what_only_the_lws_object_has_released_is_left_alone_for_it_would_come_back_old() -> None:
    """The trap: LWS's own maxUnavailable holds the partition of its StatefulSet at 3, whatever the object says."""
    held = snapshot(lws(partition=2), leader_set(partition=3), *OLD_LEADERS)
    assert [leader["metadata"]["name"] for leader in held.released_leaders()] == ["llm-3"]
    assert held.shows(3)
    assert not held.shows(2)


def test_nothing_is_released_until_the_controllers_agree() -> None:
    target = lws(partition=2, generation=2, observed=1)
    assert snapshot(target, leader_set(partition=0), *OLD_LEADERS).released_leaders() == []
    assert not snapshot(target, leader_set(partition=2)).shows(2)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(pod(3, revision="new"), id="replaced already"),
        pytest.param(pod(3, leaving=True), id="leaving already"),
        pytest.param(pod(3, worker=1), id="a worker"),
        pytest.param(pod(4), id="of a group nobody asks for"),
        pytest.param(pod(1), id="below the partition"),
    ],
)
def test_what_needs_no_replacement_is_not_released(other: Json) -> None:
    assert snapshot(lws(partition=2), leader_set(partition=2), other).released_leaders() == []


def test_a_frozen_template_leaves_the_old_window_to_be_fenced_off() -> None:
    """Read before the freeze has reached the StatefulSet: a late delete of these would bring them back old."""
    before = snapshot(lws(partition=4, generation=2, observed=1), leader_set(partition=2), *OLD_LEADERS)
    assert [leader["metadata"]["name"] for leader in before.old_window()] == ["llm-2", "llm-3"]


def test_the_partition_in_force_is_that_of_the_stateful_set() -> None:
    assert observe(lws(partition=2), leader_set(partition=3)).partition == 3


def test_until_the_controllers_agree_the_partition_is_what_was_written() -> None:
    assert observe(lws(partition=2, generation=2, observed=1), leader_set(partition=3)).partition == 2


def test_without_a_record_the_user_wants_what_is_asked_for() -> None:
    seen = observe(lws(4), leader_set(4))
    assert (seen.replicas, seen.groups_asked, seen.widened) == (4, 4, False)


@pytest.mark.parametrize(("asked", "wanted"), [(6, 4), (7, 7), (2, 2)])
def test_a_number_of_groups_that_is_not_ours_is_what_the_user_wants_now(asked: int, wanted: int) -> None:
    seen = observe(lws(asked, annotations=RECORDED), leader_set(asked))
    assert (seen.replicas, seen.groups_asked) == (wanted, asked)


@pytest.mark.parametrize(("max_unavailable", "widened"), [(2, False), (5, True), ("50%", True)])
def test_it_tells_whether_lws_is_left_wide_open(max_unavailable: int | str, widened: bool) -> None:
    seen = observe(lws(6, max_unavailable=max_unavailable, annotations=RECORDED), leader_set(6))
    assert seen.widened is widened


def test_a_group_is_updated_when_its_leader_runs_the_revision_of_the_stateful_set() -> None:
    seen = observe(lws(2), leader_set(2), pod(0), pod(1, revision="new"))
    assert [group.updated for group in seen.groups] == [False, True]
    assert all(group.ready for group in seen.groups)


def test_no_group_is_updated_while_another_template_stands() -> None:
    seen = snapshot(lws(1), leader_set(1), pod(0, revision="new")).observe("another", 30, NOON)
    assert not seen.on_target
    assert not seen.groups[0].updated


def test_the_template_that_stands_is_known_by_its_content() -> None:
    target = lws(1)
    assert snapshot(target, leader_set(1)).observe(digest(target.template), 30, NOON).on_target


@pytest.mark.parametrize(("ordinal", "updated"), [(0, False), (1, True)])
def test_a_group_without_a_leader_starts_as_the_partition_says(ordinal: int, updated: bool) -> None:
    group = observe(lws(2, partition=1), leader_set(2, partition=1)).groups[ordinal]
    assert (group.updated, group.ready, group.reason) == (updated, False, "starting")


def test_a_group_of_several_is_judged_by_its_own_workers() -> None:
    leaders = [pod(ordinal, size=2) for ordinal in range(2)]
    workers = [pod(ordinal, worker=1, size=2) for ordinal in range(2)]
    sets = [leader_set(2), worker_set(0), worker_set(1, ready=0)]
    seen = LeaderWorkerSetSnapshot(lws(2), {STATEFUL_SETS: sets, PODS: leaders + workers}).observe(None, 30, NOON)
    assert [group.ready for group in seen.groups] == [True, False]


def test_a_group_that_leaves_is_not_available() -> None:
    group = observe(lws(1), leader_set(1), pod(0, leaving=True)).groups[0]
    assert (group.terminating, group.ready, group.reason) == (True, False, "leaving")


def test_a_group_is_unscheduled_with_any_of_its_pods() -> None:
    leader, worker = pod(0, size=2, ready=False), pod(0, worker=1, size=2, status=NOWHERE)
    assert observe(lws(1), leader_set(1), leader, worker).groups[0].unscheduled


def test_a_group_is_misplaced_when_a_restart_below_the_partition_would_change_it() -> None:
    leaders = leader_set(2, current="h-1")
    seen = observe(lws(2), leaders, pod(0, controller_hash="h-1"), pod(1, controller_hash="h-2"))
    assert [group.misplaced for group in seen.groups] == [False, True]


@pytest.mark.parametrize(("written", "in_force", "loose"), [(2, 2, False), (2, 3, True), (3, 2, False)])
def test_a_release_that_lws_holds_back_is_told(written: int, in_force: int, *, loose: bool) -> None:
    assert observe(lws(partition=written), leader_set(partition=in_force), *OLD_LEADERS).loose is loose


def test_it_is_read_at_the_generation_of_the_spec() -> None:
    assert observe(lws(generation=7), leader_set()).generation == 7


def test_groups_that_are_to_serve_on_the_target_revision_and_do_not_yet_are_followed() -> None:
    """Not those that the partition holds, that serve, whose new leader leaves, or that nobody asks for."""
    pods = [
        pod(0, ready=False),
        pod(1, revision="new", status=NOWHERE),
        pod(2, revision="new"),
        pod(3, revision="new", ready=False, leaving=True),
        pod(4, revision="old", leaving=True),
        pod(6, revision="new", ready=False),
    ]
    read = snapshot(lws(6, partition=1), leader_set(6, partition=1), *pods)
    assert read.starts(read.observe(None, 30, NOON)) == [
        Start(ordinal=1, leader="u-llm-1-new", cause=Cause.UNSCHEDULABLE, placed=False),
        Start(ordinal=5, leader="", cause=Cause.STARTING, placed=False),
        Start(ordinal=4, leader="", cause=Cause.STARTING),
    ]


ALIKE = [
    pod(0),
    pod(1, ready=False),
    pod(2, revision="new"),
    pod(3, revision="new"),
    pod(4, revision="new", ready=False),
]


def serving(target: LeaderWorkerSet, *serves: str) -> LeaderWorkerSetSnapshot:
    """The groups above, of which these serve."""
    read = snapshot(target, leader_set(5, partition=2), *ALIKE)
    return dataclasses.replace(
        read, why_not=lambda leader: "" if (name := leader["metadata"]["name"]) in serves else f"{name}: http 503"
    )


def test_an_updated_group_is_ready_only_once_it_serves_and_an_old_one_counts_by_its_pods() -> None:
    """If what runs an old version counted as unavailable, nothing would keep all of it from being taken down."""
    seen = serving(lws(5, partition=2), "llm-2").observe(None, 30, NOON)
    assert [group.ready for group in seen.groups] == [True, False, True, False, False]
    assert (seen.groups[3].cause, seen.groups[3].reason) == (Cause.SERVING, "llm-3: http 503")
    assert seen.groups[4].cause is Cause.STARTING, "what its pods say comes first"
    assert not any(group.blip for group in seen.groups)


def test_a_group_that_does_not_serve_is_followed_as_one_that_is_being_started() -> None:
    read = serving(lws(5, partition=2), "llm-2")
    starts = read.starts(read.observe(None, 30, NOON))
    assert Start(ordinal=3, leader="u-llm-3-new", cause=Cause.SERVING) in starts


@pytest.mark.parametrize(
    ("target", "target_digest"),
    [
        pytest.param(lws(5, partition=2), "another", id="its template isn't in place"),
        pytest.param(lws(5, partition=2, generation=2, observed=1), None, id="its controller hasn't seen it"),
    ],
)
def test_while_it_is_not_known_what_is_updated_all_groups_count_by_their_pods(
    target: LeaderWorkerSet, target_digest: str | None
) -> None:
    read = serving(target)
    assert read.observe(target_digest, 30, NOON).available == 3
    assert read.to_be_asked(target_digest, NOON) == []


def test_only_updated_groups_whose_pods_are_ready_are_asked() -> None:
    asked = serving(lws(5, partition=2)).to_be_asked(None, NOON)
    assert [leader["metadata"]["name"] for leader in asked] == ["llm-2", "llm-3"]


def surging(
    max_surge: int = 2, max_unavailable: int = 0, *, partition: int = 4, generation: int = 1, observed: int = 1
) -> LeaderWorkerSet:
    """Four groups, and a maxSurge of ours."""
    target = lws(
        4,
        partition=partition,
        max_unavailable=max_unavailable,
        max_surge=max_surge,
        generation=generation,
        observed=observed,
    )
    asked = Asked(
        partition=4, max_unavailable=max_unavailable, max_surge=max_surge, template=kept_name(target, TEMPLATE)
    )
    record = Record(replicas=4, groups=4, max_unavailable=1, max_surge=1, partition=0, asked=asked)
    target.manifest["metadata"]["annotations"] = {
        names.RECORD: record.model_dump_json(by_alias=True, exclude_none=True)
    }
    return target


NEW_LEADERS = [pod(ordinal, revision="new") for ordinal in range(6)]


@pytest.mark.parametrize(
    ("standing", "settled"),
    [(3, False), (4, False), (5, True), (6, True), (7, False)],
)
def test_a_surge_by_max_surge_is_settled_once_lws_has_acted_on_it(standing: int, settled: bool) -> None:
    assert snapshot(surging(), leader_set(standing, partition=4), *OLD_LEADERS).is_settled is settled


@pytest.mark.parametrize(
    ("target", "leaders", "pods"),
    [
        pytest.param(
            surging(max_unavailable=2),
            leader_set(partition=4),
            [*OLD_LEADERS[:2], *NEW_LEADERS[2:4]],
            id="it is as wide open as groups are outdated",
        ),
        pytest.param(surging(partition=0), leader_set(partition=0), OLD_LEADERS, id="at 0 LWS counts it as complete"),
        pytest.param(
            surging(), leader_set(partition=4), [*NEW_LEADERS[:4], pod(5)], id="nothing is outdated that stays"
        ),
    ],
)
def test_a_surge_that_lws_asks_not_for_is_not_waited_for(
    target: LeaderWorkerSet, leaders: Json, pods: list[Json]
) -> None:
    assert snapshot(target, leaders, *pods).is_settled


@pytest.mark.parametrize(
    ("standing", "done", "asked"),
    [
        pytest.param(6, 0, 6, id="all of it"),
        pytest.param(6, 2, 6, id="as many as aren't done"),
        pytest.param(6, 3, 5, id="LWS is about to give one back"),
        pytest.param(5, 3, 5, id="it has"),
        pytest.param(5, 0, 5, id="no more than stand"),
        pytest.param(6, 4, 4, id="it is about to give all back"),
    ],
)
def test_groups_that_lws_is_about_to_give_back_are_not_reckoned_with(standing: int, done: int, asked: int) -> None:
    pods = [pod(ordinal, revision="new" if ordinal >= 4 - done else "old") for ordinal in range(6)]
    seen = observe(surging(), leader_set(standing, partition=4 - done), *pods)
    assert (seen.replicas, seen.groups_asked) == (4, asked)


def test_until_lws_has_acted_there_may_be_as_many_as_were_asked_for() -> None:
    """A freeze at fewer would release those in between."""
    seen = observe(surging(generation=2, observed=1), leader_set(4), *OLD_LEADERS)
    assert (seen.settled, seen.replicas, seen.groups_asked) == (False, 4, 6)


def test_outdated_surge_groups_above_replicas_are_released_too() -> None:
    released = snapshot(
        surging(), leader_set(6, partition=5), *[pod(ordinal) for ordinal in range(6)]
    ).released_leaders()
    assert [leader["metadata"]["name"] for leader in released] == ["llm-5"]


@pytest.mark.parametrize(
    ("standing", "pods", "widened"),
    [
        pytest.param(4, NEW_LEADERS[:4], True, id="all done, held: LWS would surge for a group that fails"),
        pytest.param(6, NEW_LEADERS[:4], False, id="it stands"),
        pytest.param(5, [*OLD_LEADERS[:1], *NEW_LEADERS[1:]], False, id="it is needed"),
    ],
)
def test_a_max_surge_that_nothing_needs_any_more_is_too_wide(standing: int, pods: list[Json], widened: bool) -> None:
    assert observe(surging(), leader_set(standing, partition=4), *pods).widened is widened


@pytest.mark.parametrize(
    ("target", "by", "unheld"),
    [
        pytest.param(surging(), SurgeBy.MAX_SURGE, False, id="by maxSurge, as it should be"),
        pytest.param(surging(), SurgeBy.REPLICAS, True, id="by maxSurge"),
        pytest.param(lws(6, annotations=HELD), SurgeBy.REPLICAS, False, id="by replicas, as it should be"),
        pytest.param(lws(6, annotations=HELD), SurgeBy.MAX_SURGE, True, id="by replicas"),
        pytest.param(lws(7, annotations=HELD), SurgeBy.REPLICAS, True, id="a wish, which 6 would not be any more"),
        pytest.param(lws(6, annotations=RECORDED), SurgeBy.REPLICAS, True, id="it isn't known what was asked for"),
    ],
)
def test_a_surge_carried_by_the_other_is_taken_in_hand(target: LeaderWorkerSet, by: SurgeBy, unheld: bool) -> None:
    read = snapshot(target, leader_set(6, partition=4), *OLD_LEADERS)
    assert read.observe(None, 30, NOON, by).unheld is unheld
