"""Whole screens of `watch` on a terminal, at several sizes; they are kept in tests/data/screens."""

import io
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from rollwright.cli import footlines, keys, tree, treelines
from rollwright.cli.footlines import Foot, Said
from rollwright.cli.outputs import Status
from rollwright.cluster.places import Place
from rollwright.rollout.aim import Course
from rollwright.rollout.estimate import Estimate, SlowGroup
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Approval, Progress
from rollwright.rollout.observation import Cause, Group, Observation
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy, Target
from rollwright.rollout.stages import Mark, Stage
from rollwright.rollout.timing import Cost
from rollwright.workflows.contract import Event, Intervention, Message, OpenGate, Phase, RolloutStatus

SCREENS = Path(__file__).parents[1] / "data" / "screens"
NOW = datetime(2026, 1, 2, 4, 0, tzinfo=UTC)
MINUTE, HOUR = 60, 3600
ANN = Intervention(actor="ann@ops")
NOWHERE: Mapping[int, Place] = {}


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Times are shown in the zone of whoever looks."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def ago(seconds: float) -> float:
    return NOW.timestamp() - seconds


GATES = Strategy(
    max_unavailable=2,
    max_surge=2,
    steps=(
        GatedStep(until=1, gates=(Bake(duration=2 * HOUR), ApprovalGate(name="on call", approvers=2))),
        GatedStep(until="50%"),
    ),
)


def told(**changes: object) -> RolloutStatus:
    """A rollout of 4 groups, of which one is updated and waits at its gates."""
    status = RolloutStatus(
        rollout="rollout/lws/inference/llm",
        phase=Phase.GATED,
        reason="gate 1 of 2 bake pending (serves); on call pending (waits for 1 of 2 approvals; approved by ann@ops)",
        spec=RolloutSpec(
            target=Target(namespace="inference", name="llm"),
            change=Change(images={"model": "registry.example.com/llm:v2"}),
            strategy=GATES,
        ),
        observation=Observation(
            replicas=4,
            groups_asked=4,
            partition=3,
            groups=(
                Group(ordinal=0, updated=False, ready=True),
                Group(
                    ordinal=1,
                    updated=False,
                    ready=False,
                    reason="llm-1-1: the node gpu-03 doesn't answer for 40 s",
                    cause=Cause.NODE,
                ),
                Group(ordinal=2, updated=False, ready=True),
                Group(ordinal=3, updated=True, ready=True),
            ),
            uid="1",
        ),
        stage=Stage(
            stage=5, partition=3, replicas=4, groups=(Mark.OUTDATED,) * 3 + (Mark.UPDATED,), note="Gate 1 waits"
        ),
        steps=4,
        revision="llm-rw-2",
        before="llm-rw-1",
        available_min=3,
        groups_max=6,
        gate=1,
        gates=2,
        open_gates=(
            OpenGate(
                name="bake",
                kind="bake",
                progress=Progress(since=ago(31 * MINUTE), message="watching 1 group on the new revision for 2 h"),
            ),
            OpenGate(
                name="on call",
                kind="approval",
                progress=Progress(
                    since=ago(20 * HOUR),
                    message="waits for 1 of 2 approvals; approved by ann@ops",
                    approvals=(Approval(actor="ann@ops", at=ago(60)),),
                    attempt=2,
                ),
            ),
        ),
        seen="4f2a90c1d0b7",
        next=(
            "rollwright approve lws/llm -n inference --step 1 --seen 4f2a90c1d0b7",
            "rollwright rollback lws/llm -n inference",
        ),
        cost=Cost(out_of_service_seconds=1.5 * HOUR, surplus_seconds=0.75 * HOUR),
        gpus=8,
        by=Intervention(actor="ci", reason="nightly release"),
        started_at="2026-01-01T03:04:05Z",
        events=(
            Event(at="2026-01-01T03:30:00Z", what="pause: no new step", actor="ann@ops", reason="error rate is up"),
            Event(at="2026-01-02T03:31:10Z", what="resume: goes on", actor="ann@ops"),
        ),
    )
    return status.model_copy(update=changes)


PLACES = {
    0: Place("gpu-00.eu-west.example.com", NOW - timedelta(days=12)),
    1: Place("gpu-03.eu-west.example.com", NOW - timedelta(days=12)),
    2: Place("gpu-01.eu-west.example.com", NOW - timedelta(hours=29)),
    3: Place("", NOW - timedelta(seconds=50)),
}


def fleet() -> RolloutStatus:
    """500 groups that are updated from the last one on: 418 old ones, 12 that roll (two of them in trouble), 70 new."""
    rolling = {
        418: Group(ordinal=418, updated=False, ready=True),
        419: Group(ordinal=419, updated=False, ready=True, terminating=True),
        420: Group(
            ordinal=420,
            updated=True,
            ready=False,
            failed=True,
            cause=Cause.IMAGE,
            reason="llm-420: ErrImagePull: not found, for more than 5 min",
        ),
        425: Group(ordinal=425, updated=True, ready=False, cause=Cause.UNREADY, reason="llm-425-3: loads the model"),
    }
    starting = {
        ordinal: Group(ordinal=ordinal, updated=True, ready=False, cause=Cause.STARTING, reason="starting")
        for ordinal in range(421, 430)
    }
    groups = tuple(
        (starting | rolling).get(ordinal, Group(ordinal=ordinal, updated=ordinal >= 430, ready=True))
        for ordinal in range(500)
    )
    marks = (Mark.OUTDATED,) * 418 + (Mark.ROLLING,) * 12 + (Mark.UPDATED,) * 70
    return told(
        phase=Phase.PROGRESSING,
        reason="",
        spec=told().spec.model_copy(update={"strategy": Strategy(max_unavailable="5%", max_surge=10)}),
        observation=Observation(replicas=490, groups_asked=500, partition=418, groups=groups),
        stage=Stage(stage=31, partition=418, replicas=500, groups=marks, note="Partition changes from 419 to 418"),
        gate=None,
        gates=0,
        open_gates=(),
        seen="",
        next=(),
        available_min=480,
        groups_max=500,
        estimate=Estimate(
            at=NOW.timestamp(),
            known=70,
            usual_seconds=12 * MINUTE,
            ends_at=ago(-7 * HOUR),
            earliest=ago(-6 * HOUR),
            latest=ago(-9 * HOUR),
            slow=(SlowGroup(ordinal=425, since=ago(31 * MINUTE)),),
        ),
    )


def lines(
    status: RolloutStatus,
    width: int,
    height: int,
    *,
    places: Mapping[int, Place] = NOWHERE,
    said: Said = Said(""),  # noqa: B008 - it is frozen
    offset: int = 0,
    trouble: str = "",
) -> list[Text]:
    """What a terminal of this size would be filled with."""
    answers = {
        message: keys.verdict(message, keys.steering(message, status, ANN), status)
        for message in keys.MESSAGES.values()
    }
    foot = footlines.draw(Foot(trouble, said, answers), width)
    view = tree.tree(Status.of(status), places, NOW)
    return [*treelines.draw(view, width, height - len(foot), offset).lines, *foot]


def printed(shown: list[Text], width: int, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False, **options)
    for line in shown:
        console.print(line)
    text: str = console.file.getvalue()  # type: ignore[attr-defined] # it is a StringIO
    return text


def kept(name: str) -> list[str]:
    return (SCREENS / f"{name}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("width", "height"), [(140, 36), (100, 30), (60, 24)])
def test_four_groups_at_a_gate(width: int, height: int) -> None:
    shown = printed(lines(told(), width, height, places=PLACES), width).splitlines()
    assert [line.rstrip() for line in shown] == kept(f"gate-{width}x{height}")
    assert len(shown) <= height
    assert all(Text(line).cell_len <= width for line in shown)


@pytest.mark.parametrize(("width", "height"), [(140, 40), (100, 24), (60, 20)])
def test_five_hundred_groups(width: int, height: int) -> None:
    shown = printed(lines(fleet(), width, height), width).splitlines()
    assert [line.rstrip() for line in shown] == kept(f"fleet-{width}x{height}")
    assert len(shown) <= height


def test_what_is_scrolled_away_and_what_is_below_are_counted() -> None:
    def ordinals(offset: int) -> list[str]:
        shown = [line.plain for line in lines(fleet(), 60, 20, offset=offset)]
        listed = shown[shown.index(next(line for line in shown if "groups 500" in line)) + 1 : -3]
        return [line[3:].strip() for line in listed]

    assert [line.split()[2] for line in ordinals(0)[:-1]] == [
        "0-417",
        "430-499",
        "420",
        "425",
        "418",
        "419",
        "421",
        "422",
    ]
    assert ordinals(0)[-1] == "└─ … 6 below"
    assert [line.split()[2] for line in ordinals(3)[:-1]] == ["425", "418", "419", "421", "422", "423", "424", "426"]
    assert ordinals(3)[-1] == "└─ … 3 above, 3 below"
    assert ordinals(99)[-2:] == ["├─ ⏳ 429      new  starting", "└─ … 6 above"], "not beyond the last one"


@pytest.mark.parametrize("height", [1, 4, 8, 12, 16])
def test_the_keys_stay_on_a_screen_however_low_it_is(height: int) -> None:
    shown = [line.plain for line in lines(told(), 100, height + 2)]
    assert len(shown) == height + 2
    assert shown[0].startswith("lws/llm in namespace inference  gated")
    assert shown[-1].startswith("p pause")


@pytest.mark.parametrize("status", [told(), fleet(), told(reason="模型" * 200, phase=Phase.STALLED)])
@pytest.mark.parametrize("width", [20, 37, 60, 100, 200])
def test_nothing_is_wider_or_higher_than_the_terminal(status: RolloutStatus, width: int) -> None:
    view = tree.tree(Status.of(status), PLACES, NOW)
    for height in range(1, 60):
        shown = treelines.draw(view, width, height, offset=2).lines
        assert len(shown) <= height
        assert all(line.cell_len <= width for line in shown)
    foot = footlines.draw(Foot("模型" * 200, Said("模型" * 200)), width)
    assert all(line.cell_len <= max(34, width) for line in foot)


def test_without_a_limit_everything_is_shown() -> None:
    view = tree.tree(Status.of(fleet()), NOWHERE, NOW)
    shown = treelines.draw(view, 100).lines
    assert sum("  ready" in line.plain for line in shown) == 418 + 70


@pytest.mark.parametrize(("options", "codes"), [({"no_color": True}, {"1", "2", "0"}), ({}, {"1;33"})])
def test_no_colour_leaves_bold_and_dim(options: dict[str, Any], codes: set[str]) -> None:
    text = printed(lines(told(), 100, 30), 100, force_terminal=True, color_system="standard", **options)
    found = {part.partition("m")[0] for part in text.split("\x1b[")[1:]}
    assert codes <= found
    assert not options or all(code in ("0", "1", "2") for code in found)


def test_a_key_that_is_of_no_use_is_dim() -> None:
    bar = lines(told(), 100, 30)[-1]
    assert bar.plain == "p pause  r resume  n promote  a abort  b rollback  A approve  q leave  ? help"
    dim = {bar.plain[span.start : span.end] for span in bar.spans if span.style == "dim"}
    assert dim == {"r resume", "A approve"}, "a gate waits, and ann has approved"


HOSTILE = "[red]\x1b[2J\x07 :boom:\r\n└─ all is well\u202e"


def test_text_from_elsewhere_is_shown_and_neither_obeyed_nor_taken_for_markup() -> None:
    group = Group(ordinal=0, updated=True, ready=False, reason=HOSTILE)
    failed = Group(ordinal=1, updated=True, ready=False, reason=HOSTILE, cause=Cause.CRASH, failed=True)
    gate = OpenGate(name=HOSTILE, kind="webhook", progress=Progress(since=ago(60), message=HOSTILE))
    hostile = told(
        phase=Phase.STALLED,
        reason=HOSTILE,
        revision=HOSTILE,
        observation=Observation(replicas=2, groups_asked=2, partition=0, groups=(group, failed), dispute=HOSTILE),
        stage=told().stage.model_copy(update={"note": HOSTILE}),  # type: ignore[union-attr] # it has one
        open_gates=(gate,),
        next=(HOSTILE,),
        by=Intervention(actor=HOSTILE, reason=HOSTILE),
        events=(Event(at=HOSTILE, what=HOSTILE, actor=HOSTILE, reason=HOSTILE),),
    )
    places = {0: Place(HOSTILE, NOW)}
    shown = [line.plain for line in lines(hostile, 300, 60, places=places)]
    assert sum(line.count("[red][2J :boom: └─ all is well") for line in shown) == 16
    assert not any(letter in line for line in shown for letter in "\x1b\x07\r\n\u202e")
    assert "\x1b" not in printed(lines(hostile, 300, 60, places=places), 300)


def test_trouble_and_what_is_asked_stand_above_the_keys() -> None:
    trouble = "no worker answers; start one: rollwright worker; what you see is 12 s old; trying again"
    asked = keys.steering(Message.ABORT, told(), ANN)
    question = keys.question(asked, keys.verdict(Message.ABORT, asked, told()))
    shown = lines(told(), 100, 30, trouble=trouble, said=Said(question))
    assert [line.plain for line in shown[-4:-1]] == [
        "",
        trouble,
        "abort: updates nothing further, and gives the surge back, by ann@ops. y/N",
    ]


def test_on_the_way_back_the_old_version_is_what_is_wanted() -> None:
    groups = (Group(ordinal=0, updated=True, ready=True), Group(ordinal=1, updated=False, ready=True))
    seen = Observation(replicas=2, groups_asked=2, partition=0, groups=groups)
    stage = Stage(stage=6, partition=0, replicas=2, groups=(Mark.UPDATED, Mark.ROLLING))
    back = told(phase=Phase.ROLLING_BACK, course=Course.BACK, observation=seen, stage=stage, gate=None, open_gates=())
    view = tree.tree(Status.of(back), NOWHERE, NOW)
    assert [(entry.mark, entry.revision, entry.state) for entry in view.groups] == [
        ("✅", "old", "ready"),
        ("⏳", "new", "released"),
    ]
    assert view.step == "", "no gates on the way back"
    assert ("course", "back to llm-rw-1") in view.facts


def test_before_the_target_was_seen_there_is_little_to_say() -> None:
    fresh = told(phase=Phase.PREPARING, reason="", observation=None, stage=None, gate=None, open_gates=(), steps=0)
    assert [line.plain.rstrip() for line in lines(fresh, 100, 30)[:6]] == [
        "lws/llm in namespace inference  preparing",
        "│ change  model=registry.example.com/llm:v2 (llm-rw-2)",
        "│ by      ci: nightly release",
        "│ budget  the target was not looked at yet",
        "│ seen    fewest available 3, most groups 6",
        "│ cost    12.0 GPU-hours out of service, 6.0 surplus",
    ]


def test_until_the_first_step_no_group_is_released() -> None:
    groups = tuple(Group(ordinal=ordinal, updated=False, ready=True) for ordinal in range(2))
    seen = Observation(replicas=2, groups_asked=2, partition=0, groups=groups, on_target=False)
    stage = Stage(stage=1, partition=0, replicas=2, groups=(Mark.UPDATED,) * 2, note="Before rolling update")
    view = tree.tree(Status.of(told(phase=Phase.PREPARING, observation=seen, stage=stage, gate=None)), NOWHERE, NOW)
    assert {entry.state for entry in view.groups} == {"ready"}


@pytest.mark.parametrize(
    ("gate", "done", "says"),
    [
        (None, 0, "step 1 of 2, up to 1 of 4 groups"),
        (None, 1, "step 2 of 2, up to 2 of 4 groups"),
        (2, 2, "step 2 of 2, up to 2 of 4 groups: waits to be promoted"),
        (None, 3, "step 2 of 2 is done; the rest of the 4 groups follows"),
    ],
)
def test_which_step_it_is_at(gate: int | None, done: int, says: str) -> None:
    groups = tuple(Group(ordinal=ordinal, updated=ordinal >= 4 - done, ready=True) for ordinal in range(4))
    seen = Observation(replicas=4, groups_asked=4, partition=4 - done, groups=groups)
    status = told(phase=Phase.PROGRESSING, observation=seen, gate=gate, open_gates=())
    assert tree.tree(Status.of(status), NOWHERE, NOW).step == says
