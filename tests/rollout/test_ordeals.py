"""How long a group has been trying to serve, carried from one look to the next."""

from typing import NamedTuple

import hypothesis
import pytest
from hypothesis import strategies as st

from rollwright.activities.messages import Heard
from rollwright.rollout.observation import Cause, Group
from rollwright.rollout.ordeals import Ordeal, Start, follow, placed_surge
from rollwright.rollout.quantities import in_words
from rollwright.rollout.spec import Strategy

GRACE = 30
STRATEGY = Strategy(progress_deadline=7200, failure_grace=300, unready_grace=GRACE)


class Look(NamedTuple):
    """What is seen of group 3; without a cause it serves."""

    now: float
    leader: str = ""
    cause: Cause | None = None
    leaving: bool = False
    replaced: bool = False
    """It is of an older revision by now."""


Plain = tuple[float] | tuple[float, str, Cause]


def after(*looks: Look | Plain) -> Ordeal | None:
    """What is known of group 3 after these looks at it."""
    ordeals: dict[int, Ordeal] = {}
    for given in looks:
        look = given if isinstance(given, Look) else Look(*given)
        serves = look.cause is None and not look.leaving
        group = Group(ordinal=3, updated=not look.replaced, ready=serves, terminating=look.leaving)
        starts = [Start(3, look.leader, look.cause)] if look.cause else []
        ordeals = follow(ordeals, [group], starts, look.now, STRATEGY)
    return ordeals.get(3)


def why(*looks: Look | Plain, at: float) -> str:
    ordeal = after(*looks)
    return ordeal.failure(STRATEGY, at) if ordeal else "over"


def test_a_group_that_takes_its_time_has_failed_at_the_deadline_and_not_before() -> None:
    start = (0.0, "a", Cause.UNREADY)
    assert why(start, at=7199) == ""
    assert why(start, at=7200) == "not ready 2 h after its start"


@pytest.mark.parametrize("cause", Cause)
def test_what_does_not_heal_by_waiting_has_failed_after_the_grace(cause: Cause) -> None:
    looks = ((0.0, "a", Cause.STARTING), (10.0, "a", cause))
    assert why(*looks, at=309) == ""
    assert (why(*looks, at=310) == "for more than 5 min") is (cause in (Cause.IMAGE, Cause.CRASH, Cause.CONFIG))


def test_the_grace_begins_anew_where_it_healed_meanwhile() -> None:
    looks = ((0.0, "a", Cause.IMAGE), (200.0, "a", Cause.STARTING), (250.0, "a", Cause.IMAGE))
    assert why(*looks, at=549) == ""
    assert why(*looks, at=550) != ""


def test_three_leaders_that_nobody_asked_for_are_a_crash_loop() -> None:
    two = ((0.0, "a", Cause.STARTING), (10.0, "b", Cause.STARTING))
    assert why(*two, at=1000) == ""
    three = (*two, (20.0, "c", Cause.STARTING))
    assert why(*three, at=320).endswith("for more than 5 min")


def test_a_leader_that_is_briefly_absent_is_not_another_one() -> None:
    ordeal = after((0.0, "a", Cause.STARTING), (5.0, "", Cause.STARTING), (6.0, "a", Cause.STARTING))
    assert ordeal
    assert (ordeal.leader, ordeal.leaders) == ("a", 1)
    first = after((0.0, "", Cause.STARTING), (5.0, "a", Cause.STARTING))
    assert first
    assert (first.leader, first.leaders) == ("a", 1)
    other = after((0.0, "a", Cause.STARTING), (5.0, "", Cause.STARTING), (6.0, "b", Cause.STARTING))
    assert other
    assert other.leaders == 2


def test_a_loop_that_serves_for_a_moment_goes_on_being_one() -> None:
    looks = ((0.0, "a", Cause.STARTING), (10.0,), (12.0, "b", Cause.STARTING), (20.0,), (25.0, "c", Cause.STARTING))
    assert why(*looks, at=325).endswith("for more than 5 min")


def test_it_is_over_once_the_group_has_served_for_the_grace() -> None:
    assert after((0.0, "a", Cause.STARTING), (10.0,), (39.0,)) is not None
    assert after((0.0, "a", Cause.STARTING), (10.0,), (40.0,)) is None
    renewed = after((0.0, "a", Cause.STARTING), (10.0,), (40.0,), (50.0, "b", Cause.STARTING))
    assert renewed == Ordeal(since=50.0, leader="b", leader_since=50.0)


def test_serving_for_a_moment_counts_from_its_own_beginning() -> None:
    looks = ((0.0, "a", Cause.STARTING), (10.0,), (20.0, "a", Cause.UNREADY), (30.0,), (50.0,))
    assert after(*looks) is not None
    assert after(*looks, (60.0,)) is None


def test_a_crash_loop_lasts_while_its_leader_takes_its_time_to_leave() -> None:
    looks = (Look(0.0, "a", Cause.CRASH), Look(10.0, leaving=True), Look(200.0, leaving=True))
    assert why(*looks, at=300) == "for more than 5 min"


def test_it_is_over_once_the_group_is_to_be_replaced_or_is_not_asked_for() -> None:
    assert after(Look(0.0, "a", Cause.CRASH), Look(1.0, leaving=True, replaced=True)) is None
    left = follow({3: Ordeal(since=0.0, leader="a")}, [], [], 1.0, STRATEGY)
    assert left == {}


def test_a_start_seen_once_is_counted_once_however_often_it_is_looked_at() -> None:
    look = (5.0, "a", Cause.CRASH)
    assert after(look) == after(look, look, look)


def test_an_ordeal_travels_through_a_workflow_and_back() -> None:
    ordeal = after((0.0, "a", Cause.CRASH), (3.0,))
    assert ordeal
    assert Ordeal.model_validate_json(ordeal.model_dump_json(by_alias=True)) == ordeal


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59, "59 s"), (300, "5 min"), (5400, "1 h 30 min"), (7201, "2 h 1 s")]
)
def test_durations_are_told_as_people_say_them(seconds: int, words: str) -> None:
    assert in_words(seconds) == words


def unplaced(*looks: tuple[float, bool]) -> dict[int, Ordeal]:
    """What is known of surge group 5 after these looks: when, and whether it has nodes."""
    ordeals: dict[int, Ordeal] = {}
    for now, placed in looks:
        start = Start(5, "a", Cause.STARTING, placed)
        ordeals = follow(ordeals, [Group(ordinal=5, updated=True, ready=False)], [start], now, STRATEGY)
    return ordeals


@pytest.mark.parametrize(
    ("looks", "limit"),
    [
        pytest.param([(0.0, False)], 1, id="from the first look on"),
        pytest.param([(1.0, False)], None, id="not long enough"),
        pytest.param([(0.0, True), (100.0, False)], None, id="it has lost its node just now"),
        pytest.param([(0.0, False), (50.0, True)], None, id="it has found one"),
    ],
)
def test_a_surge_group_is_given_up_once_it_has_been_without_nodes_for_too_long(
    looks: list[tuple[float, bool]], limit: int | None
) -> None:
    ordeals = unplaced(*looks)
    assert placed_surge(ordeals, replicas=4, groups_asked=6, patience_seconds=120, now=120) == limit
    assert placed_surge(ordeals, replicas=6, groups_asked=6, patience_seconds=120, now=120) is None


def test_an_old_leader_that_does_not_go_fails_its_group_at_the_deadline_and_is_no_leader_of_the_new() -> None:
    """Its node may be away for good: nobody will say that it is gone."""
    looks = ((0.0, "", Cause.STARTING), (7000.0, "", Cause.STARTING))
    assert why(*looks, at=7200) == "not ready 2 h after its start"
    known = after(*looks, (7100.0, "a", Cause.STARTING))
    assert known
    assert known.leaders == 1


def test_a_group_that_loses_its_node_again_and_again_while_it_loads_is_no_crash_loop() -> None:
    drained = ((0.0, "a", Cause.UNREADY), (600.0, "b", Cause.UNREADY), (1500.0, "c", Cause.UNREADY))
    assert why(*drained, (1799.0, "c", Cause.UNREADY), at=1799) == ""
    assert why(*drained, (1800.0, "c", Cause.UNREADY), at=1800) == ""
    assert why(*drained, (1800.0, "c", Cause.UNREADY), (2500.0, "c", Cause.UNREADY), at=2500) == ""


times = st.floats(0, 1e6).map(lambda seconds: round(seconds, 1))
maybe = st.none() | times
ordeals = st.dictionaries(
    st.integers(0, 3000),
    st.builds(
        Ordeal,
        since=times,
        failing_since=maybe,
        leader=st.sampled_from(["", "0a1b2c3d"]),
        leaders=st.integers(1, 9),
        leader_since=maybe,
        unplaced_since=maybe,
        ready_since=maybe,
    ),
    max_size=5,
)


@hypothesis.given(ordeals)
def test_what_is_known_comes_back_from_a_history_to_the_tenth_of_a_second(known: dict[int, Ordeal]) -> None:
    heard = Heard.model_validate_json(Heard(ordeals=known).model_dump_json()).ordeals
    assert heard.keys() == known.keys()
    for ordinal, ordeal in known.items():
        assert heard[ordinal].model_dump() == pytest.approx(ordeal.model_dump())


def test_two_thousand_starts_take_little_room_in_a_history() -> None:
    starts = [Start(ordinal, f"{ordinal:08x}-0000-4000-8000-000000000000", Cause.STARTING) for ordinal in range(2000)]
    known = follow({}, [], starts, 1_800_000_000.0, STRATEGY)
    assert len(Heard(ordeals=known).model_dump_json()) < 40_000


def test_the_words_of_earlier_versions_are_read() -> None:
    before = {"ordeals": {"3": {"since": 5.0, "leader": "0a1b2c3d-0000", "leaders": 2, "readySince": 7.5}}}
    assert Heard.model_validate(before).ordeals == {
        3: Ordeal(since=5.0, leader="0a1b2c3d-0000", leaders=2, ready_since=7.5)
    }


def test_a_leader_is_the_same_by_its_whole_uid_as_by_the_part_that_is_kept() -> None:
    uid = "0a1b2c3d-0000-4000-8000-000000000000"
    known = follow({3: Ordeal(since=0.0, leader=uid)}, [], [Start(3, uid, Cause.STARTING)], 1.0, STRATEGY)
    known = follow(known, [], [Start(3, uid, Cause.STARTING)], 2.0, STRATEGY)
    assert known[3].leaders == 1
