"""The embedded Kubernetes itself, on its real parts."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import pytest_asyncio

from rollwright.devcluster import DevClusterError, processes
from rollwright.devcluster.cluster import DevCluster, PartState
from rollwright.devcluster.credentials import KWOK
from rollwright.devcluster.parts import Part
from rollwright.devcluster.state import ClusterSettings
from tests.devcluster.standin.namespace import until

pytestmark = pytest.mark.real

PREFIX = "devcluster.rollwright.io/"
SMALL = ClusterSettings(gpu_nodes=1, gpus_per_node=8, feature_gates={"MaxUnavailableStatefulSet": True})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def small() -> AsyncIterator[DevCluster]:
    """A second cluster with one node, beside the one that all tests share; other tests may break its parts."""
    started = time.monotonic()
    cluster = await DevCluster.up(f"test-{os.getpid()}-small", SMALL)
    print(f"up in {time.monotonic() - started:.1f} s")
    yield cluster
    await cluster.down()


class Namespace:
    """A namespace of a test's own."""

    def __init__(self, cluster: DevCluster) -> None:
        self.cluster = cluster
        self.name = f"test-{token_hex(4)}"

    async def kubectl(self, *arguments: str) -> str:
        return await self.cluster.kubectl(f"--namespace={self.name}", *arguments)

    async def stateful_set(self, name: str, *, replicas: int, annotations: Mapping[str, str], gpus: int = 0) -> None:
        container = {"name": "main", "image": "model:1", "resources": {"limits": {"nvidia.com/gpu": gpus}}}
        template = {
            "metadata": {"labels": {"app": name}, "annotations": {PREFIX + k: v for k, v in annotations.items()}},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 3600},
        }
        spec = {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}},
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        }
        await self.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec})

    async def job(self, name: str, **annotations: str) -> None:
        """A Job of one pod, told so; `_` in the place of `-`."""
        told = {PREFIX + told.replace("_", "-"): how for told, how in annotations.items()}
        pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "probe:1"}]}
        spec = {"backoffLimit": 0, "template": {"metadata": {"annotations": told}, "spec": pod}}
        await self.create({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})

    async def pod_of(self, job: str) -> Any:
        """The pod of a Job, once there is one."""
        selector = f"--selector=batch.kubernetes.io/job-name={job}"
        await self.kubectl("wait", "--for=create", "--timeout=30s", "pod", selector)
        (pod,) = json.loads(await self.kubectl("get", "pods", selector, "--output=json"))["items"]
        return pod

    async def create(self, manifest: Mapping[str, Any]) -> None:
        path = self.cluster.kubeconfig.parent / f"{token_hex(4)}.json"
        path.write_text(json.dumps(manifest))
        await self.kubectl("create", f"--filename={path}")
        path.unlink()

    async def get(self, kind: str, name: str) -> Any:
        return json.loads(await self.kubectl("get", kind, name, "--output=json"))

    async def wait(self, condition: str, *objects: str) -> None:
        """Wait for a condition; objects that are yet to come are waited for too."""
        for one in objects:  # of several that are all missing kubectl doesn't wait for any
            await self.kubectl("wait", "--for=create", "--timeout=30s", one)
        await self.kubectl("wait", f"--for={condition}", "--timeout=30s", *objects)


@asynccontextmanager
async def namespace_of(cluster: DevCluster) -> AsyncIterator[Namespace]:
    namespace = Namespace(cluster)
    await cluster.kubectl("create", "namespace", namespace.name)
    yield namespace
    await cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


@pytest_asyncio.fixture
async def namespace(devcluster: DevCluster) -> AsyncIterator[Namespace]:
    async with namespace_of(devcluster) as namespace:
        yield namespace


@pytest_asyncio.fixture
async def small_namespace(small: DevCluster) -> AsyncIterator[Namespace]:
    async with namespace_of(small) as namespace:
        yield namespace


def condition_of(pod: Any, kind: str) -> Any:
    return next(condition for condition in pod["status"]["conditions"] if condition["type"] == kind)


async def test_each_group_becomes_ready_after_its_own_time(namespace: Namespace) -> None:
    annotations = {"ready-after": "100ms-300ms", "ready-after-by-group": '{"1": "1h"}'}
    await namespace.stateful_set("s", replicas=3, annotations=annotations)

    await namespace.wait("condition=Ready", "pod/s-0", "pod/s-2")
    await namespace.wait("jsonpath={.status.phase}=Running", "pod/s-1")

    late = await namespace.get("pod", "s-1")
    assert late["status"]["phase"] == "Running"
    assert condition_of(late, "Ready")["status"] == "False"


async def test_the_named_groups_crash_and_the_others_do_not(namespace: Namespace) -> None:
    annotations = {"ready-after": "0s", "fail": "crash-loop", "fail-groups": "[1]"}
    await namespace.stateful_set("s", replicas=2, annotations=annotations)

    await namespace.wait("condition=Ready", "pod/s-0")
    await namespace.wait("jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff", "pod/s-1")

    crashed = (await namespace.get("pod", "s-1"))["status"]["containerStatuses"][0]
    assert crashed["restartCount"] > 0
    assert not crashed["ready"]


async def test_an_image_that_cannot_be_pulled_is_named_in_the_reason(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"fail": "image-pull"})

    await namespace.wait("jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", "pod/s-0")

    pod = await namespace.get("pod", "s-0")
    assert '"model:1"' in pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"]
    assert pod["status"]["phase"] == "Pending"


@pytest.mark.parametrize("mode", ["crash-loop", "image-pull", "config", "volume", "not-ready", "node-lost"])
async def test_a_live_pod_fails_when_it_is_told_to_and_recovers_when_it_is_told_no_more(
    namespace: Namespace, mode: str
) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s"})
    await namespace.wait("condition=Ready", "pod/s-0")

    await namespace.kubectl("annotate", "pod", "s-0", f"{PREFIX}fail={mode}")
    await namespace.wait("condition=Ready=False", "pod/s-0")

    await namespace.kubectl("annotate", "pod", "s-0", f"{PREFIX}fail-")
    await namespace.wait("condition=Ready", "pod/s-0")


async def test_a_crash_is_followed_by_a_restart_and_the_next_one_by_a_back_off(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s", "fail": "crash-loop"})

    await namespace.wait("jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff", "pod/s-0")
    waiting = await namespace.get("pod", "s-0")
    await namespace.wait("jsonpath={.status.containerStatuses[0].restartCount}=2", "pod/s-0")

    assert waiting["status"]["containerStatuses"][0]["restartCount"] == 1
    assert waiting["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 1
    assert condition_of(await namespace.get("pod", "s-0"), "Ready") == condition_of(waiting, "Ready")


async def test_a_pod_that_is_told_when_to_crash_is_ready_until_then(namespace: Namespace) -> None:
    annotations = {"ready-after": "0s", "fail": "crash-loop", "crash-after": "3s"}
    await namespace.stateful_set("s", replicas=1, annotations=annotations)

    for restarts in range(2):
        await namespace.wait("condition=Ready", "pod/s-0")
        await namespace.wait(f"jsonpath={{.status.containerStatuses[0].restartCount}}={restarts + 1}", "pod/s-0")


async def test_the_pod_of_a_job_ends_with_the_exit_code_it_is_told_and_0_if_it_is_told_none(
    namespace: Namespace,
) -> None:
    await namespace.job("passes", exit_after="100ms")
    await namespace.job("fails", exit_after="100ms", exit_code="3")

    await namespace.wait("condition=Complete", "job/passes")
    await namespace.wait("condition=Failed", "job/fails")

    for job, phase, code in (("passes", "Succeeded", 0), ("fails", "Failed", 3)):
        status = (await namespace.pod_of(job))["status"]
        assert (status["phase"], status["containerStatuses"][0]["state"]["terminated"]["exitCode"]) == (phase, code)


async def test_the_pod_of_a_job_runs_until_its_time_which_may_be_changed(namespace: Namespace) -> None:
    await namespace.job("j", exit_after="1h")
    await namespace.wait("jsonpath={.status.ready}=1", "job/j")
    pod = await namespace.pod_of("j")

    await namespace.kubectl("annotate", "--overwrite", "pod", pod["metadata"]["name"], f"{PREFIX}exit-after=0s")

    assert pod["status"]["phase"] == "Running"
    await namespace.wait("condition=Complete", "job/j")


async def test_the_pod_of_a_job_may_fail_to_start_as_any_other(namespace: Namespace) -> None:
    await namespace.job("j", exit_after="0s", fail="image-pull")

    pod = (await namespace.pod_of("j"))["metadata"]["name"]

    await namespace.wait("jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", f"pod/{pod}")


async def test_a_pod_of_no_job_does_not_end_whatever_it_is_told(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s", "exit-after": "0s"})
    await namespace.wait("condition=Ready", "pod/s-0")

    await namespace.job("j", exit_after="500ms")
    await namespace.wait("condition=Complete", "job/j")

    pod = await namespace.get("pod", "s-0")
    assert (pod["status"]["phase"], condition_of(pod, "Ready")["status"]) == ("Running", "True")


async def test_the_log_of_a_pod_is_the_file_that_is_named_for_it(namespace: Namespace, tmp_path: Path) -> None:
    log = tmp_path / "main.log"
    log.write_text("".join(f"2026-01-01T00:00:00Z stdout F line {number}\n" for number in range(3)))
    spec = {"selector": {"matchNamespaces": [namespace.name]}, "logs": [{"logsFile": str(log)}]}
    kind = {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs"}
    await namespace.create({**kind, "metadata": {"name": namespace.name}, "spec": spec})
    await namespace.job("j", exit_after="0s")
    await namespace.wait("condition=Complete", "job/j")

    async def told() -> str:
        try:
            return await namespace.kubectl("logs", "--tail=2", "job/j")
        except DevClusterError as error:
            return str(error)

    await until(told, "line 1\nline 2\n".__eq__)  # kwok learns of the rule in a while


async def test_changes_of_a_pod_do_not_put_off_its_readiness(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"ready-after": "2s"})
    await namespace.wait("create", "pod/s-0")

    async with asyncio.timeout(30):
        changes = 0
        while not any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in (await namespace.get("pod", "s-0"))["status"].get("conditions", [])
        ):
            changes += 1
            await namespace.kubectl("annotate", "--overwrite", "pod", "s-0", f"changes={changes}")


async def test_a_deleted_pod_goes_without_waiting_for_its_grace_period(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s"})
    await namespace.wait("condition=Ready", "pod/s-0")

    await namespace.kubectl("scale", "statefulset", "s", "--replicas=0")

    await namespace.kubectl("wait", "--for=delete", "pod/s-0", "--timeout=30s")


async def test_a_late_deletion_spares_the_pod_that_has_followed_under_the_same_name(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s"})
    await namespace.wait("condition=Ready", "pod/s-0")
    before = (await namespace.get("pod", "s-0"))["metadata"]["uid"]

    with pytest.raises(DevClusterError, match="nobody has asked for the deletion of this pod"):
        await namespace.kubectl("delete", "pod", "s-0", "--now", f"--as={KWOK.name}")

    assert (await namespace.get("pod", "s-0"))["metadata"]["uid"] == before


async def test_what_an_object_owns_goes_with_it(namespace: Namespace) -> None:
    await namespace.stateful_set("s", replicas=2, annotations={})
    await namespace.wait("create", "pod/s-0", "pod/s-1")

    await namespace.kubectl("delete", "statefulset", "s")

    await namespace.kubectl("wait", "--for=delete", "pod/s-0", "pod/s-1", "--timeout=30s")


async def test_a_pod_waits_until_there_are_gpus_for_it(small_namespace: Namespace) -> None:
    await small_namespace.stateful_set("first", replicas=1, annotations={}, gpus=8)
    await small_namespace.wait("condition=Ready", "pod/first-0")
    await small_namespace.stateful_set("second", replicas=1, annotations={}, gpus=1)
    await small_namespace.wait("condition=PodScheduled=False", "pod/second-0")
    waiting = condition_of(await small_namespace.get("pod", "second-0"), "PodScheduled")

    await small_namespace.kubectl("delete", "statefulset", "first")

    assert waiting["reason"] == "Unschedulable"
    assert "Insufficient nvidia.com/gpu" in waiting["message"]
    await small_namespace.wait("condition=Ready", "pod/second-0")


async def test_a_feature_gate_holds_for_its_own_cluster_only(namespace: Namespace, small_namespace: Namespace) -> None:
    for one in (namespace, small_namespace):
        await one.stateful_set("s", replicas=0, annotations={})

    without = (await namespace.get("statefulset", "s"))["spec"]["updateStrategy"]["rollingUpdate"]
    with_gate = (await small_namespace.get("statefulset", "s"))["spec"]["updateStrategy"]["rollingUpdate"]

    assert "maxUnavailable" not in without
    assert with_gate["maxUnavailable"] == 2


async def test_the_cluster_goes_on_after_any_part_was_stopped_and_started(small_namespace: Namespace) -> None:
    cluster = small_namespace.cluster
    for part in Part:
        await cluster.stop_part(part)
        assert not await cluster.is_up()
        await cluster.start_part(part)

    assert await cluster.is_up()
    await small_namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s"})
    await small_namespace.wait("condition=Ready", "pod/s-0")


async def test_a_frozen_part_does_nothing_until_it_is_thawed(small_namespace: Namespace) -> None:
    cluster = small_namespace.cluster

    async def states() -> set[PartState]:
        return {status.state for status in cluster.status() if status.part is Part.CONTROLLER_MANAGER}

    cluster.freeze_part(Part.CONTROLLER_MANAGER)
    try:
        # The signal stops a process a moment after it was sent.
        assert await until(states, lambda seen: seen == {PartState.FROZEN})
        await small_namespace.stateful_set("s", replicas=1, annotations={"ready-after": "0s"})
        assert await small_namespace.kubectl("get", "pods", "--output=name") == ""
    finally:
        cluster.thaw_part(Part.CONTROLLER_MANAGER)

    await small_namespace.wait("condition=Ready", "pod/s-0")


async def test_the_command_line_tells_about_a_cluster_that_is_up(small: DevCluster) -> None:
    async def dev(*arguments: str) -> str:
        command = ("-m", "rollwright.cli.dev", *arguments, "--name", small.name)
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        assert process.returncode == 0
        return output.decode()

    view = json.loads(await dev("status", "--json"))

    assert view["up"]
    assert view["settings"] == SMALL.model_dump()
    assert (await dev("kubeconfig")).strip() == str(small.kubeconfig)
    assert "Starting Kubernetes Scheduler" in await dev("logs", "kube-scheduler")


async def test_up_of_a_cluster_that_is_up_leaves_it_alone_and_says_so(small: DevCluster) -> None:
    before = small.status()
    lines: list[str] = []

    await DevCluster.up(small.name, SMALL, report=lines.append)

    assert lines == [f"cluster {small.name} is up already"]
    assert small.status() == before


async def test_up_replaces_a_part_that_died_and_leaves_the_others(small: DevCluster) -> None:
    before = {status.part: status.pid for status in small.status()}
    await processes.kill(small.kubeconfig.parent, Part.KWOK)

    await DevCluster.up(small.name, SMALL)

    after = {status.part: status.pid for status in small.status()}
    assert {part for part in Part if before[part] != after[part]} == {Part.KWOK}


async def test_up_with_other_settings_is_refused_with_what_to_do(small: DevCluster) -> None:
    with pytest.raises(DevClusterError, match=f"other settings.*rollwright dev down --name {small.name}"):
        await DevCluster.up(small.name, ClusterSettings(gpu_nodes=2))


async def test_down_leaves_nothing_after_up_was_killed_half_way() -> None:
    cluster = DevCluster(f"test-{os.getpid()}-killed")
    up = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "rollwright.cli.dev", "up", "--name", cluster.name, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        while Part.API_SERVER not in {process.part for process in processes.find(cluster.kubeconfig.parent)}:
            assert up.returncode is None, (await up.communicate())[1].decode()
            await asyncio.sleep(0.01)
    up.send_signal(signal.SIGKILL)
    await up.communicate()
    record = cluster.record
    assert record is not None
    assert processes.find(cluster.kubeconfig.parent)

    await cluster.down()

    assert processes.find(cluster.kubeconfig.parent) == []
    assert not cluster.kubeconfig.parent.exists()
    for port in record.ports.model_dump().values():
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0
