"""Every leader that was taken down has a reason, and none twice the same."""

from collections.abc import Callable, Collection

import pytest

from tests.chaos.restarts import Cause, Restart, needless, restarts
from tests.chaos.story import Story, pod


def causes(story: Story, injected: Collection[str] = ()) -> list[Cause]:
    return [restart.cause for restart in restarts(story.frames, injected)]


def released(ordinal: int = 3) -> Story:
    """A group of four is released."""
    story = Story(4)
    story.write(image="model:2", partition=4)
    story.settle()
    story.write(partition=ordinal)
    story.settle()
    return story


def test_a_group_that_is_released_is_taken_down_once() -> None:
    story = released()
    story.leave(3)
    story.come(3, "model:2")
    found = restarts(story.frames, ())
    assert [restart.cause for restart in found] == [Cause.RELEASED]
    assert needless(found) == []


def test_a_group_that_came_back_old_and_must_go_again_is_found() -> None:
    story = released()
    for uid in ("again", "at last"):
        story.leave(3)
        story.come(3, "model:1", uid=uid)
    found = restarts(story.frames, ())
    assert needless(found) == [found[1]]


def test_a_group_that_runs_the_target_already_is_taken_down_for_no_reason() -> None:
    story = released()
    story.come(3, "model:2")
    story.leave(3)
    found = restarts(story.frames, ())
    assert found[-1].cause is Cause.NONE
    assert found[-1] in needless(found)


def test_each_template_may_take_a_group_down_once() -> None:
    story = released()
    story.leave(3)
    story.come(3, "model:2")
    story.write(image="model:3", partition=4)
    story.settle()
    story.write(partition=3)
    story.settle()
    story.leave(3)
    story.come(3, "model:3")
    found = restarts(story.frames, ())
    assert [(restart.cause, restart.target) for restart in found] == [(Cause.RELEASED, 1), (Cause.RELEASED, 2)]
    assert needless(found) == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_group_below_the_partition_is_taken_down_if_it_is_broken_and_once_only(times: int) -> None:
    story = released()
    story.leave(3)
    story.come(3, "model:2", serves=False)
    story.write(image="model:1", partition=4)
    story.settle()
    for time in range(times):
        story.leave(3)
        story.come(3, "model:2", uid=f"again {time}", serves=False)
    found = restarts(story.frames, ())
    assert [restart.cause for restart in found[1:]] == [Cause.UNBLOCKED] * times
    assert len(needless(found)) == times - 1


@pytest.mark.parametrize(("looked_again", "cause"), [(False, Cause.UNBLOCKED), (True, Cause.NONE)])
def test_a_group_below_the_partition_may_have_recovered_only_since_the_step_looked(
    cause: Cause, *, looked_again: bool
) -> None:
    story = released()
    story.leave(3)
    story.come(3, "model:2", serves=False)
    story.write(image="model:1", partition=4)
    story.settle()
    story.pod(pod(3, "model:2"))
    if looked_again:
        story.write()
    story.leave(3)
    assert causes(story) == [Cause.RELEASED, cause]


def test_what_others_delete_and_what_crashes_is_nobodys_fault() -> None:
    story = released()
    story.leave(0)
    story.pod(pod(1)._replace(serves=False, restarted=True))
    story.leave(1)
    story.leave(2, at_once=True)
    assert causes(story, injected={"0 on model:1"}) == [Cause.BY_ITSELF] * 3


def test_a_pod_without_a_node_that_has_just_succeeded_another_was_hit() -> None:
    story = released()
    story.leave(3)
    story.come(3, "model:2", serves=False)
    story.pod(pod(3, "model:2", uid="3 on model:2", serves=False)._replace(scheduled=False))
    story.go(3)
    assert causes(story) == [Cause.RELEASED, Cause.BY_ITSELF]


def test_groups_that_nobody_asks_for_any_more_go() -> None:
    story = Story(4)
    story.scale(2)
    story.settle()
    story.leave(3)
    assert causes(story) == [Cause.SCALED_AWAY]


def test_a_surge_that_lws_itself_gives_back_goes() -> None:
    story = released()
    story.lws_asks_for(5)
    story.come(4, "model:2")
    story.lws_asks_for(4)
    story.leave(4)
    assert causes(story) == [Cause.SCALED_AWAY]


def test_a_surge_that_lws_gives_back_while_groups_are_released_and_asks_for_again_is_found() -> None:
    """Its StatefulSet's controller acts on the first when the second is written already."""
    story = surging()
    for uid in ("again", "at last"):
        story.lws_asks_for(4)
        story.lws_asks_for(5)
        story.leave(4)
        story.come(4, "model:2", uid=uid)
    found = restarts(story.frames, ())
    assert [restart.cause for restart in found] == [Cause.SCALED_AWAY] * 2
    assert needless(found) == [found[1]]


def test_a_surge_that_lws_gives_back_while_a_release_has_it_wide_open_may_come_again_once_for_each() -> None:
    story = surging()
    story.hold()
    story.write(max_surge=1, max_unavailable=2)
    for uid in ("again", "once more", "at last"):
        story.lws_asks_for(4)
        story.lws_asks_for(5)
        story.leave(4)
        story.come(4, "model:2", uid=uid)
    found = restarts(story.frames, ())
    assert needless(found) == [found[2]]


def come_and_go(story: Story, groups: int, *, times: int) -> list[Restart]:
    """Rollwright asks for fewer groups and for as many again; those that were taken down without need."""
    spec = story.frames[-1].spec
    assert spec
    for time in range(times):
        story.write(replicas=groups)
        story.settle()
        for ordinal in range(groups, spec.replicas):
            story.leave(ordinal)
        story.write(replicas=spec.replicas)
        story.settle()
        for ordinal in range(groups, spec.replicas):
            story.come(ordinal, spec.image, uid=f"{ordinal} again {time}")
    return needless(restarts(story.frames, ()))


def test_groups_that_the_user_wants_are_never_scaled_away() -> None:
    found = come_and_go(Story(6), 4, times=3)
    assert [(restart.ordinal, restart.cause) for restart in found] == [(4, Cause.NONE), (5, Cause.NONE)] * 3


def surging() -> Story:
    """Four groups are to be updated, with one more."""
    story = Story(4)
    story.write(image="model:2", partition=4, replicas=5)
    story.settle()
    story.come(4, "model:2")
    return story


def test_a_surge_comes_and_goes_once() -> None:
    assert come_and_go(surging(), 4, times=1) == []


def test_a_surge_that_is_asked_for_again_for_no_reason_is_found() -> None:
    found = come_and_go(surging(), 4, times=3)
    assert [(restart.ordinal, restart.cause) for restart in found] == [(4, Cause.SCALED_AWAY)] * 2


def again_with_another_template(story: Story) -> None:
    story.write(image="model:3", partition=5)


def again_with_other_replicas(story: Story) -> None:
    story.scale(5)
    story.scale(4)


def again_after_a_loss(story: Story) -> None:
    story.leave(0, at_once=True)


@pytest.mark.parametrize("again", [again_with_another_template, again_with_other_replicas, again_after_a_loss])
def test_a_surge_may_come_again_where_more_groups_are_unfinished_than_before(again: Callable[[Story], None]) -> None:
    story = surging()
    come_and_go(story, 4, times=1)
    again(story)
    story.write(replicas=4)
    story.settle()
    story.leave(4)
    assert needless(restarts(story.frames, ())) == []


def test_a_surge_may_come_again_once_a_rollout_is_steered() -> None:
    story = surging()
    steered = story.frames[-1].change.at
    come_and_go(story, 4, times=2)
    assert needless(restarts(story.frames, (), steered=[steered])) == []


def test_groups_may_go_by_a_wish_that_the_controllers_still_act_on() -> None:
    story = Story(4)
    story.scale(2)
    story.scale(4)
    story.leave(3)
    story.settle()
    story.come(3, "model:1")
    story.leave(2)
    assert causes(story) == [Cause.SCALED_AWAY, Cause.NONE]
