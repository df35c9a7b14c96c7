"""A LeaderWorkerSet on a real API server, for the tests of what the product does with one."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from kubernetes.aio.config import new_client_from_config

from rollwright.cluster.api import Api, Manifest, connect
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Fence
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.spec import Change, Target
from tests.devcluster.standin.namespace import Json, Namespace, until
from tests.e2e.rights import remove_namespaces

NAME = "llm"
USERS = {"partition": 0, "maxUnavailable": "50%", "maxSurge": 1}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def fence(number: int) -> Fence:
    """Of the step of this number; later ones have larger numbers."""
    return Fence(BEGIN + timedelta(seconds=number), "rollout/lws/default/llm")


@dataclass
class Real:
    """A LeaderWorkerSet of a test's own, and the ways to it: as the product has it, and as anybody has."""

    target: LiveTarget
    api: Api
    watches: Watches
    namespace: Namespace
    cluster: DevCluster
    folder: Path

    async def kubectl(self, *arguments: str) -> str:
        return await self.cluster.kubectl(f"--namespace={self.namespace.name}", *arguments)

    async def apply(self, *manifests: Json) -> None:
        """Create objects of any kind, or change them, with kubectl."""
        path = self.folder / "manifests.json"
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}))
        await self.kubectl("apply", f"--filename={path}")

    @property
    def named(self) -> Target:
        """The target, as people name it."""
        return Target(namespace=self.namespace.name, name=NAME)

    async def write(self, number: int, changes: list[Manifest], *, read: TargetObject | None = None) -> None:
        """Write as a step does, having read the object."""
        lws = read or await self.target.read_object()
        await self.target.write(lws, lws.generation, fence(number), changes)

    async def keep(self, change: Change, number: int = 0) -> str:
        """Keep the template after a change, as the step of this number; return its name."""
        lws = await self.target.read_object()
        names = await self.target.ledger.keep(lws, change, "", fence(number), actor="ann", reason=f"step {number}")
        return names.template

    async def generation(self) -> int:
        generation: int = (await self.namespace.set(NAME))["metadata"]["generation"]
        return generation

    async def spec(self) -> Json:
        spec: Json = (await self.namespace.set(NAME))["spec"]
        return spec

    async def settings(self) -> Json:
        """LWS's own rolling update settings."""
        settings: Json = (await self.spec())["rolloutStrategy"]["rollingUpdateConfiguration"]
        return settings

    async def is_ready(self, replicas: int) -> None:
        """Wait until so many groups serve."""
        await until(
            lambda: self.namespace.set(NAME), lambda lws: lws.get("status", {}).get("readyReplicas") == replicas
        )

    async def leader(self, ordinal: int) -> Json:
        return (await self.namespace.pods())[f"{NAME}-{ordinal}"]

    async def uids(self) -> dict[str, str]:
        return {name: pod["metadata"]["uid"] for name, pod in (await self.namespace.pods()).items()}


@pytest.fixture
def group_size() -> int:
    """Pods in each group; a test that needs others is parametrized with it."""
    return 1


@pytest_asyncio.fixture(loop_scope="session")
async def real(devcluster: DevCluster, tmp_path: Path, group_size: int) -> AsyncIterator[Real]:
    """A LeaderWorkerSet of three groups."""
    async with (
        await new_client_from_config(str(devcluster.kubeconfig), persist_config=False) as client,
        connect(str(devcluster.kubeconfig)) as api,
    ):
        namespace = Namespace(client, f"target-{uuid.uuid4().hex[:8]}")
        await namespace.create()
        pod = {
            "metadata": {"annotations": {"devcluster.rollwright.io/ready-after": "0s"}},
            "spec": {"containers": [{"name": "model", "image": "m:1"}], "terminationGracePeriodSeconds": 1},
        }
        await namespace.create_set(
            {
                "apiVersion": "leaderworkerset.x-k8s.io/v1",
                "kind": "LeaderWorkerSet",
                "metadata": {"name": NAME},
                "spec": {
                    "replicas": 3,
                    "rolloutStrategy": {"rollingUpdateConfiguration": USERS},
                    "leaderWorkerTemplate": {"size": group_size, "workerTemplate": pod},
                },
            }
        )
        watches = Watches(api)
        target = LiveTarget(api, watches, Target(namespace=namespace.name, name=NAME))
        yield Real(target, api, watches, namespace, devcluster, tmp_path)
        await watches.close()
        await remove_namespaces(devcluster, namespace.name)
