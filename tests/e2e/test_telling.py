"""What people are told of a whole rollout: by `kubectl describe` of its target, and by the worker's file."""

import json
from pathlib import Path

import pytest
import yaml

from rollwright.rollout.spec import GatedStep
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import until
from tests.e2e.documented import TWO_TWO
from tests.e2e.rights import account, grant, without
from tests.e2e.scene import AT_ONCE, NAME, Scene
from tests.support.receiver import receiver

pytestmark = pytest.mark.real

HALF_WAY = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2),)})

STORY = [
    *("RolloutStarted", "PreparedTemplate", "LoweredPartition", "ReclaimedReplicas", "RolloutGated"),
    *("RestoredSettings", "RolloutCompleted"),
]


async def reasons(scene: Scene) -> list[str]:
    """Of the Events that are described, each once, in their order."""
    described = await scene.kubectl("describe", f"lws/{NAME}")
    _, _, events = described.partition("\nEvents:")
    rows = [line.split() for line in events.splitlines()]
    return list(dict.fromkeys(row[1] for row in rows if "rollwright" in row))


async def test_kubectl_describe_tells_the_story_of_a_rollout(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the documented rights; and a callback is told the same, signed."""
    key = tmp_path / "key"
    key.write_text("a key")
    async with receiver() as receiving:
        notify = tmp_path / "notify.yaml"
        callback = {"callback": f"http://127.0.0.1:{receiving.port}/s3cr3t", "hmacKeyFile": str(key)}
        notify.write_text(yaml.safe_dump({"notify": [callback]}))
        monkeypatch.setenv("ROLLWRIGHT_NOTIFY", str(notify))
        await scene.create(ready_after=AT_ONCE)
        await grant(scene)
        worker = await scene.start_worker(await account(scene))
        async with scene.rollout(HALF_WAY) as rollout:
            gated = await rollout.until_phase(Phase.GATED)
            await until(lambda: _received(len(receiving.received)), lambda received: received == 2)
            await rollout.send(Message.PROMOTE)
            assert (await rollout.result()).phase is Phase.COMPLETED
    for received in receiving.received:
        assert received.headers["X-Rollwright-Signature"].startswith("sha256=")
    told = [json.loads(received.body) for received in receiving.received]
    assert [news["event"] for news in told] == ["started", "gated", "completed"]
    assert told[1]["next"] == list(gated.next)
    found = await until(lambda: reasons(scene), lambda found: "RestoredSettings" in found)
    assert [reason for reason in found if reason in STORY] == STORY
    assert "s3cr3t" not in worker.log.read_text()


async def _received(count: int) -> int:
    return count


async def test_without_the_right_to_make_events_everything_else_works(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await grant(scene, without("events"))
    worker = await scene.start_worker(await account(scene))
    async with scene.rollout(TWO_TWO) as rollout:
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert await reasons(scene) == []
    assert worker.log.read_text().count("Events are left out") == 1
