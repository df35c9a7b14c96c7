# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""The stand-in does what LWS v0.9.0 did: recorded actions, replayed, lead through the recorded states.

What the world did (an action, pods becoming ready) is taken from a recording step by step, and what the controllers
made of it is compared wherever the recording shows that they had come to rest before the next one.
"""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from kubernetes.aio.client import ApiClient
from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.standin import labels
from rollwright.devcluster.state import ClusterSettings
from tests.devcluster.standin.namespace import DEADLINE_SECONDS, POLL_SECONDS, Json, Namespace, is_ready, is_terminating
from tests.devcluster.standin.recordings import NAMES, Revisions, Step, read_trace, size_of, steps_of


class Replay:
    """One object on a real API server, its groups ready when they are told to be and not before."""

    def __init__(self, namespace: Namespace, size: int) -> None:
        self._namespace, self._size = namespace, size
        self._revisions = Revisions()

    async def run(self, steps: list[Step]) -> None:
        """Do and compare step by step; what was done before LWS could react is done at once."""
        uids = await self._leader_uids()
        for number, step in enumerate(steps):
            await self._do(step.stimulus)
            if step.leaders is None and step.at_rest is None:
                continue
            title = f"step {number}, {step.stimulus}"
            await self._await(step, title)
            uids_before, uids = uids, await self._leader_uids()
            restarted = {ordinal for ordinal in step.untouched if uids_before[ordinal] != uids.get(ordinal)}
            assert not restarted, f"{title}: groups restarted that LWS left alone"

    async def _do(self, stimulus: Json) -> None:
        match stimulus:
            case {"action": "created"}:
                await self._namespace.create_set(_first_manifest(self._size))
            case {"action": {"patch": patch}}:
                await self._namespace.patch_set("t", patch)
            case {"action": str(text)}:
                await self._namespace.delete_pod(text.removeprefix("delete pod "))
            case {"ready": names}:
                for name in sorted(names):
                    await self._namespace.make_ready(name)
            case _:
                raise AssertionError(f"nobody knows how to replay {stimulus}")

    async def _await(self, step: Step, title: str) -> None:
        """Wait until the state is the recorded one; a partition that goes beyond it and comes back is a failure."""
        partitions = []
        deadline = asyncio.get_running_loop().time() + DEADLINE_SECONDS
        while True:
            state = await self._state()
            self._revisions.learn(state)
            leaders, at_rest = self._revisions.leaders(state), self._revisions.at_rest(state, self._size)
            if leaders is not None:
                partitions.append(leaders["partition"])
            reached = step.leaders in (None, leaders) and step.at_rest in (None, at_rest)
            if reached or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(POLL_SECONDS)
        if step.leaders is not None:
            assert leaders == step.leaders, title
            low, high = sorted((partitions[0], step.leaders["partition"]))
            assert all(low <= partition <= high for partition in partitions), f"{title}: partitions {partitions}"
        if step.at_rest is not None:
            assert at_rest == step.at_rest, f"{title}: {state}"

    async def _state(self) -> Json:
        """Read the state in the form of the recordings."""
        lws, statefulsets, revisions, pods = await asyncio.gather(
            self._namespace.set("t"),
            self._namespace.apps("statefulsets"),
            self._namespace.apps("controllerrevisions"),
            self._namespace.pods(),
        )
        groups: dict[str, Json] = {}
        for pod in pods.values():
            index = pod["metadata"]["labels"][labels.WORKER_INDEX]
            role = "leader" if index == "0" else f"worker-{index}"
            groups.setdefault(pod["metadata"]["labels"][labels.GROUP_INDEX], {})[role] = _pod_state(pod)
        leaders = statefulsets.pop("t", None)
        for workers in statefulsets.values():
            groups.setdefault(workers["metadata"]["labels"][labels.GROUP_INDEX], {})["workers"] = _workers_state(
                workers
            )
        return {
            "lws": {"generation": lws["metadata"]["generation"]},
            "leader_sts": leaders and _leaders_state(leaders),
            "status": _status(lws),
            "controllerRevisions": [
                name
                for name, revision in revisions.items()
                if revision["metadata"]["ownerReferences"][0]["kind"] == labels.KIND
            ],
            "groups": groups,
        }

    async def _leader_uids(self) -> dict[str, str]:
        """Return the uid of each leader pod that isn't on its way out, by group."""
        return {
            pod["metadata"]["labels"][labels.GROUP_INDEX]: pod["metadata"]["uid"]
            for pod in (await self._namespace.pods()).values()
            if pod["metadata"]["labels"][labels.WORKER_INDEX] == "0" and not is_terminating(pod)
        }


def _pod_state(pod: Json) -> Json:
    return {
        "revision": pod["metadata"]["labels"][labels.REVISION],
        "ready": is_ready(pod),
        "terminating": is_terminating(pod),
    }


def _leaders_state(statefulset: Json) -> Json:
    update = statefulset["spec"]["updateStrategy"]["rollingUpdate"]
    return {
        "replicas": statefulset["spec"]["replicas"],
        "partition": update["partition"],
        "maxUnavailable": update["maxUnavailable"],
        "revision": statefulset["metadata"]["labels"][labels.REVISION],
    }


def _workers_state(statefulset: Json) -> Json:
    return {
        "revision": statefulset["metadata"]["labels"][labels.REVISION],
        "replicas": statefulset["spec"]["replicas"],
        "ready": statefulset["status"].get("readyReplicas", 0),
    }


def _status(lws: Json) -> Json:
    status = lws.get("status", {})
    numbers = {key: status.get(key) for key in ("replicas", "readyReplicas", "updatedReplicas", "observedGeneration")}
    return {**numbers, **{condition["type"]: condition["status"] for condition in status.get("conditions", [])}}


def _first_manifest(size: int) -> Json:
    """Return the object all recordings start with, its pods told to become ready in a day."""
    template = {
        "metadata": {"annotations": {"devcluster.rollwright.io/ready-after": "24h"}},
        "spec": {"containers": [{"name": "m", "image": "m:v1"}]},
    }
    return {
        "apiVersion": labels.API_VERSION,
        "kind": labels.KIND,
        "metadata": {"name": "t"},
        "spec": {
            "replicas": 4,
            "rolloutStrategy": {"rollingUpdateConfiguration": {"maxUnavailable": 2, "maxSurge": 2}},
            "leaderWorkerTemplate": {
                "size": size,
                "workerTemplate": template,
                **({"leaderTemplate": template} if size > 1 else {}),
            },
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def api() -> AsyncIterator[ApiClient]:
    """A client of a cluster of the recordings' kind: StatefulSets replace as many pods at once as they may."""
    gates = {"MaxUnavailableStatefulSet": True}
    cluster = await DevCluster.up(f"traces-{os.getpid()}", ClusterSettings(feature_gates=gates))
    client = await new_client_from_config(str(cluster.kubeconfig), persist_config=False)
    async with client:
        yield client
    await cluster.down()


@pytest.mark.real
@pytest.mark.parametrize("name", NAMES)
async def test_the_stand_in_goes_through_the_recorded_states(api: ApiClient, name: str) -> None:
    lines = read_trace(name)
    namespace = Namespace(api, name)
    await namespace.create()
    await Replay(namespace, size_of(lines)).run(steps_of(lines))


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_says_what_to_expect_at_most_steps(name: str) -> None:
    """A replay is worth as much as what it compares."""
    steps = steps_of(read_trace(name))
    assert len(steps) >= 7
    assert sum(step.leaders is not None for step in steps) >= len(steps) - 2
    assert sum(step.at_rest is not None for step in steps) >= len(steps) * 2 / 3
    assert steps[-1].at_rest is not None
