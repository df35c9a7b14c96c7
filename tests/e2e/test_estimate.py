"""When a rollout ends, as its users are told: from groups that serve, then from its own, then from the ledger."""

import json
from datetime import datetime

import pytest

from rollwright.rollout.spec import Pacing, Strategy
from rollwright.workflows.contract import Phase
from tests.devcluster.standin.namespace import Json
from tests.e2e.scene import BY_HAND, NAME, NEW, Scene

pytestmark = pytest.mark.real

EAGER = Strategy(max_unavailable=2, pacing=Pacing.EAGER)


async def test_the_end_is_told_from_the_first_rollout_on_and_plans_go_by_what_it_took(scene: Scene) -> None:
    await scene.create(8, size=2, gpus=1, ready_after="3s")
    async with scene.rollout(EAGER) as rollout:
        first = await rollout.until(lambda status: status.estimate and status.estimate.ends_at)
        assert first.estimate is not None
        assert first.estimate.usual_seconds is not None
        assert 2 <= first.estimate.usual_seconds < 60
        shown: Json = json.loads(await scene.rollwright("status", "--json"))
        assert datetime.fromisoformat(shown["expected"]["ends_at"]) > datetime.fromisoformat(shown["started_at"])
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert result.gpus == 2
    assert result.cost.out_of_service_seconds > 0
    assert result.cost.surplus_seconds == 0
    entries = json.loads(await scene.kubectl("get", "controllerrevisions", "--output=json"))["items"]
    (kept,) = (item for item in entries if "rollwright.io/outcome" in item["metadata"].get("annotations", {}))
    took = [int(part) for part in kept["metadata"]["annotations"]["rollwright.io/start-up-seconds"].split(",")]
    assert len(took) == 8
    assert all(2 <= seconds < 60 for seconds in took)

    file = scene.folder / "next.yaml"
    spec = {"target": {"name": NAME, "namespace": scene.namespace.name}, "change": {"restart": True}}
    file.write_text(json.dumps(spec))
    forecasts = json.loads(await scene.plan("--json", file=file))["forecasts"]
    assert (forecasts["start_ups"], forecasts["start_up_seconds"]) == (8, sorted(took)[3])
    assert [one["pacing"] for one in forecasts["pacings"]] == ["ordered", "eager"]
    assert all(one["seconds"] >= 8 * min(took) for one in forecasts["pacings"])


async def test_a_straggler_is_named_with_how_long_it_takes_and_what_is_usual(scene: Scene) -> None:
    """By hand, so that the groups that serve tell seconds; after half a minute the one that is left is slow."""
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(EAGER.model_copy(update={"max_unavailable": 3})) as rollout:
        await rollout.reaches(1, 4)
        await scene.make_ready(3, 2)
        await rollout.reaches(0, 4)
        await scene.make_ready(0)
        slow = await rollout.until(lambda status: status.estimate and status.estimate.slow, within_seconds=60)
        assert slow.estimate is not None
        assert [group.ordinal for group in slow.estimate.slow] == [1]
        assert "group 1: starting for more than" in await scene.rollwright("status")
        await scene.make_ready(1)
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert {pod["spec"]["containers"][0]["image"] for pod in (await scene.namespace.pods()).values()} == {NEW}
