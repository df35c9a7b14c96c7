"""The shipped roles are what workers use, no more and no less, as the API server has written it down.

Everything that takes a right is done here once. A rule without which a worker would miss something is missed here, too,
since what is refused is written down as well; one that nothing uses is too much.
"""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rollwright.cluster import jobs
from rollwright.cluster.api import connect
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.jobtemplates import Backstop
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.gates.questions import JobRun
from rollwright.rollout.spec import Change, GatedStep, InEndpoints, Serves, Strategy
from rollwright.workflows.contract import Message, Phase
from tests.cluster.test_capacity import kueue
from tests.e2e.conftest import make_scene
from tests.e2e.documented import TWO_TWO
from tests.e2e.processes import TemporalServer
from tests.e2e.rights import account, grant, namespaces_of, placed
from tests.e2e.scene import AT_ONCE, BY_HAND, NAME, NEW, Scene, broken
from tests.e2e.test_follow import FROZEN, commit, runs, write_policy
from tests.e2e.test_job_gate import template
from tests.e2e.used import Granted, granted, used

pytestmark = pytest.mark.real

SERVICE = "front"
EVERY_GATE = Strategy(
    max_unavailable=1,
    max_surge=1,
    readiness=Serves(endpoint=InEndpoints(service=SERVICE)),
    steps=(GatedStep(until=1, gates=(JobGate.model_validate({"template": template()}), Capacity(groups=1))),),
)


async def test_the_shipped_rights_are_those_that_are_used(
    scene: Scene, devcluster: DevCluster, temporal: TemporalServer, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        folder = tmp_path / "statefulset"
        folder.mkdir()
        other = await make_scene(devcluster, temporal, folder, stack)
        for place in (scene, other):
            await grant(place, counting=True, following=True)
        await roll_leaderworkersets(scene)
        await meet_a_job_of_somebody_else(scene)
        await roll_statefulsets(other)
    shipped = granted(placed(scene.namespace.name, counting=True, following=True))
    assert asked_by(scene) | asked_by(other) == shipped


def asked_by(scene: Scene) -> set[Granted]:
    _, workers = namespaces_of(scene.namespace.name)
    return used(scene.cluster.audit, f"system:serviceaccount:{workers}:rollwright", only=["configmaps"])


async def roll_leaderworkersets(scene: Scene) -> None:
    """With gates of all kinds that ask the cluster, a way back in the middle, and one that git has begun."""
    await scene.create(ready_after=AT_ONCE, update=FROZEN)
    annotations = {"rollwright.io/history-limit": "1", "rollwright.io/policy": "careful"}
    await scene.namespace.patch_set(NAME, {"metadata": {"annotations": annotations}})
    await write_policy(scene, "strategy: {maxUnavailable: 2}")
    await serve(scene)
    here = scene.namespace.name
    await scene.start_worker(await account(scene), f"--namespace={here}", "--follow", f"--follow-namespace={here}")
    async with kueue(scene), scene.rollout(EVERY_GATE, queued("model:2")) as gated:
        assert (await gated.result()).phase is Phase.COMPLETED
    async with scene.rollout(TWO_TWO, broken("not-ready")) as failing:
        await failing.reaches(2, 6)
        await failing.send(Message.ROLLBACK)
        assert (await failing.result()).phase is Phase.ROLLED_BACK
    await commit(scene, "model:3")
    await runs(scene, "model:3")


def queued(image: str) -> Change:
    """A new version whose quota Kueue has."""
    pod = {
        "metadata": {"labels": {"kueue.x-k8s.io/queue-name": "ours"}},
        "spec": {"containers": [{"name": "model", "image": image}]},
    }
    return Change(patch={"workerTemplate": pod})


async def serve(scene: Scene) -> None:
    """A Service that sends traffic to every group."""
    spec = {"selector": {"leaderworkerset.sigs.k8s.io/name": NAME}, "ports": [{"port": 80, "targetPort": 8000}]}
    metadata = {"name": SERVICE, "namespace": scene.namespace.name}
    await scene.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


async def meet_a_job_of_somebody_else(scene: Scene) -> None:
    """Which has the name of a gate's own: it is looked at, to tell whose it is."""
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x:1"}]}
    metadata = {"name": "taken", "namespace": scene.namespace.name}
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": {"spec": pod}}}
    await scene.apply(job)
    async with connect(str(await account(scene))) as api:
        watches = Watches(api)
        item = await LiveTarget(api, watches, scene.target).read_object()
        long = Backstop(deadline_seconds=600, kept_seconds=600)
        with pytest.raises(RefusedError, match="that this gate hasn't made"):
            await jobs.run(api, item, template(), [JobRun(name="taken")], gate="ours", backstop=long)
        await watches.close()


async def roll_statefulsets(scene: Scene) -> None:
    """What its own controller is at is taken over: deletes that were decided on before must miss."""
    await scene.create_statefulset(ready_after=BY_HAND)
    await scene.kubectl("set", "image", f"statefulset/{NAME}", f"model={NEW}")
    async with scene.rollout(Strategy(max_unavailable=4), Change(), kubeconfig=await account(scene)) as rollout:
        await rollout.reaches(4, 4)
        await scene.make_ready(3, 2, 1, 0)
        assert (await rollout.result()).phase is Phase.COMPLETED
