"""With deploy/admission.yaml, a rollout changes what runs, and nothing of what that may do."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import yaml

from rollwright.workflows.contract import Phase
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.documented import TWO_TWO
from tests.e2e.rights import DOCUMENTED, account, grant, namespaces_of
from tests.e2e.scene import AT_ONCE, NAME, NEW_IMAGE, Scene

pytestmark = pytest.mark.real

POLICY = DOCUMENTED.with_name("admission.yaml")
PODS: dict[str, Json] = {
    "the account": {"serviceAccountName": "admin"},
    "the account by its older name": {"serviceAccount": "admin"},
    "the account's token": {"automountServiceAccountToken": True},
    "a folder of the host": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
    "a Secret": {"volumes": [{"name": "key", "secret": {"secretName": "key"}}]},
    "the network of the host": {"hostNetwork": True},
    "privileges": {"containers": [{"name": "model", "image": "m:2", "securityContext": {"privileged": True}}]},
    "another container": {"containers": [{"name": "model", "image": "m:1"}, {"name": "spy", "image": "s:1"}]},
    "a Secret in the environment": {
        "containers": [
            {
                "name": "model",
                "image": "m:2",
                "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "key", "key": "key"}}}],
            }
        ]
    },
}


@asynccontextmanager
async def admitting(scene: Scene) -> AsyncIterator[None]:
    """The policy for the worker of a scene, once the API server goes by it."""
    _, workers = namespaces_of(scene.namespace.name)
    items = list(yaml.safe_load_all(POLICY.read_text().replace(":rollwright:rollwright", f":{workers}:rollwright")))
    for item in items:
        item["metadata"]["name"] += f"-{scene.namespace.name}"
    items[1]["spec"]["policyName"] = items[0]["metadata"]["name"]
    path = scene.folder / "admission.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    await scene.cluster.kubectl("apply", f"--filename={path}")
    try:
        await until(lambda: refusal(scene, PODS["the account"]), lambda said: "a rollout may" in said)
        yield
    finally:
        await scene.cluster.kubectl("delete", f"--filename={path}")


async def refusal(scene: Scene, pod: Json) -> str:
    """What the API server says if the worker writes this into the pods of the target; empty if it takes it."""
    spec = {"leaderWorkerTemplate": {"workerTemplate": {"spec": pod}}}
    return await _tried(scene, "patch", "lws", NAME, "--type=merge", f"--patch={json.dumps({'spec': spec})}")


async def refusal_of_job(scene: Scene, pod: Json) -> str:
    """The same of a Job that the worker makes."""
    containers = [{"name": "smoke", "image": "smoke:1"}]
    template = {"spec": {"containers": containers, "restartPolicy": "Never", **pod}}
    path = scene.folder / "job.json"
    path.write_text(
        json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}})
    )
    return await _tried(scene, "create", f"--filename={path}")


async def _tried(scene: Scene, *arguments: str) -> str:
    _, workers = namespaces_of(scene.namespace.name)
    who = f"--as=system:serviceaccount:{workers}:rollwright"
    try:
        await scene.cluster.kubectl(*arguments, who, f"--namespace={scene.namespace.name}", "--dry-run=server")
    except Exception as refused:  # noqa: BLE001 - whatever kubectl has said
        return str(refused)
    return ""


async def test_a_rollout_changes_what_runs_and_nothing_of_what_that_may_do(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await grant(scene)
    async with admitting(scene):
        for what, pod in PODS.items():
            assert "a rollout may" in await refusal(scene, pod), what
        for what in ("the account", "a folder of the host", "a Secret", "the network of the host"):
            assert "the Job of a gate runs as" in await refusal_of_job(scene, PODS[what]), what
        assert await refusal_of_job(scene, {"volumes": [{"name": "scratch", "emptyDir": {}}]}) == ""
        await scene.start_worker(await account(scene))
        async with scene.rollout(TWO_TWO, NEW_IMAGE) as forward:
            assert (await forward.result()).phase is Phase.COMPLETED
