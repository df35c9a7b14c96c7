"""A new version that is broken, one way after the other: what is seen of it on a real API server, by whose words."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from kubernetes.aio.config import new_client_from_config

from rollwright.cluster.api import connect
from rollwright.cluster.snapshot import now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout import spec
from rollwright.rollout.observation import Cause, Observation
from rollwright.rollout.ordeals import Start
from tests.devcluster.standin.namespace import Json, Namespace, until

pytestmark = pytest.mark.real

NAME = "llm"
PATIENCE = timedelta(minutes=2)
"""Some things are normal for a minute: the tests look from so much later."""
LEADER, WORKER = "leaderTemplate", "workerTemplate"


def template(*, fail: str = "", image: str = "model:1", gpus: int = 0, **spec: Any) -> Json:
    """A pod's."""
    told = {"devcluster.rollwright.io/ready-after": "0s"} | ({"devcluster.rollwright.io/fail": fail} if fail else {})
    containers = [{"name": "model", "image": image, "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}]
    return {
        "metadata": {"annotations": told},
        "spec": {"containers": containers, "terminationGracePeriodSeconds": 1, **spec},
    }


def failing(how: str) -> Json:
    return template(fail=how, image="model:2")


UNBOUND: Json = {"volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}]}


class Seen(NamedTuple):
    """What the product makes of a target at one moment."""

    observation: Observation
    starts: list[Start]


@dataclass
class Target:
    """Three groups of two that serve; only the last one takes up a new version."""

    namespace: Namespace
    lws: LiveTarget

    async def create(self, restart_policy: str, gone_after: str = "200ms") -> None:
        update = {"partition": 2, "maxUnavailable": 1}
        pod = template()
        pod["metadata"]["annotations"]["devcluster.rollwright.io/gone-after"] = gone_after
        pods = {"size": 2, LEADER: pod, WORKER: pod, "restartPolicy": restart_policy}
        await self.namespace.create_set(
            {
                "apiVersion": "leaderworkerset.x-k8s.io/v1",
                "kind": "LeaderWorkerSet",
                "metadata": {"name": NAME},
                "spec": {
                    "replicas": 3,
                    "rolloutStrategy": {"rollingUpdateConfiguration": update},
                    "leaderWorkerTemplate": pods,
                },
            }
        )
        await until(lambda: self.namespace.set(NAME), lambda lws: lws.get("status", {}).get("readyReplicas") == 3)

    async def change(self, part: str, pod: Json) -> None:
        path = f"/spec/leaderWorkerTemplate/{part}"
        await self.namespace.patch_set(NAME, [{"op": "replace", "path": path, "value": pod}])

    async def look(self, later: timedelta = timedelta()) -> Seen:
        read = await self.lws.read()
        seen = read.observe(None, 30, now() + later)
        return Seen(seen, read.starts(seen))

    async def shows(self, cause: Cause, words: str, later: timedelta = timedelta()) -> Seen:
        """Wait until the last group does."""
        return await until(partial(self.look, later), partial(_shows, cause=cause, words=words))


def _shows(seen: Seen, *, cause: Cause, words: str) -> bool:
    group = seen.observation.groups[2]
    return group.updated and group.cause is cause and words in group.reason


@pytest_asyncio.fixture(loop_scope="session")
async def target(devcluster: DevCluster) -> AsyncIterator[Target]:
    async with (
        await new_client_from_config(str(devcluster.kubeconfig), persist_config=False) as client,
        connect(str(devcluster.kubeconfig)) as api,
    ):
        namespace = Namespace(client, f"causes-{uuid.uuid4().hex[:8]}")
        await namespace.create()
        yield Target(namespace, LiveTarget(api, Watches(api), spec.Target(namespace=namespace.name, name=NAME)))
        await namespace.delete()


@pytest.mark.parametrize(
    ("part", "broken", "cause", "words"),
    [
        pytest.param(
            WORKER,
            template(gpus=999),
            Cause.UNSCHEDULABLE,
            "llm-2-1: Unschedulable: 0/8 nodes are available: 8 Insufficient nvidia.com/gpu",
            id="too many GPUs",
        ),
        pytest.param(
            LEADER,
            template(schedulingGates=[{"name": "queue/admission"}]),
            Cause.GATED,
            "llm-2: SchedulingGated: queue/admission: Scheduling is blocked",
            id="gated",
        ),
        pytest.param(
            WORKER,
            template(**UNBOUND),
            Cause.VOLUME,
            'llm-2-1: Unschedulable: 0/8 nodes are available: persistentvolumeclaim "weights" not found',
            id="no claim",
        ),
        pytest.param(
            LEADER,
            failing("image-pull"),
            Cause.IMAGE,
            'llm-2: ImagePullBackOff: Back-off pulling image "model:2"',
            id="image of the leader",
        ),
        pytest.param(
            WORKER,
            failing("image-pull"),
            Cause.IMAGE,
            'llm-2-1: ImagePullBackOff: Back-off pulling image "model:2"',
            id="image of the worker",
        ),
        pytest.param(
            WORKER,
            failing("config"),
            Cause.CONFIG,
            'llm-2-1: CreateContainerConfigError: secret "told-to-fail" not found',
            id="no secret",
        ),
        pytest.param(
            WORKER,
            failing("crash-loop"),
            Cause.CRASH,
            "llm-2-1: CrashLoopBackOff: model exited with 1 (Error): told to crash",
            id="crash loop",
        ),
        pytest.param(
            LEADER, failing("volume"), Cause.VOLUME, "llm-2: PodReadyToStartContainers is False since", id="no sandbox"
        ),
        pytest.param(
            WORKER, failing("node-lost"), Cause.NODE, "llm-2-1: nothing is heard of its node gpu-0", id="node lost"
        ),
        pytest.param(
            LEADER,
            failing("not-ready"),
            Cause.UNREADY,
            "llm-2: containers with unready status: [model]",
            id="readiness probe",
        ),
    ],
)
async def test_a_broken_version_tells_what_is_wrong_with_it(
    target: Target, part: str, broken: Json, cause: Cause, words: str
) -> None:
    await target.create(restart_policy="None")

    await target.change(part, broken)
    seen = await target.shows(cause, words, PATIENCE)

    assert [group.available for group in seen.observation.groups] == [True, True, False]
    assert [(start.ordinal, start.cause) for start in seen.starts] == [(2, cause)]
    assert seen.starts[0].leader == (await target.namespace.pods())["llm-2"]["metadata"]["uid"]


async def test_an_eviction_is_told_as_the_api_server_does(
    target: Target, devcluster: DevCluster, tmp_path: Path
) -> None:
    await target.create(restart_policy="None", gone_after="20s")

    eviction = tmp_path / "eviction.json"
    kind = {"apiVersion": "policy/v1", "kind": "Eviction"}
    eviction.write_text(json.dumps({**kind, "metadata": {"name": "llm-2-1", "namespace": target.namespace.name}}))
    path = f"/api/v1/namespaces/{target.namespace.name}/pods/llm-2-1/eviction"
    await devcluster.kubectl("create", f"--raw={path}", f"--filename={eviction}")

    await target.shows(Cause.NODE, "llm-2-1: EvictionByEvictionAPI: Eviction API: evicting")


async def test_a_version_is_broken_for_itself_alone(target: Target) -> None:
    await target.create(restart_policy="None")
    await target.change(WORKER, failing("image-pull"))
    await target.shows(Cause.IMAGE, "llm-2-1: ImagePullBackOff")

    await target.change(WORKER, template(image="model:3"))

    await until(target.look, lambda seen: seen.observation.available == 3)


async def test_a_crash_loop_that_recreates_its_group_is_told_each_time_with_another_leader(target: Target) -> None:
    await target.create(restart_policy="RecreateGroupOnPodRestart")
    await target.change(WORKER, failing("crash-loop"))

    leaders: set[str] = set()
    while len(leaders) < 3:
        await target.shows(Cause.CRASH, "llm-2-1: ")
        seen = await until(target.look, partial(_is_led_anew, leaders=leaders))
        leaders.add(seen.starts[0].leader)


def _is_led_anew(seen: Seen, *, leaders: set[str]) -> bool:
    return bool(seen.starts) and seen.starts[0].leader not in {"", *leaders}
