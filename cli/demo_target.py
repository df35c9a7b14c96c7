"""The LeaderWorkerSet that a demo rolls out, from its making to its end."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from rollwright.cli.demo_parts import GPUS_PER_NODE, say
from rollwright.cli.failure import CommandError
from rollwright.cluster.api import LEADER_WORKER_SETS, Api, Manifest, connect
from rollwright.cluster.errors import ClusterError, ConflictError, MissingError
from rollwright.cluster.snapshot import now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Strategy, Target

# Any cluster can run these; in the embedded one no container runs.
OLD_IMAGE, NEW_IMAGE = "registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.10"
_SIZE = 2
_SPARE_NODES = 4
"""For pods that come before others have left."""
_READY_WITHIN_SECONDS = 300.0


@dataclass(frozen=True)
class Fleet:
    """Groups of two pods, each of which fills a node of the embedded Kubernetes."""

    target: Target
    replicas: int
    start_up: Mapping[str, str]
    """Annotations of the pods by which the embedded Kubernetes plays how they start."""

    def nodes(self, strategy: Strategy) -> int:
        """So many that a rollout never waits for one."""
        return _SIZE * strategy.budget(self.replicas).ceiling + _SPARE_NODES


async def create(stack: AsyncExitStack, kubeconfig: str, fleet: Fleet, *, own_cluster: bool) -> None:
    """Create the LeaderWorkerSet. In a cluster that isn't ours it goes with the stack. Raises CommandError."""
    target = fleet.target
    async with _connected(kubeconfig) as api:
        try:
            await api.list_all(LEADER_WORKER_SETS, target.namespace)
            await api.create(LEADER_WORKER_SETS, target.namespace, _manifest(fleet, with_gpus=own_cluster))
        except MissingError as error:
            raise CommandError(
                "this cluster has no LeaderWorkerSets",
                todo="Install LWS: https://lws.sigs.k8s.io/docs/installation/\n"
                "Or leave --kubeconfig and KUBECONFIG away: the demo brings a cluster along.",
            ) from error
        except ConflictError as error:
            raise CommandError(
                f"{target} exists already, perhaps of an earlier demo",
                todo=f"If so, remove it: kubectl delete leaderworkerset {target.name} -n {target.namespace}",
            ) from error
    if not own_cluster:
        stack.push_async_callback(_delete, kubeconfig, target)


async def ready(kubeconfig: str, fleet: Fleet) -> None:
    """Wait until all groups serve. Raises CommandError."""
    say(f"waiting for the {fleet.replicas} groups of {fleet.target} to load {OLD_IMAGE}")
    deadline = time.monotonic() + _READY_WITHIN_SECONDS
    async with _connected(kubeconfig) as api:
        target = LiveTarget(api, Watches(api), fleet.target)
        while (seen := (await target.read_anew()).observe("", 0, now())).available < fleet.replicas:
            if time.monotonic() > deadline:
                why = "; ".join(f"group {group.ordinal}: {group.reason}" for group in seen.groups if group.reason)
                raise CommandError(f"{fleet.target} is not ready after {_READY_WITHIN_SECONDS:.0f} s: {why}")
            await asyncio.sleep(0.2)


async def _delete(kubeconfig: str, target: Target) -> None:
    async with _connected(kubeconfig) as api:
        await api.delete(LEADER_WORKER_SETS, target.namespace, target.name)


@asynccontextmanager
async def _connected(kubeconfig: str) -> AsyncIterator[Api]:
    try:
        async with connect(kubeconfig) as api:
            yield api
    except (ClusterError, OSError) as error:
        raise CommandError(f"the cluster can't be used: {error}") from error


def _manifest(fleet: Fleet, *, with_gpus: bool) -> Manifest:
    container: Manifest = {"name": "model", "image": OLD_IMAGE}
    if with_gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(GPUS_PER_NODE)}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": fleet.target.name, "namespace": fleet.target.namespace},
        "spec": {
            "replicas": fleet.replicas,
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {"maxUnavailable": 1, "maxSurge": 0},
            },
            "leaderWorkerTemplate": {
                "size": _SIZE,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "workerTemplate": {
                    "metadata": {"annotations": dict(fleet.start_up)},
                    "spec": {"containers": [container]},
                },
            },
        },
    }
