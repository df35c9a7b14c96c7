"""What is known of start-up times, by hand."""

from collections import Counter

import pytest

from rollwright.rollout.startups import Spread, StartUps, quantiles, spread


def parts(own: StartUps, earlier: tuple[float, ...] = ()) -> dict[float, float]:
    """Each start-up time that is drawn, and how often."""
    known = spread(own, earlier)
    assert known is not None
    return {seconds: count / len(known.seconds) for seconds, count in Counter(known.seconds).items()}


def test_without_any_start_up_nothing_is_known_however_long_groups_are_starting() -> None:
    assert spread(StartUps(ages={3: 500.0}), ()) is None


def test_those_that_are_starting_count_as_slower_than_they_are_old() -> None:
    """Of four, one took 10 s and one 20 s; of the two left one has taken 30 s, and one is at 25 s and still at it."""
    own = StartUps(seconds=(10, 20, 30), ages={7: 25.0})
    assert parts(own) == {10: 0.25, 20: 0.25, 30: 0.5}
    assert parts(StartUps(seconds=(10, 20, 30))) == pytest.approx({10: 1 / 3, 20: 1 / 3, 30: 1 / 3}, abs=0.02)


def test_what_is_older_than_all_that_ended_takes_a_quarter_longer_still() -> None:
    assert parts(StartUps(seconds=(10,), ages={7: 40.0})) == {10: 0.5, 50: 0.5}


def test_earlier_rollouts_fill_up_what_a_rollout_knows_itself_to_ten() -> None:
    assert parts(StartUps(), (60.0,) * 4) == {60: 1.0}
    assert parts(StartUps(seconds=(10.0,) * 8), (60.0,) * 20) == {10: 0.8, 60: 0.2}
    assert parts(StartUps(seconds=(10.0,) * 10), (60.0,) * 20) == {10: 1.0}


def test_what_is_left_is_that_of_the_groups_that_took_longer() -> None:
    known = Spread([10, 20, 30, 40], known=4)
    assert [known.left(15, part) for part in (0.0, 0.4, 0.99)] == [5, 15, 25]
    assert known.left(40, 0.5) == 10  # longer than any: up to half as long again


def test_the_usual_start_up_is_the_median() -> None:
    assert Spread([40, 10, 1000], known=3).usual == 40
    assert Spread([40, 10], known=2).usual == 10


def test_many_start_ups_are_less_uncertain_than_few_and_what_was_given_is_certain() -> None:
    values = [10.0, 20.0, 30.0]
    few, many = (Spread(values, known=known).uncertainty for known in (4, 100))
    assert few == pytest.approx(5 * many)
    assert Spread([60.0], known=4).uncertainty == pytest.approx(1.3 * 0.2 / 2)
    assert Spread([60.0], known=None).uncertainty == 0


def test_a_few_values_stand_for_many() -> None:
    assert quantiles([3.0, 1.0, 2.0]) == (1.0, 2.0, 3.0)
    assert quantiles([float(value) for value in range(100)], 4) == (12.0, 37.0, 62.0, 87.0)
    assert quantiles([1.0], 0) == ()
    assert quantiles([]) == ()
