"""What a gate finds in a real Prometheus."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from rollwright.activities.connections import Reach
from rollwright.activities.fetching import fetch
from rollwright.devcluster.prometheus import Prometheus
from rollwright.rollout.gates.gate import Context, Finding, Progress
from rollwright.rollout.gates.prometheus import PrometheusGate
from rollwright.rollout.gates.questions import Fetch
from rollwright.rollout.spec import RolloutSpec
from tests.docs.examples import examples
from tests.rollout.gates.seen import context
from tests.support.exporter import Exporter
from tests.support.prometheus import query, query_until

pytestmark = pytest.mark.real

NEW, OLD = ("llm-3", "llm-3-1", "llm-5", "llm-7"), ("llm-0", "llm-1-2")
QUERY = 'max(errors{namespace="{{ namespace }}", pod=~"{{ pods }}"})'


def gate(prometheus: Prometheus, **changes: Any) -> PrometheusGate:
    return PrometheusGate.model_validate({"url": prometheus.url, "query": QUERY, "condition": "< 0.05"} | changes)


async def reading(prometheus: Prometheus, subject: PrometheusGate, about: Context | None = None) -> tuple[Finding, str]:
    """What it finds. That it finds nothing out counts only where no scrape was missed just before."""
    async with asyncio.timeout(30):
        while True:
            found = await reading_now(subject, about)
            if found[0] is not Finding.INCONCLUSIVE or not await has_missed_a_scrape(prometheus):
                return found
            await asyncio.sleep(0.1)


async def has_missed_a_scrape(prometheus: Prometheus) -> bool:
    """Whether the exporter, which answers from this process, was too late for one: all series are gone until the next.

    Within the last 2 s.
    """
    return (await query(prometheus, "min_over_time(up[2s])")).values != ["1"]


async def reading_now(subject: PrometheusGate, about: Context | None = None) -> tuple[Finding, str]:
    """What it finds at this moment."""
    about = (about or context()).model_copy(update={"now": time.time()})
    progress = Progress(since=about.now)
    answers = []
    for question in subject.ask(about, progress):
        assert isinstance(question, Fetch)
        answers.append(await fetch(question, Reach(local=True)))
    found = subject.judge(about, progress, tuple(answers))
    return found.finding, found.message


async def serves(prometheus: Prometheus, exporter: Exporter, values: dict[str, float], metric: str = "errors") -> None:
    """Have each pod's metric at a value, and wait until Prometheus knows it."""
    for pod, value in values.items():
        exporter.set(metric, value, namespace="inference", pod=pod)
    wanted = {pod: repr(float(value)) for pod, value in values.items()}
    await query_until(
        prometheus,
        metric,
        lambda answer: {labels["pod"]: repr(float(value)) for labels, value in answer.series} == wanted,
    )


def of(pods: tuple[str, ...], value: float) -> dict[str, float]:
    return dict.fromkeys(pods, value)


async def test_the_new_groups_are_good_however_bad_the_others_are(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(NEW, 0.03) | of(OLD, 1) | of(("llm-33", "xllm-3"), 1))
    assert await reading(prometheus, gate(prometheus)) == (Finding.PASSED, "0.03 (wanted < 0.05); 1 of 5 good")


@pytest.mark.parametrize("pod", NEW)
async def test_one_bad_pod_of_the_new_groups_is_bad(prometheus: Prometheus, exporter: Exporter, pod: str) -> None:
    await serves(prometheus, exporter, of(NEW, 0.03) | {pod: 0.5} | of(OLD, 0))
    assert await reading(prometheus, gate(prometheus)) == (Finding.FAILED, "0.5 (wanted < 0.05); 0 of 5 good, 1 bad")
    each = gate(prometheus, query='errors{pod=~"{{ pods }}"}')
    assert await reading(prometheus, each) == (Finding.FAILED, "0.5 of 4 values (wanted < 0.05); 0 of 5 good, 1 bad")


async def test_a_group_without_data_is_inconclusive_where_each_pod_is_asked_for(
    prometheus: Prometheus, exporter: Exporter
) -> None:
    each = gate(prometheus, query='errors{pod=~"{{ pods }}"}')
    await serves(prometheus, exporter, of(("llm-3-1", "llm-5"), 0.03) | of(OLD, 0.03))
    assert await reading(prometheus, each) == (Finding.INCONCLUSIVE, "no data of group 7; 0 of 5 good")
    await serves(prometheus, exporter, of(("llm-3-1", "llm-5", "llm-7"), 0.03) | of(OLD, 0.03))
    assert (await reading(prometheus, each))[0] is Finding.PASSED


async def test_leaders_and_ordinals_are_found(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(NEW, 0) | of(OLD, 0))
    count = gate(prometheus, query='count(errors{pod=~"{{ leaders }}"})', condition="== 3")
    assert (await reading(prometheus, count))[0] is Finding.PASSED
    count = gate(prometheus, query='count(errors{pod=~"{{ name }}-{{ ordinals }}-.*"})', condition="== 1")
    assert (await reading(prometheus, count))[0] is Finding.PASSED


async def test_a_scalar_is_read(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(NEW, 0.03))
    assert (await reading(prometheus, gate(prometheus, query=f"scalar({QUERY})")))[0] is Finding.PASSED


async def test_an_annotation_of_the_query_is_no_reason_to_doubt_the_answer(
    prometheus: Prometheus, exporter: Exporter
) -> None:
    await serves(prometheus, exporter, of(NEW, 0.03))
    annotated = "quantile(2, errors)"
    answer = await query_until(prometheus, annotated, lambda answer: answer.series != [])
    assert [warning.partition(":")[0] for warning in answer.body["warnings"]] == ["PromQL warning"]
    found = await reading(prometheus, gate(prometheus, query=f"clamp_max({annotated}, 0.03)"))
    assert found == (Finding.PASSED, "0.03 (wanted < 0.05); 1 of 5 good")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_what_is_no_number_is_inconclusive(prometheus: Prometheus, exporter: Exporter, value: float) -> None:
    await serves(prometheus, exporter, of(NEW, value))
    assert (await reading(prometheus, gate(prometheus)))[0] is Finding.INCONCLUSIVE


async def test_nothing_divided_by_nothing_is_inconclusive(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(NEW, 0))
    found = await reading(prometheus, gate(prometheus, query=f"{QUERY} / {QUERY}"))
    assert found == (Finding.INCONCLUSIVE, "nan tells nothing; 0 of 5 good")


async def test_an_empty_answer_is_inconclusive(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(OLD, 0))
    assert await reading(prometheus, gate(prometheus)) == (Finding.INCONCLUSIVE, "no data; 0 of 5 good")


@pytest.mark.parametrize("fault", ["gone", "slow", "empty"])
async def test_pods_that_tell_nothing_any_more_are_inconclusive(
    prometheus: Prometheus, exporter: Exporter, fault: str
) -> None:
    await serves(prometheus, exporter, of(NEW, 0))
    match fault:
        case "gone":
            await exporter.go()
        case "slow":
            exporter.delay_seconds = 5
        case _:
            exporter.clear()
    await query_until(prometheus, "errors", lambda answer: answer.series == [])
    assert await reading_now(gate(prometheus)) == (Finding.INCONCLUSIVE, "no data; 0 of 5 good")


async def test_what_was_scraped_before_prometheus_was_away_is_too_old_where_an_age_is_given(tmp_path: Path) -> None:
    """By a Prometheus of its own: what is left of the series stays in its answers for minutes."""
    async with (
        Exporter() as exporter,
        # Rarely enough for a scrape to be in time also while this process looks for the one to stop.
        Prometheus(tmp_path, [exporter.target], interval_seconds=1, report=print) as prometheus,
    ):
        await serves(prometheus, exporter, of(NEW, 0))
        await prometheus.stop()
        exporter.clear()
        away = "the server can't be reached: connection refused; 0 of 5 good"
        assert await reading_now(gate(prometheus)) == (Finding.INCONCLUSIVE, away)
        await prometheus.start()
        assert (await reading_now(gate(prometheus)))[0] is Finding.PASSED
        async with asyncio.timeout(30):
            while (await reading_now(gate(prometheus, maxAge="1s")))[1] != "no data; 0 of 5 good":
                await asyncio.sleep(0.1)
        assert (await reading_now(gate(prometheus)))[0] is Finding.PASSED


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("sum(", "Prometheus answered 400 (bad_data)"),
        ("errors[1m]", "the answer holds no vector and no scalar"),
        ('"text"', "the answer holds no vector and no scalar"),
        (
            'vector(1) * on() (vector(1) or label_replace(vector(2), "a", "b", "", ""))',
            "Prometheus answered 422 (execution)",
        ),
    ],
)
async def test_a_query_that_gives_no_values_is_inconclusive(
    prometheus: Prometheus, exporter: Exporter, query: str, message: str
) -> None:
    await serves(prometheus, exporter, of(NEW, 0))
    assert await reading(prometheus, gate(prometheus, query=query)) == (Finding.INCONCLUSIVE, f"{message}; 0 of 5 good")


@pytest.mark.parametrize(
    ("how", "new", "old", "condition", "expected"),
    [
        ("ratio", 0.03, 0.02, "< 2", (Finding.PASSED, "0.03 / 0.02 = 1.5 (wanted < 2); 1 of 5 good")),
        ("ratio", 6, 2, "< 2", (Finding.FAILED, "6 / 2 = 3 (wanted < 2); 0 of 5 good, 1 bad")),
        ("difference", 6, 2, "<= 4", (Finding.PASSED, "6 - 2 = 4 (wanted <= 4); 1 of 5 good")),
        ("ratio", 6, 0, "< 2", (Finding.INCONCLUSIVE, "6 / 0 = nan tells nothing; 0 of 5 good")),
    ],
)
async def test_new_groups_are_compared_with_old_ones(
    prometheus: Prometheus,
    exporter: Exporter,
    how: str,
    new: float,
    old: float,
    condition: str,
    expected: tuple[Finding, str],
) -> None:
    await serves(prometheus, exporter, of(NEW, new) | of(OLD, old))
    assert await reading(prometheus, gate(prometheus, compareToOld=how, condition=condition)) == expected


async def test_old_groups_without_data_leave_the_comparison_open(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(NEW, 1))
    found = await reading(prometheus, gate(prometheus, compareToOld="ratio", condition="< 2"))
    assert found == (Finding.INCONCLUSIVE, "no data; 0 of 5 good")


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "a.b", "(a|b)*", "a\nb", '"} or vector(0) or errors{pod=~"', "^a$", "[a]{2}"]
)
async def test_a_hostile_name_finds_its_own_pods_and_no_others(
    prometheus: Prometheus, exporter: Exporter, name: str
) -> None:
    await serves(prometheus, exporter, {f"{name}-3": 0.01, "aXb-3": 1, "a-3": 1, "llm-3": 1})
    assert await reading(prometheus, gate(prometheus), context(name=name)) == (
        Finding.PASSED,
        "0.01 (wanted < 0.05); 1 of 5 good",
    )


async def test_a_hostile_namespace_is_only_a_namespace(prometheus: Prometheus, exporter: Exporter) -> None:
    await serves(prometheus, exporter, of(NEW, 0.01))
    found = await reading(prometheus, gate(prometheus), context(namespace='x"} or errors{namespace=~".*'))
    assert found == (Finding.INCONCLUSIVE, "no data; 0 of 5 good")


def documented() -> list[PrometheusGate]:
    """The gates that the pages show."""
    specs = [RolloutSpec.model_validate(example.document) for example in examples()]
    gates = [gate for spec in specs for step in spec.strategy.steps for gate in step.gates]
    return [gate for gate in gates if isinstance(gate, PrometheusGate)]


@pytest.mark.parametrize("shown", documented(), ids=lambda shown: shown.title)
async def test_a_query_that_is_documented_gives_values(
    prometheus: Prometheus, exporter: Exporter, shown: PrometheusGate
) -> None:
    pods = of(NEW, 1) | of(OLD, 1)
    await serves(prometheus, exporter, pods, "time_to_first_token_seconds")
    requests = 0
    async with asyncio.timeout(30):
        while True:
            requests += 100
            for pod in pods:
                exporter.set("requests_total", requests, namespace="inference", pod=pod)
                exporter.set("requests_failed_total", requests / 100, namespace="inference", pod=pod)
            here = shown.model_copy(update={"url": prometheus.url, "connection": None, "delay": 0})
            finding, message = await reading_now(here)
            if finding is Finding.PASSED:
                return
            assert finding is Finding.INCONCLUSIVE, message
            await asyncio.sleep(0.1)
