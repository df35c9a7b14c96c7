"""What doctor finds and mends, on a real API server and a real Temporal server; the rollouts are played."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.cli.diagnosis import without_workers
from rollwright.cli.polling import Needed, are_there
from rollwright.cluster import names
from rollwright.cluster.ledger import Rejection
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy, Target
from rollwright.worker import deployments
from rollwright.worker.versions import Versioned
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, STATUS, WORKFLOW_TYPE, RolloutInput, RolloutStatus
from tests.cli.played import FakeRollout
from tests.cluster.conftest import NAME, USERS, Real, fence
from tests.cluster.leaving import NEW, OLD, leave
from tests.devcluster.standin.namespace import until

if TYPE_CHECKING:
    from tests.cli.conftest import MakeWorker, Ran, Run, StartServer

pytestmark = pytest.mark.real

STRATEGY = Strategy(max_unavailable=2, steps=(GatedStep(until=1),))


class Clinic:
    """The target of a test, and doctor for it."""

    def __init__(self, real: Real, run: "Run", server: Client) -> None:
        self.target = Target(namespace=real.namespace.name, name=NAME)
        self._run = run
        self._kubeconfig = str(real.cluster.kubeconfig)
        self._server = server

    async def visit(self, *options: str, kubeconfig: str = "", **env: str) -> "Ran":
        return await self.run(f"lws/{NAME}", "-n", self.target.namespace, *options, kubeconfig=kubeconfig, **env)

    async def run(self, *options: str, kubeconfig: str = "", **env: str) -> "Ran":
        return await self._run("doctor", *options, "--kubeconfig", kubeconfig or self._kubeconfig, **env)

    async def findings(self, *options: str, **env: str) -> list[dict[str, Any]]:
        ran = await self.visit("--json", *options, **env)
        assert not ran.stderr
        found: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
        return found

    async def begin(
        self, strategy: Strategy = STRATEGY, *, queue: str = DEFAULT_TASK_QUEUE, server: Client | None = None
    ) -> None:
        """A rollout of the target, which goes on."""
        spec = RolloutSpec(target=self.target, strategy=strategy)
        given = RolloutInput(spec=spec, task_queue=queue)
        await (server or self._server).start_workflow(
            WORKFLOW_TYPE, given, id=self.target.workflow_id, task_queue=queue
        )

    async def terminate(self) -> None:
        await self._server.get_workflow_handle(self.target.workflow_id).terminate()

    async def task_queue(self) -> str:
        return (await self._server.get_workflow_handle(self.target.workflow_id).describe()).task_queue

    async def status(self) -> RolloutStatus:
        handle = self._server.get_workflow_handle(self.target.workflow_id)
        answer: RolloutStatus = await handle.query(STATUS, result_type=RolloutStatus)
        return answer


@pytest.fixture
def clinic(real: Real, run: "Run", server: Client) -> Clinic:
    return Clinic(real, run, server)


async def until_listed(clinic: Clinic, trouble: str, **env: str) -> dict[str, Any]:
    """What is listed comes a moment after the fact."""
    async with asyncio.timeout(60):
        while True:
            for finding in await clinic.findings(**env):
                if finding["trouble"] == trouble:
                    return finding


async def test_a_healthy_target_has_no_findings(clinic: Clinic) -> None:
    ran = await clinic.visit()
    assert (ran.stdout, ran.stderr, ran.code) == (f"nothing found of {clinic.target}\n", "", 0)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_target_that_is_not_there_is_an_error_unless_its_rollout_is_open(
    clinic: Clinic, real: Real, *, ended: bool
) -> None:
    await real.namespace.delete_set(NAME)
    if ended:
        await clinic.begin()
        await clinic.terminate()
    ran = await clinic.visit()
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"error: {clinic.target} does not exist")
    what, todo = ran.stderr.splitlines()
    assert what.endswith("its last rollout: terminated" if ended else "Temporal knows of no rollout of it")
    assert "`rollwright doctor -A`" in todo


async def test_where_nothing_is_found_it_says_where_it_has_looked(real: Real, run: "Run") -> None:
    options = ("--kubeconfig", str(real.cluster.kubeconfig))
    ran = await run("doctor", "-n", real.namespace.name, *options)
    assert (ran.code, ran.stdout) == (0, f"nothing found in namespace {real.namespace.name}\n")
    assert (await run("doctor", *options)).stdout == "nothing found in namespace default\n"
    everywhere = json.loads((await run("doctor", "-A", "--json", *options)).stdout)
    assert everywhere["where"] == "in all namespaces"


async def test_a_target_left_half_way_is_shown_with_what_mends_it(clinic: Clinic, real: Real) -> None:
    await clinic.begin()
    await leave(real, partition=2, groups=4, ready=4)
    assert await clinic.findings() == [], "its rollout goes on"
    await clinic.terminate()
    ran = await clinic.visit()
    here = f"lws/{NAME} -n {clinic.target.namespace}"
    assert ran.code == 1
    assert ran.stdout.splitlines() == [
        f"{clinic.target.workflow_id}: left half way",
        "  what     its last rollout: terminated",
        f"  since    {fence(1).scheduled:%Y-%m-%d %H:%M:%S} UTC",
        "  stands   partition 2, 4 groups (3 and a surge of 1)",
        "  groups   on the template that stands 2-3; on an older one 0-1",
        "  waiting  the user's settings: replicas 3, partition 0, maxUnavailable 50%, maxSurge 1",
        "  because  groups are on an older revision: at the user's partition they would be replaced",
        "  because  a surge stands: it can't be given back without taking groups down",
        f"  next     rollwright doctor {here} --repair settings",
        f"  next     rollwright doctor {here} --repair resume",
        f"  next     rollwright doctor {here} --repair rollback",
    ]


async def test_a_record_that_can_not_be_read_is_found(clinic: Clinic, real: Real) -> None:
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {names.RECORD: "spoilt"}}})
    (finding,) = await clinic.findings()
    assert finding["what"].endswith("its annotation rollwright.io/record can't be read: mend it, or remove it")
    assert finding["next"] == [
        f"kubectl annotate leaderworkerset {NAME} -n {clinic.target.namespace} rollwright.io/record-"
    ]
    ran = await clinic.visit("--repair", "settings")
    assert (ran.code, ran.stdout) == (1, "")
    assert "can't be read" in ran.stderr


async def test_a_target_of_a_newer_format_is_one_finding_and_keeps_no_other_from_being_told(
    clinic: Clinic, real: Real
) -> None:
    await real.namespace.patch_set(NAME, {"metadata": {"annotations": {names.RECORD: '{"version": 2}'}}})
    found = json.loads((await clinic.run("-n", clinic.target.namespace, "--json")).stdout)["findings"]
    assert [(finding["rollout"], finding["next"]) for finding in found] == [(clinic.target.workflow_id, [])]
    assert "it is of format 2, and this version of rollwright knows 1 at most" in found[0]["what"]


async def test_settings_are_put_back_and_then_nothing_is_found(clinic: Clinic, real: Real) -> None:
    await leave(real, image=OLD)
    ran = await clinic.visit("--repair", "settings")
    assert ran.code == 0
    assert ran.stdout == (f"put back on {clinic.target}: replicas 3, partition 0, maxUnavailable 50%, maxSurge 1\n")
    assert await real.settings() == USERS
    assert (await clinic.visit()).stdout == f"nothing found of {clinic.target}\n"


async def test_settings_that_can_not_be_put_back_as_they_were_are_said_to(clinic: Clinic, real: Real) -> None:
    settings = {"rollingUpdateConfiguration": {"maxUnavailable": "25%", "maxSurge": 0}}
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 4, "rolloutStrategy": settings}})
    await real.is_ready(4)
    await leave(real, image=OLD, partition=4, groups=4, ready=4)
    await real.namespace.patch_set(NAME, {"spec": {"replicas": 3}})
    await until(real.target.read, lambda snapshot: snapshot.is_settled and len(snapshot.leaders) == 3)
    ran = await clinic.visit("--repair", "settings")
    assert ran.code == 0
    assert ran.stdout == (
        f"put back on {clinic.target}: replicas 3, partition 0, maxUnavailable 25%, maxSurge 0; "
        "but maxUnavailable is left at 1: LWS refuses 25% at this number of replicas\n"
    )


async def test_settings_that_must_wait_are_said_to(clinic: Clinic, real: Real) -> None:
    await leave(real)
    ran = await clinic.visit("--repair", "settings")
    assert ran.code == 1
    assert "go on waiting to be put back" in ran.stdout
    assert "groups are on an older revision" in ran.stdout
    assert ran.stdout.endswith("LWS stands still until then\n")


async def test_resuming_starts_a_rollout_to_what_stands_by_the_strategy_of_the_last_one(
    clinic: Clinic, real: Real
) -> None:
    await leave(real)
    await clinic.begin()
    await clinic.terminate()
    ran = await clinic.visit("--repair", "resume", "--actor", "ann", "--reason", "it was terminated")
    assert ran.code == 0
    assert ran.stdout.splitlines() == [
        f"started {clinic.target.workflow_id}: the template as it stands",
        "strategy of the last rollout: at most 2 missing, at most 0 surplus, ordered, gradual, 1 gates",
    ]
    status = await clinic.status()
    assert (status.spec.change, status.spec.strategy) == (Change(), STRATEGY)
    assert (status.by.actor, status.by.reason) == ("ann", "it was terminated")


async def test_resuming_a_canary_takes_all_groups_along(clinic: Clinic, real: Real) -> None:
    await leave(real)
    await clinic.begin(STRATEGY.model_copy(update={"partition": 2}))
    await clinic.terminate()
    await clinic.visit("--repair", "resume")
    assert (await clinic.status()).spec.strategy == STRATEGY


async def test_rolling_back_starts_a_rollout_all_the_way_to_the_template_before(clinic: Clinic, real: Real) -> None:
    before = await leave(real)
    ran = await clinic.visit("--repair", "rollback")
    assert ran.code == 0
    assert ran.stdout.splitlines()[1].startswith("strategy by default: ")
    status = await clinic.status()
    assert (status.spec.change, status.spec.strategy) == (Change(revision=before), Strategy())


@pytest.mark.parametrize("repair", ["resume", "rollback"])
@pytest.mark.parametrize(
    ("given", "queue"),
    [pytest.param((), "gpu", id="the last one's"), pytest.param(("--task-queue", "other"), "other", id="as given")],
)
async def test_what_mends_a_target_starts_where_the_workers_of_its_cluster_are(
    clinic: Clinic, real: Real, repair: str, given: tuple[str, ...], queue: str
) -> None:
    await leave(real)
    await clinic.begin(queue="gpu")
    await clinic.terminate()
    assert (await clinic.visit("--repair", repair, *given)).code == 0
    assert await clinic.task_queue() == queue


@pytest.mark.parametrize(("repair", "image"), [("resume", NEW), ("rollback", OLD)])
async def test_no_rollout_is_started_to_a_rejected_template(
    clinic: Clinic, real: Real, repair: str, image: str
) -> None:
    await leave(real)
    entries = await real.target.ledger.entries(await real.target.read_object())
    rejected = next(kept for kept in entries if kept.images == (f"model={image}",))
    await real.target.ledger.reject(rejected, Rejection(actor="bob", reason="too slow", at="2026-01-02"))
    ran = await clinic.visit("--repair", repair)
    assert (ran.code, ran.stdout) == (1, "")
    assert f"this template is revision {rejected.number}, which bob has rejected" in ran.stderr
    assert f"reject lws/{NAME} {rejected.number} -n {clinic.target.namespace} --undo" in ran.stderr


@pytest.mark.parametrize("repair", ["settings", "resume", "rollback"])
async def test_a_target_whose_rollout_is_open_is_not_mended(clinic: Clinic, real: Real, repair: str) -> None:
    await leave(real)
    await clinic.begin()
    before = await real.generation()
    ran = await clinic.visit("--repair", repair)
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith(f"error: {clinic.target} was not left half way")
    assert await real.generation() == before


async def test_a_rollout_whose_target_is_gone_is_found(clinic: Clinic, real: Real) -> None:
    await clinic.begin()
    await real.namespace.delete_set(NAME)
    finding = await until_listed(clinic, "target gone")
    assert finding["next"] == [f"rollwright abort {clinic.target.workflow_id}"]


async def test_a_rollout_of_another_cluster_is_not_taken_for_one_whose_target_is_gone(
    clinic: Clinic, real: Real
) -> None:
    await clinic.begin(queue="elsewhere")
    await real.namespace.delete_set(NAME)
    await until_listed(clinic, "no worker")
    assert [finding["trouble"] for finding in await clinic.findings()] == ["no worker"]
    assert {finding["trouble"] for finding in await clinic.findings("--task-queue", "elsewhere")} == {
        "no worker",
        "target gone",
    }


async def test_a_queue_without_a_worker_is_found(clinic: Clinic) -> None:
    await clinic.begin(queue="nobody")
    finding = await until_listed(clinic, "no worker")
    assert finding["next"] == ["rollwright worker --task-queue nobody"]


async def test_workers_of_another_build_are_none_for_a_rollout_that_is_pinned_to_one(server: Client) -> None:
    async with Worker(
        server,
        task_queue="builds",
        workflows=[FakeRollout],
        workflow_runner=UnsandboxedWorkflowRunner(),
        deployment_config=Versioned("gpu", "v2").config,
    ):
        await until(lambda: are_there(server, Needed("builds", build="gpu:v2")), bool)
        assert not await are_there(server, Needed("builds", build="gpu:v1"))
        assert not await are_there(server, Needed("builds"))  # what is on no build goes to the current one
        await until(partial(is_made_current, server, WorkerDeploymentVersion("gpu", "v2")), bool)
        assert await are_there(server, Needed("builds"))


async def is_made_current(server: Client, version: WorkerDeploymentVersion) -> bool:
    try:
        await deployments.make_current(server, version)
    except RPCError:
        return False  # the server has not seen its workers yet
    return True


def test_of_a_build_without_workers_it_is_told_how_to_start_one_or_to_do_without() -> None:
    found = without_workers("rollout/lws/inference/llm", Needed("builds", build="gpu:v 1"))
    update = "temporal workflow update-options --workflow-id rollout/lws/inference/llm --versioning-override-behavior"
    assert found.what == "the rollout is open on build v 1, and no worker takes tasks from its queue builds for that"
    assert found.next == (
        "rollwright worker --task-queue builds --deployment=gpu '--build-id=v 1'",
        f"{update} auto_upgrade",
        f"{update} unspecified",
    )


async def test_a_rollout_whose_code_fails_is_found(
    clinic: Clinic, start_server: "StartServer", make_worker: "MakeWorker", run: "Run"
) -> None:
    impatient = "system.numConsecutiveWorkflowTaskProblemsToTriggerSearchAttribute=2"
    failing = await start_server(dev_server_extra_args=["--dynamic-config-value", impatient])
    address = failing.client.service_client.config.target_host
    async with make_worker(failing.client):
        await clinic.begin(server=failing.client)
        await failing.client.get_workflow_handle(clinic.target.workflow_id).signal("break_down")
        finding = await until_listed(clinic, "workflow task fails", address=address)
        asked = await run("status", clinic.target.workflow_id, address=address)
    await failing.shutdown()
    assert "WorkflowTaskFailed" in finding["what"]
    assert asked.stderr.splitlines()[0] == (
        f"error: {clinic.target.workflow_id}: its workflow code fails; "
        f"`rollwright doctor {clinic.target.workflow_id}` says more"
    )
    assert finding["next"][-1].startswith(
        f"temporal workflow reset --workflow-id {clinic.target.workflow_id} --type LastWorkflowTask"
    )


async def test_with_the_rights_that_are_said_to_be_enough_it_looks_and_mends(
    clinic: Clinic, real: Real, tmp_path: Path
) -> None:
    await leave(real, image=OLD)
    granted = await account(real, tmp_path, "get,list", "leaderworkersets", "statefulsets", "pods")
    here = ("-n", clinic.target.namespace)
    assert "left half way" in (await clinic.run(*here, kubeconfig=granted)).stdout
    refused = await clinic.visit("--repair", "settings", kubeconfig=granted)
    assert f"patch leaderworkersets {clinic.target.namespace}/{NAME}: not permitted" in refused.stderr
    await grant(real, "patch", "leaderworkersets")
    mended = await clinic.visit("--repair", "settings", kubeconfig=granted)
    assert (mended.code, mended.stderr) == (0, "")


async def test_rights_that_are_missing_are_not_taken_for_the_wrong_cluster(
    clinic: Clinic, real: Real, tmp_path: Path
) -> None:
    granted = await account(real, tmp_path, "get,list", "leaderworkersets")
    ran = await clinic.run("-A", kubeconfig=granted)
    assert (ran.code, ran.stdout) == (1, "")
    what, todo = ran.stderr.splitlines()
    assert what.startswith("error: list leaderworkersets: not permitted")
    assert todo == "What each verb needs is in rollwright's docs/permissions.md."


async def account(real: Real, folder: Path, verbs: str, *resources: str) -> str:
    """The kubeconfig of somebody who may do this in the namespace, and nothing else."""
    here = ("--namespace", real.namespace.name)
    await real.cluster.kubectl("create", "serviceaccount", "somebody", *here)
    await grant(real, verbs, *resources)
    token = (await real.cluster.kubectl("create", "token", "somebody", *here)).strip()
    own = json.loads(await real.cluster.kubectl("config", "view", "--raw", "--output=json"))
    path = folder / "somebody.kubeconfig"
    path.write_text(json.dumps({**own, "users": [{"name": own["users"][0]["name"], "user": {"token": token}}]}))
    return str(path)


async def grant(real: Real, verbs: str, *resources: str) -> None:
    name, here = verbs.replace(",", "-"), ("--namespace", real.namespace.name)
    resource = ",".join(resources)
    await real.cluster.kubectl("create", "role", name, f"--verb={verbs}", f"--resource={resource}", *here)
    whose = f"--serviceaccount={real.namespace.name}:somebody"
    await real.cluster.kubectl("create", "rolebinding", name, f"--role={name}", whose, *here)


async def test_everything_is_looked_at_in_all_namespaces(clinic: Clinic, real: Real, run: "Run") -> None:
    await leave(real, image=OLD)
    ran = await run("doctor", "-A", "--json", "--kubeconfig", str(real.cluster.kubeconfig))
    assert clinic.target.workflow_id in {finding["rollout"] for finding in json.loads(ran.stdout)["findings"]}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--repair", "settings"], "--repair mends one target: name it"),
        (["lws/llm", "-A"], "lws/llm is one target: leave -A away"),
    ],
)
async def test_one_target_is_mended(run: "Run", arguments: list[str], says: str) -> None:
    ran = await run("doctor", *arguments)
    assert (ran.code, ran.stderr) == (2, f"error: {says}\n")


async def test_without_a_cluster_it_says_so(run: "Run") -> None:
    ran = await run("doctor")
    assert ran.code == 1
    assert ran.stderr.startswith("error: the cluster can't be asked: no kubeconfig")
