"""Eager pacing against ordered, in virtual time."""

from tests.bench.pacing import DISTRIBUTIONS, compare


def test_eager_is_never_slower_than_ordered_and_mostly_quicker_where_groups_load_unequally() -> None:
    """The same comparison over many more cases: python -m tests.bench.pacing --cases 20000."""
    found = compare(400, seed=7)
    assert (found["eager_slower"], found["first_slower"]) == (0, None)
    gain = found["gain"]
    assert {name: shown["cases"] for name, shown in gain.items()} == {"all": 400, **dict.fromkeys(DISTRIBUTIONS, 80)}
    assert gain["equal"]["most"] == 1.0
    for name in ("uniform", "log-normal", "long tail", "stragglers"):
        assert gain[name]["median"] > 1.05
