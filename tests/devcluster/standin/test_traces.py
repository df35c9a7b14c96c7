# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""The stand-in does what LWS v0.9.0 did: recorded actions, replayed, lead through the recorded states.

Time plays no part. What the world did (an action, pods becoming ready) is taken from a recording step by step, and
what the controllers made of it is compared wherever the recording shows that they had come to rest before the next one.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio
from kubernetes.aio.client import ApiClient, CoreV1Api, CustomObjectsApi, V1Namespace, V1ObjectMeta
from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.standin import labels
from rollwright.devcluster.state import ClusterSettings

Json = dict[str, Any]

TRACES = Path(__file__).parents[2] / "data" / "lws-v0.9.0-traces"
# The parts of a recorded state were read one after another: one that lasted less may mix two moments.
AT_REST_SECONDS = 0.15
# Pods that were created together became ready together, more or less.
TOGETHER_SECONDS = 0.3
DEADLINE_SECONDS = 20.0
POLL_SECONDS = 0.03


class Step(NamedTuple):
    """What the world did, and what was seen before it did the next thing."""

    stimulus: Json
    """{"action": ...} as recorded, or {"ready": names of pods}."""
    leaders: Json | None
    """The leader StatefulSet; None if LWS had not seen the stimulus yet."""
    at_rest: Json | None
    """All that is compared; None if something was still moving."""
    untouched: frozenset[str]
    """The groups that stayed ready on one revision all the while."""


class Revisions:
    """Names for the revisions of one run: a hash is called by the number it first appeared with."""

    def __init__(self) -> None:
        self._names = {"": "none"}

    def learn(self, state: Json) -> None:
        for name in sorted(state["controllerRevisions"], key=lambda name: int(name.rsplit("-", 1)[1])):
            _, revision_hash, number = name.rsplit("-", 2)
            self._names.setdefault(revision_hash, f"r{number}")

    def leaders(self, state: Json) -> Json | None:
        """Return what is compared of the leader StatefulSet, None if LWS has not seen the newest object."""
        if state["leader_sts"] is None or state["lws"]["generation"] != state["status"]["observedGeneration"]:
            return None
        return {**state["leader_sts"], "revision": self._names[state["leader_sts"]["revision"]]}

    def at_rest(self, state: Json, size: int) -> Json | None:
        """Return what is compared of a whole state, None if something in it is on its way."""
        leaders, groups = self.leaders(state), state["groups"]
        if leaders is None or sorted(map(int, groups)) != list(range(leaders["replicas"])):
            return None
        summaries = {ordinal: self._group(group, size) for ordinal, group in groups.items()}
        if None in summaries.values():
            return None
        numbered = [name.rsplit("-", 2)[1:] for name in state["controllerRevisions"]]
        revisions = sorted(f"{self._names[revision_hash]} as {number}" for revision_hash, number in numbered)
        return {"leaders": leaders, "groups": summaries, "revisions": revisions, "status": state["status"]}

    def _group(self, group: Json, size: int) -> str | None:
        pods = [pod for role, pod in group.items() if role != "workers"]
        workers = group.get("workers")
        revisions = {part["revision"] for part in group.values()}
        readiness = {pod["ready"] for pod in pods} | ({workers["ready"] == size - 1} if workers else set())
        complete = len(pods) == size and (workers is not None or size == 1) and "leader" in group
        if not complete or any(pod["terminating"] for pod in pods) or len(revisions) > 1 or len(readiness) > 1:
            return None
        return f"{self._names[revisions.pop()]}, {'ready' if readiness.pop() else 'starting'}"


class Segment(NamedTuple):
    """The recorded lines from one stimulus to the next: the stimulus, and the states with the seconds they lasted."""

    stimulus: Json
    began: float
    states: list[tuple[Json, float]]


def _ready_pods(state: Json) -> set[str]:
    """Return the names of the ready pods, but for those of a former leader of their group or of one on its way out."""
    return {
        f"t-{ordinal}" if role == "leader" else f"t-{ordinal}-{role.removeprefix('worker-')}"
        for ordinal, group in state["groups"].items()
        if "leader" in group and not group["leader"]["terminating"]
        for role, pod in group.items()
        if role != "workers"
        and pod["revision"] == group["leader"]["revision"]
        and pod["ready"]
        and not pod["terminating"]
    }


def _ready_groups(state: Json, size: int) -> frozenset[str]:
    ready = _ready_pods(state)
    return frozenset(
        ordinal
        for ordinal, group in state["groups"].items()
        if ready >= {f"t-{ordinal}", *(f"t-{ordinal}-{index}" for index in range(1, size))}
        and group.get("workers", {"ready": size - 1})["ready"] == size - 1
    )


def size_of(lines: Iterable[Json]) -> int:
    """Return the pods in a group of a recording."""
    return max(len(group) - ("workers" in group) for line in lines for group in line.get("groups", {}).values())


def segments_of(lines: list[Json]) -> Iterator[Segment]:
    """Cut a recording at its actions and where pods became ready."""
    ends = [line["t"] for line in lines[1:]] + [float("inf")]
    ready: set[str] = set()
    segment: Segment | None = None
    for line, end in zip(lines, ends, strict=True):
        if "action" in line:
            if str(line["action"]).startswith("adopt"):
                continue  # a remark on the next one
            if segment:
                yield segment
            segment = Segment({"action": line["action"]}, line["t"], [])
            continue
        assert segment is not None
        newly_ready = _ready_pods(line) - ready
        ready = _ready_pods(line)
        if newly_ready and "ready" in segment.stimulus and line["t"] - segment.began < TOGETHER_SECONDS:
            segment.stimulus["ready"] |= newly_ready
        elif newly_ready:
            yield segment
            segment = Segment({"ready": newly_ready}, line["t"], [])
        segment.states.append((line, end - line["t"]))
    assert segment is not None
    yield segment


def steps_of(lines: list[Json]) -> list[Step]:
    """Return what a recording asks of a replay."""
    size, revisions, steps = size_of(lines), Revisions(), []
    for segment in segments_of(lines):
        if not segment.states:
            steps.append(Step(segment.stimulus, None, None, frozenset()))
            continue
        for state, _ in segment.states:
            revisions.learn(state)
        last, lasted_seconds = segment.states[-1]
        steps.append(
            Step(
                stimulus=segment.stimulus,
                leaders=revisions.leaders(last),
                at_rest=revisions.at_rest(last, size) if lasted_seconds >= AT_REST_SECONDS else None,
                untouched=frozenset.intersection(*(_ready_groups(state, size) for state, _ in segment.states)),
            )
        )
    return steps


def read_trace(name: str) -> list[Json]:
    return [json.loads(line) for line in (TRACES / f"{name}.jsonl").read_text().splitlines()]


class Replay:
    """One object on a real API server, its groups ready when they are told to be and not before."""

    def __init__(self, api: ApiClient, namespace: str, size: int) -> None:
        self._custom, self._core = CustomObjectsApi(api), CoreV1Api(api)
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
                await self._core.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=self._namespace)))
                await self._custom.create_namespaced_custom_object(*self._lws[:-1], _first_manifest(self._size))
            case {"action": {"patch": patch}}:
                await self._custom.patch_namespaced_custom_object(
                    *self._lws, patch, _content_type="application/json-patch+json"
                )
            case {"action": str(text)}:
                await self._core.delete_namespaced_pod(text.removeprefix("delete pod "), self._namespace)
            case {"ready": names}:
                for name in sorted(names):
                    await self._make_ready(name)
            case _:
                raise AssertionError(f"nobody knows how to replay {stimulus}")

    @property
    def _lws(self) -> tuple[str, str, str, str, str]:
        return labels.GROUP, "v1", self._namespace, "leaderworkersets", "t"

    async def _make_ready(self, name: str) -> None:
        """Make a pod ready, once it runs."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                pods = {pod["metadata"]["name"]: pod for pod in await self._pods()}
                if name in pods and pods[name]["status"]["phase"] == "Running" and not _is_terminating(pods[name]):
                    break
                await asyncio.sleep(POLL_SECONDS)
        ready = {"status": {"conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")]}}
        await self._core.patch_namespaced_pod_status(name, self._namespace, ready)

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
            self._custom.get_namespaced_custom_object(*self._lws),
            self._list("statefulsets"),
            self._list("controllerrevisions"),
            self._pods(),
        )
        assert isinstance(lws, dict)
        groups: dict[str, Json] = {}
        for pod in pods:
            role = f"worker-{pod['metadata']['labels'][labels.WORKER_INDEX]}".replace("worker-0", "leader")
            groups.setdefault(pod["metadata"]["labels"][labels.GROUP_INDEX], {})[role] = _pod_state(pod)
        leaders = None
        for statefulset in statefulsets:
            if statefulset["metadata"]["name"] == "t":
                leaders = _leaders_state(statefulset)
            else:
                ordinal = statefulset["metadata"]["labels"][labels.GROUP_INDEX]
                groups.setdefault(ordinal, {})["workers"] = _workers_state(statefulset)
        return {
            "lws": {"generation": lws["metadata"]["generation"]},
            "leader_sts": leaders,
            "status": _status(lws),
            "controllerRevisions": [
                revision["metadata"]["name"]
                for revision in revisions
                if revision["metadata"]["ownerReferences"][0]["kind"] == labels.KIND
            ],
            "groups": groups,
        }

    async def _leader_uids(self) -> dict[str, str]:
        """Return the uid of each leader pod that isn't on its way out, by group."""
        return {
            pod["metadata"]["labels"][labels.GROUP_INDEX]: pod["metadata"]["uid"]
            for pod in await self._pods()
            if pod["metadata"]["labels"][labels.WORKER_INDEX] == "0" and not _is_terminating(pod)
        }

    async def _pods(self) -> list[Json]:
        response = await self._core.list_namespaced_pod_without_preload_content(self._namespace)
        pods: list[Json] = (await response.json())["items"]
        return pods

    async def _list(self, plural: str) -> list[Json]:
        listing = await self._custom.list_namespaced_custom_object("apps", "v1", self._namespace, plural)
        assert isinstance(listing, dict)
        items: list[Json] = listing["items"]
        return items


def _pod_state(pod: Json) -> Json:
    conditions = {condition["type"]: condition["status"] for condition in pod["status"].get("conditions", [])}
    return {
        "revision": pod["metadata"]["labels"][labels.REVISION],
        "ready": conditions.get("Ready") == "True",
        "terminating": _is_terminating(pod),
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


def _is_terminating(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


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


NAMES = sorted(path.stem for path in TRACES.glob("*.jsonl"))


@pytest.mark.real
@pytest.mark.parametrize("name", NAMES)
async def test_the_stand_in_goes_through_the_recorded_states(api: ApiClient, name: str) -> None:
    lines = read_trace(name)
    await Replay(api, namespace=name, size=size_of(lines)).run(steps_of(lines))


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_says_what_to_expect_at_most_steps(name: str) -> None:
    """A replay is worth as much as what it compares."""
    steps = steps_of(read_trace(name))
    assert len(steps) >= 7
    assert sum(step.leaders is not None for step in steps) >= len(steps) - 2
    assert sum(step.at_rest is not None for step in steps) >= len(steps) * 2 / 3
    assert steps[-1].at_rest is not None
