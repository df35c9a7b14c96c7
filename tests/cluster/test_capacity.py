"""Free places for groups, counted on a real API server with eight nodes of eight GPUs."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile
from typing import Any

import pytest

from rollwright.cluster import capacity, steps
from rollwright.cluster.api import Api, connect
from rollwright.cluster.capacity import count_places
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.gates.questions import CountPlaces, Places
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import Change
from tests.cluster.conftest import NAME, Real, fence
from tests.devcluster.standin.namespace import Json, until
from tests.e2e.rights import Place, account, grant
from tests.support.kinds import until_served

pytestmark = pytest.mark.real

NODES = 8
GPU = "nvidia.com/gpu"
QUEUE = "kueue.x-k8s.io/queue-name"
MANY = CountPlaces(most=100)


def needing(gpus: int, **metadata: Any) -> Change:
    """A version whose pods need so many GPUs; those that stand need none."""
    container = {"name": "model", "image": "m:2", "resources": {"limits": {GPU: gpus}}}
    return Change(patch={"workerTemplate": {"metadata": metadata, "spec": {"containers": [container]}}})


async def counts(real: Real, template: str, expected: Places, question: CountPlaces = MANY) -> None:
    """Wait until so many places are counted: pods of tests before this one may still be about to go."""
    await until(lambda: count_places(real.api, real.target, template, question), lambda found: found == expected)


def free(groups: int) -> Places:
    return Places(groups=groups, short_of=GPU)


async def test_the_new_version_is_counted_and_not_the_one_that_stands(real: Real) -> None:
    await counts(real, await real.keep(needing(8)), free(NODES))
    await counts(real, await real.keep(needing(4), 1), free(2 * NODES))
    await counts(real, await real.keep(needing(9), 2), free(0))


async def test_a_pod_takes_its_place_from_its_binding_to_its_end(real: Real) -> None:
    template = await real.keep(needing(8))
    await run(real, "waits", gpus=9)
    await real.cluster.kubectl(
        f"--namespace={real.namespace.name}",
        "wait",
        "pod/waits",
        "--for=condition=PodScheduled=false",
        "--timeout=30s",
    )
    await counts(real, template, free(NODES))
    await run(real, "other", gpus=1)
    await counts(real, template, free(NODES - 1))
    await finish(real, "other")
    await counts(real, template, free(NODES))


async def test_other_rollouts_go_on_while_it_is_counted(real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def slowly(*given: Any, **more: Any) -> Places:
        begun.set()
        assert goes_on.wait(10), "nothing else went on"
        return Places(groups=7)

    monkeypatch.setattr(capacity, "places", slowly)
    counting = asyncio.create_task(count_places(real.api, real.target, await real.keep(needing(8)), MANY))

    async def has_begun() -> bool:
        return begun.is_set()

    await until(has_begun, bool)
    goes_on.set()
    assert await counting == Places(groups=7)


async def test_a_cordoned_node_has_no_place(real: Real) -> None:
    template = await real.keep(needing(8))
    await real.cluster.kubectl("cordon", "gpu-00")
    try:
        await counts(real, template, free(NODES - 1))
    finally:
        await real.cluster.kubectl("uncordon", "gpu-00")
    await counts(real, template, free(NODES))


async def test_only_nodes_that_are_chosen_count(real: Real) -> None:
    template = await real.keep(needing(8))
    one = CountPlaces(most=100, node_selector={"kubernetes.io/hostname": "gpu-03"})
    await counts(real, template, free(1), one)
    by_host = CountPlaces(most=100, topology="kubernetes.io/hostname")
    await counts(real, template, Places(groups=NODES, short_of=f"{GPU} in one kubernetes.io/hostname"), by_host)


async def test_groups_that_have_their_node_to_themselves(real: Real) -> None:
    annotation = {"leaderworkerset.sigs.k8s.io/exclusive-topology": "kubernetes.io/hostname"}
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": annotation}})
    template = await real.keep(needing(1))
    pods = await until(real.namespace.pods, lambda pods: len(nodes_of(pods)) > 0 and all_placed(pods))
    expected = Places(groups=NODES - len(nodes_of(pods)), short_of="a kubernetes.io/hostname without another group")
    await counts(real, template, expected)


def nodes_of(pods: dict[str, Json]) -> set[str]:
    return {pod["spec"]["nodeName"] for pod in pods.values() if "nodeName" in pod["spec"]}


def all_placed(pods: dict[str, Json]) -> bool:
    return len(pods) == 3 and all("nodeName" in pod["spec"] for pod in pods.values())


async def test_surge_groups_that_stand_keep_no_place_from_the_surge(real: Real) -> None:
    await real.is_ready(3)
    template = await real.keep(needing(8))
    await counts(real, template, free(NODES))
    step = Step(action=Action.PREPARE, partition=3, groups=5)
    await steps.prepare(real.target, step, await real.generation(), fence(1), template_name=template)
    await until(real.namespace.pods, lambda pods: all(place(pods, ordinal) for ordinal in (3, 4)))
    await until(real.target.last_seen, _all_stand_on_nodes)
    assert await count_places(real.api, real.target, template, MANY) == free(NODES)


def _all_stand_on_nodes(seen: Snapshot | None) -> bool:
    return seen is not None and len(seen.pods) == 5 and all(pod["spec"].get("nodeName") for pod in seen.pods)


def place(pods: dict[str, Json], ordinal: int) -> str | None:
    node: str | None = pods.get(f"{NAME}-{ordinal}", {}).get("spec", {}).get("nodeName")
    return node


async def test_a_template_that_is_gone_is_told(real: Real) -> None:
    found = await count_places(real.api, real.target, "gone", MANY)
    assert "the kept template gone is gone" in found.error


async def test_rights_that_are_missing_are_told_and_those_documented_are_enough(real: Real) -> None:
    template = await real.keep(needing(8))
    await counts(real, template, free(NODES))
    async with as_worker(real, counting=False) as (api, target):
        found = await count_places(api, target, template, MANY)
        assert found.error.startswith("list nodes: not permitted; grant this verb on this resource by RBAC")
    async with as_worker(real, counting=True) as (api, target), kueue(real):
        assert await count_places(api, target, template, MANY) == free(NODES)
        queued = await real.keep(needing(8, labels={QUEUE: "ours"}), 1)
        assert (await count_places(api, target, queued, MANY)).groups == 2


@asynccontextmanager
async def as_worker(real: Real, *, counting: bool) -> AsyncIterator[tuple[Api, LiveTarget]]:
    """With the rights of the documented files, and no others."""
    await grant(real, counting=counting)
    async with connect(str(await account(real))) as api:
        watches = Watches(api)
        yield api, LiveTarget(api, watches, real.named)
        await watches.close()


async def test_without_kueue_there_is_no_quota(real: Real) -> None:
    await counts(real, await real.keep(needing(8, labels={QUEUE: "ours"})), free(NODES))


async def test_the_quota_of_a_queue_counts_where_it_is_less_than_the_nodes(real: Real) -> None:
    quota = Places(groups=2, short_of=f"quota of {GPU} in the ClusterQueue {real.namespace.name}")
    async with kueue(real):
        await counts(real, await real.keep(needing(8, labels={QUEUE: "ours"})), quota)
        await counts(real, await real.keep(needing(8), 1), free(NODES))
        await real.namespace.patch_set(NAME, {"metadata": {"labels": {QUEUE: "ours"}}})
        await counts(real, await real.keep(needing(8), 2), quota)
        lost = await count_places(real.api, real.target, await real.keep(needing(8, labels={QUEUE: "no"}), 3), MANY)
        assert lost.error.startswith(f"there is no LocalQueue no in namespace {real.namespace.name}")


@asynccontextmanager
async def kueue(real: Place) -> AsyncIterator[None]:
    """Kueue's two kinds, and a queue with quota for three groups of eight GPUs, one of which is taken."""
    definitions = [definition("LocalQueue", "Namespaced"), definition("ClusterQueue", "Cluster")]
    names = [found["metadata"]["name"] for found in definitions]
    await apply(real, *definitions)
    try:
        await until_served(real.cluster, *names)
        await apply(real, *queues(real.namespace.name))
        yield
    finally:
        await real.cluster.kubectl("delete", "crd", *names)


def definition(kind: str, scope: str) -> Json:
    singular = kind.lower()
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{singular}s.kueue.x-k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved"},
        },
        "spec": {
            "group": "kueue.x-k8s.io",
            "names": {"kind": kind, "plural": f"{singular}s", "singular": singular},
            "scope": scope,
            "versions": [version],
        },
    }


def queues(namespace: str) -> list[Json]:
    quota = {"coveredResources": [GPU], "flavors": [{"name": "h100", "resources": [{"name": GPU, "nominalQuota": 24}]}]}
    reserved = [{"name": "h100", "resources": [{"name": GPU, "total": "8", "borrowed": "0"}]}]
    return [
        {
            "apiVersion": "kueue.x-k8s.io/v1beta1",
            "kind": "LocalQueue",
            "metadata": {"name": "ours", "namespace": namespace},
            "spec": {"clusterQueue": namespace},
        },
        {
            "apiVersion": "kueue.x-k8s.io/v1beta1",
            "kind": "ClusterQueue",
            "metadata": {"name": namespace},
            "spec": {"resourceGroups": [quota]},
            "status": {"flavorsReservation": reserved},
        },
    ]


async def run(real: Real, name: str, *, gpus: int) -> None:
    """A pod of somebody else."""
    container = {"name": "other", "image": "other:1", "resources": {"limits": {GPU: gpus}}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": real.namespace.name},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    await apply(real, pod)


async def finish(real: Real, name: str) -> None:
    await real.cluster.kubectl(
        f"--namespace={real.namespace.name}",
        "patch",
        f"pod/{name}",
        "--subresource=status",
        "--type=merge",
        '--patch={"status": {"phase": "Succeeded"}}',
    )


async def apply(real: Place, *manifests: Json) -> None:
    with NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"apiVersion": "v1", "kind": "List", "items": manifests}, file)
        file.flush()
        await real.cluster.kubectl("apply", f"--filename={file.name}")
