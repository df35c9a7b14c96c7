"""What a worker may not do is said at its start, in plain words, as the API server has it."""

import json
import logging
from pathlib import Path

import pytest

from rollwright.cluster.api import connect
from rollwright.worker.permissions import ALL_NAMESPACES, tell_missing
from rollwright.worker.policies import DEFAULT_PLACE, Place
from tests.cluster.conftest import Real
from tests.e2e.rights import account, documented_rules, grant, namespaces_of, without

pytestmark = pytest.mark.real

CAPACITY = (
    "may not list nodes (in all namespaces); list pods (in all namespaces): capacity gates are inconclusive "
    "(docs/permissions.md)"
)

NOWHERE = {
    "clusters": [{"name": "gone", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "gone", "user": {}}],
    "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
    "current-context": "gone",
}


async def told(
    real: Real,
    caplog: pytest.LogCaptureFixture,
    kubeconfig: Path,
    *,
    namespace: str | None = None,
    follow: tuple[str, ...] = (),
    policies: Place = DEFAULT_PLACE,
) -> list[tuple[int, str]]:
    """What is logged for the namespace of the target, or for another, with its level."""
    caplog.set_level(logging.INFO, logger="rollwright.worker.permissions")
    caplog.clear()
    async with connect(str(kubeconfig)) as api:
        asked = real.namespace.name if namespace is None else namespace
        await tell_missing(api, [asked], follow=follow, policies=policies)
    return [(record.levelno, record.getMessage()) for record in caplog.records]


async def test_with_all_rights_nothing_is_said(real: Real, caplog: pytest.LogCaptureFixture) -> None:
    await grant(real, counting=True, following=True)
    assert await told(real, caplog, await account(real), follow=(real.namespace.name,)) == []


async def test_a_right_that_may_be_left_away_is_told_with_what_it_costs(
    real: Real, caplog: pytest.LogCaptureFixture
) -> None:
    await grant(real, without("events"))
    lost = f"may not create events in {real.namespace.name}: kubectl describe tells nothing of rollouts there"
    said = await told(real, caplog, await account(real))
    assert (logging.INFO, f"{lost} (docs/permissions.md)") in said
    assert (logging.INFO, CAPACITY) in said
    assert {level for level, _ in said} == {logging.INFO}


async def test_without_a_right_that_rollouts_need_there_is_a_warning(
    real: Real, caplog: pytest.LogCaptureFixture
) -> None:
    rules = [rule for rule in without("pods", "delete") if rule["resources"] != ["leaderworkersets"]]
    await grant(real, rules, counting=True)
    here = real.namespace.name
    assert await told(real, caplog, await account(real), follow=(here,)) == [
        (logging.WARNING, f"may not delete pods in {here}: nothing there can be rolled out (docs/permissions.md)"),
        (
            logging.WARNING,
            f"may not get, list, watch, patch leaderworkersets in {here}: LeaderWorkerSets there can't be rolled out "
            "(docs/permissions.md)",
        ),
        (
            logging.WARNING,
            f"may not list, watch configmaps in {here}: nothing is followed by it (docs/permissions.md)",
        ),
    ]


async def test_rights_in_one_namespace_are_none_in_all(real: Real, caplog: pytest.LogCaptureFixture) -> None:
    await grant(real, counting=True)
    said = await told(real, caplog, await account(real), namespace=ALL_NAMESPACES)
    assert (
        logging.WARNING,
        "may not patch statefulsets in all namespaces: StatefulSets there can't be rolled out (docs/permissions.md)",
    ) in said
    assert "may not create events in all namespaces: " in said[-1][1]


async def test_policies_that_are_elsewhere_are_asked_for_there(real: Real, caplog: pytest.LogCaptureFixture) -> None:
    """By the name of the ConfigMap: the right to read another one is none."""
    await grant(real, documented_rules(), counting=True)
    _, workers = namespaces_of(real.namespace.name)
    said = await told(
        real, caplog, await account(real), follow=("a", "b"), policies=Place("rollwright-policies", workers)
    )
    assert [line for _, line in said] == [
        f"may not list, watch configmaps in {workers}: nothing is followed by it (docs/permissions.md)"
    ]


async def test_an_api_server_that_can_not_be_asked_is_no_hindrance(
    real: Real, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    gone = tmp_path / "gone.kubeconfig"
    gone.write_text(json.dumps(NOWHERE))
    ((level, line),) = await told(real, caplog, gone)
    assert level == logging.WARNING
    assert line.startswith("what this worker may do can't be told: create selfsubjectaccessreviews")
