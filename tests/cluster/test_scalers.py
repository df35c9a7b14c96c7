"""What carries the surge where an autoscaler writes the replicas of a target, on a real API server."""

import logging

import pytest

from rollwright.cluster.api import Api, Kind, Manifest
from rollwright.cluster.errors import ForbiddenError, RefusedError
from rollwright.cluster.scalers import HORIZONTAL_POD_AUTOSCALERS, choose_surge_by
from rollwright.rollout.spec import InEndpoints, Pacing, Serves, Strategy, SurgeBy
from tests.cluster.conftest import NAME, Real
from tests.devcluster.standin.namespace import Json

pytestmark = pytest.mark.real

OURS: Json = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": NAME}


async def add_autoscaler(real: Real, target: Json) -> None:
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "by-load", "namespace": real.namespace.name},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 5},
    }
    await real.api.create(HORIZONTAL_POD_AUTOSCALERS, real.namespace.name, autoscaler)


async def choose(real: Real, strategy: Strategy, api: Api | None = None) -> SurgeBy:
    return await choose_surge_by(api or real.api, await real.target.read_object(), strategy)


async def test_without_an_autoscaler_replicas_carry_the_surge(real: Real) -> None:
    assert await choose(real, Strategy(max_surge=1)) is SurgeBy.REPLICAS
    assert await choose(real, Strategy(max_surge=1, surge_by=SurgeBy.REPLICAS)) is SurgeBy.REPLICAS
    assert await choose(real, Strategy(max_surge=1, surge_by=SurgeBy.MAX_SURGE)) is SurgeBy.MAX_SURGE


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({**OURS, "name": "another"}, id="of another name"),
        pytest.param({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": NAME}, id="of another kind"),
        pytest.param({**OURS, "apiVersion": "example.com/v1"}, id="of another group"),
    ],
)
async def test_an_autoscaler_of_something_else_is_none(real: Real, other: Json) -> None:
    await add_autoscaler(real, other)
    assert await choose(real, Strategy(max_surge=1)) is SurgeBy.REPLICAS


async def test_an_autoscaler_has_max_surge_carry_the_surge_if_there_is_one(real: Real) -> None:
    await add_autoscaler(real, {**OURS, "apiVersion": "leaderworkerset.x-k8s.io/v1beta1"})
    assert await choose(real, Strategy(max_surge="25%")) is SurgeBy.MAX_SURGE
    assert await choose(real, Strategy(max_surge=0)) is SurgeBy.REPLICAS
    assert await choose(real, Strategy(max_surge=0, surge_by=SurgeBy.REPLICAS)) is SurgeBy.REPLICAS
    eager = Strategy(max_surge=1, max_unavailable=1, pacing=Pacing.EAGER)
    assert await choose(real, eager) is SurgeBy.MAX_SURGE


async def test_a_surge_by_replicas_beside_an_autoscaler_is_refused(real: Real) -> None:
    await add_autoscaler(real, OURS)
    with pytest.raises(RefusedError, match=r"by-load writes its replicas.*give surgeBy auto"):
        await choose(real, Strategy(max_surge=1, surge_by=SurgeBy.REPLICAS))


async def test_what_lws_would_give_back_too_early_is_refused(real: Real) -> None:
    await add_autoscaler(real, OURS)
    for by in (SurgeBy.AUTO, SurgeBy.MAX_SURGE):
        eager = Strategy(max_surge=2, max_unavailable=1, pacing=Pacing.EAGER, surge_by=by)
        with pytest.raises(RefusedError, match=r"maxSurge \(2 groups\) .* maxUnavailable \(1\).*give pacing ordered"):
            await choose(real, eager)


async def test_failures_that_lws_would_wait_for_can_not_be_tolerated(real: Real) -> None:
    """It counts groups done from the highest ordinal down, and stops at the first that isn't."""
    await add_autoscaler(real, OURS)
    tolerant = Strategy(max_surge=2, max_unavailable=0, max_failed_groups=1)
    with pytest.raises(RefusedError, match=r"by-load writes its replicas.*give maxFailedGroups 0"):
        await choose(real, tolerant)
    assert await choose(real, tolerant.model_copy(update={"max_surge": 0, "max_unavailable": 1})) is SurgeBy.REPLICAS


async def test_a_surge_that_lws_would_give_back_before_groups_serve_is_refused(real: Real) -> None:
    """It goes by the pods alone."""
    await add_autoscaler(real, OURS)
    serving = Strategy(max_surge=1, readiness=Serves(endpoint=InEndpoints(service="llm")))
    with pytest.raises(RefusedError, match=r"by-load writes its replicas.*give readiness pod"):
        await choose(real, serving)
    assert await choose(real, serving.model_copy(update={"max_surge": 0})) is SurgeBy.REPLICAS


class Blind(Api):
    """May not look at autoscalers."""

    async def list_all(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> Manifest:
        raise ForbiddenError("not permitted")


async def test_where_autoscalers_may_not_be_seen_it_does_as_if_there_were_one(
    real: Real, caplog: pytest.LogCaptureFixture
) -> None:
    blind = Blind(real.api._client)
    with caplog.at_level(logging.WARNING):
        assert await choose(real, Strategy(max_surge=1), blind) is SurgeBy.MAX_SURGE
    assert "can't be seen: not permitted" in caplog.text
    assert await choose(real, Strategy(max_surge=1, surge_by=SurgeBy.REPLICAS), blind) is SurgeBy.REPLICAS
    with pytest.raises(RefusedError, match="list horizontalpodautoscalers"):
        await choose(real, Strategy(max_surge=2, pacing=Pacing.EAGER), blind)
