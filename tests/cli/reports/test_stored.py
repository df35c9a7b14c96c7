"""Reports of the stored histories of real rollouts: they agree with what each rollout has said of itself at its end."""

import base64
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rollwright.cli.reports import history, making, sources
from rollwright.cli.reports.happened import Began, Ended, Happened, Said, Saw, Stepped
from rollwright.cli.reports.record import Ending, Report, Role, State
from rollwright.workflows.contract import Phase, RolloutState, RolloutStatus
from tests.support.record_history import HISTORIES

NAMES = sorted({path.stem for path in HISTORIES.glob("*.json")} - {"moves-to-another-build"})
"""Of rollouts that have ended."""


@cache
def told(name: str) -> tuple[Report, RolloutState, RolloutStatus]:
    """The report, the state that the run began with, and its result."""
    (events,) = sources.from_file(HISTORIES / f"{name}.json")
    happened = history.read(events)
    first, last = happened[0], happened[-1]
    assert isinstance(first, Began)
    assert isinstance(last, Ended)
    assert last.status
    return making.make([happened], history.moment(events[-1].event_time)), first.given.state, last.status


@pytest.mark.parametrize("name", NAMES)
def test_it_ends_as_the_rollout_did(name: str) -> None:
    report, state, status = told(name)
    assert (report.outcome, report.spec, report.by) == (status.phase, status.spec, status.by)
    assert report.stages[-1] == status.stage
    assert sum(step.outcome == "done" for step in report.steps) + state.steps == status.steps
    assert (report.promise.fewest, report.promise.most) == (status.available_min, status.groups_max)


@pytest.mark.parametrize("name", NAMES)
def test_all_of_them_have_kept_their_promise(name: str) -> None:
    promise = told(name)[0].promise
    # Of runs whose history is not there it can't be told.
    assert promise.kept is (None if name in ("continued-as-new", "moved-to-another-build") else True)
    assert not promise.below


def test_what_was_broken_in_runs_that_are_gone_is_not_told_as_kept() -> None:
    first, *rest = history.read(sources.from_file(HISTORIES / "continued-as-new.json")[0])
    assert isinstance(first, Began)
    state = first.given.state.model_copy(update={"available_min": 1, "groups_max": 99})
    broken = replace(first, given=first.given.model_copy(update={"state": state}))
    promise = making.make([[broken, *rest]], rest[-1].at).promise
    assert (promise.kept, promise.fewest, promise.fewest_at, promise.most) == (None, 1, None, 99)


def test_groups_that_were_released_before_another_target_was_set_count_as_released() -> None:
    happened = history.read(sources.from_file(HISTORIES / "retargeted.json")[0])
    at = next(place for place, one in enumerate(happened) if isinstance(one, Said))
    released = next(place for place in range(at, 0, -1) if isinstance(happened[place], Stepped))
    seen = next(place for place in range(at, len(happened)) if isinstance(happened[place], Saw))
    happened[released], happened[seen] = _of_all(happened[released]), _all_down(happened[seen])
    promise = making.make([happened], happened[-1].at).promise
    assert (promise.kept, promise.fewest) == (False, 0)


def _of_all(stepped: Happened) -> Stepped:
    assert isinstance(stepped, Stepped)
    step = stepped.request.step.model_copy(update={"partition": 0})
    return replace(stepped, request=stepped.request.model_copy(update={"step": step}))


def _all_down(saw: Happened) -> Saw:
    assert isinstance(saw, Saw)
    seen = saw.sight.observation
    assert seen
    assert not seen.on_target
    groups = tuple(group.model_copy(update={"available": False, "ready": False}) for group in seen.groups)
    doctored = seen.model_copy(update={"groups": groups})
    return replace(saw, sight=saw.sight.model_copy(update={"observation": doctored}))


@pytest.mark.parametrize("name", ["eager", "gates", "told"])
def test_it_costs_what_the_rollout_has_counted(name: str) -> None:
    """Those before these counted no cost."""
    report, _, status = told(name)
    taken = status.cost
    # Hours are rounded to a third of a second, and a look is taken in a moment after it came.
    assert report.cost.out_of_service_group_hours * 3600 == pytest.approx(taken.out_of_service_seconds, abs=0.5)
    assert report.cost.surplus_group_hours * 3600 == pytest.approx(taken.surplus_seconds, abs=0.5)
    assert report.cost.gpus == status.gpus


@pytest.mark.parametrize("name", NAMES)
def test_groups_stand_somehow_from_the_first_look_to_the_end_without_a_gap(name: str) -> None:
    report = told(name)[0]
    assert len(report.tracks) == report.promise.most
    for track in report.tracks[: report.replicas]:
        assert track.spans[0].start == report.looks[0].at
        assert track.spans[-1].end == report.until
        assert all(before.end == after.start for before, after in zip(track.spans, track.spans[1:], strict=False))


@pytest.mark.parametrize("name", ["completed", "eager", "gated", "paused", "told"])
def test_every_group_goes_from_the_old_revision_to_the_new_one_once(name: str) -> None:
    report = told(name)[0]
    for track in report.tracks[: report.replicas]:
        serving = [span.role for span in track.spans if span.state is State.SERVING]
        assert serving == [Role.OLD, Role.NEW]


def test_after_a_rollback_all_serve_on_the_old_revision() -> None:
    report = told("gates")[0]
    last = [track.spans[-1] for track in report.tracks[: report.replicas]]
    assert {(span.state, span.role) for span in last} == {(State.SERVING, Role.OLD)}


def test_a_rollout_that_was_set_another_target_has_been_at_three_revisions() -> None:
    report = told("retargeted")[0]
    assert [revision.role for revision in report.revisions] == [Role.OLD, Role.REPLACED, Role.NEW]
    (deed,) = report.deeds
    assert (deed.what, deed.actor) == ("retarget to model=model:3", "ada")


def test_a_straggler_is_the_slowest_start_and_was_waited_for_alone() -> None:
    slowest = told("eager")[0].start_ups[0]
    assert slowest.ordinal == 4
    assert slowest.seconds == pytest.approx(46, abs=0.5)
    # The second slowest began 26 s before it served, and nothing else was starting from then on.
    assert slowest.alone_seconds == pytest.approx(27, abs=0.5)


def test_gates_are_told_with_what_they_found_and_who_approved() -> None:
    window, canary, rest = told("gates")[0].stops
    assert [(gate.name, gate.finding) for gate in canary.gates] == [
        ("bake", "passed"),
        ("approval", "passed"),
        ("day and night", "passed"),
    ]
    assert (canary.by, canary.ending) == ("ada, bob", Ending.PASSED)
    assert [approval.actor for approval in canary.gates[1].approvals] == ["ada", "bob"]
    assert (window.ending, rest.ending) == (Ending.PASSED, Ending.LEFT)
    assert (rest.gates[0].finding, rest.gates[0].message) == ("failed", "group 2 has restarted")


def test_what_was_said_comes_with_what_came_of_it() -> None:
    deeds = [(deed.actor, deed.what, deed.came_of_it[:12], deed.refused) for deed in told("gates")[0].deeds]
    assert deeds == [
        ("rollwright", "gate 1 passed", "day and nigh", False),
        ("ada", "approve", "that has cha", True),
        ("ada", "approve", "counts as an", False),
        ("ada", "pause", "no new step;", False),
        ("bob", "approve", "counts as an", False),
        ("ada", "resume", "goes on", False),
        ("rollwright", "gate 2 passed", "bake: 1 grou", False),
        ("rollwright", "pause", "no new step;", False),
        ("ada", "rollback", "goes back to", False),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_people_did_stays_in_the_order_of_the_history(name: str) -> None:
    (events,) = sources.from_file(HISTORIES / f"{name}.json")
    said = [(one.message, one.given.get("full", False)) for one in history.read(events) if isinstance(one, Said)]
    done = [(deed.what.split()[0], "--full" in deed.what) for deed in told(name)[0].deeds if not deed.by_itself]
    assert done == said


def test_a_step_without_gates_waits_for_people_until_it_is_promoted() -> None:
    report = told("told")[0]
    (stop,) = report.stops
    assert (stop.ending, stop.by) == (Ending.PROMOTED, "ada")
    # Paused for three seconds of it, which counts once.
    assert stop.people_seconds == report.people_seconds == pytest.approx(6.05, abs=0.01)


def test_phases_follow_each_other_to_the_end() -> None:
    phases = [passage.phase for passage in told("paused")[0].passages]
    assert phases == [Phase.PREPARING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROGRESSING, Phase.RESTORING]


def test_of_a_run_that_goes_on_from_another_the_waits_tell_the_phases() -> None:
    phases = [passage.phase for passage in told("continued-as-new")[0].passages]
    assert phases[0] is Phase.PROGRESSING
    assert Phase.PREPARING not in phases


def test_a_run_that_goes_on_from_another_says_what_is_not_there() -> None:
    report = told("continued-as-new")[0]
    (note,) = report.notes
    assert "goes on from run 01a20ac7-e9b2-7457-be68-8e3a74a21640" in note
    assert len(report.stages) == 93


def test_forms_of_history_files_are_read_alike(tmp_path: Path) -> None:
    """As the CLI writes it, as a bare list, and as what the UI calls human readable."""

    def plain(text: str) -> str:
        return base64.b64decode(text).decode()

    def readable(value: Any) -> Any:
        match value:
            case {"metadata": {"encoding": _} as metadata}:
                data = json.loads(plain(value["data"])) if "data" in value else None
                return {"metadata": {name: plain(text) for name, text in metadata.items()}, "data": data}
            case dict():
                return {key: readable(item) for key, item in value.items()}
            case list():
                return [readable(item) for item in value]
            case _:
                return value

    stored = json.loads((HISTORIES / "completed.json").read_text())
    expected = told("completed")[0]
    for form in (stored["events"], readable(stored)):
        file = tmp_path / "events.json"
        file.write_text(json.dumps(form))
        (events,) = sources.from_file(file)
        report = making.make([history.read(events)], history.moment(events[-1].event_time))
        assert report == expected
