"""When waits end for another build that has become current."""

import pytest

from rollwright.activities import succession
from rollwright.activities.succession import Succession


class Clock:
    """Time that passes as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def thread_time(self) -> float:
        """What is tested takes no time of the processor."""
        return 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(succession, "time", clock)
    return clock


def test_while_the_own_build_is_current_or_there_are_no_builds_waits_last(clock: Clock) -> None:
    known = Succession()
    clock.now += 86_400
    assert not known.ends(1000.0)
    known.note(is_current=True)
    assert not known.ends(1000.0)


def test_a_wait_that_has_lasted_ends_as_soon_as_another_build_is_current(clock: Clock) -> None:
    known = Succession()
    clock.now += 3600
    known.note(is_current=False)
    assert known.ends(1000.0)
    assert not known.ends(clock.now)  # that one has begun just now


def test_where_a_rollout_stays_all_the_same_its_waits_end_ever_more_rarely(clock: Clock) -> None:
    known, ended, began = Succession(), [], 1000.0
    known.note(is_current=False)
    for _ in range(86_400):
        clock.now += 1
        known.note(is_current=False)
        if known.ends(began):
            ended.append(clock.now - began)
            began = clock.now
    assert 10 < len(ended) < 25
    assert ended == sorted(ended)


def test_once_the_own_build_is_current_again_waits_last_again(clock: Clock) -> None:
    known = Succession()
    known.note(is_current=False)
    known.note(is_current=True)
    clock.now += 3600
    assert not known.ends(1000.0)
