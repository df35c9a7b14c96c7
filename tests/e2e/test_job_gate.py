"""A gate of Jobs on the way of a whole rollout: they decide, run once each, and are gone afterwards."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.contract import Message, Phase
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.processes import Process
from tests.e2e.rights import account, grant, without
from tests.e2e.scene import AT_ONCE, NEW, NEW_IMAGE, OLD, Rollout, Scene, assert_left_alone, assert_never_touched

pytestmark = pytest.mark.real

EXIT_AFTER = "devcluster.rollwright.io/exit-after"
EXIT_CODE = "devcluster.rollwright.io/exit-code"
AT_WORD = "1h"
"""Jobs that end when the test says so."""


def template(exit_after: str = "0s", exit_code: int = 0, image: str = "probe:1") -> Json:
    told = {EXIT_AFTER: exit_after, EXIT_CODE: str(exit_code)}
    containers = [{"name": "probe", "image": image}]
    return {"template": {"metadata": {"annotations": told}, "spec": {"containers": containers}}}


def gated(of: Json, *, until: int = 1, **given: Any) -> Strategy:
    """A rollout with a job gate once so many groups are updated."""
    gate = JobGate.model_validate({"template": of, **given})
    return Strategy(max_unavailable=2, steps=(GatedStep(until=until, gates=(gate,)),))


async def found(scene: Scene, kind: str = "jobs") -> dict[str, Json]:
    """All Jobs of the namespace, or all pods of any, by name."""
    selector = "--selector=rollwright.io/gate"
    items: list[Json] = json.loads(await scene.kubectl("get", kind, selector, "--output=json"))["items"]
    return {item["metadata"]["name"]: item for item in items}


async def of_groups(scene: Scene, *ordinals: int) -> dict[str, Json]:
    """The Jobs by the group that each runs for, once there is one for each of these and no other."""

    async def by_group() -> dict[str, Json]:
        jobs = (await found(scene)).values()
        return {environment(job)["ROLLWRIGHT_GROUP"]: job for job in jobs}

    return await until(by_group, lambda jobs: set(jobs) == {str(ordinal) for ordinal in ordinals})


def environment(job: Json) -> dict[str, str]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}


async def end(scene: Scene, job: Json) -> None:
    """Have a Job end now, as soon as its pod runs."""
    name = job["metadata"]["name"]
    pods = await until(partial(found, scene, "pods"), lambda pods: any(pod.startswith(name) for pod in pods))
    (pod,) = (pod for pod in pods if pod.startswith(name))
    await scene.kubectl("annotate", "--overwrite", "pod", pod, f"{EXIT_AFTER}=0s")


async def nothing_is_left(scene: Scene) -> None:
    """Neither Jobs nor pods of any."""
    for kind in ("jobs", "pods"):
        await until(partial(found, scene, kind), lambda left: not left)


async def test_jobs_that_succeed_let_the_rollout_go_on_and_are_gone_afterwards(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(template(AT_WORD))) as rollout:
        job = (await of_groups(scene, 3))["3"]
        leader = (await scene.namespace.pods())["llm-3"]
        told = environment(job)
        assert told["ROLLWRIGHT_LEADER_ADDRESS"] == leader["status"]["podIP"]
        assert (told["ROLLWRIGHT_LEADER_POD"], told["ROLLWRIGHT_STEP"]) == ("llm-3", "1")
        await rollout.until_phase(Phase.GATED, "0 of 1 Jobs have succeeded")
        assert_never_touched(rollout.seen, 0, 1, 2)
        await end(scene, job)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert any("gate 1 passed: job: 1 of 1 Jobs have succeeded" in event.what for event in result.events)
    await nothing_is_left(scene)
    assert await scene.images() == {NEW}
    assert_left_alone(await scene.lws())


async def test_a_job_that_fails_takes_the_rollout_back_and_the_end_of_its_log_is_kept(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    await has_log(scene, "asked for a haiku", "\x1b[31mgot 3 tokens of nonsense")
    async with scene.rollout(gated(template(exit_code=3), onFailure="rollback")) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    (why,) = (event.reason for event in result.events if event.what.startswith("rollback"))
    assert why.startswith("gate job failed: group 3: probe exited with 3 (Error); ")
    assert why.endswith("its log ends: asked for a haiku / [31mgot 3 tokens of nonsense")
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert len(rollout.seen.leaders[3]) == 3
    await nothing_is_left(scene)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def test_jobs_that_run_when_people_decide_otherwise_are_gone_too(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(template(AT_WORD), until=2)) as rollout:
        await of_groups(scene, 2, 3)
        await until(partial(checked_by, rollout, rollout.worker), lambda known: "running" in known)
        await rollout.send(Message.ROLLBACK)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    await nothing_is_left(scene)
    assert_left_alone(await scene.lws())


async def test_a_job_that_runs_when_the_worker_dies_goes_on_and_one_that_has_ended_is_not_run_again(
    scene: Scene,
) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(template(AT_WORD), until=2, parallel=1)) as rollout:
        first = (await of_groups(scene, 2))["2"]
        await end(scene, first)
        both = await of_groups(scene, 2, 3)
        await until(partial(checked_by, rollout, rollout.worker), lambda known: '"2":"succeeded"' in known)
        await scene.kubectl("delete", "job", first["metadata"]["name"])  # as one that has expired
        await rollout.worker.kill()

        other = await scene.start_worker()
        await until(partial(checked_by, rollout, other), bool)
        assert (await of_groups(scene, 3))["3"]["metadata"]["uid"] == both["3"]["metadata"]["uid"]
        await end(scene, both["3"])
        await rollout.until(lambda now: now.gate is None)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    await nothing_is_left(scene)
    assert_left_alone(await scene.lws())


async def checked_by(rollout: Rollout, worker: Process) -> str:
    """What this worker has told of the gate that it asks; empty while it asks none."""
    for activity in (await rollout.handle.describe()).raw_description.pending_activities:
        holder = activity.last_worker_identity.partition("@")[0]
        if activity.activity_type.name == "check_gate" and holder == str(worker.pid):
            return "".join(payload.data.decode() for payload in activity.heartbeat_details.payloads)
    return ""


@pytest.mark.parametrize(
    ("of", "rules", "says"),
    [
        pytest.param(template(image=""), None, "containers[0].image: Required value", id="template"),
        pytest.param(template(), without("jobs"), "create jobs {0}: not permitted", id="right"),
    ],
)
async def test_what_could_never_run_is_refused_before_anything_is_touched(
    scene: Scene, of: Json, rules: list[Json] | None, says: str
) -> None:
    await scene.create(ready_after=AT_ONCE)
    before = (await scene.lws())["metadata"]["generation"]
    kubeconfig: Path | None = None
    if rules:
        await grant(scene, rules)
        kubeconfig = await account(scene)
    await scene.start_worker(kubeconfig)
    handle = await scene.start(gated(of), NEW_IMAGE)
    with pytest.raises(WorkflowFailureError) as refused:
        await handle.result()
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.message.startswith("gate job of step 1: ")
    assert says.format(scene.namespace.name) in refused.value.cause.message
    assert (await scene.lws())["metadata"]["generation"] == before
    assert await found(scene) == {}


async def has_log(scene: Scene, *lines: str) -> None:
    """Whatever runs in the namespace has written this."""
    path = scene.folder / "container.log"
    path.write_text("".join(f"2026-01-01T00:00:00Z stdout F {line}\n" for line in lines))
    spec = {"selector": {"matchNamespaces": [scene.namespace.name]}, "logs": [{"logsFile": str(path)}]}
    kind = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs"}
    await scene.apply({**kind, "metadata": {"name": scene.namespace.name}, "spec": spec})
