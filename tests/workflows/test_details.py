"""The details page of the Temporal UI: where a rollout stands, what may be sent to it, within what proxies let pass."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from rollwright.rollout.aim import Course
from rollwright.rollout.estimate import Estimate, SlowGroup
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.spec import GatedStep, RolloutSpec, Strategy, Target
from rollwright.rollout.stages import Mark, Stage
from rollwright.rollout.timing import Cost
from rollwright.workflows import describing
from rollwright.workflows import details as details_module
from rollwright.workflows.approving import asked
from rollwright.workflows.contract import Event, Intervention, OpenGate, Phase, RolloutState, RolloutStatus
from rollwright.workflows.details import details, escape, table

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


def group(ordinal: int, *, ready: bool = False, reason: str = "") -> Group:
    return Group(ordinal=ordinal, updated=True, ready=ready, reason=reason)


NONE = Observation(replicas=2, groups_asked=2, partition=0, groups=())


def page(phase: Phase, state: RolloutState | None = None, strategy: Strategy | None = None, **more: object) -> str:
    spec = RolloutSpec(target=Target(name="llm"), strategy=strategy or Strategy())
    status = RolloutStatus(rollout="r", phase=phase, spec=spec).model_copy(update=more)
    return details(status, state or RolloutState())


def expected(phase: Phase, **more: Any) -> list[str]:
    """The lines on what is to come and what it costs."""
    lines = page(phase, **more).splitlines()
    return [line.removeprefix("- ") for line in lines if line.startswith(("- ends", "- slow", "- cost"))]


def signals(shown: str) -> dict[str, str]:
    """The signals on the page, each with its data."""
    rows = [line.replace("\xa0", "").split(" | ") for line in shown.splitlines() if line.startswith("| `")]
    return {row[0].strip("| `"): row[1].strip("`") for row in rows}


def test_while_it_goes_on_the_end_is_told_in_utc_and_slow_groups_are_named() -> None:
    assert expected(Phase.PROGRESSING, estimate=MADE) == [
        "ends about 2026-01-01 13:10 UTC (13:00 to 13:40); groups usually start in 12 min",
        "slow: group 5: starting for more than 31 min, since 11:29 UTC; usual are 12 min",
    ]


def test_while_it_stands_slow_groups_are_named_and_at_the_end_only_the_cost_is_told() -> None:
    assert [line.split(":")[0] for line in expected(Phase.STALLED, estimate=MADE)] == ["slow"]
    cost = Cost(out_of_service_seconds=3600, surplus_seconds=1800)
    assert expected(Phase.PROGRESSING, cost=cost, gpus=8) == ["cost so far: 8.0 GPU-hours out of service, 4.0 surplus"]
    assert expected(Phase.COMPLETED, estimate=MADE, cost=cost) == ["cost: 1.0 group-hours out of service, 0.5 surplus"]


def test_what_is_not_known_is_said_plainly() -> None:
    assert expected(Phase.PROGRESSING, estimate=Estimate(at=NOON)) == [
        "ends not known: no group's start-up time is known yet"
    ]


def test_a_range_of_minutes_is_told_to_the_second() -> None:
    short = MADE.model_copy(update={"earliest": NOON + 4170, "latest": NOON + 4230, "slow": ()})
    assert expected(Phase.PROGRESSING, estimate=short) == [
        "ends about 2026-01-01 13:10:00 UTC (13:09:30 to 13:10:30); groups usually start in 12 min"
    ]


def test_only_signals_are_named_that_would_be_taken_and_change_something() -> None:
    assert set(signals(page(Phase.PROGRESSING))) == {"pause", "abort"}  # there is nothing to go back to
    going = RolloutState(prepared=True, template="new", before="old")
    assert set(signals(page(Phase.PROGRESSING, going))) == {"pause", "rollback", "abort"}
    paused = going.model_copy(update={"paused": True})
    assert set(signals(page(Phase.PAUSED, paused))) == {"resume", "rollback", "abort"}
    back = going.model_copy(update={"course": Course.BACK})
    assert set(signals(page(Phase.ROLLING_BACK, back))) == {"pause", "rollback", "abort"}
    assert signals(page(Phase.COMPLETED, going)) == {}


def test_the_approval_that_is_asked_for_has_its_data_to_paste() -> None:
    gate = ApprovalGate()
    step = Strategy(steps=(GatedStep(until=1, gates=(gate,)),))
    progress = gate.opened(NOON)
    waits = RolloutState(prepared=True, template="new", before="old", waiting=0, gating=(progress,))
    opened = OpenGate(name="approval", kind="approval", progress=progress)
    found = asked(waits, step)
    assert found
    shown = page(Phase.GATED, waits, step, seen=found.seen, open_gates=(opened,), gate=1, gates=1)
    assert "It waits for somebody." in shown
    assert "| approval\xa0 | pending\xa0 | waits to be approved |" in shown
    taken = signals(shown)
    assert json.loads(taken["approve"]) == {"actor": "you", "seen": found.seen}
    assert list(taken) == ["approve", "reject", "promote", "pause", "rollback", "abort"]


def test_after_somebodys_change_each_side_has_its_data_to_paste() -> None:
    seen = NONE.model_copy(update={"dispute": "the template to 3f"})
    state = RolloutState(prepared=True, template="new", before="old", observation=seen)
    shown = page(Phase.STALLED, state, observation=seen)
    assert '| `{"actor": "you", "side": "ours"}`\xa0 |' in shown
    assert '| `{"actor": "you", "side": "theirs"}`\xa0 |' in shown


def test_at_the_end_the_commands_that_go_on_are_named() -> None:
    shown = page(Phase.ABORTED, next=("rollwright rollback lws/llm -n default",))
    assert "To go on from here: `rollwright rollback lws/llm -n default`" in shown
    assert "Send a Signal" not in shown


def test_few_groups_have_a_column_each_and_many_are_told_in_runs_or_counted() -> None:
    def last_row(*marks: Mark) -> str:
        stage = Stage(stage=3, partition=1, replicas=len(marks), groups=marks, note="Partition changes from 2 to 1")
        return table([stage]).splitlines()[-1].replace("\xa0", "")

    assert last_row(Mark.OUTDATED, Mark.ROLLING) == "| 3 | 1 | 2 | ❎ | ⏳ | Partition changes from 2 to 1 |"
    many = last_row(*[Mark.OUTDATED] * 38, Mark.ROLLING, Mark.UPDATED)
    assert many == "| 3 | 1 | 40 | 0-37 ❎  38 ⏳  39 ✅ | Partition changes from 2 to 1 |"
    mixed = last_row(*[Mark.OUTDATED, Mark.UPDATED] * 20)
    assert mixed == "| 3 | 1 | 40 | 20 ✅, 20 ❎ | Partition changes from 2 to 1 |"


def test_the_newest_rows_and_events_are_shown_within_what_an_address_may_hold() -> None:
    groups = (Mark.ROLLING,) * 12
    stages = tuple(Stage(stage=n, partition=n, replicas=12, groups=groups, note="n" * 100) for n in range(1, 61))
    events = tuple(Event(at=f"2026-01-01T12:00:{n:02}", what=f"event {n} {'é' * 500}", actor="ada") for n in range(20))
    state = RolloutState(prepared=True, stages=stages, before="old", template="new")
    shown = page(Phase.PROGRESSING, state, events=events)
    assert 5000 < len(quote(shown, safe="")) <= 7500
    assert "| 1 | 1 | 12 |" in shown
    assert "| 60 | 60 | 12 |" in shown
    assert "2026-01-01 12:00:19 event 19" in shown
    assert "event 0 " not in shown


def test_however_long_a_rollout_has_been_its_page_is_made_from_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made after every step, and all of them are replayed where another worker takes a rollout over."""
    tries: list[int] = []
    made = details_module._page

    def counted(*given: Any) -> str:
        tries.append(len(given[3]))
        return made(*given)

    monkeypatch.setattr(details_module, "_page", counted)
    stages = tuple(Stage(stage=n, partition=0, replicas=40, groups=(Mark.ROLLING,) * 40, note="") for n in range(500))
    shown = page(Phase.PROGRESSING, RolloutState(stages=stages, before="old", template="new"))
    assert "| 499 | 0 | 40 |" in shown
    assert len(tries) <= 10
    assert max(tries) <= 60


def test_what_comes_from_outside_is_no_markdown() -> None:
    waits = group(1, reason="**no** [nodes](http://x) | <b>&lt; `x` ~~y~~")
    seen = NONE.model_copy(update={"groups": (group(0, ready=True), waits)})
    shown = page(Phase.PROGRESSING, observation=seen, by=Intervention(actor="a|b", reason="_c_"))
    escaped = r"\*\*no\*\* \[nodes\]\(http://x\) \| \<b\>\&lt; \`x\` \~\~y\~\~"
    assert f"- group 1: {escaped}" in shown
    begun = page(Phase.PROGRESSING, revision="new", before="old", by=Intervention(actor="a|b", reason="_c_"))
    assert r"to `new`, from `old`, asked for by a\|b: \_c\_" in begun


def test_a_wait_says_what_it_waits_for() -> None:
    starting = group(0), group(1, ready=True), group(2)
    seen = Observation(replicas=3, groups_asked=3, partition=0, groups=starting)
    assert describing.waiting(None, "") == "look at the target"
    assert describing.waiting(seen, "") == "wait until groups 0, 2 can serve"
    assert describing.waiting(seen, "no nodes") == "no nodes"


def test_a_summary_is_one_line_of_200_bytes_at_most() -> None:
    assert describing.short_line("a\n  b") == "a b"
    cut = describing.short_line("é" * 300)
    assert len(cut.encode()) <= 200
    assert cut == "é" * 98 + "…"


def test_text_from_outside_hides_nothing_and_keeps_its_direction() -> None:
    assert escape("a\x1b[2J\u202eb\u200b \x9bc\n*d*") == r"a\[2Jb c \*d\*"
