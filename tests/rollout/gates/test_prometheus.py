"""What the answers of Prometheus come to, reading by reading."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollwright.rollout.gates.gate import Finding, Progress, follow
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.prometheus import PrometheusGate
from rollwright.rollout.gates.questions import Fetch, Fetched
from tests.rollout.gates.seen import NOW, context, groups

QUERY = 'rate(errors{namespace="{{ namespace }}", pod=~"{{ pods }}"}[1m])'
GOOD = {"kind": "prometheus", "url": "http://prometheus:9090", "query": QUERY, "condition": "< 0.05"}
START = Progress(since=NOW)


def gate(**changes: Any) -> PrometheusGate:
    read = TypeAdapter[AnyGate](AnyGate).validate_python(GOOD | changes)
    assert isinstance(read, PrometheusGate)
    return read


def vector(*values: str, labels: tuple[str, ...] = ("a", "b", "c", "d", "e")) -> Fetched:
    samples = [{"metric": {"l": label}, "value": [NOW, value]} for label, value in zip(labels, values, strict=False)]
    return success("vector", samples)


def of_pods(**values: str) -> Fetched:
    """A value of each pod, which is written as in llm_3."""
    return success(
        "vector", [{"metric": {"pod": pod.replace("_", "-")}, "value": [NOW, value]} for pod, value in values.items()]
    )


def success(kind: str, result: object, **more: object) -> Fetched:
    document = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return Fetched(status=200, body=json.dumps(document))


def judged(*answers: Fetched, progress: Progress = START, **changes: Any) -> tuple[Finding, str]:
    reading = gate(**changes).judge(context(), progress, answers)
    return reading.finding, reading.message


def test_one_value_that_meets_the_condition_is_good() -> None:
    assert judged(vector("0.031"), progress=Progress(since=NOW, passes=2)) == (
        Finding.PASSED,
        "0.031 (wanted < 0.05); 3 of 5 good",
    )


def test_a_scalar_is_a_value() -> None:
    assert judged(success("scalar", [NOW, "1e-2"])) == (Finding.PASSED, "0.01 (wanted < 0.05); 1 of 5 good")


def test_a_value_that_doesnt_meet_it_is_bad() -> None:
    assert judged(vector("0.0512345678"), progress=Progress(since=NOW, passes=2)) == (
        Finding.FAILED,
        "0.0512346 (wanted < 0.05); 2 of 5 good, 1 bad",
    )


def test_all_of_several_values_must_meet_it() -> None:
    assert judged(vector("0.01", "0.02")) == (
        Finding.PASSED,
        "0.01, 0.02 of 2 values (wanted < 0.05); 1 of 5 good",
    )
    assert judged(vector("0.01", "0.07", "0.02")) == (
        Finding.FAILED,
        "0.07 of 3 values (wanted < 0.05); 0 of 5 good, 1 bad",
    )
    assert judged(vector("1", "2", "3", "4", "0.01")) == (
        Finding.FAILED,
        "1, 2, 3 and 1 more of 5 values (wanted < 0.05); 0 of 5 good, 1 bad",
    )


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf"])
@pytest.mark.parametrize("condition", ["< 0.05", ">= 0.05", "!= 0"])
def test_what_is_no_finite_number_is_inconclusive_whatever_is_wanted(value: str, condition: str) -> None:
    assert judged(vector(value), condition=condition)[0] is Finding.INCONCLUSIVE
    assert judged(success("scalar", [NOW, value]), condition=condition)[0] is Finding.INCONCLUSIVE


def test_a_bad_value_decides_beside_one_that_tells_nothing_and_a_good_one_doesnt() -> None:
    assert judged(vector("0.01", "NaN")) == (Finding.INCONCLUSIVE, "nan of 2 values tells nothing; 0 of 5 good")
    assert judged(vector("0.07", "NaN"))[0] is Finding.FAILED


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (vector(), "no data"),
        (Fetched(error="no answer within 15 s"), "no answer within 15 s"),
        (Fetched(status=503, body="<html>"), "Prometheus answered 503"),
        (
            Fetched(status=400, body='{"status":"error","errorType":"bad_data","error":"unexpected \\"secret\\""}'),
            "Prometheus answered 400 (bad_data)",
        ),
        (Fetched(status=422, body='{"errorType":"<b>"}'), "Prometheus answered 422"),
        (Fetched(status=302, body=""), "Prometheus answered 302"),
        (Fetched(status=200, body=""), "the answer holds no vector and no scalar"),
        (Fetched(status=200, body="<html>login</html>"), "the answer holds no vector and no scalar"),
        (Fetched(status=200, body="[" * 100_000), "the answer holds no vector and no scalar"),
        (Fetched(status=200, body=vector("0.01").body[:-9]), "the answer holds no vector and no scalar"),
        (
            Fetched(status=200, body=vector("0.01").body.replace("success", "error")),
            "the answer holds no vector and no scalar",
        ),
        (success("matrix", [{"metric": {}, "values": [[NOW, "0.01"]]}]), "the answer holds no vector and no scalar"),
        (success("string", [NOW, "0.01"]), "the answer holds no vector and no scalar"),
        (success("vector", [{"metric": {}, "histogram": [NOW, {}]}]), "the answer holds no vector and no scalar"),
        (vector("low"), "the answer holds no vector and no scalar"),
    ],
)
def test_what_cant_be_told_is_inconclusive_and_says_why(answer: Fetched, message: str) -> None:
    assert judged(answer) == (Finding.INCONCLUSIVE, f"{message}; 0 of 5 good")


@pytest.mark.parametrize(
    "result", [[], [{"metric": {}, "value": [NOW, "0.01"]}], [{"metric": {}, "value": [NOW, "1"]}]]
)
def test_an_answer_with_a_warning_may_be_partial_whatever_it_holds(result: object) -> None:
    warned = success("vector", result, warnings=["PromQL info: a counter?", "store 10.0.0.7:10901: refused"])
    assert judged(warned) == (Finding.INCONCLUSIVE, "the answer may be partial; 0 of 5 good")


@pytest.mark.parametrize(
    "more", [{"warnings": []}, {"warnings": ["PromQL warning: a", "PromQL info: b"]}, {"infos": ["PromQL info: b"]}]
)
def test_what_is_said_of_the_query_itself_leaves_the_answer_whole(more: dict[str, object]) -> None:
    assert judged(success("scalar", [NOW, "0.01"], **more))[0] is Finding.PASSED


def test_it_passes_after_enough_good_readings_and_waits_between_them() -> None:
    subject, progress = gate(count=3, interval="30s"), START
    for expected in (Finding.PENDING, Finding.PENDING, Finding.PASSED):
        progress = follow(subject, progress, subject.judge(context(), progress, (vector("0.01"),)), NOW)
        assert progress.finding is expected
    assert (subject.interval_seconds, subject.least_seconds) == (30, 60)


def test_readings_up_to_the_limits_are_gone_on_with() -> None:
    subject, progress = gate(count=3, failureLimit=1, inconclusiveLimit=1), START
    for value, expected in [("1", Finding.PENDING), ("0", Finding.PENDING), ("NaN", Finding.PENDING)]:
        progress = follow(subject, progress, subject.judge(context(), progress, (vector(value),)), NOW)
        assert progress.finding is expected
    for value, expected in [("0", Finding.PASSED), ("1", Finding.FAILED), ("NaN", Finding.INCONCLUSIVE)]:
        last = follow(subject, progress, subject.judge(context(), progress, (vector(value),)), NOW)
        assert last.finding is expected


def test_it_asks_by_post_for_the_new_groups_at_the_moment() -> None:
    assert gate().ask(context(), START) == (
        Fetch(
            url="http://prometheus:9090",
            path="/api/v1/query",
            form={
                "query": 'rate(errors{namespace="inference", pod=~"llm-(3|5|7)(-[0-9]+)?"}[1m])',
                "time": f"{NOW:.3f}",
                "timeout": "10s",
                "partial_response": "false",
            },
            timeout_seconds=15,
        ),
    )


def test_it_asks_for_samples_no_older_than_wanted() -> None:
    (question,) = gate(maxAge="90s").ask(context(), START)
    assert isinstance(question, Fetch)
    assert question.form is not None
    assert question.form["lookback_delta"] == "90s"


def test_it_asks_nothing_before_its_delay_is_over() -> None:
    subject = gate(delay="2m", count=2)
    early, late = context(now=NOW + 50), context(now=NOW + 120)
    assert subject.ask(early, START) == ()
    reading = subject.judge(early, START, ())
    assert (reading.finding, reading.message) == (Finding.PENDING, "is asked first after 2 min")
    assert reading.again_after_seconds == 70
    assert len(subject.ask(late, START)) == 1
    assert subject.judge(late, START, (vector("0.01"),)).finding is Finding.PASSED
    assert subject.least_seconds == 180


def test_without_new_groups_there_is_nothing_to_ask_for() -> None:
    none = context(groups=groups(new=()))
    assert gate().ask(none, START) == ()
    assert gate().judge(none, START, ()).message == "no group is on the new revision; 0 of 5 good"
    assert gate().judge(none, START, ()).finding is Finding.INCONCLUSIVE
    assert len(gate(query="sum(errors)").ask(none, START)) == 1


def test_each_group_that_is_asked_about_must_have_a_value_where_values_tell_their_pod() -> None:
    assert judged(of_pods(llm_3="0.01", llm_5_1="0.02", llm_7="0.03"))[0] is Finding.PASSED
    assert judged(of_pods(llm_3="0.01", llm_5="0.02", llm_5_1="0.02")) == (
        Finding.INCONCLUSIVE,
        "no data of group 7; 0 of 5 good",
    )
    assert judged(of_pods(llm_5="0.01", llm_33="0.01")) == (
        Finding.INCONCLUSIVE,
        "no data of group 3 and 1 more; 0 of 5 good",
    )


def test_a_bad_value_decides_beside_a_group_that_has_none() -> None:
    assert judged(of_pods(llm_5="0.07")) == (Finding.FAILED, "0.07 (wanted < 0.05); 0 of 5 good, 1 bad")


def test_values_that_tell_no_pod_or_are_not_asked_for_by_group_may_be_fewer_than_the_groups() -> None:
    assert judged(vector("0.01", "0.02"))[0] is Finding.PASSED
    assert judged(of_pods(gateway_0="0.01"), query="errors")[0] is Finding.PASSED


def compared(how: str, new: Fetched, old: Fetched, condition: str = "< 1.5") -> tuple[Finding, str]:
    return judged(new, old, compareToOld=how, condition=condition)


def test_old_and_new_groups_are_asked_for_at_the_same_moment() -> None:
    new, old = gate(compareToOld="ratio").ask(context(), START)
    assert isinstance(new, Fetch)
    assert isinstance(old, Fetch)
    assert new.form
    assert old.form
    assert ("llm-(3|5|7)" in new.form["query"], "llm-(0|1)" in old.form["query"]) == (True, True)
    assert new.form["time"] == old.form["time"]


def test_the_condition_is_about_the_ratio_or_the_difference() -> None:
    assert compared("ratio", vector("0.03"), vector("0.02"), "<= 1.5") == (
        Finding.PASSED,
        "0.03 / 0.02 = 1.5 (wanted <= 1.5); 1 of 5 good",
    )
    assert compared("ratio", vector("0.04"), vector("0.02")) == (
        Finding.FAILED,
        "0.04 / 0.02 = 2 (wanted < 1.5); 0 of 5 good, 1 bad",
    )
    assert compared("difference", vector("7"), vector("5.5"), "> 1")[0] is Finding.PASSED
    assert compared("difference", vector("7"), vector("5.5"), "< 1") == (
        Finding.FAILED,
        "7 - 5.5 = 1.5 (wanted < 1); 0 of 5 good, 1 bad",
    )


def test_several_values_are_compared_by_their_labels() -> None:
    assert compared("ratio", vector("1", "2", labels=("a", "b")), vector("2", "1", labels=("b", "a")))[0] is (
        Finding.PASSED
    )
    assert compared("ratio", vector("1", "4", labels=("a", "b")), vector("2", "1", labels=("b", "a")))[1] == (
        "4 / 2 = 2 of 2 values (wanted < 1.5); 0 of 5 good, 1 bad"
    )


@pytest.mark.parametrize("how", ["ratio", "difference"])
@pytest.mark.parametrize(
    ("new", "old", "whose", "others"),
    [
        (vector("1", "1", labels=("a", "b")), vector("1", "1", labels=("b", "c")), "new", "old"),
        (vector("1", "1", labels=("a", "b")), vector("1", labels=("a",)), "new", "old"),
        (vector("1", labels=("a",)), vector("1", "1", labels=("a", "b")), "old", "new"),
        (vector("1", labels=("a",)), vector("1", labels=("b",)), "new", "old"),
        (of_pods(llm_3="1"), of_pods(llm_0="1"), "new", "old"),
    ],
)
def test_a_value_with_none_beside_it_is_inconclusive(
    how: str, new: Fetched, old: Fetched, whose: str, others: str
) -> None:
    why = f"not every value of the {whose} groups has one of the {others} groups with the same labels"
    assert compared(how, new, old) == (Finding.INCONCLUSIVE, f"{why}; 0 of 5 good")


def test_a_value_without_labels_on_each_side_is_compared() -> None:
    bare = success("vector", [{"metric": {}, "value": [NOW, "2"]}])
    assert compared("ratio", bare, bare)[0] is Finding.PASSED
    assert compared("ratio", success("scalar", [NOW, "2"]), success("scalar", [NOW, "2"]))[0] is Finding.PASSED


def test_where_old_and_new_groups_are_compared_each_must_have_a_value_too() -> None:
    both = of_pods(llm_3="1", llm_5="1", llm_7="1")
    assert compared("ratio", both, both) == (Finding.INCONCLUSIVE, "no data of group 0 and 1 more; 0 of 5 good")


@pytest.mark.parametrize("how", ["ratio", "difference"])
@pytest.mark.parametrize(
    "bad", [vector(), vector("NaN"), vector("+Inf"), Fetched(error="refused"), Fetched(status=500)]
)
def test_a_comparison_with_what_cant_be_told_is_inconclusive(how: str, bad: Fetched) -> None:
    assert compared(how, vector("1"), bad)[0] is Finding.INCONCLUSIVE
    assert compared(how, bad, vector("1"))[0] is Finding.INCONCLUSIVE


@pytest.mark.parametrize("value", ["0", "1", "-1"])
@pytest.mark.parametrize("condition", ["< 1.5", "> 1.5", "!= 0"])
def test_a_ratio_to_nothing_is_inconclusive_and_a_difference_is_not(value: str, condition: str) -> None:
    assert compared("ratio", vector(value), vector("0"), condition)[0] is Finding.INCONCLUSIVE
    assert compared("ratio", vector(value), vector("-0"), condition)[0] is Finding.INCONCLUSIVE
    assert compared("difference", vector(value), vector("0"), condition)[0] is not Finding.INCONCLUSIVE


def test_a_ratio_beyond_all_numbers_is_inconclusive() -> None:
    assert compared("ratio", vector("1e308"), vector("1e-308"), "> 1")[0] is Finding.INCONCLUSIVE


def test_without_old_groups_there_is_nothing_to_compare_with() -> None:
    all_new, subject = context(groups=groups(old=())), gate(compareToOld="ratio")
    assert subject.ask(all_new, START) == ()
    reading = subject.judge(all_new, START, ())
    assert reading.finding is Finding.INCONCLUSIVE
    assert reading.message.startswith("no group is left on the old revision")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"condition": "about 5"}, "no condition"),
        ({"query": 'up{pod="{{ pod }}"}'}, "there is no word '{{ pod }}'"),
        ({"connection": "prod"}, "give either url or connection"),
        ({"url": None}, "give either url or connection"),
        ({"url": "http://ann:secret@prometheus"}, "write a connection instead"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"failureLimit": 5}, "failureLimit 5 is not below count 5"),
        ({"timeout": "4m"}, "timeout is not above 4 min"),
        ({"compareToOld": "ratio", "query": "sum(errors)"}, "must name the groups"),
        ({"compareToOld": "sum"}, "compareToOld"),
        ({"count": 0}, "count"),
        ({"interval": 0}, "interval"),
        ({"maxage": 1}, "maxage"),
    ],
)
def test_what_cant_work_is_refused_when_it_is_read(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        gate(**changes)
    assert message in str(refused.value)


def test_it_is_read_as_it_was_written() -> None:
    written = gate(count=3, compareToOld="difference", delay="1m", maxAge="1m", timeout="1h", onFailure="rollback")
    assert PrometheusGate.model_validate_json(written.model_dump_json(by_alias=True)) == written
    assert PrometheusGate.model_validate_json(written.model_dump_json()) == written
