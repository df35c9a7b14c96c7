"""What CI and Argo CD are told of a rollout, on the real parts."""

from typing import Any

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from rollwright.activities.messages import Side
from rollwright.rollout.spec import Change, GatedStep, Strategy
from rollwright.workflows.contract import Message, Phase
from tests.cli.recipes import FOLDER
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.documented import TWO_TWO
from tests.e2e.scene import AT_ONCE, BY_HAND, NAME, RECORD, Scene, assert_left_alone
from tests.e2e.test_foreign import change_the_template, raise_max_unavailable

pytestmark = pytest.mark.real

HALF_WAY = TWO_TWO.model_copy(update={"steps": (GatedStep(until=2),)})
HEALTH = "resource.customizations.health.leaderworkerset.x-k8s.io_LeaderWorkerSet"


def health(lws: Json) -> tuple[str, str]:
    """What Argo CD makes of it, with the libraries that its settings open."""
    (config,) = yaml.safe_load_all((FOLDER / "argocd/argocd-cm.yaml").read_text())
    lua: Any = LuaRuntime(unpack_returned_tuples=True)
    found = lua.eval("function(source, given) obj = given; return assert(loadstring(source))() end")(
        config["data"][HEALTH], lua.table_from(lws, recursive=True)
    )
    return found.status, found.message


async def is_healthy(scene: Scene, status: str, message: str) -> None:
    """Wait until Argo CD says so: the object's status follows a moment later."""

    async def seen() -> tuple[str, str]:
        return health(await scene.lws())

    await until(seen, lambda found: found == (status, message))


async def test_argo_cd_is_told_how_healthy_a_target_is_in_each_phase(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    assert health(await scene.lws()) == ("Healthy", "4 groups are ready")
    async with scene.rollout(HALF_WAY) as rollout:
        await rollout.reaches(2, 5)
        await rollout.replaced(2, 3)
        await is_healthy(scene, "Progressing", "2 of 5 groups are ready")
        await scene.make_ready(4, 3, 2)
        await rollout.until_phase(Phase.GATED)
        held = f"held at partition 2, and waits: rollwright status lws/{NAME}"
        await is_healthy(scene, "Healthy", held)
        await raise_max_unavailable(scene)
        await rollout.until_phase(Phase.STALLED, "maxUnavailable")
        theirs = f"somebody else has changed it during a rollout: rollwright status lws/{NAME}"
        await is_healthy(scene, "Degraded", theirs)
        await rollout.send(Message.RESUME, side=Side.OURS)
        await is_healthy(scene, "Healthy", held)
        await rollout.send(Message.ABORT)
        assert (await rollout.result()).phase is Phase.ABORTED
    assert RECORD in (await scene.lws())["metadata"]["annotations"]
    await is_healthy(scene, "Healthy", held)
    async with scene.rollout(TWO_TWO.model_copy(update={"max_surge": 0})) as rollout:
        await scene.make_ready(1, 0)
        assert (await rollout.result()).phase is Phase.COMPLETED
    assert_left_alone(await scene.lws())
    await is_healthy(scene, "Healthy", "4 groups are ready")


def test_argo_cd_is_told_of_an_object_that_its_controller_has_not_looked_at_yet() -> None:
    new = {"metadata": {"name": NAME, "generation": 1}, "spec": {"replicas": 4}}
    assert health(new) == ("Progressing", "0 of 4 groups are ready")
    ready = {"readyReplicas": 4, "updatedReplicas": 4, "observedGeneration": 1}
    assert health(new | {"status": ready}) == ("Healthy", "4 groups are ready")
    changed = {"metadata": {"name": NAME, "generation": 2}, "spec": {"replicas": 4}, "status": ready}
    assert health(changed) == ("Progressing", "the last change is not taken up yet")
    updating = new | {"status": {**ready, "updatedReplicas": 3}}
    assert health(updating) == ("Progressing", "3 of 4 groups are updated")
    surge = {"annotations": {RECORD: '{"version":1,"replicas":3,"groups":4,"found":null}'}}
    surged = {"metadata": {"name": NAME, "generation": 1, **surge}, "spec": {"replicas": 4}, "status": ready}
    assert health(surged) == ("Progressing", "a rollout is under way, with 4 groups")


async def test_a_job_is_superseded_by_somebody_elses_template_and_by_a_retarget(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await scene.start_worker()
    file = scene.folder / "rollout.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "rollwright/v1",
                "kind": "Rollout",
                "target": {"name": NAME, "namespace": scene.namespace.name},
                "change": Change(patch={"workerTemplate": {"metadata": {"labels": {"v": "3"}}}}).model_dump(
                    exclude_none=True
                ),
                "strategy": Strategy(steps=(GatedStep(until=1),)).model_dump(mode="json", include={"steps"}),
            }
        )
    )
    jobs = []
    for number in range(2):
        log = scene.folder / f"job-{number}.log"
        jobs.append(await scene._rollwright("start", f"--file={file}", "--wait", "--request-id=build-8", log=log))
        await jobs[-1].says("gated")
    await change_the_template(scene)
    for job in jobs:
        await job.says("stalled: frozen")
    await scene.rollwright("resume", "--theirs")
    for job in jobs:
        assert await job.ended() == 6
        assert "superseded: somebody has put another change in the place" in job.log.read_text()

    again = await scene._rollwright(
        "start", f"--file={file}", "--wait", "--on-conflict=retarget", log=file.with_suffix(".log")
    )
    await again.says("gated")
    await scene.rollwright("start", "--restart", "--on-conflict=retarget", "--actor=ann", "--reason=hotfix")
    assert await again.ended() == 6
    assert "superseded: ann has put another change in the place of the one that was waited for (hotfix)" in (
        again.log.read_text()
    )
