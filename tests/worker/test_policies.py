"""Policies, as they are written in a ConfigMap; and what is told of those that can't be used."""

import asyncio
from typing import Any

import pytest
import yaml

from rollwright.cluster.api import Api, Kind, Manifest
from rollwright.cluster.errors import ClusterError, ForbiddenError, UnreachableError
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import GatedStep
from rollwright.worker.policies import DEFAULT_PLACE, Policies, Policy, Unusable, read_policy

WHERE = "ConfigMap rollwright-policies in namespace inference"


def read(text: str, name: str = "careful") -> Policy | Unusable:
    return read_policy(name, {"data": {"careful": text}}, WHERE)


def test_a_policy_is_the_strategy_of_a_rollout() -> None:
    policy = read("strategy:\n  maxSurge: 25%\n  steps:\n    - until: 1\n")
    assert isinstance(policy, Policy)
    assert (policy.name, policy.strategy.max_surge) == ("careful", "25%")
    assert policy.strategy.steps == (GatedStep(until=1),)


def test_another_content_has_another_digest() -> None:
    policies = [read("strategy: {maxSurge: 1}"), read("strategy: {maxSurge: 1}"), read("strategy: {maxSurge: 2}")]
    digests = [policy.digest for policy in policies if isinstance(policy, Policy)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("config_map", "why"),
    [
        (None, f"its policy 'careful' is missing: there is no {WHERE}"),
        ({"metadata": {}}, f"its policy 'careful' is missing: {WHERE} has no such key"),
        ({"data": {"other": ""}}, f"its policy 'careful' is missing: {WHERE} has no such key"),
    ],
)
def test_what_is_missing_is_named(config_map: dict[str, Any] | None, why: str) -> None:
    assert read_policy("careful", config_map, WHERE) == Unusable(why)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "can't be used: write 'strategy:' with what belongs to it"),
        ("apiVersion: rollwright/v2\nstrategy: {}", "rollwright/v2 is not known here"),
        ("maxSurge: 1", "strategy: Field required; maxSurge: Extra inputs are not permitted"),
        ("strategy: {maxSurge: many}", "strategy.maxSurge: "),
        ("strategy: [", "is no YAML"),
        ("strategy: {steps: &all [], surgeBy: *all}", "write it without aliases"),
        ("strategy: &all {steps: [*all]}", "write it without aliases"),
        ("strategy: {maxSurge: !!int ''}", "'' is no int"),
        ("[" * 5000, "is no YAML"),
        ("#" * 10_000, "longer than 8192 characters"),
    ],
)
def test_what_can_not_be_used_is_told(text: str, why: str) -> None:
    found = read(text)
    assert isinstance(found, Unusable)
    assert why in found.why
    assert WHERE in found.why


def test_the_name_is_shown_so_that_it_can_do_no_harm() -> None:
    found = read_policy("\x1b[2J\n" + "x" * 1000, {"data": {}}, WHERE)
    assert isinstance(found, Unusable)
    assert found.why.isprintable()
    assert len(found.why) < 300


def test_a_policy_is_read_once_however_often_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "strategy: {maxSurge: 7}"
    first = read(text)
    monkeypatch.delattr(yaml, "load")
    assert read(text) == first
    other = read_policy("bold", {"data": {"bold": text}}, WHERE)
    assert isinstance(other, Policy)
    assert other.name == "bold"


class Answering(Api):
    """An API server that says no to everything, in this way."""

    def __init__(self, error: ClusterError) -> None:
        self._error = error

    async def list_all(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> Manifest:
        raise self._error


async def asked_of(error: ClusterError) -> Policy | Unusable:
    watches = Watches(Answering(error))
    try:
        async with asyncio.timeout(30):
            return await Policies(watches, DEFAULT_PLACE, "inference").of_name("careful")
    finally:
        await watches.close()


async def test_a_cluster_that_is_away_for_a_moment_makes_no_policy_unusable() -> None:
    with pytest.raises(UnreachableError):
        await asked_of(UnreachableError("the API server answers 503"))


async def test_what_may_not_be_read_is_told() -> None:
    assert await asked_of(ForbiddenError("not permitted")) == Unusable("its policy can't be read: not permitted")
