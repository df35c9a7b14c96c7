"""What `plan` checks beforehand, on a real API server and a real Temporal server."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from temporalio.client import Client

from rollwright.cluster.ledger import Rejection
from rollwright.rollout.spec import Change, RolloutSpec, Target
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, WORKFLOW_TYPE, RolloutInput
from tests.cluster.conftest import NAME, Real
from tests.devcluster.standin.namespace import Json
from tests.e2e.rights import account, documented_rules, grant, reading

if TYPE_CHECKING:
    from tests.cli.conftest import Ran, Run

pytestmark = pytest.mark.real

SURGE: Json = {"maxUnavailable": 1, "maxSurge": 1}
NEW_IMAGE: Json = {"images": {"model": "m:2"}}
ALL_OK = dict.fromkeys(
    ("target", "change", "your rights", "worker's rights", "autoscaler", "free nodes", "other rollout", "worker"), "ok"
)


class Planner:
    """Plans of the target of a test."""

    def __init__(self, real: Real, run: "Run") -> None:
        self.real = real
        self._run = run

    @property
    def target(self) -> Target:
        return self.real.named

    async def run(
        self,
        *options: str,
        strategy: Json = SURGE,
        change: Json = NEW_IMAGE,
        kubeconfig: Path | None = None,
        verb: str = "plan",
        **env: str,
    ) -> "Ran":
        by = str(kubeconfig or self.real.cluster.kubeconfig)
        return await self._run(verb, "-f", self._file(strategy, change), "--kubeconfig", by, *options, **env)

    async def offline(self, *options: str, strategy: Json = SURGE) -> "Ran":
        return await self._run("plan", "-f", self._file(strategy, NEW_IMAGE), "--offline", *options)

    def _file(self, strategy: Json, change: Json) -> str:
        file = self.real.folder / "rollout.yaml"
        target = {"name": NAME, "namespace": self.target.namespace}
        file.write_text(json.dumps({"target": target, "change": change, "strategy": strategy}))
        return str(file)

    async def checks(self, *options: str, code: int = 0, **given: Any) -> dict[str, Json]:
        """What came of each check, by what it is about."""
        ran = await self.run("--json", *options, **given)
        assert ran.code == code, ran.stdout + ran.stderr
        return {check["about"]: check for check in json.loads(ran.stdout)["checks"]}

    async def verdicts(self, *options: str, code: int = 0, **given: Any) -> dict[str, str]:
        return {about: check["verdict"] for about, check in (await self.checks(*options, code=code, **given)).items()}


@pytest.fixture
def planner(real: Real, run: "Run") -> Planner:
    return Planner(real, run)


async def test_a_plan_says_of_each_check_what_came_of_it(planner: Planner) -> None:
    assert await planner.verdicts() == ALL_OK
    shown = (await planner.run()).stdout.splitlines()
    assert "8 checks: 8 ok" in shown
    assert "ok  change           the API server takes it (a dry run), and nobody has rejected this template" in shown


async def test_nothing_is_written_and_nothing_is_checked_offline(planner: Planner) -> None:
    before = await planner.real.namespace.set(NAME)
    await planner.run()
    assert (await planner.real.namespace.set(NAME))["metadata"]["generation"] == before["metadata"]["generation"]
    ran = await planner.offline("--replicas", "3", "--json")
    assert ran.code == 0
    assert "checks" not in json.loads(ran.stdout)


async def test_a_strategy_that_can_not_move_is_bad_input_wherever_that_is_found(planner: Planner) -> None:
    still = {"maxUnavailable": "1%", "maxSurge": 0}
    ran = [
        await planner.run(strategy=still),
        await planner.offline("--replicas", "3", strategy=still),
        await planner.run(verb="start", strategy=still),
    ]
    assert [(one.code, one.stdout) for one in ran] == [(2, "")] * 3
    for one in ran:
        assert one.stderr.startswith("error: strategy: maxUnavailable 1% and maxSurge 0 both come to 0 groups at ")


async def test_whoever_may_only_read_is_told_what_is_not_permitted(planner: Planner) -> None:
    await grant(planner.real, reading(documented_rules()))
    checks = await planner.checks(kubeconfig=await account(planner.real), code=1)
    namespace = planner.target.namespace
    assert checks["change"]["verdict"] == "not checked"
    assert "patch leaderworkersets" in checks["change"]["what"]
    assert checks["your rights"]["verdict"] == "failed"
    assert checks["your rights"]["what"] == f"in namespace {namespace} you may not patch leaderworkersets"
    assert "rollwright start --no-check" in checks["your rights"]["todo"]
    assert checks["worker's rights"]["verdict"] == "warning"
    assert checks["worker's rights"]["what"] == (
        f"in namespace {namespace} the worker must patch leaderworkersets; patch, delete pods; create, patch, delete "
        "controllerrevisions; you may not, and what the worker itself may do was not asked"
    )
    assert checks["free nodes"]["verdict"] == "not checked"
    assert "list nodes: not permitted" in checks["free nodes"]["what"]


async def test_the_documented_rights_are_all_that_is_asked_for(planner: Planner) -> None:
    every_gate = [{"kind": "job", "template": {"template": {"spec": {}}}}, {"kind": "capacity"}]
    strategy = {
        **SURGE,
        "readiness": {"endpoint": {"service": "llm"}},
        "steps": [{"until": 1, "gates": every_gate}],
    }
    await grant(planner.real)
    checks = await planner.checks(kubeconfig=await account(planner.real), strategy=strategy)
    assert checks["your rights"]["verdict"] == "ok"
    assert (
        "the worker must list nodes (in all namespaces); list pods (in all namespaces); you may not"
        in (checks["worker's rights"]["what"])
    )
    await grant(planner.real, counting=True)
    verdicts = await planner.verdicts(kubeconfig=await account(planner.real), strategy=strategy)
    assert verdicts == ALL_OK


async def test_an_autoscaler_is_told_with_what_follows(planner: Planner) -> None:
    target = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": NAME}
    await planner.real.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "by-load"},
            "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 3},
        }
    )
    found = (await planner.checks())["autoscaler"]
    assert (found["verdict"], found["what"]) == (
        "ok",
        "the HorizontalPodAutoscaler by-load writes the replicas, so LWS's maxSurge carries the surge",
    )
    checks = await planner.checks(strategy={**SURGE, "surgeBy": "replicas"}, code=1)
    assert {about for about, check in checks.items() if check["verdict"] == "failed"} == {"autoscaler"}
    assert "would take the surge down; give surgeBy auto or maxSurge" in checks["autoscaler"]["what"]
    without_surge = await planner.checks(strategy={"maxUnavailable": 1})
    assert without_surge["autoscaler"]["what"] == "there is no surge, so one would not matter"


@pytest.mark.parametrize(
    ("strategy", "verdict", "code"),
    [
        pytest.param({"maxUnavailable": 0, "maxSurge": 2}, "failed", 1, id="would stall"),
        pytest.param({"maxUnavailable": 1, "maxSurge": 2}, "warning", 0, id="goes on in place"),
        pytest.param({"maxUnavailable": 1}, "ok", 0, id="no surge"),
    ],
)
async def test_a_surge_that_finds_no_node_fails_where_the_rollout_would_stall(
    planner: Planner, strategy: Json, verdict: str, code: int
) -> None:
    """Every node has eight GPUs."""
    container = {"name": "model", "image": "m:2", "resources": {"limits": {"nvidia.com/gpu": 9}}}
    change = {"patch": {"workerTemplate": {"spec": {"containers": [container]}}}}
    checks = await planner.checks(strategy=strategy, change=change, code=code)
    assert checks["free nodes"]["verdict"] == verdict
    if verdict != "ok":
        assert checks["free nodes"]["what"].startswith(
            "0 of 2 surge groups would find nodes; short of nvidia.com/gpu. "
        )


async def test_a_change_that_is_refused_still_has_a_plan(planner: Planner) -> None:
    ran = await planner.run(change={"images": {"engine": "m:2"}})
    assert ran.code == 1
    assert "Rolling update started" in ran.stdout
    assert "failed  change           there is no container engine in the target; it has model" in ran.stdout


async def test_a_rejected_template_is_told_with_how_to_allow_it_again(planner: Planner) -> None:
    real = planner.real
    name = await real.keep(Change(images={"model": "m:2"}))
    entries = await real.target.ledger.entries(await real.target.read_object())
    (kept,) = (entry for entry in entries if entry.name == name)
    await real.target.ledger.reject(kept, Rejection(actor="bob", reason="slow", at="2026-01-01T00:00:00+00:00"))
    checks = await planner.checks(code=1)
    assert checks["change"]["verdict"] == "failed"
    assert f"this template is revision {kept.number}, which bob has rejected" in checks["change"]["what"]
    assert f"rollwright reject lws/llm {kept.number} -n {real.namespace.name} --undo" in checks["change"]["what"]


async def test_an_open_rollout_of_the_target_is_told(planner: Planner, server: Client) -> None:
    rollout = planner.target.workflow_id
    given = RolloutInput(spec=RolloutSpec(target=planner.target))
    handle = await server.start_workflow(WORKFLOW_TYPE, given, id=rollout, task_queue=DEFAULT_TASK_QUEUE)
    found = (await planner.checks(code=1))["other rollout"]
    assert (found["verdict"], found["what"]) == ("failed", f"{rollout} is open")
    assert f"rollwright watch {rollout}" in found["todo"]
    await handle.terminate()
    assert await planner.verdicts() == ALL_OK


async def test_a_queue_without_a_worker_is_told(planner: Planner) -> None:
    found = (await planner.checks("--task-queue", "nobodys", code=1))["worker"]
    assert found["what"] == "none takes tasks from the queue nobodys, so the rollout would not begin"


async def test_without_temporal_the_rest_is_checked_all_the_same(planner: Planner) -> None:
    verdicts = await planner.verdicts(address="127.0.0.1:1")
    assert verdicts == {**ALL_OK, "other rollout": "not checked", "worker": "not checked"}


async def test_a_target_that_is_not_there_has_no_plan(planner: Planner) -> None:
    await planner.real.namespace.delete_set(NAME)
    ran = await planner.run()
    assert (ran.code, ran.stdout) == (1, "")
    assert "does not exist" in ran.stderr


async def test_a_gate_of_a_worker_s_connection_is_asked_where_the_connections_are(
    planner: Planner, tmp_path: Path
) -> None:
    strategy = {**SURGE, "steps": [{"until": 1, "gates": [{"kind": "http", "connection": "go"}]}]}
    found = (await planner.checks(strategy=strategy))["gates"]
    assert (found["verdict"], found["todo"]) == (
        "not checked",
        "To ask it from here: --connections DIR, as workers have it.",
    )
    checks = await planner.checks("--connections", str(tmp_path), strategy=strategy, code=1)
    found = checks["http of step 1"]
    assert found["what"].startswith(f"connection 'go': there is no file {tmp_path}/go/url; ")
