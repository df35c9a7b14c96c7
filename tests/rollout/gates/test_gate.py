"""How readings make a finding, and the kinds that need nothing but what is seen and the time. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Context, Finding, Gate, GroupSeen, Progress, Reading, follow, in_time
from rollwright.rollout.gates.questions import Answer
from rollwright.rollout.gates.window import Window
from rollwright.rollout.spec import GatedStep
from tests.rollout.gates import seen

PENDING, PASSED, FAILED, INCONCLUSIVE = Finding


class Counting(Gate):
    """A gate of three readings, one of which may be bad, and two of which may tell nothing."""

    kind: str = "counting"

    @property
    def count(self) -> int:
        return 3

    @property
    def failures_tolerated(self) -> int:
        return 1

    @property
    def inconclusive_tolerated(self) -> int:
        return 2

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        return Reading(PENDING, "")


def after(gate: Gate, findings: Sequence[Finding], now: float = 100.0) -> Progress:
    progress = Progress(since=0.0)
    for finding in findings:
        progress = follow(gate, progress, Reading(finding, str(finding)), now)
    return progress


@pytest.mark.parametrize(
    ("readings", "finding"),
    [
        ([], PENDING),
        ([PENDING] * 9, PENDING),
        ([PASSED, PASSED], PENDING),
        ([PASSED, PASSED, PASSED], PASSED),
        ([PASSED, FAILED, PASSED], PASSED),
        ([FAILED, FAILED], FAILED),
        ([INCONCLUSIVE, PASSED, INCONCLUSIVE, PASSED], PENDING),
        ([INCONCLUSIVE, PASSED, INCONCLUSIVE, PASSED, PASSED], PASSED),
        ([INCONCLUSIVE, PASSED, INCONCLUSIVE, INCONCLUSIVE], PENDING),
        ([PASSED, INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, INCONCLUSIVE, PENDING, INCONCLUSIVE], PENDING),
        ([INCONCLUSIVE, INCONCLUSIVE, FAILED, FAILED], FAILED),
    ],
)
def test_readings_are_counted(readings: list[Finding], finding: Finding) -> None:
    assert after(Counting(), readings).finding is finding


def test_a_failed_attempt_is_begun_anew_as_often_as_is_asked_for() -> None:
    gate = Counting(retries=1)
    again = after(gate, [FAILED, FAILED], now=50.0)
    assert (again.finding, again.attempt, again.since, again.failures) == (PENDING, 2, 50.0, 0)
    assert again.message == "attempt 1 of 2 failed: failed"
    last = follow(gate, follow(gate, again, Reading(FAILED, "x"), 60.0), Reading(FAILED, "y"), 70.0)
    assert (last.finding, last.attempt, last.message) == (FAILED, 2, "y")


def test_an_attempt_that_takes_too_long_has_failed() -> None:
    gate = Counting(timeout=60)
    waiting = Progress(since=0.0, message="2 of 3 good")
    assert in_time(gate, waiting, 59.0) == waiting
    late = in_time(gate, waiting, 60.0)
    assert (late.finding, late.message) == (FAILED, "not decided within 1 min; at last: 2 of 3 good")
    assert in_time(gate, Progress(since=0.0, finding=PASSED), 60.0).finding is PASSED
    assert follow(Counting(timeout=60, retries=1), waiting, Reading(PENDING, ""), 61.0).attempt == 2
    assert in_time(Counting(timeout=60, retries=1), waiting, 61.0).attempt == 2


def group(ordinal: int, **more: Any) -> GroupSeen:
    return GroupSeen(ordinal=ordinal, uid=f"u{ordinal}", updated=True, available=True).model_copy(update=more)


def context(*groups: GroupSeen, now: float = 0.0, newly: tuple[int, ...] = ()) -> Context:
    return seen.context(groups=groups, now=now, newly=newly)


def baked(*moments: Context, duration: int = 600) -> Progress:
    gate, progress = Bake(duration=duration), Progress(since=0.0)
    for moment in moments:
        progress = follow(gate, progress, gate.judge(moment, progress, ()), moment.now)
        if progress.finding is not PENDING:
            break
    return progress


def test_groups_that_serve_for_the_whole_while_pass_the_bake() -> None:
    groups = (group(2, updated=False, available=False), group(3))
    assert baked(context(*groups, now=599)).finding is PENDING
    told = baked(context(*groups, now=0), context(*groups, now=599), context(*groups, now=600))
    assert (told.finding, told.message) == (PASSED, "1 group on the new revision served for 10 min")


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (group(3, available=False), "group 3 is not available"),
        (group(3, restarts=1), "group 3 has restarted"),
        (group(3, uid="another"), "group 3 has restarted"),
    ],
)
def test_a_group_that_is_harmed_fails_the_bake_also_at_its_very_end(later: GroupSeen, why: str) -> None:
    told = baked(context(group(3), now=0), context(later, now=600))
    assert (told.finding, told.message) == (FAILED, why)


def test_groups_that_somebody_scales_away_or_up_do_no_harm() -> None:
    came_back = context(group(3), group(4, uid="another"), now=20)
    assert baked(context(group(3), group(4), now=0), context(group(3), now=10), came_back).finding is PENDING
    assert baked(context(group(3), now=0), context(group(3), group(5), now=600)).finding is PASSED
    loading = (group(3), group(4, available=False))
    assert baked(context(group(3), now=0), context(*loading, now=9)).finding is PENDING
    late = baked(context(group(3), now=0), context(*loading, now=600))
    assert (late.finding, late.message) == (PENDING, "waits for group 4, which came later")


def test_a_bake_tells_nothing_of_a_step_whose_groups_are_scaled_away() -> None:
    canary = context(group(6, updated=False), group(7), now=0, newly=(7,))
    told = baked(canary, context(group(3, updated=False), now=600, newly=(3,)))
    assert (told.finding, told.message) == (INCONCLUSIVE, "the groups that it watched are gone: somebody has scaled")


def test_a_bake_does_not_pass_while_its_groups_are_taken_for_others() -> None:
    """As while somebody else's template stands."""
    told = baked(context(group(3), now=0, newly=(3,)), context(group(3, updated=False), now=600, newly=(3,)))
    assert (told.finding, told.message) == (PENDING, "waits for group 3, which came later")


def test_a_bake_begun_anew_waits_for_the_group_that_restarts_and_then_takes_its_whole_while() -> None:
    gate, progress = Bake(duration=600, retries=1), Progress(since=0.0)
    loading = group(3, uid="another", available=False)
    for groups, now in [(group(3), 0), (loading, 10), (loading, 11), (group(3, uid="another"), 900)]:
        moment = context(groups, now=now)
        progress = follow(gate, progress, gate.judge(moment, progress, ()), moment.now)
    assert (progress.finding, progress.attempt) == (PENDING, 2)
    for now, finding in ((1499, PENDING), (1500, PASSED)):
        moment = context(group(3, uid="another"), now=now)
        progress = follow(gate, progress, gate.judge(moment, progress, ()), moment.now)
        assert progress.finding is finding


def test_what_could_not_be_told_until_the_time_is_over_is_no_failure() -> None:
    silent = after(Counting(timeout=300), [PASSED, INCONCLUSIVE], now=100.0)
    assert in_time(Counting(timeout=300), silent, 300.0).finding is INCONCLUSIVE


def test_another_attempt_is_asked_an_interval_later() -> None:
    again = after(Counting(retries=1), [FAILED, FAILED], now=50.0)
    assert again.ask_at == 51.0


BERLIN = Window(schedule="0 22 * * MON-FRI", duration=8 * 3600, timezone="Europe/Berlin")


def at(text: str, zone: str = "Europe/Berlin") -> Context:
    return context(now=datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("moment", "finding", "message"),
    [
        ("2026-01-05T21:59:59", PENDING, "outside the window, which opens Mon 2026-01-05 22:00 CET"),
        ("2026-01-05T22:00:00", PASSED, "inside the window, which closes Tue 2026-01-06 06:00 CET"),
        ("2026-01-06T05:59:59", PASSED, "inside the window, which closes Tue 2026-01-06 06:00 CET"),
        ("2026-01-06T06:00:00", PENDING, "outside the window, which opens Tue 2026-01-06 22:00 CET"),
        ("2026-01-10T07:00:00", PENDING, "outside the window, which opens Mon 2026-01-12 22:00 CET"),
        ("2026-03-27T23:00:00", PASSED, "inside the window, which closes Sat 2026-03-28 06:00 CET"),
    ],
)
def test_a_window_is_open_at_its_hours_in_its_zone(moment: str, finding: Finding, message: str) -> None:
    reading = BERLIN.judge(at(moment), Progress(since=0.0), ())
    assert (reading.finding, reading.message) == (finding, message)
    assert (reading.open_until is not None) is (finding is PASSED)


def test_a_window_lasts_as_long_as_it_says_when_the_clocks_change() -> None:
    """On 2026-03-29 the clocks of Berlin go from 2 to 3: eight hours after 22:00 it is 7."""
    sunday = Window(schedule="0 22 * * *", duration=8 * 3600, timezone="Europe/Berlin")
    assert (
        "closes Sun 2026-03-29 07:00 CEST" in sunday.judge(at("2026-03-29T06:30:00"), Progress(since=0.0), ()).message
    )


def test_a_window_in_the_hour_that_comes_twice_is_open_once_for_its_while() -> None:
    """On 2026-10-25 the clocks of Berlin go from 3 back to 2."""
    window = Window(schedule="30 2 * * *", duration=3600, timezone="Europe/Berlin")
    summer, winter = (datetime(2026, 10, 25, 2, 45, fold=fold, tzinfo=ZoneInfo("Europe/Berlin")) for fold in (0, 1))
    findings = {
        moment.isoformat(): window.judge(context(now=moment.timestamp()), Progress(since=0.0), ()).finding
        for moment in (summer, winter, winter.replace(hour=3, minute=45, fold=0))
    }
    assert list(findings.values()).count(PASSED) == 1, findings
    evening = Window(schedule="30 22 * * *", duration=4 * 3600, timezone="Europe/Berlin")  # until 2:30, before they do
    assert [evening.judge(context(now=at.timestamp()), Progress(since=0.0), ()).finding for at in (summer, winter)] == [
        PENDING,
        PENDING,
    ]


def test_windows_that_follow_each_other_without_a_gap_are_one() -> None:
    shifts = Window(schedule="0 0,8 * * *", duration=8 * 3600)
    reading = shifts.judge(at("2026-01-05T03:00:00", "UTC"), Progress(since=0.0), ())
    assert reading.message == "inside the window, which closes Mon 2026-01-05 16:00 UTC"
    always = Window(schedule="0 * * * *", duration=3600)
    assert always.judge(at("2026-01-05T03:30:00", "UTC"), Progress(since=0.0), ()).finding is PASSED


def test_a_closed_window_is_asked_again_when_it_opens_or_before() -> None:
    assert BERLIN.judge(at("2026-01-05T21:59:30"), Progress(since=0.0), ()).again_after_seconds == 30
    assert BERLIN.judge(at("2026-01-05T12:00:00"), Progress(since=0.0), ()).again_after_seconds == 60


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"schedule": "0 22 * *", "duration": 60}, "five fields"),
        ({"schedule": "0 99 * * *", "duration": 60}, "is no cron expression"),
        ({"schedule": "0 0 30 2 *", "duration": 60}, "is no cron expression|never comes"),
        ({"schedule": "0 22 * * *", "duration": 60, "timezone": "Mars"}, "is no time zone"),
        ({"schedule": "0 22 * * *", "duration": 60, "timezone": "../../etc/passwd"}, "is no time zone"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Window.model_validate(given)


def test_a_bake_that_can_not_pass_in_its_time_is_refused() -> None:
    with pytest.raises(ValidationError, match="timeout is not above duration"):
        Bake(duration=60, timeout=60)


def test_gates_of_a_step_are_told_apart() -> None:
    bakes = [{"kind": "bake", "duration": 60}, {"kind": "bake", "duration": 60}]
    with pytest.raises(ValidationError, match="two gates of a step are called 'bake'"):
        GatedStep.model_validate({"until": 1, "gates": bakes})
    named = [{**bakes[0], "name": "longer"}, bakes[1]]
    assert [gate.title for gate in GatedStep.model_validate({"until": 1, "gates": named}).gates] == ["longer", "bake"]
    approvals = [{"kind": "approval"}, {"kind": "approval", "name": "boss"}]
    with pytest.raises(ValidationError, match="two approval gates"):
        GatedStep.model_validate({"until": 1, "gates": approvals})
