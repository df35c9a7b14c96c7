"""What is made of what happened, by hand: timelines, the promise, start-ups, stops."""

from datetime import datetime

import pytest

from rollwright.cli.reports.happened import Said
from rollwright.cli.reports.record import Ending, Report, Role, State
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.contract import Phase
from tests.cli.reports.told import SPEC, START, at, ended, lowered, made, saw, seen, waited

BEFORE = saw(10, seen("ooo", partition=3))
GATED = Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=(Bake(duration=60), ApprovalGate())),))


def seconds(moment: datetime | None) -> float:
    assert moment
    return (moment - START).total_seconds()


def spans(report: Report, ordinal: int) -> list[tuple[float, float, State, Role]]:
    (track,) = (track for track in report.tracks if track.ordinal == ordinal)
    return [(seconds(span.start), seconds(span.end), span.state, span.role) for span in track.spans]


def test_a_group_leaves_with_the_step_and_starts_when_it_says_so() -> None:
    happened = [
        BEFORE,
        lowered(12, partition=2, groups=3),
        saw(30, seen("oos", partition=2), since={2: 15}),
        saw(90, seen("oon", partition=2)),
    ]
    assert spans(made(happened, 100), 2) == [
        (10, 13, State.SERVING, Role.OLD),
        (13, 15, State.LEAVING, Role.OLD),
        (15, 90, State.STARTING, Role.NEW),
        (90, 100, State.SERVING, Role.NEW),
    ]


def test_what_no_group_tells_is_known_by_the_looks_alone() -> None:
    happened = [BEFORE, saw(30, seen("oos", partition=2))]
    assert spans(made(happened, 40), 2) == [
        (10, 30, State.SERVING, Role.OLD),
        (30, 40, State.STARTING, Role.NEW),
    ]


def test_a_group_that_fails_after_it_served_is_down_and_then_failed() -> None:
    happened = [
        saw(10, seen("oon", partition=2)),
        saw(20, seen("oos", partition=2)),
        saw(30, seen("oof", partition=2)),
    ]
    assert [state for *_, state, _ in spans(made(happened, 40), 2)] == [State.SERVING, State.DOWN, State.FAILED]


def test_a_surge_group_is_there_for_as_long_as_it_is() -> None:
    happened = [
        BEFORE,
        saw(20, seen("ooos", replicas=3, partition=3), since={3: 15}),
        saw(40, seen("ooon", replicas=3, partition=3)),
        lowered(41, partition=0, groups=3),
        saw(60, seen("ooo", partition=0)),
    ]
    assert spans(made(happened, 70), 3) == [
        (15, 40, State.STARTING, Role.NEW),
        (40, 42, State.SERVING, Role.NEW),
        (42, 60, State.LEAVING, Role.NEW),
    ]


def test_on_the_way_back_groups_keep_the_revision_they_are_on() -> None:
    back = Aim(strategy=SPEC.strategy, course=Course.BACK)
    happened = [
        BEFORE,
        saw(20, seen("oon", partition=2)),
        # Nothing tells revisions apart until the old template is in place again.
        saw(30, seen("ooo", partition=2, on_target=False), aim=back, template="llm-rw-old"),
        saw(40, seen("nno", partition=3), aim=back, template="llm-rw-old"),
    ]
    report = made(happened, 50)
    assert spans(report, 2)[-1][3] is Role.NEW
    assert spans(report, 0) == [(10, 50, State.SERVING, Role.OLD)]


def test_the_promise_is_kept_while_no_more_are_down_than_may_be() -> None:
    promise = made([BEFORE, saw(20, seen("oos", partition=2))], 30).promise
    assert promise.kept
    assert (promise.fewest, promise.available_least, promise.most, promise.groups_most) == (2, 2, 3, 3)
    assert promise.fewest_at
    assert seconds(promise.fewest_at) == 20


def test_a_group_that_fails_by_itself_is_no_fault_of_the_rollout() -> None:
    promise = made([BEFORE, saw(20, seen("dos", partition=2)), saw(35, seen("oos", partition=2))], 40).promise
    assert promise.kept
    (below,) = promise.below
    assert (seconds(below.start), seconds(below.end), below.fewest, below.available_least) == (20, 35, 1, 2)
    assert (below.ordinals, below.by_rollout) == ((0,), False)


def test_a_rollout_that_takes_down_too_many_has_not_kept_it() -> None:
    promise = made([BEFORE, saw(20, seen("oss", partition=1)), saw(50, seen("onn", partition=1))], 60).promise
    assert promise.kept is False
    (below,) = promise.below
    assert (below.fewest, below.ordinals, below.by_rollout) == (1, (), True)


def test_what_was_found_at_first_is_no_fault_of_the_rollout() -> None:
    found = saw(10, seen("oooo", replicas=3, partition=4))
    assert made([found, saw(20, seen("oooo", replicas=3, partition=4))], 30).promise.kept


@pytest.mark.parametrize("course", [Course.FORWARD, Course.BACK])
def test_groups_stay_released_when_another_target_is_set(course: Course) -> None:
    elsewhere, aim = seen("odd", partition=1, on_target=False), Aim(strategy=SPEC.strategy, course=course)
    happened = [BEFORE, lowered(12, partition=1, groups=3), saw(20, elsewhere, aim=aim, template="llm-rw-other")]
    promise = made(happened, 30).promise
    assert promise.kept is False
    assert promise.below[0].by_rollout


def test_a_group_that_serves_where_it_went_and_fails_when_another_target_is_set_did_so_by_itself() -> None:
    served = [BEFORE, lowered(12, partition=2, groups=3), saw(20, seen("oon", partition=2))]
    happened = [*served, saw(30, seen("odd", partition=2, on_target=False), template="llm-rw-other")]
    promise = made(happened, 40).promise
    assert promise.kept
    assert promise.below[0].ordinals == (1, 2)


def test_a_new_group_that_fails_once_it_has_served_did_so_by_itself() -> None:
    happened = [saw(10, seen("oon", partition=2)), saw(20, seen("oss", partition=1))]
    promise = made(happened, 30).promise
    assert promise.kept
    assert promise.below[0].ordinals == (2,)


def test_what_passes_between_two_looks_can_not_be_told() -> None:
    promise = made([BEFORE, saw(20, seen("ooo", partition=3), fewest=1)], 30).promise
    assert promise.kept is None
    (below,) = promise.below
    assert (seconds(below.start), seconds(below.end), below.by_rollout) == (10, 20, None)


def test_more_groups_than_may_be_are_a_fault_unless_somebody_has_scaled_down() -> None:
    assert made([BEFORE, saw(20, seen("oooo", replicas=3, partition=4))], 30).promise.kept is False
    scaled = [saw(10, seen("oooo", partition=4)), saw(20, seen("oooo", replicas=3, partition=4))]
    assert made(scaled, 30).promise.kept


def test_costs_are_counted_from_one_look_to_the_next() -> None:
    happened = [saw(0, seen("ooos", replicas=3)), saw(3600, seen("oos")), saw(5400, seen("ooo"))]
    cost = made(happened, 5400).cost
    # One surplus group for an hour, one missing for half of one; a group has 16 GPUs.
    assert (cost.surplus_group_hours, cost.out_of_service_group_hours, cost.gpu_hours) == (1.0, 0.5, 24.0)


def test_a_group_that_starts_while_no_other_does_is_waited_for_alone() -> None:
    happened = [
        saw(0, seen("oooo", partition=4)),
        saw(10, seen("ooss", partition=2), since={2: 10, 3: 5}, fewest=2),
        saw(40, seen("oosn", partition=2), fewest=2),
        saw(100, seen("oonn", partition=2), fewest=2),
    ]
    starts = [(start.ordinal, start.seconds, start.alone_seconds) for start in made(happened, 110).start_ups]
    assert starts == [(2, 90, 60), (3, 35, 5)]


def test_a_crash_loop_is_one_start_that_never_came_to_serve() -> None:
    happened = [
        BEFORE,
        saw(20, seen("oos", partition=2, reason="it crashes"), since={2: 20}),
        saw(30, seen("ool", partition=2)),
        saw(40, seen("oos", partition=2, reason="it crashes again"), since={2: 20}),
        saw(50, seen("oof", partition=2, reason="it has failed"), since={2: 20}),
    ]
    (start,) = made(happened, 80).start_ups
    assert (start.ordinal, start.seconds, start.served_at, start.reason) == (2, 60, None, "it has failed")


def test_while_only_the_approval_is_missing_people_are_waited_for() -> None:
    aim, passed = Aim(strategy=GATED), Aim(strategy=GATED, gate=1)
    at_gate = saw(20, seen("oon", partition=2), aim=aim)
    happened = [
        saw(10, seen("ooo", partition=3), aim=aim),
        at_gate,
        waited(21, aim, gated=True),
        Said(at(100), "approve", {"actor": "ada", "reason": "fine"}, "counts as an approval"),
        Said(at(101), "approve", {"actor": "bob"}, "no approval is asked for now", refused=True),
        waited(200, passed),
        ended(300),
    ]
    (stop,) = made(happened, 300).stops
    assert (stop.step, stop.until, seconds(stop.opened_at), stop.ending, stop.by) == (1, "1", 21, Ending.PASSED, "ada")
    assert [gate.finding for gate in stop.gates] == ["pending", "passed"]
    assert stop.people_seconds == 0  # it is the bake, by all that is known, that was waited for


@pytest.mark.parametrize(
    "said",
    [
        Said(at(50), "approve", {"actor": "ada"}),
        Said(at(50), "promote", {"actor": "ada"}),
        Said(at(50), "approve", {"actor": "ada", "step": 2}, "stands already"),
        Said(at(50), "promote", {"actor": "ada", "gate": 2}, "stands already"),
    ],
)
def test_what_may_have_been_refused_or_is_of_another_step_counts_for_no_gate(said: Said) -> None:
    aim, passed = Aim(strategy=GATED), Aim(strategy=GATED, gate=1)
    happened = [saw(10, seen("oon", partition=2), aim=aim), waited(20, aim, gated=True), said, waited(51, passed)]
    report = made(happened, 60)
    (stop,) = report.stops
    assert (stop.ending, stop.by, stop.gates[1].approvals) == (Ending.PASSED, "", ())
    assert [deed.what for deed in report.deeds] == [said.message]
    assert any("What came of 1 of the messages isn't known" in note for note in report.notes) is not bool(said.answer)


def test_a_gate_that_is_promoted_says_by_whom() -> None:
    aim, passed = Aim(strategy=GATED), Aim(strategy=GATED, gate=1)
    happened = [
        saw(10, seen("oon", partition=2), aim=aim),
        waited(20, aim, gated=True),
        Said(at(50), "promote", {"actor": "ada"}, "passes the gate"),
        waited(51, passed),
    ]
    (stop,) = made(happened, 60).stops
    assert (stop.ending, stop.by, stop.seconds) == (Ending.PROMOTED, "ada", 31)


def test_a_rollout_that_lasts_is_running_and_its_gate_is_open() -> None:
    aim = Aim(strategy=GATED)
    report = made([saw(10, seen("oon", partition=2), aim=aim), waited(20, aim, gated=True)], 80)
    assert (report.outcome, report.finished_at, report.is_over) == ("running", None, False)
    assert report.stops[0].ending is Ending.OPEN
    assert [(passage.phase, passage.seconds) for passage in report.passages] == [
        (Phase.PREPARING, 20),
        (Phase.GATED, 60),
    ]


def test_paused_while_a_gate_waits_for_people_counts_once() -> None:
    aim = Aim(strategy=Strategy(steps=(GatedStep(until=1),)))
    happened = [
        saw(10, seen("oon", partition=2), aim=aim),
        waited(20, aim, gated=True),
        waited(40, aim, gated=True, acting=False),
        Said(at(60), "promote", {"actor": "ada"}, "passes the gate"),
        waited(60, aim.model_copy(update={"gate": 1}), acting=False),
        waited(90, aim.model_copy(update={"gate": 1})),
    ]
    # At the gate from 20 to 60, paused from 40 to 90.
    assert made(happened, 100).people_seconds == 70
