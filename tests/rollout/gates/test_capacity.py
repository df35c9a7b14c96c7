"""What comes of counting the places there are for more groups."""

from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.rollout.gates.capacity import Capacity, Otherwise
from rollwright.rollout.gates.gate import Context, Finding, Gate, Progress, Reading, follow
from rollwright.rollout.gates.questions import CountPlaces, Places
from rollwright.rollout.spec import GatedStep

SHORT = "nvidia.com/gpu"
NOT_PERMITTED = "list nodes: not permitted; grant this verb on this resource by RBAC"
WITHOUT_SURGE = Capacity(otherwise=Otherwise.WITHOUT_SURGE)


def context(surge: int = 2) -> Context:
    return Context(
        kind="LeaderWorkerSet",
        namespace="default",
        name="llm",
        rollout="rollout/lws/default/llm",
        revision="llm-rw-u-abc",
        step=1,
        surge=surge,
        now=1000.0,
    )


def judged(gate: Capacity, *answers: Places, surge: int = 2) -> Reading:
    return gate.judge(context(surge), Progress(since=0.0), answers)


def asked(gate: Capacity, surge: int = 2) -> tuple[object, ...]:
    return gate.ask(context(surge), Progress(since=0.0))


def test_it_asks_for_the_surge_unless_it_is_told_how_many_groups() -> None:
    assert asked(Capacity()) == (CountPlaces(most=2),)
    assert asked(Capacity(groups=5)) == (CountPlaces(most=5),)
    assert asked(Capacity(groups=1), surge=0) == (CountPlaces(most=1),)
    narrowed = Capacity(node_selector={"pool": "h100"}, topology="example.com/rack")
    assert asked(narrowed) == (CountPlaces(most=2, node_selector={"pool": "h100"}, topology="example.com/rack"),)


@pytest.mark.parametrize("otherwise", Otherwise)
def test_without_a_surge_there_is_nothing_to_ask_and_it_passes_and_says_so(otherwise: Otherwise) -> None:
    gate = Capacity(otherwise=otherwise)
    assert asked(gate, surge=0) == ()
    assert judged(gate, surge=0) == Reading(Finding.PASSED, "there is no surge to find nodes for")


@pytest.mark.parametrize(
    ("gate", "found", "expected"),
    [
        pytest.param(
            Capacity(), Places(groups=2), Reading(Finding.PASSED, "2 more groups would find nodes"), id="wait, enough"
        ),
        pytest.param(
            Capacity(),
            Places(groups=1, short_of=SHORT),
            Reading(Finding.PENDING, "waits for nodes: 1 of 2 more groups would find nodes; short of nvidia.com/gpu"),
            id="wait, too few",
        ),
        pytest.param(
            WITHOUT_SURGE,
            Places(groups=2),
            Reading(Finding.PASSED, "2 more groups would find nodes"),
            id="without surge, enough: the surge is not limited",
        ),
        pytest.param(
            WITHOUT_SURGE,
            Places(groups=1, short_of=SHORT),
            Reading(
                Finding.PASSED,
                "goes on with less surge: 1 of 2 more groups would find nodes; short of nvidia.com/gpu",
                surge_limit=1,
            ),
            id="without surge, some",
        ),
        pytest.param(
            WITHOUT_SURGE,
            Places(groups=0, short_of=SHORT),
            Reading(
                Finding.PASSED,
                "goes on with less surge: 0 of 2 more groups would find nodes; short of nvidia.com/gpu",
                surge_limit=0,
            ),
            id="without surge, none",
        ),
        pytest.param(
            Capacity(groups=1),
            Places(groups=1),
            Reading(Finding.PASSED, "1 more group would find nodes"),
            id="of its own number",
        ),
    ],
)
def test_what_is_free_is_compared_with_what_is_wanted(gate: Capacity, found: Places, expected: Reading) -> None:
    assert judged(gate, found) == expected


@pytest.mark.parametrize("gate", [Capacity(), WITHOUT_SURGE])
def test_what_can_not_be_counted_is_inconclusive_and_never_taken_for_free_or_full(gate: Capacity) -> None:
    reading = judged(gate, Places(error=NOT_PERMITTED))
    assert reading == Reading(Finding.INCONCLUSIVE, f"free nodes can't be counted: {NOT_PERMITTED}")


def test_it_gives_up_after_more_failed_counts_in_a_row_than_it_may_have() -> None:
    gate = Capacity(inconclusive_limit=1)
    assert run(gate, [Places(error="away")]).finding is Finding.PENDING
    assert run(gate, [Places(error="away"), Places(groups=0), Places(groups=2)]).finding is Finding.PASSED
    assert run(gate, [Places(error="away"), Places(groups=0), Places(error="away")]).finding is Finding.PENDING
    assert run(gate, [Places(groups=0), Places(error="away"), Places(error="away")]).finding is Finding.INCONCLUSIVE


def test_it_waits_for_as_long_as_it_takes_and_no_longer_than_it_may() -> None:
    assert run(Capacity(), [Places(groups=1)] * 1000).finding is Finding.PENDING
    assert run(Capacity(timeout=3), [Places(groups=1)] * 4).finding is Finding.FAILED


def run(gate: Gate, found: list[Places]) -> Progress:
    """One count a second."""
    progress = gate.opened(0.0)
    for second, answer in enumerate(found):
        assert progress.finding is Finding.PENDING
        reading = gate.judge(context(), progress, (answer,))
        progress = follow(gate, progress, reading, float(second))
    return progress


def test_it_is_written_in_a_step_and_counts_every_thirty_seconds_unless_told_otherwise() -> None:
    written = {"kind": "capacity", "otherwise": "withoutSurge", "nodeSelector": {"pool": "h100"}, "topology": "rack"}
    step = GatedStep.model_validate({"until": 1, "gates": [written]})
    assert step.gates == (Capacity(otherwise=Otherwise.WITHOUT_SURGE, node_selector={"pool": "h100"}, topology="rack"),)
    assert (Capacity().interval_seconds, Capacity(interval="1m").interval_seconds) == (30, 60)


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": 0},
        {"groups": -1},
        {"interval": 0},
        {"inconclusiveLimit": -1},
        {"otherwise": "never"},
        {"topology": ""},
        {"topology": "a b"},
        {"topology": "example.com/"},
        {"nodeSelector": {"pool": "a=b"}},
        {"nodeSelector": {"": "a"}},
        {"queue": "q"},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Capacity.model_validate(wrong)
