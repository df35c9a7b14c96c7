"""Bad specs are refused with the field, the value and what is allowed."""

from typing import Any

import pytest
from pydantic import ValidationError

from rollwright.rollout.quantities import resolve
from rollwright.rollout.spec import BY_PODS, AnswersHttp, InEndpoints, RolloutSpec, Serves, Strategy

GOOD: dict[str, Any] = {"apiVersion": "rollwright/v1", "kind": "Rollout", "target": {"name": "llm"}}

PROBE: dict[str, Any] = {"port": 8000, "path": "/health"}


def spec(**changes: Any) -> RolloutSpec:
    return RolloutSpec.model_validate(GOOD | changes)


@pytest.mark.parametrize(
    ("strategy", "field", "says"),
    [
        ({"maxUnavailable": 0, "maxSurge": 0}, "strategy", "both 0"),
        ({"maxUnavailable": "0%", "maxSurge": 0}, "strategy", "both 0"),
        ({"maxUnavailable": -1}, "strategy.maxUnavailable", "-1 is negative; write 0 or more"),
        ({"maxSurge": "101%"}, "strategy.maxSurge", "'101%' is more than 100%"),
        ({"maxSurge": "some"}, "strategy.maxSurge", "'some' is neither a whole number (2) nor a percentage ('25%')"),
        ({"maxSurge": True}, "strategy.maxSurge", "True is neither"),
        ({"maxSurge": 1.5}, "strategy.maxSurge", "1.5 is neither"),
        ({"partition": -1}, "strategy.partition", "greater than or equal to 0"),
        ({"maxsurge": 1}, "strategy.maxsurge", "Extra inputs are not permitted"),
        ({"pacing": "fast"}, "strategy.pacing", "'ordered' or 'eager'"),
        ({"unreadyGrace": "soon"}, "strategy.unreadyGrace", "'soon' is no duration"),
        ({"unreadyGrace": ""}, "strategy.unreadyGrace", "'' is no duration"),
        ({"unreadyGrace": -5}, "strategy.unreadyGrace", "-5 is negative"),
        ({"unreadyGrace": -5.0}, "strategy.unreadyGrace", "-5.0 is negative"),
        ({"readiness": "soon"}, "strategy.readiness", "'soon' is not possible; write pod, or one of endpoint and http"),
        ({"readiness": {}}, "strategy.readiness", "write pod, or one of endpoint and http"),
        ({"readiness": {"http": None}}, "strategy.readiness", "write pod, or one of endpoint and http"),
        ({"readiness": {"endpoint": {"service": "llm"}, "http": PROBE}}, "strategy.readiness", "give one of them"),
        ({"readiness": {"endpoint": {"service": "Llm"}}}, "strategy.readiness.endpoint.service", "match pattern"),
        ({"readiness": {"http": {"port": 8000}}}, "strategy.readiness.http.path", "required"),
        ({"readiness": {"http": PROBE | {"port": 0}}}, "strategy.readiness.http.port", "greater than or equal to 1"),
        ({"readiness": {"http": PROBE | {"port": 65536}}}, "strategy.readiness.http.port", "less than or equal to 65"),
        ({"readiness": {"http": PROBE | {"path": "health"}}}, "strategy.readiness.http.path", "begin it with one '/'"),
        ({"readiness": {"http": PROBE | {"path": "//host/"}}}, "strategy.readiness.http.path", "without a host"),
        ({"readiness": {"http": PROBE | {"path": "/a b"}}}, "strategy.readiness.http.path", "'/a b' is no path"),
        ({"readiness": {"http": PROBE | {"path": "/a\r\nb"}}}, "strategy.readiness.http.path", "is no path"),
        ({"readiness": {"http": PROBE | {"scheme": "ftp"}}}, "strategy.readiness.http.scheme", "'http' or 'https'"),
        ({"readiness": {"http": PROBE | {"timeout": "0s"}}}, "strategy.readiness.http.timeout", "equal to 1"),
        ({"readiness": {"http": PROBE | {"timeout": "11s"}}}, "strategy.readiness.http.timeout", "equal to 10"),
    ],
)
def test_a_bad_strategy_is_refused(strategy: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(ValidationError) as refused:
        spec(strategy=strategy)
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == field
    assert says in error["msg"]


@pytest.mark.parametrize(
    "changes",
    [
        {"target": {"name": "Not_A_Name"}},
        {"target": {"name": "a" * 64}},
        {"target": {"name": "llm", "namespace": "-x"}},
        {"target": {"name": "llm", "kind": "Deployment"}},
        {"target": {}},
        {"change": {"images": {"model": "two words"}}},
        {"change": {"images": {}}},
        {"change": {"images": {"model": "m:2"}, "restart": True}},
        {"apiVersion": "rollwright/v2"},
        {"surprise": 1},
    ],
)
def test_a_bad_target_or_change_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spec(**changes)


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10m", 600), ("1h30m", 5400), (45, 45), ("2h", 7200)])
def test_durations_are_read_as_people_write_them(text: object, seconds: int) -> None:
    assert Strategy.model_validate({"unreadyGrace": text}).unready_grace == seconds


@pytest.mark.parametrize(
    ("written", "readiness"),
    [
        pytest.param({}, BY_PODS, id="of a version that knew nothing else"),
        pytest.param({"readiness": "pod"}, BY_PODS, id="pod"),
        pytest.param(
            {"readiness": {"endpoint": {"service": "llm"}}}, Serves(endpoint=InEndpoints(service="llm")), id="endpoint"
        ),
        pytest.param(
            {"readiness": {"http": PROBE}},
            Serves(http=AnswersHttp(port=8000, path="/health", scheme="http", timeout=2, insecure_skip_verify=False)),
            id="http",
        ),
        pytest.param(
            {"readiness": {"http": PROBE | {"scheme": "https", "timeout": "5s", "insecureSkipVerify": True}}},
            Serves(http=AnswersHttp(port=8000, path="/health", scheme="https", timeout=5, insecure_skip_verify=True)),
            id="https",
        ),
    ],
)
def test_readiness_is_read_and_written_as_people_write_it(written: dict[str, Any], readiness: Serves) -> None:
    strategy = Strategy.model_validate(written)
    assert strategy.readiness == readiness
    again = strategy.model_dump(mode="json", by_alias=True)
    assert (again["readiness"] == "pod") is (readiness == BY_PODS)
    assert again["readiness"].keys() == written["readiness"].keys() if readiness != BY_PODS else True
    assert Strategy.model_validate(again) == strategy


def test_percentages_round_as_in_kubernetes() -> None:
    assert (resolve("25%", 10, round_up=True), resolve("25%", 10, round_up=False)) == (3, 2)
    assert (resolve("100%", 7, round_up=True), resolve("0%", 7, round_up=True), resolve(5, 3, round_up=True)) == (
        7,
        0,
        5,
    )


def test_surge_is_capped_at_the_replicas() -> None:
    assert Strategy(max_surge=9).budget(4).surge == 4


def test_a_spec_survives_the_way_into_a_workflow_and_back() -> None:
    written = spec(change={"images": {"model": "m:2"}})
    assert RolloutSpec.model_validate_json(written.model_dump_json(by_alias=True)) == written


def test_percentages_that_come_to_nothing_at_the_given_replicas_are_refused() -> None:
    with pytest.raises(ValidationError, match="10% and maxSurge 0% both come to 0 groups at 4 replicas"):
        spec(target={"name": "llm", "replicas": 4}, strategy={"maxUnavailable": "10%", "maxSurge": "0%"})


def test_the_workflow_id_is_made_of_the_target() -> None:
    assert spec().target.workflow_id == "rollout/lws/default/llm"


def test_a_kept_template_may_have_a_longer_name_than_its_target() -> None:
    kept = "a" * 63 + "-rw-0123456789"
    assert spec(change={"revision": kept}).change.revision == kept


@pytest.mark.parametrize(
    ("written", "reclaim"),
    [
        ({}, "gradual"),
        ({"pacing": "ordered"}, "gradual"),
        ({"pacing": "eager"}, "prompt"),
        ({"pacing": "eager", "reclaim": "gradual"}, "gradual"),
        ({"pacing": "ordered", "reclaim": "prompt"}, "prompt"),
    ],
)
def test_the_usual_reclaim_is_that_of_the_pacing_and_is_written_out_from_then_on(
    written: dict[str, Any], reclaim: str
) -> None:
    """A rollout begun by an older version carries what it began with, and goes on so."""
    assert spec(strategy=written).strategy.model_dump(mode="json")["reclaim"] == reclaim
    assert Strategy(**written).reclaim == reclaim
