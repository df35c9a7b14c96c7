"""A worker that may do what deploy/rbac.yaml says, and nothing else."""

import json

import pytest

from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import Change, Strategy
from rollwright.workflows.contract import Message, Phase
from tests.e2e.documented import TWO_TWO
from tests.e2e.rights import account, grant, namespaces_of
from tests.e2e.scene import AT_ONCE, NAME, NEW, Scene, assert_left_alone, broken

pytestmark = pytest.mark.real

GOES_BACK = Strategy(max_unavailable=1, max_surge=1, failure_grace=1, on_stall=OnFailure.ROLLBACK)


async def test_the_documented_rights_are_enough_for_all_that_a_rollout_may_do(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await scene.namespace.patch_set(NAME, {"metadata": {"annotations": {"rollwright.io/history-limit": "1"}}})
    await grant(scene)
    worker = await scene.start_worker(await account(scene))
    async with scene.rollout(TWO_TWO) as forward:
        assert (await forward.result()).phase is Phase.COMPLETED
    assert (4, 6) in forward.seen.partition_replicas  # it could be seen that there is no autoscaler

    async with scene.rollout(TWO_TWO, broken("not-ready")) as aborted:
        await aborted.reaches(2, 6)
        await aborted.send(Message.ABORT)
        assert (await aborted.result()).phase is Phase.ABORTED
    assert await kept(scene) == [(f"model={NEW}", "completed"), (f"model={NEW}", "aborted")]  # the first is deleted
    async with scene.rollout(TWO_TWO, Change(), begun_by=("rollback",)) as back:
        assert (await back.result()).phase is Phase.COMPLETED

    async with scene.rollout(GOES_BACK, broken("image-pull")) as failed:
        assert (await failed.result()).phase is Phase.ROLLED_BACK
    assert await kept(scene) == [(f"model={NEW}", "completed"), (f"model={NEW}", "rolled")]
    assert "not permitted" not in worker.log.read_text()
    assert_left_alone(await scene.lws())


async def test_a_pod_beside_the_target_is_not_the_worker_whatever_its_account(scene: Scene) -> None:
    """Whoever starts rollouts chooses the account of such a pod, and what it mounts."""
    await grant(scene, counting=True)
    targets, workers = namespaces_of(scene.namespace.name)
    assert await accounts(scene, workers) == {"rollwright"}
    assert await accounts(scene, targets) == set()
    for resource, verb in (("pods", "delete"), ("jobs.batch", "create"), ("nodes", "list")):
        assert await may(scene, verb, resource, account_in=workers, at=targets)
        assert not await may(scene, verb, resource, account_in=targets, at=targets)
    for resource in ("pods", "jobs.batch", "secrets"):
        assert not await may(scene, "create", resource, account_in=workers, at=workers)


async def accounts(scene: Scene, namespace: str) -> set[str]:
    """The service accounts of a namespace, but for the one that each has."""
    items = json.loads(await scene.cluster.kubectl("get", "sa", f"--namespace={namespace}", "--output=json"))["items"]
    return {item["metadata"]["name"] for item in items} - {"default"}


async def may(scene: Scene, verb: str, resource: str, *, account_in: str, at: str) -> bool:
    """Whether the account rollwright of a namespace may do this in another, as the API server has it."""
    plural, _, group = resource.partition(".")
    asked = {"namespace": at, "verb": verb, "resource": plural, "group": group}
    spec = {"user": f"system:serviceaccount:{account_in}:rollwright", "resourceAttributes": asked}
    path = scene.folder / "review.json"
    path.write_text(json.dumps({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}))
    answer = json.loads(await scene.cluster.kubectl("create", f"--filename={path}", "--output=json"))
    allowed: bool = answer["status"]["allowed"]
    return allowed


async def kept(scene: Scene) -> list[tuple[str, str]]:
    """Image of each template that is kept, and how its rollout ended, in a word."""
    revisions = json.loads(await scene.rollwright("history", "--json"))["revisions"]
    return [(*revision["images"], revision["outcome"].split(" ")[0]) for revision in revisions]
