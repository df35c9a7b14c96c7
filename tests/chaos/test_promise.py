"""The judge finds what breaks the promise, and excuses nothing else than what it should."""

from collections.abc import Collection

import pytest

from tests.chaos.losses import Losses
from tests.chaos.promise import Judge, Limits
from tests.chaos.story import Story, pod


def judged(story: Story, *, injected: Collection[str] = (), looked_seconds: float = 0.0) -> Judge:
    """With maxUnavailable 1 and maxSurge 1."""
    judge = Judge(lambda replicas: Limits(replicas - 1, replicas + 1), Losses(injected), lambda at: at - looked_seconds)
    for frame in story.frames:
        judge.take(frame)
    return judge


def frozen(replicas: int) -> Story:
    """The new image is in place, and nothing is released."""
    story = Story(replicas)
    story.write(image="model:2", partition=replicas)
    story.settle()
    return story


def test_a_release_within_the_budget_is_fine() -> None:
    story = frozen(4)
    story.write(partition=3)
    story.settle()
    story.leave(3)
    story.come(3, "model:2")
    story.write(partition=2)
    story.settle()
    judge = judged(story)
    assert (judge.broken, judge.spare_min) == ([], 0)


def test_a_release_beyond_the_budget_is_found_when_it_is_written() -> None:
    story = frozen(4)
    story.write(partition=2)
    [found] = judged(story).broken
    assert "the certain groups fall from 4 to 2, floor 3" in found


def test_a_second_release_before_the_first_is_done_is_found() -> None:
    story = frozen(4)
    story.write(partition=3)
    story.settle()
    story.write(partition=2)
    assert len(judged(story).broken) == 1


def test_a_template_change_that_freezes_nothing_is_found() -> None:
    story = Story(4)
    story.write(image="model:2")
    assert "from 4 to 0" in judged(story).broken[0]


def test_what_an_earlier_write_may_still_take_down_does_not_count_as_certain() -> None:
    """Written back, but the controllers have not taken that up: a group released before may go all the same."""
    story = frozen(4)
    story.write(partition=3)
    story.write(image="model:1", partition=4)
    story.write(image="model:3", partition=2)  # model:1 releases nothing; 2 and 3 may both go by this
    assert len(judged(story).broken) == 1


def test_a_group_that_is_taken_down_without_a_release_is_found() -> None:
    story = frozen(4)
    story.leave(0)
    story.leave(1)
    assert "from 3 to 2" in judged(story).broken[-1]


def test_groups_deleted_by_others_are_excused() -> None:
    story = frozen(4)
    story.leave(0)
    story.leave(1)
    judge = judged(story, injected={"0 on model:1", "1 on model:1"})
    assert (judge.broken, judge.losses) == ([], 2)


def test_a_group_lost_by_itself_leaves_no_room_for_another_release() -> None:
    story = frozen(4)
    story.leave(0)
    story.write(partition=3)
    assert "from 3 to 2" in judged(story, injected={"0 on model:1"}).broken[0]


def test_a_step_decided_on_just_before_a_group_was_lost_is_excused() -> None:
    story = frozen(4)
    story.leave(0)
    story.write(partition=3)
    judge = judged(story, injected={"0 on model:1"}, looked_seconds=2)
    assert (judge.broken, judge.excused) == ([], 1)


def recovered(*, before_the_write: int) -> Story:
    """A group that didn't serve is released, and has come to serve this many changes before."""
    story = frozen(4)
    story.leave(0)
    story.come(3, "model:1", serves=False)
    story.come(3, "model:1")
    for _ in range(before_the_write - 1):
        story.settle()
    story.write(partition=3)
    return story


def test_a_step_decided_on_just_before_a_group_recovered_is_excused() -> None:
    judge = judged(recovered(before_the_write=1), injected={"0 on model:1", "3 on model:1"}, looked_seconds=2)
    assert (judge.broken, judge.excused) == ([], 1)


def test_a_group_that_has_recovered_for_a_while_is_not_free_to_be_taken() -> None:
    judge = judged(recovered(before_the_write=8), injected={"0 on model:1", "3 on model:1"}, looked_seconds=2)
    assert "from 3 to 2" in judge.broken[0]


def broken_group(uid: str = "once more") -> Story:
    """A group that nobody wants to keep, group 3, doesn't serve; nor does group 0, so that the budget is used up."""
    story = frozen(4)
    story.leave(0)
    story.come(3, "model:1", uid=uid, serves=False)
    return story


def test_a_deletion_decided_on_just_before_a_group_recovered_is_excused() -> None:
    story = broken_group()
    story.act()
    story.pod(pod(3, uid="once more"))
    story.leave(3)
    judge = judged(story, injected={"0 on model:1"})
    assert (judge.broken, judge.excused) == ([], 1)


def test_a_group_that_has_served_ever_since_its_deletion_was_decided_on_may_not_be_deleted() -> None:
    story = broken_group()
    story.pod(pod(3, uid="once more"))
    story.act()
    story.leave(3)
    injected = {"0 on model:1"}
    assert "from 3 to 2" in judged(story, injected=injected).broken[0]
    assert judged(story, injected=injected, looked_seconds=2).broken == [], "decided on a moment before that"


def test_a_group_that_has_recovered_may_not_be_deleted_by_a_step_that_was_overtaken() -> None:
    story = broken_group()
    story.act()
    story.pod(pod(3, uid="once more"))
    story.act()
    story.leave(3)
    assert "from 3 to 2" in judged(story, injected={"0 on model:1"}).broken[0]


def test_a_group_that_has_come_anew_may_not_be_deleted_for_what_the_one_before_it_was() -> None:
    story = broken_group(uid="failed")
    story.act()
    story.come(3, "model:1", uid="anew")
    story.leave(3)
    assert "from 3 to 2" in judged(story, injected={"0 on model:1", "failed"}).broken[0]


def test_a_group_that_stops_to_serve_without_being_deleted_is_nothing_that_was_decided_on() -> None:
    story = broken_group()
    story.act()
    story.pod(pod(3, uid="once more"))
    story.pod(pod(3, uid="once more", serves=False))
    assert "from 3 to 2" in judged(story, injected={"0 on model:1"}).broken[0]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_group_that_served_all_along_is_not_excused_with_one_that_recovered(*, at_once: bool) -> None:
    story = broken_group()
    story.act()
    story.pod(pod(3, uid="once more"))
    story.leave(3)
    story.leave(2)
    if at_once:
        del story.frames[-2]
    [found] = judged(story, injected={"0 on model:1"}).broken
    assert f"from {3 if at_once else 2} to 1" in found


def rolled_back_while_a_step_was_late() -> tuple[Story, str]:
    """Of groups 3 and 2 both are updated, the latter by a retry, and the rollback has frozen that; the late fence."""
    story = frozen(4)
    story.write(partition=3)
    story.settle()
    story.come(3, "model:2")
    late = story.fence
    story.write(partition=2, fence=late)
    story.settle()
    story.come(2, "model:2")
    story.write(image="model:1", partition=4)
    story.settle()
    return story, late


def test_a_late_step_finds_no_excuse_in_what_held_before_the_spec_was_another() -> None:
    story, _ = rolled_back_while_a_step_was_late()
    story.write(partition=2)
    judge = judged(story, looked_seconds=60)
    assert judge.excused == 0
    assert "the certain groups fall from 4 to 2, floor 3" in judge.broken[0]


def test_a_write_under_an_older_fence_is_found_whatever_it_does() -> None:
    story, late = rolled_back_while_a_step_was_late()
    story.write(partition=4, fence=late)
    [found] = judged(story).broken
    assert f"written under the fence {late}" in found


def test_a_late_step_that_gets_through_is_found_for_both() -> None:
    story, late = rolled_back_while_a_step_was_late()
    story.write(partition=2, fence=late)
    judge = judged(story)
    assert (len(judge.broken), judge.excused) == (2, 0)


def test_a_step_may_write_more_than_once_under_its_fence() -> None:
    story = frozen(4)
    fence = story.fence
    story.write(partition=3, fence=fence)
    story.write(max_surge=0, fence=fence)
    assert judged(story).broken == []


def test_a_pod_that_goes_without_a_grace_period_was_nobodys() -> None:
    story = frozen(4)
    story.leave(0, at_once=True)
    story.go(1)
    assert judged(story).losses == 2


def test_groups_the_user_scales_away_are_excused_and_the_floor_goes_with_them() -> None:
    story = frozen(4)
    story.scale(2)
    story.settle()
    story.leave(3)
    story.leave(2)
    story.write(partition=1)
    assert judged(story).broken == []
    story.write(partition=0)
    assert len(judged(story).broken) == 1


def test_more_surge_than_is_allowed_is_found() -> None:
    story = frozen(4)
    story.write(replicas=5)
    assert judged(story).broken == []
    story.write(replicas=6)
    assert "asks for 6 groups, of which 5 are allowed" in judged(story).broken[0]


def test_a_surge_that_is_needed_may_not_be_given_back() -> None:
    story = frozen(4)
    story.write(replicas=5)
    story.settle()
    story.come(4, "model:2")
    story.write(partition=2)
    story.settle()
    story.write(replicas=4)
    assert "from 3 to 2" in judged(story).broken[0]
