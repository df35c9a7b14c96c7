"""What a worker counts of its activities as they end."""

import asyncio
from collections.abc import Awaitable

import pytest
from temporalio.exceptions import ApplicationError

from rollwright.activities.messages import CheckGate, News, Outcome, RecordOutcome, TakeStep, Tell, WaitReadiness
from rollwright.rollout.aim import Aim
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import Strategy, Target
from rollwright.worker import open_rollouts
from rollwright.worker.meters import Meters

TARGET = Target(namespace="ml", name="llm")
STEP = TakeStep(
    target=TARGET, template="x", step=Step(action=Action.LOWER_PARTITION, partition=0, groups=4), uid="u", generation=1
)
GATE = CheckGate(
    target=TARGET, template="x", gate=Bake(duration=60), progress=Progress(since=0.0), step=1, strategy=Strategy()
)
TELL = Tell(target=TARGET, rollout=TARGET.workflow_id, news=News.GATED, line="", at="")
WAIT = WaitReadiness(target=TARGET, aim=Aim(strategy=Strategy(max_unavailable=1)), template="x")

OUTCOMES = ("done", "outdated", "failed")


async def answered(result: object) -> object:
    return result


async def failing() -> object:
    raise ApplicationError("no")


@pytest.fixture
def meters() -> Meters:
    return Meters()


def value(meters: Meters, name: str, **labels: str) -> float | None:
    return meters.registry.get_sample_value(f"rollwright_{name}", labels)


@pytest.mark.parametrize(
    ("work", "outcome"),
    [(answered(Outcome.DONE), "done"), (answered(Outcome.OUTDATED), "outdated"), (failing(), "failed")],
)
async def test_a_step_counts_by_what_it_does_and_what_came_of_it(
    meters: Meters, work: Awaitable[object], outcome: str
) -> None:
    assert value(meters, "steps_total", action="lower_partition", outcome=outcome) == 0
    await asyncio.gather(meters.measured(STEP, work), return_exceptions=True)
    counted = {name: value(meters, "steps_total", action="lower_partition", outcome=name) for name in OUTCOMES}
    assert counted == {name: float(name == outcome) for name in OUTCOMES}


async def test_the_reaction_is_counted_from_what_was_seen_of_steps_that_were_carried_out(meters: Meters) -> None:
    """Also where the clock of the worker that saw it goes ahead; an older workflow doesn't tell when that was."""
    for seen_at, outcome in ((1.0, Outcome.DONE), (1e12, Outcome.DONE), (0.0, Outcome.DONE), (1.0, Outcome.OUTDATED)):
        await meters.measured(STEP.model_copy(update={"seen_at": seen_at}), answered(outcome))
    assert value(meters, "step_reaction_seconds_count") == 2
    assert value(meters, "step_reaction_seconds_bucket", le="0.05") == 1


async def test_checks_of_gates_and_vain_tells_are_counted(meters: Meters) -> None:
    passed = Progress(since=0.0, finding=Finding.PASSED)
    await meters.measured(GATE, answered(passed))
    await meters.measured(TELL, answered(None))
    await asyncio.gather(meters.measured(GATE, failing()), meters.measured(TELL, failing()), return_exceptions=True)
    assert value(meters, "gate_checks_total", kind="bake", outcome="passed") == 1
    assert value(meters, "gate_checks_total", kind="bake", outcome="error") == 1
    assert value(meters, "tells_failed_total") == 1


async def test_what_is_cancelled_counts_for_nothing(meters: Meters) -> None:
    checking = asyncio.ensure_future(meters.measured(GATE, asyncio.sleep(3600)))
    await asyncio.sleep(0)
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert value(meters, "gate_checks_total", kind="bake", outcome="error") is None


def seen(*available: bool) -> Observation:
    groups = tuple(Group(ordinal=ordinal, updated=up, ready=up) for ordinal, up in enumerate(available))
    return Observation(replicas=3, groups_asked=len(groups), partition=0, groups=groups)


async def test_an_open_rollout_tells_how_far_it_is_until_it_has_ended(meters: Meters) -> None:
    """A surge group counts as available, and is none of those that are wanted."""
    meters.rollouts.looked(WAIT, seen(True, False, False, True))
    assert value(meters, "rollout_groups_done", target="lws/ml/llm") == 1
    assert value(meters, "rollout_groups_wanted", target="lws/ml/llm") == 3
    assert value(meters, "rollout_promise_margin_groups", target="lws/ml/llm") == 0
    meters.rollouts.looked(WAIT, seen(True, False, False))
    assert value(meters, "rollout_promise_margin_groups", target="lws/ml/llm") == -1
    await meters.measured(RecordOutcome(target=TARGET, template="x", outcome="completed"), answered(None))
    assert value(meters, "rollout_groups_wanted", target="lws/ml/llm") is None


def test_a_rollout_that_is_not_looked_at_any_more_is_not_told_of(
    meters: Meters, monkeypatch: pytest.MonkeyPatch
) -> None:
    meters.rollouts.looked(WAIT, seen(True))
    monkeypatch.setattr(open_rollouts, "_LASTS_SECONDS", 0.0)
    assert value(meters, "rollout_groups_wanted", target="lws/ml/llm") is None
