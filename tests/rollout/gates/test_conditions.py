"""Which conditions can be written, and what meets them."""

import pytest

from rollwright.rollout.gates.conditions import Condition


@pytest.mark.parametrize(
    ("text", "meet", "miss"),
    [
        ("< 0.05", (0.049, -1), (0.05, 1)),
        ("<=0.05", (0.05, 0), (0.0500001,)),
        ("> 10", (10.5,), (10, 9)),
        (" >= 0.99 ", (0.99, 1), (0.98,)),
        ("== 0", (0, -0.0), (1e-9,)),
        ("!= 0", (1,), (0,)),
        ("< -1.5e-3", (-0.0016,), (-0.0015, 0)),
        ("< .5", (0.4,), (0.5,)),
        ("< +5.", (4,), (5,)),
    ],
)
def test_a_number_meets_a_condition_or_doesnt(text: str, meet: tuple[float, ...], miss: tuple[float, ...]) -> None:
    condition = Condition.read(text)
    assert [condition.holds(value) for value in meet] == [True] * len(meet)
    assert [condition.holds(value) for value in miss] == [False] * len(miss)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0.05",
        "<",
        "< x",
        "< inf",
        "< nan",
        "= 1",
        "=> 1",
        "<> 1",
        "< 1 2",
        "< 1e999",
        "< 5%",
        "< 1; 2",
        "< 1\n< 2",
        "< ٣",
    ],
)
def test_what_is_no_condition_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="no condition; write one of <, <=, >, >=, ==, != and a number"):
        Condition.read(text)


def test_a_condition_is_shown_in_short() -> None:
    assert str(Condition.read("<0.0500")) == "< 0.05"
