"""What the demo rolls out: the example of the LWS documentation, four groups of two pods."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import groupby

from rollwright.cli.demo_parts import GPUS_PER_NODE, say
from rollwright.cli.failure import CommandError
from rollwright.cluster.api import LEADER_WORKER_SETS, Api, Manifest, connect
from rollwright.cluster.errors import ClusterError, ConflictError, MissingError
from rollwright.cluster.snapshot import now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.simulator import simulate_stages
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target

REPLICAS = 4
TARGET = Target(namespace="default", name="demo")
# Any cluster can run these; in the embedded one no container runs.
OLD_IMAGE, NEW_IMAGE = "registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.10"
SPEC = RolloutSpec(
    target=TARGET,
    change=Change(images={"model": NEW_IMAGE}),
    strategy=Strategy(max_unavailable=2, max_surge=2),
)
# By group, such that readiness comes in the order of the documentation's table (4, 5, 3, 1, 2, 0) and shows all its
# stages. The first comes late enough that a worker killed before it has been replaced by then.
START_UP_SECONDS = {4: 8.0, 5: 10.0, 3: 12.0, 1: 4.5, 2: 17.0, 0: 9.5}
_READY_WITHIN_SECONDS = 300.0


def planned_steps() -> list[tuple[int, int]]:
    """Partition and replicas, change by change, as the simulator has it."""
    stages = simulate_stages(SPEC.strategy, REPLICAS, START_UP_SECONDS.__getitem__, settle_seconds=0.5)
    return [step for step, _ in groupby((stage.partition, stage.replicas) for stage in stages)]


async def create(stack: AsyncExitStack, kubeconfig: str, *, own_cluster: bool) -> None:
    """Create the LeaderWorkerSet. In a cluster that isn't ours it goes with the stack. Raises CommandError."""
    async with _connected(kubeconfig) as api:
        try:
            await api.list_all(LEADER_WORKER_SETS, TARGET.namespace)
            await api.create(LEADER_WORKER_SETS, TARGET.namespace, _manifest(with_gpus=own_cluster))
        except MissingError as error:
            raise CommandError(
                "this cluster has no LeaderWorkerSets",
                todo="Install LWS: https://lws.sigs.k8s.io/docs/installation/\n"
                "Or leave --kubeconfig and KUBECONFIG away: the demo brings a cluster along.",
            ) from error
        except ConflictError as error:
            raise CommandError(
                f"{TARGET} exists already, perhaps of an earlier demo",
                todo=f"If so, remove it: kubectl delete leaderworkerset {TARGET.name} -n {TARGET.namespace}",
            ) from error
    if not own_cluster:
        stack.push_async_callback(_delete, kubeconfig)


async def ready(kubeconfig: str) -> None:
    """Wait until all groups serve. Raises CommandError."""
    say(f"waiting for the {REPLICAS} groups of {TARGET} to load {OLD_IMAGE}")
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    async with _connected(kubeconfig) as api:
        target = LiveTarget(api, Watches(api), TARGET)
        while (seen := (await target.read_anew()).observe("", 0, now())).available < REPLICAS:
            if time.monotonic() > deadline:
                why = "; ".join(f"group {group.ordinal}: {group.reason}" for group in seen.groups if group.reason)
                raise CommandError(f"{TARGET} is not ready after {_READY_WITHIN_SECONDS:.0f} s: {why}")
            await asyncio.sleep(0.2)


async def _delete(kubeconfig: str) -> None:
    async with _connected(kubeconfig) as api:
        await api.delete(LEADER_WORKER_SETS, TARGET.namespace, TARGET.name)


@asynccontextmanager
async def _connected(kubeconfig: str) -> AsyncIterator[Api]:
    try:
        async with connect(kubeconfig) as api:
            yield api
    except (ClusterError, OSError) as error:
        raise CommandError(f"the cluster can't be used: {error}") from error


def _manifest(*, with_gpus: bool) -> Manifest:
    container: Manifest = {"name": "model", "image": OLD_IMAGE}
    if with_gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(GPUS_PER_NODE)}}
    start_up = json.dumps({group: f"{seconds}s" for group, seconds in START_UP_SECONDS.items()})
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": TARGET.name, "namespace": TARGET.namespace},
        "spec": {
            "replicas": REPLICAS,
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0},
            },
            "leaderWorkerTemplate": {
                "size": 2,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "workerTemplate": {
                    "metadata": {"annotations": {"devcluster.rollwright.io/ready-after-by-group": start_up}},
                    "spec": {"containers": [container]},
                },
            },
        },
    }
