"""history, diff, undo and reject against a real API server and a real Temporal server; the rollouts are played."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from temporalio.client import Client, WorkflowHandle

from rollwright.cluster import patches
from rollwright.cluster.api import CONTROLLER_REVISIONS, LEADER_WORKER_SETS, Api, connect
from rollwright.cluster.record import Fence
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.devcluster.cluster import DevCluster
from rollwright.rollout.spec import Change, GatedStep, Pacing, Reclaim, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import (
    DEFAULT_TASK_QUEUE,
    RETARGET,
    WORKFLOW_TYPE,
    Retarget,
    RolloutInput,
    RolloutState,
    Steering,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Ran, Run, Start, StartServer

pytestmark = pytest.mark.real

BEGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GATED = Strategy(max_unavailable=2, steps=(GatedStep(until=1),))
HOSTILE = "[red]\x1b[2J\x07 :boom:\r\nrevision 9  stands\u202e"


@dataclass
class Scene:
    """A target with its ledger, and the command line on it."""

    api: Api
    target: LiveTarget
    namespace: str
    kubeconfig: str
    command: "Run"

    @property
    def rollout(self) -> str:
        return Target(name="llm", namespace=self.namespace).workflow_id

    async def run(self, verb: str, *arguments: str, **env: str) -> "Ran":
        options = ("-n", self.namespace, "--kubeconfig", self.kubeconfig)
        return await self.command(verb, "lws/llm", *arguments, *options, **env)

    async def json(self, verb: str, *arguments: str) -> Any:
        ran = await self.run(verb, *arguments, "--json")
        assert ran.code == 0, ran.stderr
        return json.loads(ran.stdout)

    async def keep(self, image: int, *, reason: str = "", put: bool = True) -> str:
        """Keep a template with this image, a minute after the one before, and put it in place."""
        lws = await self.target.read_object()
        fence = Fence(BEGIN + timedelta(minutes=image), self.rollout)
        change = Change(images={"model": f"m:{image}"})
        kept = await self.target.ledger.keep(lws, change, "", fence, actor="ann@ops", reason=reason or f"try {image}")
        if put:
            template = await self.target.ledger.template(kept.template)
            await self.patch(patches.template(template, lws))
        return kept.template

    async def begin(
        self, server: Client, strategy: Strategy, *, queue: str = DEFAULT_TASK_QUEUE, before: str = ""
    ) -> WorkflowHandle[Any, Any]:
        """A rollout of the target, which goes on; a rollback goes to the template of this name."""
        spec = RolloutSpec(target=Target(name="llm", namespace=self.namespace), strategy=strategy)
        given = RolloutInput(spec=spec, state=RolloutState(before=before))
        return await server.start_workflow(WORKFLOW_TYPE, given, id=self.rollout, task_queue=queue)

    async def patch(self, operations: list[dict[str, Any]]) -> None:
        await self.api.patch(LEADER_WORKER_SETS, self.namespace, "llm", operations)


@pytest_asyncio.fixture(loop_scope="session")
async def scene(devcluster: DevCluster, run: "Run") -> AsyncIterator[Scene]:
    """A target that stands on m:1, of which nothing is kept yet."""
    namespace = f"ledger-{uuid.uuid4().hex[:8]}"
    kubeconfig = str(devcluster.kubeconfig)
    await devcluster.kubectl("create", "namespace", namespace)
    async with connect(kubeconfig) as api:
        pod = {"spec": {"containers": [{"name": "model", "image": "m:1"}], "terminationGracePeriodSeconds": 1}}
        lws = {
            "apiVersion": "leaderworkerset.x-k8s.io/v1",
            "kind": "LeaderWorkerSet",
            "metadata": {"name": "llm"},
            "spec": {"replicas": 1, "leaderWorkerTemplate": {"workerTemplate": pod}},
        }
        await api.create(LEADER_WORKER_SETS, namespace, lws)
        yield Scene(
            api, LiveTarget(api, Watches(api), Target(namespace=namespace, name="llm")), namespace, kubeconfig, run
        )
    await devcluster.kubectl("delete", "namespace", namespace, "--wait=false")


async def test_history_tells_who_asked_for_each_template_and_what_came_of_it(scene: Scene) -> None:
    await scene.keep(2)
    name = await scene.keep(3)
    outcome = "completed 2026-01-02T04:00:00+00:00"
    await scene.target.ledger.record_outcome(name, outcome, Fence(BEGIN + timedelta(hours=1), scene.rollout))
    await scene.run("reject", "2", "--reason", "breaks the tokenizer", "--actor", "bob@ops")
    shown = (await scene.run("history")).stdout.splitlines()
    rejected = next(line for line in shown if line.startswith("  rejected"))
    assert rejected.endswith("UTC by bob@ops: breaks the tokenizer")
    shown.remove(rejected)
    assert shown == [
        "revision 1",
        "  images  model=m:1",
        "  kept    2026-01-02 03:06:05 UTC: found on the target",
        "revision 2  rejected",
        "  images    model=m:2",
        "  kept      2026-01-02 03:06:05 UTC by ann@ops: try 2",
        "revision 3  stands",
        "  images   model=m:3",
        "  kept     2026-01-02 03:07:05 UTC by ann@ops: try 3",
        "  outcome  completed 2026-01-02 04:00:00 UTC",
    ]
    told = await scene.json("history")
    assert told["target"] == f"lws/{scene.namespace}/llm"
    no = told["revisions"][1].pop("rejected")
    assert (no["actor"], no["reason"]) == ("bob@ops", "breaks the tokenizer")
    assert told["revisions"][2] == {
        "revision": 3,
        "name": name,
        "kept_at": "2026-01-02T03:07:05+00:00",
        "actor": "ann@ops",
        "reason": "try 3",
        "images": ["model=m:3"],
        "outcome": outcome,
        "stands": True,
        "rejected": None,
    }


async def test_the_shell_completes_revisions(scene: Scene, start: "Start") -> None:
    await scene.keep(2)
    await scene.keep(3)
    words = f"rollwright undo lws/llm -n {scene.namespace} --kubeconfig {scene.kubeconfig} --to-revision "
    env = {"COMP_WORDS": words, "COMP_CWORD": "8", "_ROLLWRIGHT_COMPLETE": "complete_bash"}
    async with asyncio.timeout(120):  # on a busy machine a cluster may take longer than there is patience for
        while (ran := await (await start(**env)).end()).stdout.split() != ["3", "2", "1"]:
            assert (ran.stderr, ran.code) == ("", 0)


async def test_a_target_that_was_never_rolled_out_has_no_history(scene: Scene) -> None:
    ran = await scene.run("history")
    assert (ran.code, ran.stdout) == (0, "")
    assert ran.stderr.startswith(f"nothing is kept of lws/llm in namespace {scene.namespace} yet")


async def test_history_says_when_what_stands_is_none_of_it(scene: Scene) -> None:
    await scene.keep(2)
    await scene.patch([{"op": "replace", "path": "/spec/leaderWorkerTemplate/size", "value": 2}])
    shown = await scene.run("history")
    assert "stands" not in shown.stdout.splitlines()[4]
    assert shown.stdout.splitlines()[-1].startswith("What stands is none of these")


async def test_hostile_text_in_the_ledger_moves_no_cursor(scene: Scene) -> None:
    await scene.keep(2, reason=HOSTILE)
    await scene.run("reject", "1", "--reason", HOSTILE, "--actor", HOSTILE)
    for ran in (await scene.run("history"), await scene.run("undo", "--to-revision", "1")):
        shown = ran.stdout + ran.stderr
        assert "[red][2J :boom:" in shown
        assert not {"\x1b", "\x07", "\u202e"}.intersection(shown)
        assert "\nrevision 9" not in shown
    assert (await scene.json("history"))["revisions"][1]["reason"] == HOSTILE


async def test_diff_shows_what_going_to_a_revision_would_change(scene: Scene) -> None:
    await scene.keep(2)
    await scene.keep(3)
    field = "leaderWorkerTemplate.workerTemplate.spec.containers[model].image"
    ran = await scene.run("diff", "1")
    assert ran.stdout.splitlines() == ["from revision 3 to revision 1", field, '  - "m:3"', '  + "m:1"']
    assert await scene.json("diff", "1", "2") == {
        "format": 1,
        "before": 1,
        "after": 2,
        "changes": [{"field": field, "before": '"m:1"', "after": '"m:2"'}],
    }
    assert (await scene.run("diff", "3")).stdout.splitlines()[-1] == "The templates are the same."


async def test_diff_compares_with_what_stands_also_if_that_is_not_kept(scene: Scene) -> None:
    await scene.keep(2)
    await scene.patch([{"op": "replace", "path": "/spec/leaderWorkerTemplate/size", "value": 2}])
    told = await scene.json("diff", "2")
    assert told["before"] is None
    assert told["changes"] == [{"field": "leaderWorkerTemplate.size", "before": "2", "after": "1"}]


@pytest.mark.parametrize(
    "verb", [["diff", "7"], ["diff", "1", "7"], ["undo", "--to-revision", "7"], ["reject", "7", "--undo"]]
)
async def test_a_revision_that_there_is_not_is_bad_input(scene: Scene, verb: list[str]) -> None:
    await scene.keep(2)
    ran = await scene.run(*verb)
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        f"error: lws/llm in namespace {scene.namespace} has no revision 7; it has 1, 2",
        f"`rollwright history {scene.rollout}` shows them.",
    ]


@pytest.mark.parametrize("verb", [["history"], ["diff", "1"], ["undo"], ["reject", "1", "--undo"]])
async def test_a_cluster_that_can_not_be_asked_is_told_of(run: "Run", verb: list[str]) -> None:
    ran = await run(verb[0], "lws/llm", *verb[1:])
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.startswith("error: the cluster can't be asked: no kubeconfig says which cluster it is")
    assert ran.stderr.splitlines()[-1] == "Give --kubeconfig or --context."


async def test_undo_starts_a_rollout_to_the_revision_before_the_one_that_stands(server: Client, scene: Scene) -> None:
    first = await scene.keep(2)
    await scene.keep(3)
    ran = await scene.run("undo", "--reason", "error rate", "--actor", "ann@ops", "--max-surge", "1")
    assert ran.code == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == f"started {scene.rollout}"
    assert ran.stderr.splitlines() == [
        "to revision 2 (model=m:2)",
        "strategy by default: at most 1 missing, at most 1 surplus, ordered, gradual",
    ]
    spec = await started(server, scene)
    assert (spec.change, spec.strategy) == (Change(revision=first), Strategy(max_surge=1))


async def started(server: Client, scene: Scene) -> RolloutSpec:
    """What the open rollout was started with."""
    status = await server.get_workflow_handle(scene.rollout).query("status")
    return RolloutSpec.model_validate(status["spec"])


async def test_undo_passes_rejected_revisions_over_and_refuses_them_where_they_are_asked_for(
    server: Client, scene: Scene
) -> None:
    await scene.keep(2)
    await scene.keep(3)
    await scene.run("reject", "2", "--reason", "breaks the tokenizer", "--actor", "bob@ops")
    refused = await scene.run("undo", "--to-revision", "2")
    assert (refused.code, refused.stdout) == (1, "")
    assert "this template is revision 2, which bob@ops has rejected" in refused.stderr
    assert f"rollwright reject lws/llm 2 -n {scene.namespace} --undo" in refused.stderr
    ran = await scene.run("undo")
    assert ran.stderr.splitlines()[0] == "to revision 1 (model=m:1)"
    assert (await started(server, scene)).change.revision == (await scene.json("history"))["revisions"][0]["name"]


async def test_undo_passes_over_what_a_retarget_has_replaced(scene: Scene) -> None:
    broken = await scene.keep(2)
    await scene.keep(3)
    outcome, later = "replaced by another change 2026-01-02T04:00:00+00:00", Fence(BEGIN + timedelta(hours=1), "w")
    await scene.target.ledger.record_outcome(broken, outcome, later)
    assert (await scene.run("undo")).stderr.splitlines()[0] == "to revision 1 (model=m:1)"


async def test_undo_goes_to_the_newest_revision_if_what_stands_was_never_kept(scene: Scene) -> None:
    await scene.keep(2)
    await scene.patch([{"op": "replace", "path": "/spec/leaderWorkerTemplate/size", "value": 2}])
    assert (await scene.run("undo")).stderr.splitlines()[0] == "to revision 2 (model=m:2)"


async def test_there_is_nothing_to_undo_where_nothing_came_before(scene: Scene) -> None:
    await scene.keep(2, put=False)
    ran = await scene.run("undo")
    assert (ran.code, ran.stdout) == (1, "")
    assert "has no revision before revision 1, which stands, or each was rejected, or replaced on its way" in ran.stderr
    assert "--to-revision REV" in ran.stderr


async def test_undo_of_a_target_with_an_open_rollout_points_to_rollback(scene: Scene) -> None:
    await scene.keep(2)
    await scene.run("undo")
    ran = await scene.run("undo")
    assert ran.code == 1
    assert "has an open rollout" in ran.stderr
    assert f"rollwright rollback {scene.rollout}" in ran.stderr


@pytest.mark.parametrize("end", ["go_on", "terminate"])
async def test_undo_takes_the_strategy_of_the_last_rollout_and_puts_flags_over_it(
    server: Client, scene: Scene, end: str
) -> None:
    await scene.keep(2)
    handle = await scene.begin(server, Strategy(max_unavailable=2, max_surge="50%"))
    if end == "terminate":
        await handle.terminate()
    else:
        await handle.signal("go_on")
        await handle.result()
    ran = await scene.run("undo", "--pacing", "eager")
    assert ran.code == 0, ran.stderr
    assert ran.stderr.splitlines()[1] == (
        "strategy of the last rollout: at most 2 missing, at most 50% surplus, eager, gradual"
    )
    strategy = (await started(server, scene)).strategy
    assert (strategy.max_unavailable, strategy.max_surge, strategy.pacing) == (2, "50%", "eager")


async def test_undo_of_a_rollout_that_was_terminated_goes_by_the_strategy_a_retarget_has_set(
    server: Client, scene: Scene
) -> None:
    await scene.keep(2)
    handle = await scene.begin(server, Strategy())
    await handle.execute_update(RETARGET, Retarget(change=Change(restart=True), strategy=GATED))
    await handle.terminate()
    await scene.run("undo")
    assert (await started(server, scene)).strategy == GATED


@pytest.mark.parametrize("retargeted", [None, Strategy(max_surge=2)])
async def test_undo_after_a_fast_rollback_goes_by_the_strategy_from_before_it_unless_there_is_a_newer_one(
    server: Client, scene: Scene, retargeted: Strategy | None
) -> None:
    before = await scene.keep(2)
    await scene.keep(3)
    aborted = await scene.begin(server, GATED, before=before)
    await aborted.signal("abort", Steering())
    await aborted.result()
    await scene.run("rollback", "--fast")
    assert (await started(server, scene)).strategy == Strategy(
        max_unavailable=2, pacing=Pacing.EAGER, reclaim=Reclaim.GRADUAL
    )
    back = server.get_workflow_handle(scene.rollout)
    if retargeted:
        await back.execute_update(RETARGET, Retarget(change=Change(restart=True), strategy=retargeted))
    await back.signal("go_on")
    await back.result()
    await scene.run("undo")
    assert (await started(server, scene)).strategy == (retargeted or GATED)


@pytest.mark.parametrize(
    ("given", "partition"),
    [pytest.param((), 0, id="all groups"), pytest.param(("--partition", "2"), 2, id="as given")],
)
async def test_undo_of_a_canary_is_for_all_groups_unless_a_partition_is_given(
    server: Client, scene: Scene, given: tuple[str, ...], partition: int
) -> None:
    await scene.keep(2)
    handle = await scene.begin(server, Strategy(partition=3))
    await handle.signal("go_on")
    await handle.result()
    await scene.run("undo", *given)
    assert (await started(server, scene)).strategy == Strategy(partition=partition)


@pytest.mark.parametrize(
    ("given", "queue"),
    [pytest.param((), "gpu", id="the last one's"), pytest.param(("--task-queue", "other"), "other", id="as given")],
)
async def test_undo_starts_where_the_workers_of_the_cluster_are(
    server: Client, scene: Scene, given: tuple[str, ...], queue: str
) -> None:
    await scene.keep(2)
    handle = await scene.begin(server, Strategy(), queue="gpu")
    await handle.terminate()
    ran = await scene.run("undo", *given)
    assert ran.code == 0, ran.stderr
    assert (await server.get_workflow_handle(scene.rollout).describe()).task_queue == queue


async def test_undo_works_where_temporal_knows_of_no_rollout(start_server: "StartServer", scene: Scene) -> None:
    await scene.keep(2)
    other = await start_server()
    ran = await scene.run("undo", address=other.client.service_client.config.target_host)
    await other.shutdown()
    assert ran.code == 0, ran.stderr
    assert ran.stdout.splitlines()[0] == f"started {scene.rollout}"


async def test_undo_refuses_a_strategy_by_which_nothing_may_move(scene: Scene) -> None:
    await scene.keep(2)
    ran = await scene.run("undo", "--max-unavailable", "0")
    assert (ran.code, ran.stdout) == (2, "")
    assert "maxUnavailable and maxSurge are both 0" in ran.stderr


async def test_reject_is_taken_back_by_its_undo_and_both_may_be_said_twice(scene: Scene) -> None:
    await scene.keep(2)
    what = f"revision 1 of lws/llm in namespace {scene.namespace} (model=m:1)"
    for _ in range(2):
        ran = await scene.run("reject", "1", "--reason", "too slow", "--actor", "ann@ops")
        assert (ran.code, ran.stdout) == (0, f"{what} is refused from now on, by ann@ops: too slow\n")
    assert (await scene.run("reject", "1", "--undo")).stdout == f"{what} may be rolled out again\n"
    assert (await scene.run("reject", "1", "--undo")).stdout == f"{what} was not rejected\n"
    assert (await scene.json("history"))["revisions"][0]["rejected"] is None


async def test_an_aborted_rollout_does_not_go_back_to_a_rejected_revision_until_that_is_allowed_again(
    server: Client, scene: Scene
) -> None:
    await scene.keep(2)
    first = (await scene.json("history"))["revisions"][0]["name"]
    handle = await scene.begin(server, Strategy(), before=first)
    await handle.signal("abort", Steering())
    await handle.result()
    await scene.run("reject", "1", "--reason", "too slow", "--actor", "bob@ops")
    refused = await scene.run("rollback")
    assert (refused.code, refused.stdout) == (1, "")
    assert "this template is revision 1, which bob@ops has rejected" in refused.stderr
    assert f"rollwright reject lws/llm 1 -n {scene.namespace} --undo" in refused.stderr
    await scene.run("reject", "1", "--undo")
    ran = await scene.run("rollback")
    assert (ran.code, ran.stderr) == (0, "")
    assert (await started(server, scene)).change == Change(revision=first)


async def test_rejecting_what_stands_says_how_to_leave_it(scene: Scene) -> None:
    await scene.keep(2)
    ran = await scene.run("reject", "2", "--reason", "too slow")
    assert ran.stdout.splitlines()[1] == (
        f"It stands on the target; to go to the one before: rollwright undo {scene.rollout}"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--reason is missing"),
        (["--reason", " "], "--reason is missing"),
        (["--undo", "--reason", "x"], "--reason is not kept with --undo"),
        (["--reason", "x" * 1001], "--reason: String should have at most 1000 characters"),
    ],
)
async def test_reject_wants_a_reason(run: "Run", arguments: list[str], says: str) -> None:
    ran = await run("reject", "lws/llm", "1", *arguments)
    assert (ran.code, ran.stdout) == (2, "")
    assert f"error: {says}" in ran.stderr


async def test_a_ledger_that_somebody_has_edited_by_hand_is_still_shown(scene: Scene) -> None:
    name = await scene.keep(2)
    await scene.api.patch(
        CONTROLLER_REVISIONS, scene.namespace, name, [{"op": "remove", "path": "/metadata/annotations"}]
    )
    assert (await scene.run("history")).stdout.splitlines()[-2:] == ["revision 2  stands", "  images  model=m:2"]
