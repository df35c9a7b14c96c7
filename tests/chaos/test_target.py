# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""The user of a round never wishes for what nobody can tell from the rollout's own number."""

import json
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from typing import cast

import pytest
from kubernetes.aio.client import ApiClient, ApiException

from tests.chaos.promise import RECORD, WISH
from tests.chaos.target import Target
from tests.chaos.test_plan import plan
from tests.devcluster.standin.namespace import Json, Namespace


class Kept:
    """In place of a namespace: one target. Before the first patch arrives, something happens to it."""

    def __init__(self, replicas: int, groups: int | None, meanwhile: Callable[["Kept"], None]) -> None:
        """`groups`: that the rollout has written itself; None without a record."""
        self.replicas, self.annotations = replicas, {WISH: "8/0"}
        self.version = 1
        self._meanwhile = [meanwhile]
        if groups is not None:
            self.record(groups)

    def record(self, groups: int) -> None:
        """The rollout writes."""
        self.annotations[RECORD] = json.dumps({"replicas": 8, "groups": groups})
        self.version += 1

    async def set(self, _name: str) -> Json:
        metadata = {"resourceVersion": str(self.version), "annotations": dict(self.annotations)}
        return {"metadata": metadata, "spec": {"replicas": self.replicas}}

    async def patch_set(self, _name: str, patch: Json) -> None:
        while self._meanwhile:
            self._meanwhile.pop()(self)
        if patch["metadata"]["resourceVersion"] != str(self.version):
            raise ApiException(status=409)
        self.annotations |= deepcopy(patch["metadata"]["annotations"])
        self.replicas = patch["spec"]["replicas"]
        self.version += 1


@pytest.fixture
async def nobody() -> AsyncIterator[ApiClient]:
    async with ApiClient() as api:
        yield api


def nothing(_kept: Kept) -> None:
    """Happens meanwhile."""


async def scaled(api: ApiClient, kept: Kept, by: int) -> int:
    """To how many replicas a user scales who wants 8 so far."""
    target = Target(api, cast("Namespace", kept), plan().model_copy(update={"replicas": 8}))
    await target.scale(by)
    assert target.wish == kept.replicas
    assert kept.annotations[WISH] == f"{kept.replicas}/1"
    return kept.replicas


@pytest.mark.parametrize(
    ("replicas", "groups", "by", "wish"),
    [
        pytest.param(8, None, 2, 10, id="nothing in the way"),
        pytest.param(10, 10, 2, 11, id="what stands with the surge"),
        pytest.param(5, 10, 2, 11, id="what the rollout had written before somebody scaled"),
        pytest.param(9, 10, 1, 11, id="what stands, and what the rollout had written"),
        pytest.param(10, 11, 2, 12, id="the same the other way round"),
        pytest.param(10, 10, 1, 9, id="what the user wants, beside a surge"),
    ],
)
async def test_a_wish_is_never_the_number_that_the_rollout_has_written(
    nobody: ApiClient, replicas: int, groups: int | None, by: int, wish: int
) -> None:
    assert await scaled(nobody, Kept(replicas, groups, nothing), by) == wish


async def test_a_number_that_the_rollout_writes_meanwhile_is_not_wished_for_either(nobody: ApiClient) -> None:
    kept = Kept(8, 8, lambda kept: kept.record(10))
    assert await scaled(nobody, kept, 2) == 11
