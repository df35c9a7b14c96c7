"""Whole screens of `status`, `watch` and `plan`, and what hostile text in them comes to."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from rich.console import Console, RenderableType

from rollwright.cli import outputs, render, views
from rollwright.cli.following import Look, _Printer
from rollwright.cli.formats import Format
from rollwright.cli.outputs import (
    Checked,
    Diff,
    Forecast,
    Forecasts,
    Plan,
    PlannedGate,
    PlannedStep,
    Snapshot,
    Status,
    Verdict,
)
from rollwright.rollout.aim import Course
from rollwright.rollout.difference import Difference
from rollwright.rollout.estimate import Estimate, SlowGroup
from rollwright.rollout.observation import Cause, Group, Observation
from rollwright.rollout.spec import Change, Pacing, Reclaim, RolloutSpec, Strategy, Target
from rollwright.rollout.stages import Mark, Stage
from rollwright.rollout.timing import Cost
from rollwright.workflows.contract import Event, Intervention, Phase, RolloutStatus

UPDATED, OUTDATED, ROLLING = Mark.UPDATED, Mark.OUTDATED, Mark.ROLLING
STAGES = (
    Stage(stage=1, partition=0, replicas=4, groups=(UPDATED,) * 4, note="Before rolling update"),
    Stage(stage=2, partition=4, replicas=6, groups=(OUTDATED,) * 4 + (ROLLING,) * 2, note="Rolling update started"),
    Stage(
        stage=3,
        partition=2,
        replicas=6,
        groups=(OUTDATED,) * 2 + (ROLLING,) * 4,
        note="Partition changes from 4 to 2",
    ),
)


def group(ordinal: int, *, updated: bool, reason: str = "", terminating: bool = False) -> Group:
    return Group(ordinal=ordinal, updated=updated, ready=not reason, reason=reason, terminating=terminating)


def answer(**changes: object) -> RolloutStatus:
    """What a rollout says in stage 3."""
    status = RolloutStatus(
        rollout="rollout/lws/inference/llm",
        phase=Phase.PROGRESSING,
        reason="Since the last replica is not ready, partition does not change",
        spec=RolloutSpec(
            target=Target(namespace="inference", name="llm"),
            change=Change(images={"model": "llm:v2"}),
            strategy=Strategy(max_unavailable=2, max_surge=2),
        ),
        observation=Observation(
            replicas=4,
            groups_asked=6,
            partition=2,
            groups=(
                group(0, updated=False),
                group(1, updated=False),
                group(2, updated=True, reason="pod llm-2-1 is pulling its image"),
                group(3, updated=True, terminating=True),
                group(4, updated=True),
                group(5, updated=True, reason="starting"),
            ),
        ),
        stage=STAGES[-1],
        steps=2,
        available_min=2,
        groups_max=6,
        started_at="2026-01-02T03:04:05Z",
        by=Intervention(actor="ci", reason="nightly release"),
        request_id="build-7",
        events=(Event(at="2026-01-02T03:30:00Z", what="paused", actor="ann@ops", reason="error rate"),),
    )
    return status.model_copy(update=changes)


def screen(drawn: RenderableType, width: int = 110) -> list[str]:
    """What a terminal without colours shows, line by line."""
    console = Console(file=io.StringIO(), width=width, markup=False, emoji=False, highlight=False, no_color=True)
    with console.capture() as captured:
        console.print(drawn)
    return [line.rstrip() for line in captured.get().splitlines()]


def test_status() -> None:
    assert screen(render.status(Status.of(answer()), 110)) == [
        "rollout  rollout/lws/inference/llm",
        "target   lws/llm in namespace inference",
        "change   model=llm:v2",
        "by       ci: nightly release",
        "request  build-7",
        "now      progressing: Since the last replica is not ready, partition does not change; waiting for groups 2",
        "         (pod llm-2-1 is pulling its image), 3 (leaving), 5 (starting)",
        "budget   3 available (at least 2), 6 groups (at most 6)",
        "seen     fewest available 2, most groups 6",
        "started  2026-01-02 03:04:05 UTC",
        "",
        "Stage  Partition  Replicas  R-0  R-1  R-2  R-3  R-4  R-5  Note",
        "    3          2         6  ❎   ❎   ⏳   ⏳   ⏳   ⏳   Partition changes from 4 to 2",
        "✅ updated  ❎ not yet  ⏳ rolling",
        "",
        "events",
        "2026-01-02 03:30:00 UTC paused, by ann@ops: error rate",
    ]


def test_watch() -> None:
    seen = Snapshot(status=Status.of(answer(reason="")), stages=STAGES)
    assert screen(render.snapshot(seen, 110)) == [
        "rollout/lws/inference/llm  model=llm:v2",
        "",
        "Stage  Partition  Replicas  R-0  R-1  R-2  R-3  R-4  R-5  Note",
        "    1          0         4  ✅   ✅   ✅   ✅             Before rolling update",
        "    2          4         6  ❎   ❎   ❎   ❎   ⏳   ⏳   Rolling update started",
        "    3          2         6  ❎   ❎   ⏳   ⏳   ⏳   ⏳   Partition changes from 4 to 2",
        "✅ updated  ❎ not yet  ⏳ rolling",
        "",
        "now     progressing: waiting for groups 2 (pod llm-2-1 is pulling its image), 3 (leaving), 5 (starting)",
        "budget  3 available (at least 2), 6 groups (at most 6)",
        "seen    fewest available 2, most groups 6",
    ]


def test_watch_on_a_small_terminal_keeps_the_last_stages_and_the_now_line() -> None:
    seen = Snapshot(status=Status.of(answer(reason="")), stages=STAGES)
    shown = screen(render.snapshot(seen, 70, height=10), 70)
    assert [line.split()[0] for line in shown if line[:5].strip().isdigit()] == ["3"]
    assert any(line.startswith("now") for line in shown)


def test_before_the_target_was_seen() -> None:
    fresh = answer(
        phase=Phase.PREPARING, reason="", observation=None, stage=None, available_min=None, groups_max=None, events=()
    )
    assert screen(render.status(Status.of(fresh), 110))[5:] == [
        "now      preparing",
        "budget   the target was not looked at yet",
        "started  2026-01-02 03:04:05 UTC",
    ]


def test_status_of_a_rollout_that_needs_somebody() -> None:
    groups = (
        group(0, updated=False),
        group(1, updated=True, reason="starting"),
        Group(
            ordinal=2,
            updated=True,
            ready=False,
            failed=True,
            cause=Cause.IMAGE,
            reason="llm-2: ErrImagePull: not found, for more than 5 min",
        ),
    )
    stalled = answer(
        phase=Phase.STALLED,
        reason="",
        course=Course.BACK,
        before="llm-rw-1",
        gate=1,
        gates=2,
        unconfirmed=True,
        observation=Observation(
            replicas=3, groups_asked=3, partition=1, groups=groups, dispute="partition 4 -> 0, the template"
        ),
        next=("rollwright resume lws/llm -n inference --ours", "rollwright abort lws/llm -n inference"),
        stage=None,
        events=(),
    )
    assert screen(render.status(Status.of(stalled), 110))[5:] == [
        "now      stalled: waiting for group 1 (starting)",
        "course   back to llm-rw-1",
        "gate     1 of 2 waits to be promoted",
        "failed   group 2: image pull: llm-2: ErrImagePull: not found, for more than 5 min",
        "dispute  partition 4 -> 0, the template",
        "step     one step unconfirmed: it may still take effect",
        "next     rollwright resume lws/llm -n inference --ours",
        "next     rollwright abort lws/llm -n inference",
        "budget   1 available (at least 1), 3 groups (at most 5)",
        "seen     fewest available 2, most groups 6",
        "started  2026-01-02 03:04:05 UTC",
    ]


def test_watch_of_a_rollout_that_was_aborted_says_what_runs_what_and_how_to_go_on() -> None:
    aborted = answer(
        phase=Phase.ABORTED,
        course=Course.STOP,
        reason="new revision on groups 2-3; older one on groups 0-1",
        next=("rollwright start --target lws/llm -n inference", "rollwright rollback lws/llm -n inference"),
    )
    assert screen(render.snapshot(Snapshot(status=Status.of(aborted), stages=STAGES), 110))[-5:] == [
        "now     aborted: new revision on groups 2-3; older one on groups 0-1",
        "next    rollwright start --target lws/llm -n inference",
        "next    rollwright rollback lws/llm -n inference",
        "budget  3 available (at least 2), 6 groups (at most 6)",
        "seen    fewest available 2, most groups 6",
    ]


def test_text_from_elsewhere_is_shown_and_neither_obeyed_nor_taken_for_markup() -> None:
    hostile = "[red]\x1b[2J\x07 :boom:\r\nbudget  all is well\u202e"
    shown = "\n".join(
        screen(
            render.status(
                Status.of(
                    answer(
                        reason=hostile,
                        stage=STAGES[0].model_copy(update={"note": hostile}),
                        events=(Event(at="", what=hostile, actor=hostile, reason=hostile),),
                    )
                ),
                200,
            ),
            200,
        )
    )
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown
    assert shown.count("[red][2J :boom: budget all is well") == 5
    assert "\nbudget  all" not in shown


def test_colours_are_for_terminals_only() -> None:
    drawn = render.snapshot(Snapshot(status=Status.of(answer()), stages=STAGES), 110)
    for options, coloured in (({"force_terminal": True}, True), ({}, False)):
        console = Console(file=io.StringIO(), width=110, **options)  # type: ignore[arg-type]
        console.print(drawn)
        assert ("\x1b[" in console.file.getvalue()) is coloured  # type: ignore[attr-defined]


def test_a_difference_is_red_and_green_on_terminals_only() -> None:
    shown = Diff(before=1, after=2, changes=(Difference(field="image", before='"m:1"', after='"m:2"'),))
    for options, red in (({"force_terminal": True}, "\x1b[31m  - "), ({}, "\n  - ")):
        console = Console(file=io.StringIO(), width=110, **options)  # type: ignore[arg-type]
        console.print(render.diff(shown))
        assert red in console.file.getvalue()  # type: ignore[attr-defined]
    assert screen(render.diff(shown)) == ["from revision 1 to revision 2", "image", '  - "m:1"', '  + "m:2"']


def test_a_line_of_a_stage_for_logs() -> None:
    assert [views.stage_line(stage) for stage in STAGES] == [
        "stage 1   partition 0   replicas 4   ✅✅✅✅  Before rolling update",
        "stage 2   partition 4   replicas 6   ❎❎❎❎⏳⏳  Rolling update started",
        "stage 3   partition 2   replicas 6   ❎❎⏳⏳⏳⏳  Partition changes from 4 to 2",
    ]


def test_a_plan_against_a_cluster_begins_with_what_changes() -> None:
    image = Difference(field="containers[model].image", before='"m:1"', after='"m:2"')
    label = Difference(field="labels.tier", before="", after='"gpu"')
    assert screen(render.plan(Plan(stages=STAGES[:1], changes=(image, label)), 110)) == [
        "containers[model].image",
        '  - "m:1"',
        '  + "m:2"',
        "labels.tier",
        '  + "gpu"',
        "",
        "Stage  Partition  Replicas  R-0  R-1  R-2  R-3  Note",
        "    1          0         4  ✅   ✅   ✅   ✅   Before rolling update",
        "✅ updated  ❎ not yet  ⏳ rolling",
        "",
        "How long it takes isn't known: no start-up time is. --start-up 30m gives one.",
    ]


NOW = datetime(2026, 1, 2, 4, 0, tzinfo=UTC).timestamp()
MINUTE, HOUR = 60, 3600
EXPECTED = Estimate(
    at=NOW,
    known=12,
    usual_seconds=12 * MINUTE,
    ends_at=NOW + 70 * MINUTE,
    earliest=NOW + 50 * MINUTE,
    latest=NOW + 100 * MINUTE,
    cost=Cost(out_of_service_seconds=2 * HOUR, surplus_seconds=HOUR),
    slow=(SlowGroup(ordinal=5, since=NOW - 31 * MINUTE),),
)
SPENT = Cost(out_of_service_seconds=1.5 * HOUR, surplus_seconds=0.75 * HOUR)


def test_the_end_the_cost_and_slow_groups_in_the_zone_of_whoever_looks(zone: Callable[[str], None]) -> None:
    zone("Europe/Berlin")
    shown = screen(render.status(Status.of(answer(estimate=EXPECTED, cost=SPENT, gpus=8)), 110))
    assert shown[7:12] == [
        "slow     group 5: starting for more than 31 min, since 04:29 CET; usual are 12 min",
        "budget   3 available (at least 2), 6 groups (at most 6)",
        "seen     fewest available 2, most groups 6",
        "ends     about 2026-01-02 06:10 CET (05:50 to 06:40); groups usually start in 12 min",
        "cost     12.0 GPU-hours out of service, 6.0 surplus",
    ]


def test_watch_shows_them_too_and_hours_of_groups_that_have_no_gpus(zone: Callable[[str], None]) -> None:
    zone("UTC")
    seen = Snapshot(status=Status.of(answer(reason="", estimate=EXPECTED, cost=SPENT)), stages=STAGES)
    assert screen(render.snapshot(seen, 110))[9:] == [
        "slow    group 5: starting for more than 31 min, since 03:29 UTC; usual are 12 min",
        "budget  3 available (at least 2), 6 groups (at most 6)",
        "seen    fewest available 2, most groups 6",
        "ends    about 2026-01-02 05:10 UTC (04:50 to 05:40); groups usually start in 12 min",
        "cost    1.5 group-hours out of service, 0.8 surplus",
    ]


def test_in_a_pipe_the_end_is_told_with_each_stage_and_not_by_itself(
    zone: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    zone("UTC")
    printer = _Printer("llm", Format.TABLE)
    later = EXPECTED.model_copy(update={"ends_at": NOW + 80 * MINUTE})
    for stages, estimate in ((STAGES[:2], EXPECTED), (STAGES[:2], later), (STAGES, later)):
        printer.show(Look(Snapshot(status=Status.of(answer(estimate=estimate)), stages=stages)))
    assert capsys.readouterr().out.splitlines() == [
        *map(views.stage_line, STAGES[:2]),
        "ends about 2026-01-02 05:10 UTC (04:50 to 05:40); groups usually start in 12 min",
        views.stage_line(STAGES[2]),
        "ends about 2026-01-02 05:20 UTC (04:50 to 05:40); groups usually start in 12 min",
    ]


def test_a_range_over_midnight_has_dates(zone: Callable[[str], None]) -> None:
    zone("UTC")
    late = EXPECTED.model_copy(update={"latest": NOW + 24 * HOUR})
    (ends,) = [value for name, value in views.facts_now(Status.of(answer(estimate=late))) if name == "ends"]
    assert ends.startswith("about 2026-01-02 05:10 UTC (2026-01-02 04:50 to 2026-01-03 04:00); ")


@pytest.mark.parametrize(
    ("estimate", "says"),
    [
        (Estimate(at=NOW), "not known: no group's start-up time is known yet"),
        (Estimate(at=NOW, known=1, usual_seconds=90), "not known; groups usually start in 1 min 30 s"),
    ],
)
def test_an_end_that_is_not_known_is_said_to_be_so(estimate: Estimate, says: str) -> None:
    assert ("ends", says) in views.facts_now(Status.of(answer(estimate=estimate)))


@pytest.mark.parametrize("phase", [Phase.PAUSED, Phase.STALLED, Phase.GATED, Phase.ABORTING])
def test_while_it_stands_no_end_is_told_and_slow_groups_are(phase: Phase) -> None:
    facts = [name for name, _ in views.facts_now(Status.of(answer(phase=phase, estimate=EXPECTED)))]
    assert "ends" not in facts
    assert "slow" in facts


def test_once_it_has_ended_only_the_cost_is_told() -> None:
    facts = views.facts_now(Status.of(answer(phase=Phase.COMPLETED, estimate=EXPECTED, cost=SPENT)))
    assert {"ends", "slow"}.isdisjoint(name for name, _ in facts)
    assert ("cost", "1.5 group-hours out of service, 0.8 surplus") in facts


def test_json_has_the_end_in_utc_and_costs_in_hours(zone: Callable[[str], None]) -> None:
    zone("Europe/Berlin")
    shown = json.loads(Status.of(answer(estimate=EXPECTED, cost=SPENT, gpus=8)).model_dump_json(by_alias=True))
    assert shown["expected"] == {
        "at": "2026-01-02T04:00:00+00:00",
        "ends_at": "2026-01-02T05:10:00+00:00",
        "earliest": "2026-01-02T04:50:00+00:00",
        "latest": "2026-01-02T05:40:00+00:00",
        "start_up_seconds": 720,
        "start_ups": 12,
        "cost": {"out_of_service_group_hours": 2, "surplus_group_hours": 1, "gpus": 8, "gpu_hours": 24},
    }
    assert shown["slow"] == [
        {"ordinal": 5, "since": "2026-01-02T03:29:00+00:00", "seconds": 1860, "usual_seconds": 720}
    ]
    assert shown["cost"] == {
        "out_of_service_group_hours": 1.5, "surplus_group_hours": 0.75, "gpus": 8, "gpu_hours": 18,
    }  # fmt: skip


def test_a_plan_shows_the_pacings_side_by_side() -> None:
    by_hand = Forecasts(
        start_up_seconds=12 * MINUTE,
        start_ups=20,
        pacings=tuple(
            Forecast(
                pacing=pacing,
                reclaim=reclaim,
                seconds=seconds,
                seconds_low=0.9 * seconds,
                seconds_high=1.2 * seconds,
                cost=outputs.Cost.of(Cost(out_of_service_seconds=seconds, surplus_seconds=seconds / 2), 8),
            )
            for pacing, reclaim, seconds in (
                (Pacing.ORDERED, Reclaim.GRADUAL, 2 * HOUR),
                (Pacing.EAGER, Reclaim.PROMPT, 1 * HOUR),
            )
        ),
    )
    assert screen(render.plan(Plan(stages=STAGES[:1], forecasts=by_hand), 110))[4:] == [
        "If groups start in 12 min, by 20 start-ups of the target's groups; gates take their least, people no time:",
        "Pacing            Time                            Cost",
        "ordered, gradual  2 h (1 h 48 min to 2 h 24 min)  16.0 GPU-hours out of service, 8.0 surplus",
        "eager, prompt     1 h (54 min to 1 h 12 min)      8.0 GPU-hours out of service, 4.0 surplus",
    ]


def test_a_plan_shows_its_steps_with_what_they_wait_for_and_their_times() -> None:
    bake = PlannedGate(name="bake", kind="bake", by_people=False)
    on_call = PlannedGate(name="on call\u202e", kind="approval", by_people=True)
    promote = PlannedGate(name="promote", kind="promote", by_people=True)
    steps = (
        PlannedStep(number=1, until=1, gates=(bake, on_call), done_seconds=12 * MINUTE, passed_seconds=HOUR),
        PlannedStep(number=2, until=3, gates=(promote,), done_seconds=90 * MINUTE, passed_seconds=90 * MINUTE),
        PlannedStep(number=3, until=4, gates=(), done_seconds=2 * HOUR),
    )
    assert screen(render.plan(Plan(stages=STAGES[:1], steps=steps), 110))[4:-2] == [
        "Step   Until  Done in     Passes in at least  Gates",
        "   1  1 of 4  12 min      1 h                 bake, on call (waits for people)",
        "   2  3 of 4  1 h 30 min  1 h 30 min          promote (waits for people)",
        "   3  4 of 4  2 h                             none, as nothing is left to update",
    ]


def test_a_plan_without_start_up_times_shows_its_steps_without_times_and_folds_many_gates() -> None:
    gates = tuple(PlannedGate(name=name * 40, kind="bake", by_people=False) for name in ("a", "b", "c"))
    step = PlannedStep(number=1, until=2, gates=gates)
    assert screen(render.plan(Plan(stages=STAGES[:1], steps=(step,)), 110))[4:-2] == [
        "Step   Until  Gates",
        f"   1  2 of 4  {'a' * 40}, {'b' * 40},",
        f"              {'c' * 40}",
    ]


def test_long_reasons_of_groups_are_cut() -> None:
    waiting = Observation(
        replicas=1, groups_asked=1, partition=0, groups=(group(0, updated=True, reason="Unschedulable: " + "x" * 500),)
    )
    shown = views.now(Status.of(answer(reason="", observation=waiting)))
    assert shown.startswith("progressing: waiting for group 0 (Unschedulable: xxx")
    assert len(shown) < 100


def test_the_link_to_the_ui_has_the_id_as_one_part_of_its_path() -> None:
    assert views.ui_link("http://ui:8080/", "prod", "rollout/lws/a/b", "0-1") == (
        "http://ui:8080/namespaces/prod/workflows/rollout%2Flws%2Fa%2Fb/0-1"
    )


def test_every_change_has_words() -> None:
    assert [
        views.change(wanted)
        for wanted in (
            Change(images={"model": "m:2", "proxy": "p:3"}),
            Change(patch={"size": 4}),
            Change(manifest={"spec": {}}),
            Change(restart=True),
            Change(revision="llm-1"),
            Change(),
        )
    ] == [
        "model=m:2, proxy=p:3",
        "patch of size",
        "the template of a manifest",
        "restart of every group",
        "kept template llm-1",
        "the template as it stands",
    ]


def test_a_plan_ends_with_what_was_checked_and_what_to_do() -> None:
    checks = (
        Checked(about="target", verdict=Verdict.OK, what="lws/llm in namespace a has 4 groups"),
        Checked(about="free nodes", verdict=Verdict.FAILED, what="none\x1b[2J\nis free", todo="Free nodes."),
        Checked(about="gates", verdict=Verdict.NOT_CHECKED, what="workers ask " + "them " * 20),
    )
    assert screen(render.plan(Plan(stages=STAGES[:1], checks=checks), 110))[-7:] == [
        "",
        "3 checks: 1 ok, 1 failed, 1 not checked",
        "ok           target      lws/llm in namespace a has 4 groups",
        "failed       free nodes  none[2J is free",
        "                         Free nodes.",
        "not checked  gates       workers ask " + " ".join(["them"] * 14),
        "                         them them them them them them",
    ]
