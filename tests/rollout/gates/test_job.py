"""Which Jobs a gate asks for, what they are told, and what comes of how they end."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollwright.rollout.gates.gate import Context, Finding, GroupSeen, Progress, Reading, follow
from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.questions import JobRun, JobSeen, JobsSeen, RunJobs
from tests.rollout.gates import seen as about

NOW = 1_800_000_000.25
START = Progress(since=NOW)
TEMPLATE = {"template": {"spec": {"containers": [{"name": "probe", "image": "probe:1"}]}}}


def gate(**given: Any) -> JobGate:
    read = TypeAdapter[AnyGate](AnyGate).validate_python({"kind": "job", "template": TEMPLATE} | given)
    assert isinstance(read, JobGate)
    return read


def group(ordinal: int, **given: Any) -> GroupSeen:
    usual = {"ordinal": ordinal, "pod": f"llm-{ordinal}", "address": f"10.0.0.{ordinal}", "updated": True}
    return GroupSeen.model_validate(usual | given)


def context(*groups: GroupSeen, **given: Any) -> Context:
    """Of six groups, of which this step updates 2 and 3; 4 and 5 are of an earlier one."""
    usual = {
        "newly": (2, 3),
        "now": NOW,
        "groups": groups or (group(0, updated=False), group(1, updated=False), *(group(each) for each in range(2, 6))),
    }
    return about.context(**(usual | given))


def runs(subject: JobGate, seen: Context | None = None, progress: Progress = START) -> tuple[JobRun, ...]:
    """The Jobs it asks for."""
    questions = subject.ask(seen or context(), progress)
    assert all(isinstance(question, RunJobs) for question in questions)
    return tuple(run for question in questions if isinstance(question, RunJobs) for run in question.runs)


def groups_of(asked: tuple[JobRun, ...]) -> list[str]:
    return [run.environment["ROLLWRIGHT_GROUP"] for run in asked]


def reading(subject: JobGate, *ends: str | JobSeen, seen: Context | None = None, progress: Progress = START) -> Reading:
    """What it makes of these ends of the Jobs that it asks for."""
    now = seen or context()
    asked = runs(subject, now, progress)
    jobs = [
        end.model_copy(update={"name": run.name})
        if isinstance(end, JobSeen)
        else JobSeen.model_validate({"name": run.name, "state": end})
        for run, end in zip(asked, ends, strict=True)
    ]
    return subject.judge(now, progress, (JobsSeen(jobs=tuple(jobs)),) if asked else ())


def failed(why: str = "probe exited with 1 (Error); BackoffLimitExceeded", log: str = "") -> JobSeen:
    return JobSeen.model_validate({"name": "", "state": "failed", "why": why, "log": log})


def knowing(**memory: str) -> Progress:
    """Remembering how the Jobs of these groups stand, as in `g3="succeeded"`."""
    return START.model_copy(update={"memory": {name.removeprefix("g"): state for name, state in memory.items()}})


def test_it_runs_a_job_for_each_group_that_the_step_updates_and_tells_it_which() -> None:
    (question,) = gate().ask(context(), START)

    assert isinstance(question, RunJobs)
    assert (question.rollout, question.template) == ("rollout/lws/inference/llm", TEMPLATE)
    usual = {
        "ROLLWRIGHT_NAMESPACE": "inference",
        "ROLLWRIGHT_TARGET": "llm",
        "ROLLWRIGHT_REVISION": "llm-7f9c",
        "ROLLWRIGHT_STEP": "2",
    }
    assert [run.environment for run in question.runs] == [
        {
            **usual,
            "ROLLWRIGHT_GROUP": ordinal,
            "ROLLWRIGHT_LEADER_ADDRESS": f"10.0.0.{ordinal}",
            "ROLLWRIGHT_LEADER_POD": f"llm-{ordinal}",
        }
        for ordinal in ("2", "3")
    ]


def test_or_one_for_all_of_them() -> None:
    (run,) = runs(gate(per="step"))

    assert run.environment["ROLLWRIGHT_GROUPS"] == "2,3"
    assert run.environment["ROLLWRIGHT_LEADER_ADDRESSES"] == "10.0.0.2,10.0.0.3"
    assert "ROLLWRIGHT_GROUP" not in run.environment
    assert reading(gate(per="step"), failed("no")).message == "step 2: no"
    passed = reading(gate(per="step"), "succeeded")
    assert (passed.finding, passed.message) == (Finding.PASSED, "1 of 1 Jobs have succeeded")


def test_the_same_attempt_asks_for_the_same_jobs_also_once_it_was_written_down() -> None:
    later = context(now=NOW + 60)
    assert runs(gate(), later, Progress.model_validate_json(START.model_dump_json())) == runs(gate())


@pytest.mark.parametrize(
    ("subject", "seen", "progress"),
    [
        pytest.param(gate(), context(), START.anew(NOW + 1, NOW + 1), id="attempt"),
        pytest.param(gate(), context(), START.anew(NOW, NOW), id="attempt within the same moment"),
        pytest.param(gate(), context(), Progress(since=NOW + 3600), id="opened again"),
        pytest.param(gate(), context(step=3), START, id="step"),
        pytest.param(gate(), context(rollout="rollout/sts/inference/llm"), START, id="rollout"),
        pytest.param(gate(name="smoke"), context(), START, id="gate"),
        pytest.param(gate(), context(newly=(4, 5)), START, id="groups"),
    ],
)
def test_another(subject: JobGate, seen: Context, progress: Progress) -> None:
    """Has Jobs of other names."""
    names = {run.name for run in runs(gate())}
    others = {run.name for run in runs(subject, seen, progress)}
    assert len(names) == len(others) == 2
    assert not names & others


def test_all_must_succeed() -> None:
    one = reading(gate(), "succeeded", "running")
    assert (one.finding, one.message) == (Finding.PENDING, "1 of 2 Jobs have succeeded")

    both = reading(gate(), "succeeded", "succeeded")
    assert (both.finding, both.message) == (Finding.PASSED, "2 of 2 Jobs have succeeded")


def test_one_that_has_succeeded_is_never_asked_for_again() -> None:
    after = follow(gate(), START, reading(gate(), "succeeded", "running"), NOW)

    assert groups_of(runs(gate(), progress=after)) == ["3"]
    assert reading(gate(), "succeeded", progress=after).finding is Finding.PASSED


def test_one_that_was_seen_is_not_made_again() -> None:
    subject = gate(parallel=1)
    assert [run.begun for run in runs(subject)] == [False]
    assert [run.begun for run in runs(subject, progress=knowing(g2="running"))] == [True]
    assert [run.begun for run in runs(subject, progress=knowing(g2="succeeded"))] == [False]


def test_one_that_runs_tells_what_it_waits_for() -> None:
    waits = JobSeen.model_validate({"name": "", "state": "running", "why": "ImagePullBackOff: probe:1"})
    assert reading(gate(), "running", waits).message == "0 of 2 Jobs have succeeded; group 3: ImagePullBackOff: probe:1"


@pytest.mark.parametrize("seen", [group(3, address=""), group(3, updated=False)], ids=["no address", "another pod"])
def test_the_job_of_a_group_that_is_not_there_yet_waits_for_it(seen: GroupSeen) -> None:
    now = context(group(2), seen)

    assert groups_of(runs(gate(), now)) == ["2"]
    waits = reading(gate(), "succeeded", seen=now)
    assert (waits.finding, waits.message) == (
        Finding.PENDING,
        "1 of 2 Jobs have succeeded; waits for the address of group 3",
    )
    assert runs(gate(per="step"), now) == ()
    assert reading(gate(per="step"), seen=now).message == "0 of 1 Jobs have succeeded; waits for the address of group 3"


def test_a_job_that_runs_is_looked_at_also_while_its_group_starts_anew() -> None:
    assert groups_of(runs(gate(), context(group(2), group(3, address="")), knowing(g2="running", g3="running"))) == [
        "2",
        "3",
    ]


def test_a_step_that_updates_no_group_has_nothing_to_wait_for() -> None:
    for per in ("group", "step"):
        nothing = reading(gate(per=per), seen=context(newly=()))
        assert (nothing.finding, nothing.message) == (Finding.PASSED, "no group is updated by this step")


def test_no_more_run_at_once_than_it_may_and_others_follow() -> None:
    subject, now = gate(parallel=2), context(newly=(2, 3, 4, 5))
    progress, rounds = START, []
    for ends in (("running", "running"), ("running", "succeeded"), ("succeeded", "running"), ("succeeded", "running")):
        rounds.append(groups_of(runs(subject, now, progress)))
        progress = follow(subject, progress, reading(subject, *ends, seen=now, progress=progress), NOW)
        assert progress.finding is Finding.PENDING

    assert rounds == [["2", "3"], ["2", "3"], ["2", "4"], ["4", "5"]]
    assert groups_of(runs(subject, now, progress)) == ["5"]
    assert reading(subject, "succeeded", seen=now, progress=progress).finding is Finding.PASSED


def test_one_that_fails_decides_at_once_and_tells_the_end_of_its_log() -> None:
    why = "probe exited with 1 (Error); BackoffLimitExceeded: Job has reached the specified backoff limit"
    found = reading(gate(), "running", failed(why, "loading\n\nexpected 4, got 5\n"))

    assert found.finding is Finding.FAILED
    assert found.message == f"group 3: {why}; its log ends: loading / expected 4, got 5"
    assert not found.final


def test_of_several_that_fail_the_first_is_told_and_how_many() -> None:
    assert reading(gate(), failed("no"), failed("no, too")).message == "2 Jobs have failed; group 2: no"


def test_before_another_attempt_those_that_run_still_end_and_no_further_ones_begin() -> None:
    subject, now = gate(retries=1, parallel=3), context(newly=(2, 3, 4, 5))
    first = follow(subject, START, reading(subject, failed("no"), "running", "succeeded", seen=now), NOW)
    assert (first.finding, first.attempt, first.message) == (Finding.PENDING, 1, "group 2: no")
    assert groups_of(runs(subject, now, first)) == ["2", "3"]

    again = follow(subject, first, reading(subject, failed("no"), "succeeded", seen=now, progress=first), NOW + 3)
    assert (again.finding, again.attempt, again.memory) == (Finding.PENDING, 2, {})
    assert groups_of(runs(subject, now, again)) == ["2", "3", "4"]

    ends = (failed("no"), "running", "running")
    last = follow(subject, again, reading(subject, *ends, seen=now, progress=again), NOW + 6)
    assert last.finding is Finding.FAILED


def test_what_cannot_be_had_is_inconclusive_up_to_a_limit_and_asked_for_again_after_a_rest() -> None:
    subject, progress = gate(inconclusiveLimit=1), knowing(g2="succeeded")
    for expected in (Finding.PENDING, Finding.INCONCLUSIVE):
        found = subject.judge(context(), progress, (JobsSeen(error="create jobs inference:\x1b not permitted"),))
        assert (found.finding, found.again_after_seconds) == (Finding.INCONCLUSIVE, 10)
        assert found.message == "create jobs inference: not permitted"
        progress = follow(subject, progress, found, NOW)
        assert progress.finding is expected
        assert progress.memory == {"2": "succeeded"}
    assert gate().inconclusive_tolerated == 4


def test_a_template_that_is_refused_fails_and_no_attempt_is_wasted_on_it() -> None:
    subject = gate(retries=5)
    found = subject.judge(context(), START, (JobsSeen(refused="containers: Required value"),))
    after = follow(subject, START, found, NOW)
    assert (after.finding, after.attempt, after.message) == (Finding.FAILED, 1, "containers: Required value")


def test_its_jobs_end_with_the_attempt() -> None:
    def deadline(seconds_later: float) -> int:
        (question,) = gate().ask(context(now=NOW + seconds_later), START)
        assert isinstance(question, RunJobs)
        return question.deadline_seconds

    assert [deadline(0), deadline(600.5), deadline(9999)] == [1830, 1230, 30]
    assert follow(gate(), START, reading(gate(), "running", "running"), NOW + 1800).finding is Finding.FAILED


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ("", ""),
        ("\n \r\n", ""),
        ("\x1b[2J\x1b]0;mine\x07 ok\x00", "; its log ends: [2J ]0;mine ok"),
        ("a\rb\x85c\u2028d\x0be", "; its log ends: a / b / c / d / e"),
        ("\u202egnp.exe\u200b", "; its log ends: gnp.exe"),
        ("x" * 5000, "; its log ends: ..." + "x" * 400),
        ("first\n" * 100 + "last", "; its log ends: ..." + (" / first" * 60 + " / last")[-400:]),
        ("[red]{{ 1 }}%s", "; its log ends: [red]{{ 1 }}%s"),
    ],
)
def test_whatever_a_log_says_is_told_on_one_line_in_bounds(log: str, told: str) -> None:
    assert reading(gate(), "running", failed("no", log)).message == f"group 3: no{told}"


def test_the_longest_message_is_not_cut_where_it_is_passed_on() -> None:
    subject = gate(retries=1, name="n" * 60)
    found = reading(subject, failed("\x07y" * 5000, "é" * 5000), failed())
    assert follow(subject, START, found, NOW).message.endswith("é")


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE,
        {"spec": TEMPLATE},
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"labels": {"a": "b"}}, "spec": TEMPLATE},
        {"backoffLimit": 2, **TEMPLATE},
    ],
)
def test_a_template_is_the_spec_of_a_job_or_a_whole_one(template: dict[str, Any]) -> None:
    assert gate(template=template).template == template


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"containers": []},
        {"template": "probe:1"},
        {"spec": {"containers": []}},
        {"kind": "Job"},
        {"kind": "Job", "spec": []},
    ],
)
def test_anything_else_is_none(template: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="there is no pod template in it; write the spec of a Job"):
        gate(template=template)


def test_it_has_its_own_defaults_and_is_read_as_it_was_written() -> None:
    usual = gate()
    assert (usual.timeout, usual.per, usual.parallel, usual.LEAVES_THINGS) == (1800, "group", 10, True)
    for wrong in ({"parallel": 0}, {"parallel": 101}, {"per": "pod"}, {"timeout": None}, {"inconclusiveLimit": -1}):
        with pytest.raises(ValidationError):
            gate(**wrong)
    written = gate(per="step", timeout="1h", parallel=1, retries=2, inconclusiveLimit=0, onFailure="rollback")
    assert JobGate.model_validate_json(written.model_dump_json(by_alias=True)) == written
