# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""The stand-in on a real API server: groups that restart, workers that wait, objects that are refused."""

import asyncio
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from kubernetes.aio.client import ApiClient, ApiException
from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part
from rollwright.devcluster.standin import labels
from tests.devcluster.standin.namespace import Json, Namespace, is_ready, is_terminating, until

pytestmark = pytest.mark.real


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def api(devcluster: DevCluster) -> AsyncIterator[ApiClient]:
    client = await new_client_from_config(str(devcluster.kubeconfig), persist_config=False)
    async with client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(api: ApiClient) -> AsyncIterator[Namespace]:
    """An empty namespace, gone after the test: some groups would restart for ever."""
    namespace = Namespace(api, f"standin-{uuid.uuid4().hex[:8]}")
    await namespace.create()
    yield namespace
    await namespace.delete()


def manifest(*, name: str = "m", group: Json | None = None, played: Json | None = None, **spec: Any) -> Json:
    """Return two groups of two, ready at once, unless `group`, `played` (annotations of the pods) and `spec` differ."""
    annotations = {
        f"devcluster.rollwright.io/{key}": value for key, value in {"ready-after": "0s", **(played or {})}.items()
    }
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "m", "image": "m:v1"}]}}
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "metadata": {"name": name},
        "spec": {
            "replicas": 2,
            **spec,
            "leaderWorkerTemplate": {"size": 2, **(group or {}), "workerTemplate": template},
        },
    }


async def available(namespace: Namespace) -> dict[str, Json]:
    """Wait until the set is ready as a whole and return its pods."""
    await until(
        lambda: namespace.set("m"), lambda lws: lws.get("status", {}).get("readyReplicas") == lws["spec"]["replicas"]
    )
    return await namespace.pods()


async def test_the_pods_of_a_group_know_their_place(namespace: Namespace) -> None:
    await namespace.create_set(manifest())

    worker = (await available(namespace))["m-1-1"]

    place = {
        key: worker["metadata"]["labels"][key] for key in (labels.SET_NAME, labels.GROUP_INDEX, labels.WORKER_INDEX)
    }
    assert place == {labels.SET_NAME: "m", labels.GROUP_INDEX: "1", labels.WORKER_INDEX: "1"}
    assert worker["metadata"]["annotations"][labels.LEADER_NAME] == "m-1"
    assert {variable["name"]: variable["value"] for variable in worker["spec"]["containers"][0]["env"]} == {
        "LWS_LEADER_ADDRESS": f"m-1.m.{namespace.name}",
        "LWS_GROUP_SIZE": "2",
        "LWS_WORKER_INDEX": "1",
    }


async def test_each_group_has_a_service_if_asked_for(namespace: Namespace) -> None:
    await namespace.create_set(manifest(networkConfig={"subdomainPolicy": "UniquePerReplica"}))

    pods = await available(namespace)

    assert {name: pod["spec"]["subdomain"] for name, pod in pods.items()} == {
        "m-0": "m-0",
        "m-0-1": "m-0",
        "m-1": "m-1",
        "m-1-1": "m-1",
    }
    assert set(await namespace.services()) == {"m-0", "m-1"}


async def test_a_deleted_worker_restarts_its_group_and_no_other(namespace: Namespace) -> None:
    await namespace.create_set(manifest())
    before = await available(namespace)

    await namespace.delete_pod("m-1-1")

    def recreated(pods: dict[str, Json]) -> bool:
        return all(name in pods and is_ready(pods[name]) and not is_terminating(pods[name]) for name in before) and (
            pods["m-1"]["metadata"]["uid"] != before["m-1"]["metadata"]["uid"]
        )

    after = await until(namespace.pods, recreated)
    uids = [{name: pod["metadata"]["uid"] for name, pod in pods.items()} for pods in (before, after)]
    assert {name for name in before if uids[0][name] != uids[1][name]} == {"m-1", "m-1-1"}


async def test_without_a_restart_policy_a_deleted_worker_comes_back_alone(namespace: Namespace) -> None:
    await namespace.create_set(manifest(group={"restartPolicy": "None"}))
    before = await available(namespace)

    await namespace.delete_pod("m-1-1")

    def came_back(pods: dict[str, Json]) -> bool:
        return "m-1-1" in pods and pods["m-1-1"]["metadata"]["uid"] != before["m-1-1"]["metadata"]["uid"]

    await until(namespace.pods, came_back)
    after = await available(namespace)
    assert after["m-1"]["metadata"]["uid"] == before["m-1"]["metadata"]["uid"]


async def test_a_crash_loop_shows_as_ever_new_leaders(namespace: Namespace) -> None:
    await namespace.create_set(manifest(played={"fail": "crash-loop", "fail-groups": "[1]"}))
    leaders: set[str] = set()

    def third_leader(pods: dict[str, Json]) -> bool:
        leaders.update(pod["metadata"]["uid"] for name, pod in pods.items() if name == "m-1")
        return len(leaders) >= 3

    pods = await until(namespace.pods, third_leader)
    assert is_ready(pods["m-0"])


async def test_workers_wait_for_a_ready_leader_if_asked_to(namespace: Namespace) -> None:
    await namespace.create_set(manifest(startupPolicy="LeaderReady", replicas=1, played={"ready-after": "24h"}))
    await namespace.make_ready("m-0")
    await until(lambda: namespace.apps("statefulsets"), lambda statefulsets: "m-0" in statefulsets)

    leader, worker = (await until(namespace.pods, lambda pods: "m-0-1" in pods)).values()

    ready_at = next(c["lastTransitionTime"] for c in leader["status"]["conditions"] if c["type"] == "Ready")
    assert worker["metadata"]["creationTimestamp"] >= ready_at


async def test_what_belongs_to_a_set_goes_with_it(namespace: Namespace) -> None:
    await namespace.create_set(manifest())
    await available(namespace)

    await namespace.delete_set("m")

    await until(namespace.pods, lambda pods: not pods)
    await until(lambda: namespace.apps("statefulsets"), lambda statefulsets: not statefulsets)
    await until(lambda: namespace.apps("controllerrevisions"), lambda revisions: not revisions)
    await until(namespace.services, lambda services: not services)


async def test_what_changed_while_the_stand_in_was_down_is_done_when_it_is_back(
    namespace: Namespace, devcluster: DevCluster
) -> None:
    await namespace.create_set(manifest())
    await available(namespace)

    await devcluster.stop_part(Part.LWS_STAND_IN)
    await namespace.patch_set("m", {"spec": {"replicas": 3}})
    await devcluster.start_part(Part.LWS_STAND_IN)

    assert set(await available(namespace)) == {"m-0", "m-0-1", "m-1", "m-1-1", "m-2", "m-2-1"}


async def test_it_ends_cleanly_on_sigterm(devcluster: DevCluster) -> None:
    # What it can't do in a namespace that is being deleted, it would say.
    leaving = ("get", "namespaces", "--field-selector=status.phase=Terminating", "--output=name")
    await until(lambda: devcluster.kubectl(*leaving), "".__eq__, within_seconds=60)
    arguments = ("-m", "rollwright.devcluster.standin", "--kubeconfig", str(devcluster.kubeconfig))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while b"ready" not in await process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        assert (await process.stderr.read(), await process.wait()) == (b"", 0)


async def test_what_is_left_out_gets_the_defaults_of_lws(namespace: Namespace) -> None:
    lws = await namespace.create_set(manifest())

    assert lws["spec"]["rolloutStrategy"] == {
        "type": "RollingUpdate",
        "rollingUpdateConfiguration": {"partition": 0, "maxUnavailable": 1, "maxSurge": 0},
    }
    assert lws["spec"]["startupPolicy"] == "LeaderCreated"
    assert lws["spec"]["networkConfig"] == {"subdomainPolicy": "Shared"}
    assert lws["spec"]["leaderWorkerTemplate"]["restartPolicy"] == "RecreateGroupOnPodRestart"


def update(**configuration: int | str) -> Json:
    return {"rolloutStrategy": {"rollingUpdateConfiguration": configuration}}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        (update(maxUnavailable=0, maxSurge=0), "0 while maxSurge is 0 too"),
        (update(maxUnavailable="49%", maxSurge="0%"), "0 while maxSurge is 0 too"),
        (update(maxUnavailable="101%"), "0% to 100%"),
        (update(maxSurge="-1%"), "0% to 100%"),
        (update(maxSurge=-1), "0% to 100%"),
        (update(partition=-1), "partition: below 0"),
        ({"group": {"size": 0}}, "size: 0 is below 1"),
        ({"replicas": 2147483647}, "more than 2147483647"),
        ({"name": "1m"}, "metadata.name"),
    ],
)
async def test_what_lws_refuses_is_refused_as_forbidden(namespace: Namespace, spec: Json, complaint: str) -> None:
    with pytest.raises(ApiException) as refusal:
        await namespace.create_set(manifest(**spec))
    assert refusal.value.status == 403
    assert complaint in str(refusal.value.body)


async def test_a_scale_is_not_checked_against_the_budgets(namespace: Namespace) -> None:
    """A later write of the object itself is then refused, also one that leaves the budgets alone."""
    await namespace.create_set(manifest(**update(maxUnavailable="50%")))
    scale = await namespace.patch_set("m", {"spec": {"replicas": 1}}, subresource="/scale")
    assert scale["spec"]["replicas"] == 1
    with pytest.raises(ApiException, match="0 while maxSurge is 0 too"):
        await namespace.patch_set("m", {"metadata": {"labels": {"a": "b"}}})


async def test_percentages_that_leave_something_are_accepted(namespace: Namespace) -> None:
    await namespace.create_set(manifest(**update(maxUnavailable=0, maxSurge="1%")))
    await namespace.create_set(manifest(name="half", **update(maxUnavailable="50%")))
