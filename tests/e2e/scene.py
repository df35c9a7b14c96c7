"""What an end-to-end test is made of: a target, workers, a rollout, and a witness of the promise."""

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.parts import Part
from rollwright.devcluster.watcher import Watcher
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target, TargetKind
from rollwright.workflows.contract import (
    PHASE_ATTRIBUTE,
    TARGET_ATTRIBUTE,
    Message,
    Phase,
    RolloutInput,
    RolloutStatus,
)
from tests.devcluster.standin.namespace import DEADLINE_SECONDS, Json, Namespace, is_ready, is_terminating, until
from tests.e2e.processes import Process, TemporalServer
from tests.support.restarts import restart_clients
from tests.support.starting import started

NAME = "llm"
OLD, NEW = "model:1", "model:2"
USERS = {"partition": 0, "maxUnavailable": "50%", "maxSurge": 1}
"""What the user has set, unlike anything a rollout sets."""
RECORD, FENCE = "rollwright.io/record", "rollwright.io/fence"
"""Annotations of the target."""
BY_HAND = "1h"
AT_ONCE = "200ms"
CAPTAIN = "ada"
"""Who steers."""
PROGRAM = ("-m", "rollwright.cli.main")
"""What the interpreter is given before a verb."""
NEW_IMAGE = Change(images={"model": NEW})


def broken(how: str, *groups: int) -> Change:
    """A new version that fails in a way the embedded cluster plays, everywhere or in some groups only."""
    return Change(patch={"workerTemplate": broken_pod(how, *groups)})


def broken_pod(how: str, *groups: int) -> Json:
    """The pod template of such a version."""
    told = {"devcluster.rollwright.io/fail": how}
    if groups:
        told["devcluster.rollwright.io/fail-groups"] = json.dumps(groups)
    return {"metadata": {"annotations": told}, "spec": {"containers": [{"name": "model", "image": NEW}]}}


class Waiting(NamedTuple):
    """Who holds the wait of a rollout now."""

    worker: Process
    handed_on: list[str]
    """Why others have let it go, or a wait before it."""


@dataclass
class Rollout:
    """One under way, and who watches it."""

    seen: Watcher
    handle: WorkflowHandle[Any, RolloutStatus]
    workers: list[Process]

    @property
    def worker(self) -> Process:
        """The first worker."""
        return self.workers[0]

    async def reaches(self, partition: int, replicas: int) -> None:
        """Wait until the API server holds this stage."""
        await self.seen.until(lambda: (partition, replicas) in self.seen.partition_replicas)

    async def replaced(self, *ordinals: int) -> None:
        """Wait until these groups have new leaders, ready or not."""
        await self.seen.until(lambda: all(len(self.seen.leaders[ordinal]) == 2 for ordinal in ordinals))

    async def send(self, message: Message, **given: Any) -> None:
        """Steer it, as anybody who can send a signal."""
        await self.handle.signal(message, {"actor": CAPTAIN, **given})

    async def status(self) -> RolloutStatus:
        answer: RolloutStatus = await self.handle.query("status", result_type=RolloutStatus)
        return answer

    async def until(
        self, condition: Callable[[RolloutStatus], object], within_seconds: float = DEADLINE_SECONDS
    ) -> RolloutStatus:
        """Wait until it says so of itself."""
        return await until(self.status, condition, within_seconds)

    async def until_phase(self, phase: Phase, reason: str = "") -> RolloutStatus:
        """Wait until it stands there, and for this reason if one is given."""
        return await self.until(lambda status: status.phase is phase and reason in status.reason)

    async def waiting(self) -> Waiting:
        """Find out which worker holds the wait, once one of those alive does."""
        waiting = await until(self._waiting, bool)
        assert waiting
        return waiting

    async def _waiting(self) -> Waiting | None:
        pending = (await self.handle.describe()).raw_description.pending_activities
        for activity in pending:
            identity = activity.last_worker_identity
            holder = next((worker for worker in self.workers if worker.identity == identity and worker.lives), None)
            if holder and activity.activity_type.name == "wait_readiness":
                return Waiting(holder, [*await self._failures(), activity.last_failure.message])
        return None

    async def _failures(self) -> list[str]:
        """Why attempts of activities have failed, of those that are over by now."""
        started = [event.activity_task_started_event_attributes async for event in self.handle.fetch_history_events()]
        return [attributes.last_failure.message for attributes in started]

    async def result(self) -> RolloutStatus:
        """Its end, also if the server is away for a while."""
        async with asyncio.timeout(180):
            while True:
                try:
                    return await self.handle.result()
                except RPCError:
                    await asyncio.sleep(0.2)


@dataclass
class Scene:
    """One target in a namespace of its own, a LeaderWorkerSet unless another is made, and all that acts on it."""

    cluster: DevCluster
    server: TemporalServer
    client: Client
    namespace: Namespace
    folder: Path
    cleanup: AsyncExitStack
    kind: TargetKind = TargetKind.LEADER_WORKER_SET
    cluster_name: str | None = None
    """What the workers of the cluster go by, if there are several."""
    replicas: int = 4
    manifest: Json = field(default_factory=dict)
    """Of the target, as its user has it."""
    workers: list[Process] = field(default_factory=list)
    shared_queue: str = ""
    """Where its workers take tasks from, if they serve other scenes too."""

    @property
    def queue(self) -> str:
        return self.shared_queue or self.namespace.name

    async def create(
        self,
        replicas: int = 4,
        *,
        size: int = 1,
        gpus: int = 0,
        ready_after: str = "1s",
        update: Json | None = None,
    ) -> None:
        """Make the LeaderWorkerSet and wait until it serves.

        `gpus`: of each pod; `ready_after`: how long each group takes, each time.
        """
        self.replicas = replicas
        pod = {
            "metadata": {"annotations": {"devcluster.rollwright.io/ready-after": ready_after}},
            "spec": {
                "containers": [{"name": "model", "image": OLD, "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}],
                "terminationGracePeriodSeconds": 1,
            },
        }
        self.manifest = {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": {"name": NAME},
            "spec": {
                "replicas": replicas,
                "rolloutStrategy": {"type": "RollingUpdate", "rollingUpdateConfiguration": update or USERS},
                "leaderWorkerTemplate": {"size": size, "workerTemplate": pod},
            },
        }
        await self.namespace.create_set(self.manifest)
        if ready_after == BY_HAND:
            await self.make_ready(*range(replicas), image=OLD)
        await until(self.lws, lambda lws: lws.get("status", {}).get("readyReplicas") == replicas)

    async def create_statefulset(
        self, replicas: int = 4, *, ready_after: str = "1s", policy: str = "Parallel", **spec: Any
    ) -> None:
        """Make a StatefulSet in place of a LeaderWorkerSet and wait until it serves."""
        self.kind, self.replicas = TargetKind.STATEFUL_SET, replicas
        pod = {
            "metadata": {
                "labels": {"app": NAME},
                "annotations": {"devcluster.rollwright.io/ready-after": ready_after},
            },
            "spec": {"containers": [{"name": "model", "image": OLD}], "terminationGracePeriodSeconds": 1},
        }
        self.manifest = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": NAME, "namespace": self.namespace.name},
            "spec": {
                "replicas": replicas,
                "podManagementPolicy": policy,
                "serviceName": NAME,
                "selector": {"matchLabels": {"app": NAME}},
                "template": pod,
                **spec,
            },
        }
        await self.apply(self.manifest)
        if ready_after == BY_HAND:
            await self.make_ready(*range(replicas), image=OLD)
        await until(self.statefulset, lambda found: found.get("status", {}).get("readyReplicas", 0) == replicas)

    async def statefulset(self) -> Json:
        return (await self.namespace.apps("statefulsets"))[NAME]

    async def lws(self) -> Json:
        return await self.namespace.set(NAME)

    async def scale(self, replicas: int) -> None:
        """As a person does."""
        await self.namespace.patch_set(NAME, {"spec": {"replicas": replicas}})

    async def make_ready(self, *ordinals: int, image: str = NEW) -> None:
        """Let groups become ready as soon as their pods of this image run."""
        for ordinal in ordinals:
            name = f"{NAME}-{ordinal}"
            await until(partial(self._runs, name, image), bool)
            await self.namespace.make_ready(name)

    async def _runs(self, name: str, image: str) -> bool:
        pod = (await self.namespace.pods()).get(name)
        return pod is not None and _starts(pod, image)

    async def start_worker(
        self, kubeconfig: Path | None = None, *options: str, program: Sequence[str] = PROGRAM
    ) -> Process:
        """Start a worker and wait until it takes tasks."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        command = ("worker", "--task-queue", self.queue, "--kubeconfig", kubeconfig or self.cluster.kubeconfig)
        named = (f"--cluster={self.cluster_name}",) if self.cluster_name else ()
        worker = await self._rollwright(*command, *named, *options, log=log, program=program)
        self.workers.append(worker)
        self.cleanup.push_async_callback(worker.kill)
        await worker.says("taking tasks")
        return worker

    async def rollwright(self, verb: str, *options: str | Path, code: int = 0) -> str:
        """Run a verb of the command line on the target, which must end with this code; its output."""
        target = f"--target={self.target.word}" if verb == "start" else self.target.word
        return await self.run(verb, target, f"--namespace={self.namespace.name}", *options, code=code)

    async def run(self, verb: str, *options: str | Path, code: int = 0) -> str:
        """Run a verb of the command line, which must end with this code; its output."""
        log = self.folder / f"{verb}-{uuid.uuid4().hex}.log"
        process = await self._rollwright(verb, *options, log=log)
        assert await process.ended() == code, log.read_text()
        return log.read_text()

    async def plan(self, *options: str | Path, file: Path) -> str:
        """Plan the rollout that a file describes; the output."""
        return await self.run("plan", "--file", file, *options)

    async def report_of(self, history: Path) -> str:
        """Tell of a run by its downloaded history; the output."""
        log = self.folder / f"report-{uuid.uuid4().hex}.log"
        process = await self._rollwright("report", "--history", history, log=log)
        assert await process.ended() == 0, log.read_text()
        return log.read_text()

    async def temporal(self, *command: str) -> str:
        """Ask Temporal's own command line about the rollout; its output."""
        log = self.folder / f"temporal-{uuid.uuid4().hex}.log"
        given = (f"--address={self.server.address}", f"--workflow-id={self.target.workflow_id}")
        process = await Process.start(self.server.binary, *command, *given, log=log)
        assert await process.ended() == 0, log.read_text()
        return log.read_text()

    async def _rollwright(self, *command: str | Path, log: Path, program: Sequence[str] = PROGRAM) -> Process:
        interpreted = (sys.executable, *program, *command)
        environment = {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "ROLLWRIGHT_ALLOW_LOCAL": "1",  # what gates ask is on this host, too
            "ROLLWRIGHT_TASK_QUEUE": self.queue,
            "TEMPORAL_ADDRESS": self.server.address,
        }
        return await Process.start(*interpreted, log=log, **environment)

    @property
    def target(self) -> Target:
        return Target(kind=self.kind, namespace=self.namespace.name, name=NAME, cluster=self.cluster_name)

    async def start(self, strategy: Strategy, change: Change) -> WorkflowHandle[Any, RolloutStatus]:
        """Start a rollout as the command line does."""
        spec = RolloutSpec(target=self.target, change=change, strategy=strategy)
        return await started(
            self.client,
            RolloutInput(spec=spec, task_queue=self.queue),
            TypedSearchAttributes(
                [
                    SearchAttributePair(TARGET_ATTRIBUTE, self.target.path),
                    SearchAttributePair(PHASE_ATTRIBUTE, Phase.PREPARING),
                ]
            ),
        )

    @asynccontextmanager
    async def rollout(
        self,
        strategy: Strategy,
        change: Change = NEW_IMAGE,
        *,
        begun_by: tuple[str, ...] = (),
        scaled_to: int | None = None,
        kubeconfig: Path | None = None,
    ) -> AsyncIterator[Rollout]:
        """A rollout with at least one worker, watched from before its start on; the promise is checked when it is left.

        `begun_by`: a command that starts it in place of the client; `scaled_to`: how many replicas the test will ask
        for in the middle; `kubeconfig`: of a worker that is started if there is none.
        """
        async with Watcher(self.cluster.kubeconfig, self.namespace.name, NAME, self.kind) as seen:
            if not any(worker.lives for worker in self.workers):
                await self.start_worker(kubeconfig)
            if begun_by:
                await self.rollwright(*begun_by)
                handle = self.client.get_workflow_handle(self.target.workflow_id, result_type=RolloutStatus)
            else:
                handle = await self.start(strategy, change)
            try:
                yield Rollout(seen, handle, self.workers)
            except BaseException as error:
                error.add_note(await self._told(handle))
                raise
        wishes = (self.replicas, self.replicas if scaled_to is None else scaled_to)
        budgets = [strategy.budget(replicas) for replicas in wishes]
        assert seen.available_min >= min(budget.floor for budget in budgets), seen.moments
        assert seen.groups_max <= max(budget.ceiling for budget in budgets), seen.moments

    async def _told(self, handle: WorkflowHandle[Any, RolloutStatus]) -> str:
        """What the history and the workers say, for whoever has to find out why a test failed."""
        logs = [f"{worker.log.name}:\n{worker.log.read_text()[-2000:]}" for worker in self.workers]
        events = [event async for event in handle.fetch_history_events()]
        return "\n".join(["the last events:", *(_line(event) for event in events[-30:]), *logs])

    @asynccontextmanager
    async def without(self, part: Part, *, frozen: bool = False) -> AsyncIterator[None]:
        """A while in which a part of the cluster is stopped, or frozen. It is back afterwards, whatever happens."""
        if frozen:
            self.cluster.freeze_part(part)
        else:
            await self.cluster.stop_part(part)
        try:
            yield
        finally:
            if frozen:
                self.cluster.thaw_part(part)
            else:
                await self.cluster.start_part(part)
                if part is Part.API_SERVER:
                    await restart_clients(self.cluster)

    async def kubectl(self, *arguments: str) -> str:
        return await self.cluster.kubectl(f"--namespace={self.namespace.name}", *arguments)

    async def apply(self, *manifests: Json) -> None:
        """Create objects of any kind, or change them, with kubectl."""
        path = self.folder / "manifests.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
        await self.kubectl("apply", f"--filename={path}")

    async def images(self) -> set[str]:
        """What the pods run."""
        pods = (await self.namespace.pods()).values()
        return {pod["spec"]["containers"][0]["image"] for pod in pods if not is_terminating(pod)}


def assert_left_alone(lws: Json, *, replicas: int = 4, update: Json | None = None) -> None:
    """Nothing of a rollout is left on the target: the user's own settings stand."""
    assert lws["spec"]["replicas"] == replicas
    assert lws["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"] == (update or USERS)
    assert RECORD not in lws["metadata"].get("annotations", {})


def assert_replaced_once(seen: Watcher, replicas: int = 4) -> None:
    """Each group has had two leaders, the old one and the new; each surge group one."""
    target = seen.leaders[replicas - 1][-1].revision
    for ordinal, leaders in seen.leaders.items():
        assert len(leaders) == (2 if ordinal < replicas else 1), seen.leaders
        assert leaders[-1].revision == target


def assert_never_touched(seen: Watcher, *ordinals: int) -> None:
    """These groups have had one and the same leader all the time."""
    assert [len(seen.leaders[ordinal]) for ordinal in ordinals] == [1] * len(ordinals), seen.leaders


def _starts(pod: Json, image: str) -> bool:
    same = pod["spec"]["containers"][0]["image"] == image
    return same and pod["status"]["phase"] == "Running" and not is_terminating(pod) and not is_ready(pod)


def _line(event: HistoryEvent) -> str:
    details = (
        event.activity_task_scheduled_event_attributes.activity_type.name,
        event.activity_task_started_event_attributes.last_failure.message,
        event.workflow_task_failed_event_attributes.failure.message,
    )
    return f"{event.event_time.ToJsonString()} {EventType.Name(event.event_type)} {' '.join(details)}"
