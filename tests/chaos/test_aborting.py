"""Once an abort is taken nothing more is released."""

from datetime import UTC, datetime

import pytest

from rollwright.workflows.contract import Event
from tests.chaos.aborting import released_while_aborting
from tests.chaos.story import Story


def event(what: str, at: float) -> Event:
    return Event(at=datetime.fromtimestamp(at, UTC).isoformat(), what=what)


def released() -> Story:
    """The new image is in place, and a group of four is released."""
    story = Story(4)
    story.write(image="model:2", partition=4)
    story.write(partition=3)
    return story


def now(story: Story) -> float:
    return story.frames[-1].change.at


def test_a_release_scheduled_after_an_abort_is_found() -> None:
    story = released()
    events = [event("abort: stops", now(story))]
    story.write(partition=2)
    [found] = released_while_aborting(story.frames, events)
    assert "lowered to 2 by a step scheduled 0.50 s after an abort was taken" in found


def test_the_step_that_was_being_carried_out_may_still_take_effect() -> None:
    story = released()
    fence = story.fence
    events = [event("abort: stops", now(story) + 0.9)]
    story.write(partition=2, fence=fence)
    assert released_while_aborting(story.frames, events) == []


@pytest.mark.parametrize("what", ["rollback: goes back", "retarget: llm-2"])
def test_another_course_may_release_again(what: str) -> None:
    story = released()
    events = [event("abort: stops", now(story)), event(what, now(story) + 0.2)]
    story.write(partition=2)
    assert released_while_aborting(story.frames, events) == []


def test_what_is_refused_or_does_not_set_a_course_leaves_the_abort_in_force() -> None:
    story = released()
    words = ("abort: stops", "rollback refused: it is too late", "pause: no new step")
    events = [event(what, now(story)) for what in words]
    story.write(partition=2)
    assert len(released_while_aborting(story.frames, events)) == 1


def test_giving_back_the_surge_and_putting_another_template_in_place_releases_nothing() -> None:
    story = released()
    events = [event("abort: stops", now(story))]
    story.write(replicas=3)
    story.write(image="model:3", partition=2)
    assert released_while_aborting(story.frames, events) == []
