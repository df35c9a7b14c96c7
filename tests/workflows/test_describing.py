"""The details page of the Temporal UI: when it ends, which groups are slow, what it has cost."""

from rollwright.rollout.estimate import Estimate, SlowGroup
from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.rollout.timing import Cost
from rollwright.workflows import describing
from rollwright.workflows.contract import Phase, RolloutStatus

NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC."""
MADE = Estimate(
    at=NOON,
    known=3,
    usual_seconds=720,
    ends_at=NOON + 4200,
    earliest=NOON + 3600,
    latest=NOON + 6000,
    slow=(SlowGroup(ordinal=5, since=NOON - 1860),),
)


def details(phase: Phase, **more: object) -> list[str]:
    """The page's paragraphs after the first line."""
    status = RolloutStatus(rollout="r", phase=phase, spec=RolloutSpec(target=Target(name="llm")))
    return describing.details(status.model_copy(update=more), ()).split("\n\n")[1:]


def test_while_it_goes_on_the_end_is_told_in_utc_and_slow_groups_are_named() -> None:
    assert details(Phase.PROGRESSING, estimate=MADE) == [
        "ends about 2026-01-01 13:10 UTC (13:00 to 13:40); groups usually start in 12 min",
        "- slow: group 5: starting for more than 31 min, since 11:29 UTC; usual are 12 min",
    ]


def test_while_it_stands_slow_groups_are_named_and_at_the_end_only_the_cost_is_told() -> None:
    assert [line.split(":")[0] for line in details(Phase.STALLED, estimate=MADE)] == ["- slow"]
    cost = Cost(out_of_service_seconds=3600, surplus_seconds=1800)
    assert details(Phase.COMPLETED, estimate=MADE, cost=cost, gpus=8) == [
        "cost so far: 8.0 GPU-hours out of service, 4.0 surplus"
    ]


def test_what_is_not_known_is_said_plainly() -> None:
    assert details(Phase.PROGRESSING, estimate=Estimate(at=NOON)) == [
        "ends not known: no group's start-up time is known yet"
    ]


def test_a_range_of_minutes_is_told_to_the_second() -> None:
    short = MADE.model_copy(update={"earliest": NOON + 4170, "latest": NOON + 4230, "slow": ()})
    assert details(Phase.PROGRESSING, estimate=short) == [
        "ends about 2026-01-01 13:10:00 UTC (13:09:30 to 13:10:30); groups usually start in 12 min"
    ]
