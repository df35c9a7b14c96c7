"""What is refused says what was tried and why."""

import asyncio
import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from rollwright.devcluster import DevClusterError
from rollwright.rollout.spec import Change
from rollwright.workflows.contract import Phase
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.documented import STAGES, TWO_TWO, assert_done_once, play
from tests.e2e.rights import account, documented_rules, grant, reading, without
from tests.e2e.scene import AT_ONCE, BY_HAND, NEW, Rollout, Scene, assert_left_alone

pytestmark = pytest.mark.real

IMAGE = "/spec/leaderWorkerTemplate/workerTemplate/spec/containers/0/image"
LWS = {"apiGroups": ["leaderworkerset.x-k8s.io"], "resources": ["leaderworkersets"]}


async def failure(scene: Scene, image: str = NEW, container: str = "model", kubeconfig: Path | None = None) -> str:
    """What a rollout that can't begin says."""
    await scene.start_worker(kubeconfig)
    handle = await scene.start(TWO_TWO, Change(images={container: image}))
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    assert isinstance(failed.value.cause, ApplicationError)
    return failed.value.cause.message


async def test_a_target_that_is_missing_is_named(scene: Scene) -> None:
    assert f"lws/llm in namespace {scene.namespace.name} does not exist" in await failure(scene)


async def test_a_container_that_is_missing_is_named_beside_those_there_are(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    assert await failure(scene, container="engine") == "there is no container engine in the target; it has model"


async def test_what_admission_refuses_is_refused_before_anything_is_touched(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await refuse_image(scene, "model:unscanned")
    before = (await scene.lws())["metadata"]["generation"]
    message = await failure(scene, image="model:unscanned")
    assert "refused by admission control" in message
    assert "this image has not been scanned" in message
    assert (await scene.lws())["metadata"]["generation"] == before
    assert_left_alone(await scene.lws())


@pytest.mark.parametrize(
    ("rules", "what"),
    [
        pytest.param(reading(documented_rules()), "patch leaderworkersets {0}/llm", id="may only read"),
        pytest.param(without("pods"), "list pods {0}", id="no pods"),
    ],
)
async def test_a_permission_that_is_missing_is_named_by_verb_and_resource(
    scene: Scene, rules: list[Json], what: str
) -> None:
    await scene.create(ready_after=AT_ONCE)
    await grant(scene, rules)
    message = await failure(scene, kubeconfig=await account(scene))
    assert f"{what.format(scene.namespace.name)}: not permitted" in message


async def test_a_permission_found_missing_in_the_middle_stalls_until_it_is_granted(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    await grant(scene, without("pods", "delete"))
    async with scene.rollout(TWO_TWO, kubeconfig=await account(scene)) as rollout:
        stalled = await rollout.until_phase(Phase.STALLED)
        assert f"delete pods {scene.namespace.name}/llm-" in stalled.reason
        assert "not permitted" in stalled.reason
        await grant(scene)
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)


async def test_a_rollout_goes_on_while_others_change_the_same_object(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout, asyncio.TaskGroup() as tasks:
        tasks.create_task(meddle(scene, rollout))
        result = await play(scene, rollout)
    assert result.phase is Phase.COMPLETED
    await assert_done_once(scene, rollout)
    assert (await scene.lws())["spec"]["startupPolicy"] == "LeaderReady"  # theirs stands


async def meddle(scene: Scene, rollout: Rollout) -> None:
    """Change the object right after each stage is written, when the rollout is about to write again."""
    for number, stage in enumerate(STAGES[1:]):
        await rollout.reaches(*stage)
        policy = "LeaderCreated" if number % 2 else "LeaderReady"  # part of the spec, and of no revision
        annotations = {"somebody.example/note": f"at {stage}"}
        await scene.namespace.patch_set(
            "llm", {"metadata": {"annotations": annotations}, "spec": {"startupPolicy": policy}}
        )


async def refuse_image(scene: Scene, image: str) -> None:
    """Have the API server refuse an image in this namespace, and wait until it does."""
    metadata = {"name": scene.namespace.name}
    admission = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": metadata}
    image_of = "object.spec.leaderWorkerTemplate.workerTemplate.spec.containers[0].image"
    rule = {**LWS, "apiVersions": ["v1"], "operations": ["UPDATE"]}
    validation = {"expression": f"{image_of} != '{image}'", "message": "this image has not been scanned"}
    own = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": scene.namespace.name}}}
    await scene.apply(
        {
            **admission,
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [rule], **own},
                "validations": [{**validation, "reason": "Forbidden"}],
            },
        },
        {
            **admission,
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": scene.namespace.name, "validationActions": ["Deny"]},
        },
    )
    for kind in ("validatingadmissionpolicy", "validatingadmissionpolicybinding"):
        scene.cleanup.push_async_callback(scene.kubectl, "delete", kind, scene.namespace.name)
    patch = json.dumps([{"op": "replace", "path": IMAGE, "value": image}])

    async def is_refused() -> bool:
        try:
            await scene.kubectl("patch", "lws", "llm", "--type=json", "--dry-run=server", f"--patch={patch}")
        except DevClusterError:
            return True
        return False

    await until(is_refused, bool)
