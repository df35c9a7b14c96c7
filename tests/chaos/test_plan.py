"""Plans are drawn from their seed alone, and can be carried out; ends follow from them and from what was accepted."""

import pytest

from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Event, Phase
from tests.chaos.expectation import FINAL_COURSES, Answer, End, Told, as_taken, ends
from tests.chaos.plan import MESSAGES, MOST_REPLICAS, Happening, Kind, Plan, Version, draw

SEEDS = range(300)


def test_a_seed_draws_the_same_plan_again_and_its_print_is_read_back() -> None:
    for seed in SEEDS:
        plan = draw(seed)
        assert draw(seed) == plan
        assert Plan.model_validate_json(plan.to_json()) == plan


def test_everything_that_can_happen_is_drawn() -> None:
    drawn = {happening.kind for seed in SEEDS for happening in draw(seed).happenings}
    assert drawn == set(Kind)


def test_messages_of_every_kind_are_sent_either_way() -> None:
    told = {(one.kind, one.signal) for seed in SEEDS for one in draw(seed).happenings if one.kind in FINAL_COURSES}
    assert told == {(kind, signal) for kind in FINAL_COURSES for signal in (True, False)}


def test_no_retarget_by_a_signal_comes_before_a_gate() -> None:
    """It may be taken after the promotion that no other follows, and gates begin anew then."""
    gated = [one for seed in SEEDS if (plan := draw(seed)).strategy.steps for one in plan.happenings]
    assert {one.signal for one in gated if one.kind is Kind.RETARGET} == {False}


def test_a_single_group_is_rolled_out_now_and_then() -> None:
    assert 10 < sum(draw(seed).replicas == 1 for seed in SEEDS) < 60


def test_no_plan_waits_for_somebody_for_ever() -> None:
    for seed in SEEDS:
        plan = draw(seed)
        paused = [told.kind for told in plan.happenings if told.kind in MESSAGES and told.kind is not Kind.PAUSE]
        assert Kind.PAUSE not in {told.kind for told in plan.happenings} or Kind.RESUME in paused
        if plan.versions[1].fails:
            assert plan.happenings[-1].insists
        if plan.strategy.steps:
            assert [told.kind for told in plan.happenings if told.kind in MESSAGES][-1] is Kind.PROMOTE


def test_no_scaling_leaves_a_budget_of_nothing() -> None:
    for seed in SEEDS:
        strategy = draw(seed).strategy
        assert not any(strategy.budget(replicas).is_empty for replicas in range(1, MOST_REPLICAS + 1))


def plan(fails: str = "", on: tuple[int, ...] = (), **strategy: object) -> Plan:
    versions = (
        Version(image="model:1"),
        Version.model_validate({"image": "model:2", "fails": fails, "on": on}),
        Version(image="model:3"),
    )
    return Plan(
        seed=0,
        replicas=4,
        size=1,
        workers=1,
        strategy=Strategy.model_validate(strategy),
        start_up_ms=(),
        versions=versions,
        happenings=(),
    )


def told(kind: Kind, answer: Answer = Answer.ACCEPTED, version: int = 0) -> Told:
    return Told(Happening(at=0, kind=kind, version=version), answer)


COMPLETED, BACK, ABORTED = End(Phase.COMPLETED, 1), End(Phase.ROLLED_BACK, 0), End(Phase.ABORTED, 0)


@pytest.mark.parametrize(
    ("messages", "right"),
    [
        pytest.param([], {COMPLETED}, id="nothing was said"),
        pytest.param([told(Kind.PAUSE), told(Kind.RESUME)], {COMPLETED}, id="what doesn't change the course"),
        pytest.param([told(Kind.ROLLBACK)], {BACK}, id="accepted"),
        pytest.param([told(Kind.ROLLBACK, Answer.REFUSED)], {COMPLETED}, id="refused"),
        pytest.param([told(Kind.ROLLBACK, Answer.UNANSWERED)], {COMPLETED, BACK}, id="perhaps too late"),
        pytest.param([told(Kind.ABORT), told(Kind.RETARGET, version=2)], {End(Phase.COMPLETED, 2)}, id="the last one"),
    ],
)
def test_the_last_accepted_message_decides_on_the_end(messages: list[Told], right: set[End]) -> None:
    assert ends(plan(), messages, MOST_REPLICAS) == right


def event(actor: str, what: str, second: int) -> Event:
    return Event(at=f"2026-01-01T00:00:{second:02}+00:00", what=what, actor=actor)


def test_signals_are_answered_by_the_events_and_count_in_the_order_in_which_they_were_taken() -> None:
    retarget = told(Kind.RETARGET, Answer.UNANSWERED, version=2)._replace(actor="first", at=1)
    rollback = told(Kind.ROLLBACK)._replace(actor="second", at=2)
    back_then_on = [event("second", "rollback: goes back", 3), event("first", "retarget: llm-3", 4)]
    refused = [event("second", "rollback: goes back", 3), event("first", "retarget refused: it can't be", 4)]
    assert ends(plan(), as_taken([retarget, rollback], back_then_on), MOST_REPLICAS) == {End(Phase.COMPLETED, 2)}
    assert ends(plan(), as_taken([retarget, rollback], refused), MOST_REPLICAS) == {BACK}


@pytest.mark.parametrize(
    ("on_stall", "right"), [(OnFailure.ROLLBACK, {BACK}), (OnFailure.ABORT, {ABORTED}), (OnFailure.PAUSE, set())]
)
def test_a_version_that_fails_ends_as_the_strategy_says(on_stall: OnFailure, right: set[End]) -> None:
    assert ends(plan("image-pull", on_stall=on_stall), [], MOST_REPLICAS) == right
    assert ends(plan("image-pull", on_stall=on_stall), [told(Kind.ROLLBACK)], MOST_REPLICAS) == {BACK}


def test_failed_groups_that_are_tolerated_or_scaled_away_hold_nothing_up() -> None:
    assert COMPLETED in ends(plan("image-pull", on=(3,), on_stall=OnFailure.ABORT), [], MOST_REPLICAS)
    assert COMPLETED in ends(plan("image-pull", max_failed_groups=1), [], MOST_REPLICAS)
