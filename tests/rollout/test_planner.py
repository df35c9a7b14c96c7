"""Each rule of the planner, on the smallest state that shows it.

States are written group by group: U done, u updated but not ready, o old and ready, x old and broken, b old and in a
blip, t old and leaving, m broken on a revision it would not return to, n new and without a node, F failed.
"""

import pytest

from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import LAST_NOT_READY, Action, Blocked, Done, Failed, Step, Wait, plan
from rollwright.rollout.spec import Pacing, Reclaim, Strategy

LETTERS: dict[str, dict[str, bool]] = {
    "U": {"updated": True, "ready": True},
    "u": {"updated": True, "ready": False},
    "o": {"updated": False, "ready": True},
    "x": {"updated": False, "ready": False},
    "b": {"updated": False, "ready": False, "blip": True},
    "t": {"updated": False, "ready": True, "terminating": True},
    "m": {"updated": False, "ready": False, "misplaced": True},
    "n": {"updated": True, "ready": False, "unscheduled": True},
    "F": {"updated": True, "ready": False, "failed": True},
}
TWO_TWO = Strategy(max_unavailable=2, max_surge=2)
EAGER = TWO_TWO.model_copy(update={"pacing": Pacing.EAGER})


def seen(
    groups: str,
    *,
    partition: int,
    replicas: int = 4,
    on_target: bool = True,
    settled: bool = True,
    asked: int | None = None,
) -> Observation:
    return Observation(
        replicas=replicas,
        groups_asked=len(groups) if asked is None else asked,
        partition=partition,
        groups=tuple(Group(ordinal=i, **LETTERS[letter]) for i, letter in enumerate(groups)),
        on_target=on_target,
        settled=settled,
    )


def test_a_new_target_is_frozen_at_the_groups_there_are_and_gets_its_surge() -> None:
    assert plan(TWO_TWO, seen("oooo", partition=0, on_target=False)) == Step(
        action=Action.PREPARE, partition=4, groups=6
    )


def test_a_second_change_in_the_middle_is_frozen_at_groups_asked_for_not_at_replicas() -> None:
    second = seen("ooxxoo", partition=2, on_target=False)
    assert plan(TWO_TWO, second) == Step(action=Action.PREPARE, partition=6, groups=6)


def test_a_rollback_asks_for_no_more_surge_than_there_are_outdated_groups() -> None:
    back = seen("UUUo", partition=3, on_target=False)
    assert plan(TWO_TWO, back) == Step(action=Action.PREPARE, partition=4, groups=5)


@pytest.mark.parametrize("groups", ["oooouu", "ooooUU", "UUUUUU"])
def test_nothing_is_done_until_the_last_write_has_arrived(groups: str) -> None:
    assert isinstance(plan(TWO_TWO, seen(groups, partition=4, settled=False)), Wait)


def test_ordered_waits_for_the_last_group_where_eager_goes_on() -> None:
    state = seen("ooxxUu", partition=4)
    assert plan(TWO_TWO, state) == Step(action=Action.LOWER_PARTITION, partition=2, groups=6)
    state = seen("oouuUu", partition=2)
    assert plan(TWO_TWO, state) == Wait(reason=LAST_NOT_READY)
    assert plan(EAGER, state) == Step(action=Action.LOWER_PARTITION, partition=1, groups=6)


def test_broken_groups_are_free_to_be_released() -> None:
    one = Strategy(max_unavailable=1)
    assert plan(one, seen("oxxx", partition=4)) == Step(action=Action.LOWER_PARTITION, partition=3, groups=4)
    eager = Strategy(max_unavailable=1, pacing=Pacing.EAGER)
    assert plan(eager, seen("oxxx", partition=4)) == Step(action=Action.LOWER_PARTITION, partition=1, groups=4)


def test_a_group_in_a_blip_counts_as_missing_and_is_not_free_either() -> None:
    eager = Strategy(max_unavailable=1, pacing=Pacing.EAGER)
    assert isinstance(plan(eager, seen("ooob", partition=4)), Wait)
    assert plan(eager, seen("ooox", partition=4)) == Step(action=Action.LOWER_PARTITION, partition=3, groups=4)


def test_released_groups_still_on_the_old_revision_are_replaced_all_together() -> None:
    step = plan(TWO_TWO, seen("oooouu", partition=2))
    assert step == Step(action=Action.REPLACE, partition=2, groups=6, delete=(2, 3))


def test_groups_already_leaving_are_not_deleted_again() -> None:
    assert plan(TWO_TWO, seen("oottuu", partition=2)) == Wait(reason="")


def test_a_partition_above_the_groups_comes_down_before_any_surge_is_asked_for() -> None:
    frozen = seen("oooo", partition=2147483647)
    assert plan(TWO_TWO, frozen) == Step(action=Action.LOWER_PARTITION, partition=4, groups=4)


def test_surge_is_given_back_one_by_one_or_at_once() -> None:
    state = seen("uuUUUU", partition=0)
    assert plan(TWO_TWO, state) == Step(action=Action.RECLAIM_REPLICAS, partition=0, groups=5)
    prompt = TWO_TWO.model_copy(update={"reclaim": Reclaim.PROMPT})
    assert plan(prompt, state) == Step(action=Action.RECLAIM_REPLICAS, partition=0, groups=4)


def test_a_ready_surge_group_that_is_needed_is_kept() -> None:
    no_loss = Strategy(max_unavailable=0, max_surge=2)
    assert plan(no_loss, seen("UUuUUu", partition=0)) == Step(action=Action.RECLAIM_REPLICAS, partition=0, groups=5)
    assert plan(no_loss, seen("UUuUU", partition=0)) == Wait(reason="")


def test_surge_is_asked_for_again_when_the_user_scales_up_in_the_middle() -> None:
    # five old and one new of now eight groups: seven ordinals are unfinished
    scaled = seen("ooooouuu", partition=5, replicas=8)
    assert plan(TWO_TWO, scaled) == Step(action=Action.SCALE_SURGE, partition=5, groups=10)


def test_broken_groups_below_the_partition_on_a_foreign_revision_are_restarted() -> None:
    no_room = Strategy(max_unavailable=1)
    state = seen("mooU", partition=3)
    assert plan(no_room, state) == Step(action=Action.UNBLOCK, partition=3, groups=4, delete=(0,))


def test_a_group_that_was_restarted_below_the_partition_is_waited_for() -> None:
    """On the way back it comes up on the revision to go to, wherever the partition is."""
    assert plan(Strategy(max_unavailable=1), seen("uooo", partition=4)) == Wait(reason="")


def test_the_rollout_stops_at_the_held_ordinals_and_gives_the_surge_back() -> None:
    canary = Strategy(max_unavailable=1, max_surge=2, partition=3)
    assert plan(canary, seen("oooo", partition=0, on_target=False)) == Step(
        action=Action.PREPARE, partition=4, groups=5
    )
    assert plan(canary, seen("ooouU", partition=3)) == Step(action=Action.RECLAIM_REPLICAS, partition=3, groups=4)
    assert plan(canary, seen("oooU", partition=3)) == Done()


def test_holding_every_ordinal_gives_the_surge_back_and_releases_nothing() -> None:
    assert plan(TWO_TWO, seen("ooUUUU", partition=2), hold=4) == Step(
        action=Action.RECLAIM_REPLICAS, partition=2, groups=4
    )
    assert plan(TWO_TWO, seen("ooUU", partition=2), hold=4) == Done()


def test_nothing_is_released_while_a_surge_group_finds_no_node() -> None:
    state = seen("oooonn", partition=4)
    verdict = plan(TWO_TWO, state)
    assert isinstance(verdict, Wait)
    assert "Surge group 4 has no nodes yet" in verdict.reason
    assert plan(TWO_TWO, state, surge_limit=0) == Step(action=Action.RECLAIM_REPLICAS, partition=4, groups=4)


def test_a_budget_of_nothing_by_percentages_is_blocked_and_says_so() -> None:
    verdict = plan(Strategy(max_unavailable="25%"), seen("ooo", partition=3, replicas=3))
    assert isinstance(verdict, Blocked)
    assert "maxUnavailable 25% and maxSurge 0 both come to 0 groups at 3 replicas" in verdict.reason


def test_a_budget_used_up_by_broken_old_groups_is_blocked_and_names_them() -> None:
    verdict = plan(Strategy(max_unavailable=1), seen("xooo", partition=4))
    assert isinstance(verdict, Blocked)
    assert "group 0 is not ready" in verdict.reason


def test_a_target_of_no_groups_is_done_once_its_template_is_in_place() -> None:
    assert plan(TWO_TWO, seen("", partition=0, replicas=0, on_target=False)) == Step(
        action=Action.PREPARE, partition=0, groups=0
    )
    assert plan(TWO_TWO, seen("", partition=0, replicas=0)) == Done()


def test_a_budget_left_wide_by_a_crash_is_closed_before_anything_else() -> None:
    state = seen("oouuUU", partition=2).model_copy(update={"widened": True})
    assert plan(TWO_TWO, state) == Step(action=Action.REPLACE, partition=2, groups=6)


def test_nobody_waits_for_a_failed_group_that_is_tolerated() -> None:
    tolerant = Strategy(max_unavailable=2, max_failed_groups=1)
    assert plan(tolerant, seen("oouF", partition=2)) == Wait(reason="")
    assert plan(tolerant, seen("ooUF", partition=2)) == Step(action=Action.LOWER_PARTITION, partition=1, groups=4)
    assert plan(tolerant, seen("UUUF", partition=0)) == Done()


def test_a_broken_old_group_is_released_beside_a_failed_one() -> None:
    tolerant = Strategy(max_unavailable=1, max_failed_groups=1)
    assert plan(tolerant, seen("ooxF", partition=3)) == Step(action=Action.LOWER_PARTITION, partition=2, groups=4)


def test_one_failed_group_too_many_is_told_by_name_and_reason() -> None:
    state = seen("ooFF", partition=2)
    verdict = plan(Strategy(max_unavailable=2, max_failed_groups=1), state)
    assert isinstance(verdict, Failed)
    assert verdict.reason.startswith("group 2 has failed")
    assert verdict.reason.endswith(", and 1 more")


def test_a_tolerated_failure_that_uses_up_the_budget_is_told_and_not_waited_for() -> None:
    verdict = plan(Strategy(max_unavailable=1, max_failed_groups=1), seen("oooF", partition=3))
    assert isinstance(verdict, Failed)
    assert "the rest can't go on without it" in verdict.reason


def test_the_surge_that_stands_in_for_a_failed_group_is_kept_while_others_wait_to_be_released() -> None:
    tolerant = Strategy(max_unavailable=0, max_surge=2, max_failed_groups=1)
    assert plan(tolerant, seen("oFUUUu", partition=1)) == Wait(reason="")
    assert plan(tolerant, seen("oFUUUU", partition=1)) == Step(action=Action.LOWER_PARTITION, partition=0, groups=6)


def test_stopping_gives_the_surge_back_and_moves_nothing_else() -> None:
    state = seen("ooUUUU", partition=3)
    assert plan(TWO_TWO, state, stopping=True) == Step(action=Action.RECLAIM_REPLICAS, partition=3, groups=4)
    assert plan(TWO_TWO, seen("o", partition=3, replicas=1), stopping=True) == Done()


def test_a_new_target_freezes_also_the_groups_that_are_to_go_and_still_stand() -> None:
    """Somebody who scales up again before they are gone would have them released all at once."""
    standing = tuple(Group(ordinal=ordinal, updated=False, ready=True) for ordinal in range(4))
    seen = Observation(replicas=2, groups_asked=2, partition=0, groups=standing, on_target=False, settled=False)
    step = plan(Strategy(max_unavailable=1), seen)
    assert step == Step(action=Action.PREPARE, partition=4, groups=2)


LOOSE = {"loose": True}


@pytest.mark.parametrize(
    ("groups", "partition", "strategy"),
    [
        pytest.param("oooou", 4, Strategy(max_unavailable=0, max_surge=1), id="a surge group is unready since"),
        pytest.param("ooou", 3, Strategy(max_unavailable=1), id="the budget is used up"),
        pytest.param("oooF", 3, Strategy(max_unavailable=1), id="too much has failed"),
        pytest.param("ooUU", 2, Strategy(max_unavailable=1, partition=2), id="all is done"),
    ],
)
def test_a_release_that_lws_holds_back_is_taken_back_where_nothing_is_to_be_released_now(
    groups: str, partition: int, strategy: Strategy
) -> None:
    """LWS would go on with it by itself as soon as it may, whatever has come between."""
    held_back = seen(groups, partition=partition).model_copy(update=LOOSE)
    assert plan(strategy, held_back) == Step(action=Action.REPLACE, partition=partition, groups=len(groups))


def test_a_release_that_lws_holds_back_and_that_is_still_wanted_is_asked_for_again() -> None:
    held_back = seen("oooo", partition=4).model_copy(update=LOOSE)
    assert plan(Strategy(max_unavailable=1), held_back) == Step(action=Action.LOWER_PARTITION, partition=3, groups=4)


def test_while_it_is_paused_and_after_an_abort_lws_releases_nothing_that_it_has_held_back() -> None:
    held_back = seen("oooo", partition=4).model_copy(update=LOOSE)
    back = Step(action=Action.REPLACE, partition=4, groups=4)
    assert Aim(strategy=Strategy(max_unavailable=1), paused=True).plan(held_back) == back
    assert Aim(strategy=Strategy(max_unavailable=1), course=Course.STOP).plan(held_back) == back


def test_another_wish_of_replicas_is_written_down_while_people_are_asked_whose_version_holds() -> None:
    asked = seen("oooo", partition=4).model_copy(update={"dispute": "maxUnavailable 1 -> 3", "unheld": True})
    assert plan(TWO_TWO, asked) == Step(action=Action.REPLACE, partition=4, groups=4)
    assert isinstance(plan(TWO_TWO, asked.model_copy(update={"unheld": False})), Blocked)
