"""`make bench`: how fast rollwright reacts and what a rollout costs, on the real parts. Prints one JSON object.

Times come from one process that watches the API server: milliseconds from the arrival of the event that made a group
ready to the arrival of the accepted patch it caused. The numbers depend on the machine; compare within a run.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from rollwright.cluster.api import LEADER_WORKER_SETS, PODS, Api, Manifest, connect
from rollwright.cluster.names import NAME, WORKER_INDEX
from rollwright.cluster.watching import Watches
from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.simulator import World, simulate
from rollwright.rollout.spec import Change, Pacing, RolloutSpec, Strategy, Target
from rollwright.worker.run import make_worker
from rollwright.workflows.contract import (
    PHASE_ATTRIBUTE,
    REVISION_ATTRIBUTE,
    STATUS,
    TARGET_ATTRIBUTE,
    WORKFLOW_TYPE,
    Message,
    RolloutInput,
    RolloutStatus,
)
from tests.bench.steering import shown_milliseconds

NAMESPACE = "default"
TARGET = "bench"
_DEADLINE_SECONDS = 300


@dataclass(frozen=True)
class Case:
    """One rollout to measure."""

    name: str
    replicas: int
    strategy: Strategy
    start_up_seconds: dict[int, float] = field(default_factory=dict)
    """By ordinal; the others take the default."""
    default_seconds: float = 2.0

    def start_up(self, ordinal: int) -> float:
        return self.start_up_seconds.get(ordinal, self.default_seconds)


CASES = [
    Case("the documentation's example, equal start-up times", 4, Strategy(max_unavailable=2, max_surge=2)),
    Case("24 groups, equal start-up times", 24, Strategy(max_unavailable=3, max_surge=2)),
    Case(
        "24 groups, eager, all different, so that each readiness is a step",
        24,
        Strategy(max_unavailable=2, max_surge=1, pacing=Pacing.EAGER),
        {ordinal: 1.5 + 0.17 * (ordinal * 7 % 25) for ordinal in range(25)},
    ),
]


STEERED = Case("steered", 4, Strategy(max_unavailable=1), default_seconds=3.0)


@dataclass
class Reactions:
    """Milliseconds from a readiness to the write it caused, by the arrival of both at this watcher."""

    api: Api
    milliseconds: list[float] = field(default_factory=list)
    _ready_at: float | None = None
    _ready: set[str] = field(default_factory=set)
    _generation: int = 0

    async def follow(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_pods())
            group.create_task(self._follow_target())

    async def _follow_pods(self) -> None:
        listing = await self.api.list_all(PODS, NAMESPACE, NAME)
        for pod in listing["items"]:
            self._see_pod(pod)
        self._ready_at = None
        async for event in self.api.watch(PODS, NAMESPACE, NAME, listing["metadata"]["resourceVersion"]):
            if event["type"] != "BOOKMARK":
                self._see_pod(event["object"])

    async def _follow_target(self) -> None:
        listing = await self.api.list_all(LEADER_WORKER_SETS, NAMESPACE)
        version = listing["metadata"]["resourceVersion"]
        async for event in self.api.watch(LEADER_WORKER_SETS, NAMESPACE, "", version):
            generation = event["object"]["metadata"].get("generation", 0)
            if generation > self._generation:
                self._generation = generation
                if self._ready_at is not None:
                    self.milliseconds.append(1000 * (time.perf_counter() - self._ready_at))
                    self._ready_at = None

    def _see_pod(self, pod: Manifest) -> None:
        uid = pod["metadata"]["uid"]
        conditions = pod.get("status", {}).get("conditions", [])
        ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
        if ready and uid not in self._ready and pod["metadata"]["labels"].get(WORKER_INDEX) == "0":
            self._ready.add(uid)
            self._ready_at = time.perf_counter()


def manifest(case: Case) -> Manifest:
    """Groups of one pod, so that a group is ready when its pod is."""
    seconds = {str(ordinal): f"{case.start_up(ordinal):.2f}s" for ordinal in range(2 * case.replicas)}
    annotations = {"devcluster.rollwright.io/ready-after-by-group": json.dumps(seconds)}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": TARGET},
        "spec": {
            "replicas": case.replicas,
            "leaderWorkerTemplate": {
                "size": 1,
                "workerTemplate": {
                    "metadata": {"annotations": annotations},
                    "spec": {"containers": [{"name": "model", "image": "model:1"}]},
                },
            },
        },
    }


async def measure(case: Case, api: Api, client: Client) -> dict[str, Any]:
    """Run one rollout and tell its numbers."""
    async with _target(api, case):
        reactions = Reactions(api)
        following = asyncio.create_task(reactions.follow())
        before = api.requests.copy()
        began = time.perf_counter()
        handle = await _start(client, case)
        result = await asyncio.wait_for(handle.result(), _DEADLINE_SECONDS)
        seconds = time.perf_counter() - began
        following.cancel()
        requests = api.requests - before
        events = [event async for event in handle.fetch_history_events()]
    return {
        "case": case.name,
        "result": result.phase,
        "groups": case.replicas,
        "steps": result.steps,
        "seconds": round(seconds, 2),
        "seconds_over_lower_bound": round(seconds - lower_bound(case), 2),
        "ready_to_patch_ms": _percentiles(reactions.milliseconds),
        "events": len(events),
        "events_per_step": round(len(events) / result.steps, 1),
        "api_requests": sum(requests.values()),
        "api_requests_by_kind": dict(sorted(requests.items())),
        "available_min": result.available_min,
        "groups_max": result.groups_max,
    }


async def measure_steering(cluster: DevCluster, api: Api, client: Client) -> dict[str, Any]:
    """Run one rollout to which something is said all the time, and abort it."""
    async with _target(api, STEERED):
        handle = await _start(client, STEERED)
        async with asyncio.timeout(_DEADLINE_SECONDS):
            while (await handle.query(STATUS, result_type=RolloutStatus)).steps < 2:
                await asyncio.sleep(0.1)
        shown = await shown_milliseconds(handle, cluster)
        began = time.perf_counter()
        await handle.signal(Message.ABORT, {"actor": "bench"})
        result = await asyncio.wait_for(handle.result(), _DEADLINE_SECONDS)
        seconds = time.perf_counter() - began
    return {
        "result": result.phase,
        "message_shown_ms": {when: _percentiles(found) for when, found in shown.items()},
        "abort_to_result_seconds": round(seconds, 2),
    }


def lower_bound(case: Case) -> float:
    """Seconds that the same plan takes when everybody reacts at once: the simulator with no delays."""
    *_, last = simulate(case.strategy, World(case.replicas), case.start_up)
    return last.seconds


async def _start(client: Client, case: Case) -> WorkflowHandle[Any, RolloutStatus]:
    spec = RolloutSpec(
        target=Target(namespace=NAMESPACE, name=TARGET),
        change=Change(images={"model": "model:2"}),
        strategy=case.strategy,
    )
    return await client.start_workflow(
        WORKFLOW_TYPE,
        RolloutInput(spec=spec, task_queue="bench"),
        id=spec.target.workflow_id,
        task_queue="bench",
        result_type=RolloutStatus,
    )


@asynccontextmanager
async def _target(api: Api, case: Case) -> AsyncIterator[None]:
    """A LeaderWorkerSet with all groups ready; gone with its pods afterwards."""
    await api.create(LEADER_WORKER_SETS, NAMESPACE, manifest(case))
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while await _ready_groups(api) < case.replicas:
            await asyncio.sleep(0.2)
    yield
    await api.delete(LEADER_WORKER_SETS, NAMESPACE, TARGET)
    async with asyncio.timeout(_DEADLINE_SECONDS):
        while (await api.list_all(PODS, NAMESPACE, NAME))["items"]:
            await asyncio.sleep(0.2)


async def _ready_groups(api: Api) -> int:
    lws = await api.get(LEADER_WORKER_SETS, NAMESPACE, TARGET)
    ready: int = lws.get("status", {}).get("readyReplicas", 0)
    return ready


def _percentiles(milliseconds: list[float]) -> dict[str, float]:
    if len(milliseconds) < 2:
        return {"n": len(milliseconds)}
    cuts = statistics.quantiles(milliseconds, n=100, method="inclusive")
    return {"n": len(milliseconds), "p50": round(cuts[49], 1), "p99": round(cuts[98], 1)}


async def main() -> dict[str, Any]:
    """Bring everything up, measure each case, take everything down."""
    name = f"bench-{os.getpid()}"
    cluster = await DevCluster.up(name, report=lambda line: print(line, file=sys.stderr))
    try:
        attributes = [TARGET_ATTRIBUTE, PHASE_ATTRIBUTE, REVISION_ATTRIBUTE]
        server = await WorkflowEnvironment.start_local(
            data_converter=pydantic_data_converter,
            dev_server_existing_path=str(Path(sys.executable).with_name("temporal")),
            search_attributes=attributes,
        )
        async with server as environment, connect(str(cluster.kubeconfig)) as api:
            watches = Watches(api)
            async with make_worker(environment.client, api, watches, "bench"):
                cases = [await measure(case, api, environment.client) for case in CASES]
                steering = await measure_steering(cluster, api, environment.client)
            await watches.close()
    finally:
        await cluster.down()
    return {"cores": os.cpu_count(), "rollouts": cases, "steering": steering}


def _only_ours_on_stdout() -> int:
    """Let what children print go to stderr; where our own output goes is returned."""
    ours = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return ours


if __name__ == "__main__":
    with os.fdopen(_only_ours_on_stdout(), "w") as stdout:
        print(json.dumps(asyncio.run(main()), indent=2), file=stdout)
