"""Gates between steps, on a real Temporal server with skipped time; what they find is played."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from temporalio import activity
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from rollwright.activities.messages import ActivityName, Sight, WaitReadiness
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Finding, OnFailure, Progress
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.window import Window
from rollwright.rollout.planner import Action
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.contract import RETARGET, Phase, RolloutStatus
from tests.support.fakes import FakeCluster
from tests.support.skipped_time import Handle, refusal, rollout, status, steer, until, until_phase

pytestmark = pytest.mark.real

BAKE = Bake(duration=7200)
ASK = ApprovalGate()
QUICK = timedelta(seconds=20)
"""While time is skipped, a gate that is asked every few seconds costs a moment each time."""


def gated(*gates: AnyGate, **more: Any) -> Strategy:
    """One group, the gates, and the rest."""
    return Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=gates),), **more)


def found(finding: Finding, message: str = "as told", **more: Any) -> Progress:
    return Progress(finding=finding, message=message, since=0.0, **more)


async def waits(handle: Handle, *findings: Finding) -> RolloutStatus:
    """Wait until the gates of the step that waits stand so."""

    async def stand() -> bool:
        return [gate.progress.finding for gate in (await status(handle)).open_gates] == list(findings)

    await until(stand)
    return await status(handle)


def updated(cluster: FakeCluster) -> list[int]:
    return sorted(ordinal for ordinal, pod in cluster.world.pods.items() if pod.revision == "new")


def events(told: RolloutStatus) -> list[str]:
    return [event.what for event in told.events]


async def test_the_rollout_goes_on_once_all_gates_have_passed(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), gates={"bake": found(Finding.PASSED)})
    strategy = gated(BAKE, Bake(name="second", duration=60))
    async with rollout(server, cluster, strategy) as handle:
        now = await waits(handle, Finding.PASSED, Finding.PENDING)
        assert (now.phase, now.gate, now.gates, updated(cluster)) == (Phase.GATED, 1, 1, [3])
        assert now.reason == "gate 1 of 1 bake passed (as told); second pending"
        cluster.gates["second"] = found(Finding.PASSED)
        result = await handle.result()
    assert (result.phase, updated(cluster)) == (Phase.COMPLETED, [0, 1, 2, 3])
    assert events(result) == ["gate 1 passed: bake: as told; second: as told"]
    first = cluster.gates_asked[0]
    assert (first.step, first.template) == (1, "x-new")


@pytest.mark.parametrize(
    ("on_failure", "end"), [(OnFailure.ROLLBACK, Phase.ROLLED_BACK), (OnFailure.ABORT, Phase.ABORTED)]
)
async def test_the_first_gate_that_fails_decides(
    server: WorkflowEnvironment, on_failure: OnFailure, end: Phase
) -> None:
    cluster = FakeCluster(World(4), gates={"bake": found(Finding.FAILED, "group 3 has restarted")})
    gates = (Bake(name="other", duration=60), Bake(duration=60, on_failure=on_failure))
    async with rollout(server, cluster, gated(*gates)) as handle:
        result = await handle.result()
    assert result.phase is end
    why = [event.reason for event in result.events if event.actor == "rollwright"]
    assert why == ["gate bake failed: group 3 has restarted"]
    assert [pod.revision for pod in cluster.world.pods.values()].count("new") == (0 if end is Phase.ROLLED_BACK else 1)


async def test_a_gate_that_has_failed_waits_for_people_and_resume_begins_it_anew(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), gates={"bake": found(Finding.FAILED, "group 3 has restarted")})
    async with rollout(server, cluster, gated(BAKE)) as handle:
        await until_phase(handle, Phase.PAUSED)
        now = await waits(handle, Finding.FAILED)
        assert now.reason == "gate bake failed: group 3 has restarted"
        assert now.next == ("rollwright resume lws/llm -n default",)
        del cluster.gates["bake"]
        await steer(handle, "resume")
        now = await waits(handle, Finding.PENDING)
        assert (now.phase, now.open_gates[0].progress.failures) == (Phase.GATED, 0)
        cluster.gates["bake"] = found(Finding.PASSED)
        assert (await handle.result()).phase is Phase.COMPLETED


class Unseen(FakeCluster):
    """It can't be looked at any more once a gate was asked."""

    @activity.defn(name=ActivityName.WAIT_READINESS)
    async def wait_readiness(self, request: WaitReadiness) -> Sight:
        while self.gates_asked:
            activity.heartbeat()
            await asyncio.sleep(0.02)
        return await super().wait_readiness(request)


async def test_why_a_gate_has_paused_it_is_told_before_the_cluster_is_looked_at_again(
    server: WorkflowEnvironment,
) -> None:
    cluster = Unseen(World(4), gates={"bake": found(Finding.FAILED, "group 3 has restarted")})
    async with rollout(server, cluster, gated(BAKE)) as handle:
        await until_phase(handle, Phase.PAUSED)
        assert (await status(handle)).reason == "gate bake failed: group 3 has restarted"


async def test_what_is_inconclusive_pauses_whatever_is_to_follow_a_failure(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), gates={"bake": found(Finding.INCONCLUSIVE, "no data")})
    async with rollout(server, cluster, gated(Bake(duration=60, on_failure=OnFailure.ROLLBACK))) as handle:
        await until_phase(handle, Phase.PAUSED)
        assert (await waits(handle, Finding.INCONCLUSIVE)).reason == "gate bake inconclusive: no data"
        assert updated(cluster) == [3]
        await steer(handle, "promote")
        await steer(handle, "resume")
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_while_paused_gates_are_asked_and_nothing_follows(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(Bake(duration=60, on_failure=OnFailure.ABORT))) as handle:
        await waits(handle, Finding.PENDING)
        await steer(handle, "pause")
        cluster.gates["bake"] = found(Finding.FAILED)
        now = await waits(handle, Finding.FAILED)
        assert (now.phase, now.reason) == (Phase.PAUSED, "gate bake failed: as told")
        cluster.gates["bake"] = found(Finding.PASSED)
        await steer(handle, "resume")
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_gates_that_passed_while_paused_are_passed_on_resume(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(BAKE)) as handle:
        await waits(handle, Finding.PENDING)
        await steer(handle, "pause")
        cluster.gates["bake"] = found(Finding.PASSED)
        assert (await waits(handle, Finding.PASSED)).phase is Phase.PAUSED
        assert updated(cluster) == [3]
        asked = len(cluster.gates_asked)
        await steer(handle, "resume")
        assert (await handle.result()).phase is Phase.COMPLETED
        assert len(cluster.gates_asked) == asked


@pytest.mark.parametrize(("message", "end"), [("rollback", Phase.ROLLED_BACK), ("abort", Phase.ABORTED)])
async def test_a_gate_is_let_go_when_the_rollout_goes_elsewhere(
    server: WorkflowEnvironment, message: str, end: Phase
) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(BAKE, ASK)) as handle:
        await waits(handle, Finding.PENDING, Finding.PENDING)
        await steer(handle, message)
        result = await handle.result()
    assert (result.phase, result.open_gates, result.gate) == (end, (), None)


async def test_a_gate_goes_on_where_it_stands_when_the_history_is_begun_anew(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), gates={"bake": found(Finding.PENDING, "half way", memory={"3": "u 0"})})
    with patch("rollwright.workflows.rollout._EVENTS_A_RUN", 60):
        async with rollout(server, cluster, gated(BAKE), sandboxed=False) as handle:
            await waits(handle, Finding.PENDING)
            first = (await handle.describe()).run_id

            async def begun_anew() -> bool:
                now = await handle.describe()
                if now.run_id == first and now.history_length < 80:  # it isn't ended while a signal is on its way
                    await handle.signal("nonsense")
                return now.run_id != first

            since = cluster.gates_asked[0].progress.since
            await until(begun_anew)
            asked = len(cluster.gates_asked)

            async def is_asked_again() -> bool:
                return len(cluster.gates_asked) > asked

            await until(is_asked_again)
            last = cluster.gates_asked[-1].progress
            assert (last.since, last.message, last.memory) == (since, "half way", {"3": "u 0"})
            cluster.gates["bake"] = found(Finding.PASSED)
            assert (await handle.result()).phase is Phase.COMPLETED


async def test_all_gates_are_passed_by_a_full_promotion(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(BAKE, ASK)) as handle:
        await waits(handle, Finding.PENDING, Finding.PENDING)
        await steer(handle, "promote", full=True)
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_an_approval_is_of_what_was_seen_and_each_person_counts_once(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(ApprovalGate(approvers=2))) as handle:
        now = await waits(handle, Finding.PENDING)
        assert now.next[0] == f"rollwright approve lws/llm -n default --step 1 --seen {now.seen}"
        assert "an approval is of what was seen" in await refusal(handle, "approve")
        assert "changed since you looked" in await refusal(handle, "approve", seen="0123456789ab")
        assert await refusal(handle, "approve", seen=now.seen, step=2) == "it waits at step 1, not at step 2"
        assert await steer(handle, "approve", seen=now.seen, reason="good answers") == "counts as an approval"
        assert await steer(handle, "approve", seen=now.seen) == "stays as it is"
        now = await waits(handle, Finding.PENDING)
        assert now.open_gates[0].progress.message == "waits for 1 of 2 approvals; approved by ada"
        assert [(given.actor, given.reason) for given in now.open_gates[0].progress.approvals] == [
            ("ada", "good answers")
        ]
        await steer(handle, "approve", seen=now.seen, actor="bob")
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    assert "gate 1 passed: approval: approved by ada, bob" in events(result)


async def test_two_approvals_at_once_and_one_that_comes_late(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), held={ActivityName.RESTORE})
    strategy = Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=(ASK,)), GatedStep(until=2, gates=(ASK,))))
    async with rollout(server, cluster, strategy) as handle:
        seen = (await waits(handle, Finding.PENDING)).seen
        both = (steer(handle, "approve", actor=actor, seen=seen, step=1) for actor in ("ada", "bob"))
        assert sorted(await asyncio.gather(*both)) == ["counts as an approval", "stays as it is"]

        async def at_the_second() -> bool:
            return (await status(handle)).gate == 2

        await until(at_the_second)
        assert await steer(handle, "approve", actor="cy", seen=seen, step=1) == "stays as it is"
        assert "changed since you looked" in await refusal(handle, "approve", actor="cy", seen=seen)
        assert updated(cluster) == [2, 3]
        await steer(handle, "abort")
        assert await refusal(handle, "approve", seen=seen, step=2) == "no approval is asked for now"
        cluster.held.clear()
        assert (await handle.result()).phase is Phase.ABORTED


async def test_an_approval_of_something_else_is_asked_for_again(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(ApprovalGate(approvers=2))) as handle:
        before = await waits(handle, Finding.PENDING)
        await steer(handle, "approve", seen=before.seen)
        cluster.generation = 2

        async def is_asked_again() -> bool:
            return not (await status(handle)).open_gates[0].progress.approvals

        await until(is_asked_again)
        now = await status(handle)
        assert now.seen != before.seen
        assert events(now)[-1].startswith("the approval by ada was of something else than stands now")
        assert "changed since you looked" in await refusal(handle, "approve", actor="bob", seen=before.seen)
        for actor in ("ada", "bob"):
            await steer(handle, "approve", actor=actor, seen=now.seen)
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_rejection_is_a_failure_and_needs_no_proof(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(ApprovalGate(on_failure=OnFailure.ROLLBACK, retries=3))) as handle:
        await waits(handle, Finding.PENDING)
        await handle.signal("reject", {"actor": "ada", "reason": "answers in Klingon"})
        result = await handle.result()
    assert result.phase is Phase.ROLLED_BACK
    assert "gate approval failed: rejected by ada: answers in Klingon" in [event.reason for event in result.events]


async def test_an_approval_that_nobody_gives_expires(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(ApprovalGate(timeout=3600, on_failure=OnFailure.ABORT))) as handle:
        result = await handle.result()
    assert result.phase is Phase.ABORTED
    assert "gate approval failed: not decided within 1 h; at last: waits to be approved" in [
        event.reason for event in result.events
    ]


async def test_less_surge_is_asked_for_where_a_gate_has_found_too_few_nodes(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), gates={"bake": found(Finding.PASSED, surge_limit=0)})
    async with rollout(server, cluster, gated(BAKE, max_surge=2)) as handle:
        result = await handle.result()
    assert result.phase is Phase.COMPLETED
    after_the_gate = next(step for step in cluster.steps if step.partition < 3)
    assert (after_the_gate.action, after_the_gate.groups) == (Action.LOWER_PARTITION, 4)


async def test_when_the_window_closes_nothing_further_is_released_until_the_next(server: WorkflowEnvironment) -> None:
    """Other gates of that step have passed already and aren't asked again."""
    window = Window(schedule="0 22 * * *", duration=3600)
    cluster = FakeCluster(World(8), start_up=timedelta(minutes=30))
    cluster.gates["bake"] = found(Finding.PASSED)
    async with rollout(server, cluster, gated(window, BAKE)) as handle:
        await waits(handle, Finding.PENDING, Finding.PASSED)
        cluster.gates["window"] = found(Finding.PASSED, open_until=await _server_time(handle) + 3500)

        async def is_closed() -> bool:
            return any("window has closed" in what for what in events(await status(handle)))

        asked = len(cluster.gates_asked)
        await until(is_closed)
        del cluster.gates["window"]
        now = await waits(handle, Finding.PENDING, Finding.PASSED)
        stopped_at = updated(cluster)
        assert 1 < len(stopped_at) < 8
        assert now.open_gates[1].progress.message == "passed before the window closed"
        assert {request.gate.title for request in cluster.gates_asked[asked:]} <= {"window"}
        cluster.gates["window"] = found(Finding.PASSED, open_until=await _server_time(handle) + 86400)
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_window_that_closes_while_another_gate_takes_its_time_is_asked_again(
    server: WorkflowEnvironment,
) -> None:
    window = Window(schedule="0 22 * * *", duration=3600)
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(window, ASK)) as handle:
        now = await waits(handle, Finding.PENDING, Finding.PENDING)
        cluster.gates["window"] = found(Finding.PASSED, open_until=await _server_time(handle) + 30)
        await waits(handle, Finding.PASSED, Finding.PENDING)

        async def is_over() -> bool:
            await handle.signal("nonsense")
            return await _server_time(handle) > cluster.gates["window"].open_until  # type: ignore[operator]

        await until(is_over)
        del cluster.gates["window"]
        await steer(handle, "approve", seen=now.seen)
        await waits(handle, Finding.PENDING, Finding.PASSED)
        assert updated(cluster) == [3]
        cluster.gates["window"] = found(Finding.PASSED, open_until=await _server_time(handle) + 86400)
        assert (await handle.result()).phase is Phase.COMPLETED


async def _server_time(handle: Handle) -> float:
    last = [event async for event in handle.fetch_history_events()][-1]
    return last.event_time.ToDatetime(tzinfo=UTC).timestamp()


def test_a_window_holds_for_later_gates_until_another_does() -> None:
    night, day = Window(schedule="0 22 * * *", duration=3600), Window(schedule="0 9 * * *", duration=3600)
    steps: Sequence[tuple[AnyGate, ...]] = ((night,), (BAKE,), (), (day, BAKE), (ASK,))
    strategy = Strategy(steps=tuple(GatedStep(until=number, gates=gates) for number, gates in enumerate(steps)))
    assert [strategy.gates_at(step) for step in range(5)] == [
        (night,),
        (BAKE, night),
        (),
        (day, BAKE),
        (ASK, day),
    ]


async def test_a_gate_is_left_while_its_step_is_not_done_any_more_and_begins_anew(server: WorkflowEnvironment) -> None:
    """Somebody scales the canary away: what the gate finds of groups that are gone counts for nothing."""
    cluster = FakeCluster(World(8), start_up=QUICK)
    strategy = Strategy(max_unavailable=1, steps=(GatedStep(until="50%", gates=(BAKE, ASK)),))
    async with rollout(server, cluster, strategy) as handle:
        now = await waits(handle, Finding.PENDING, Finding.PENDING)
        await steer(handle, "approve", seen=now.seen)
        first = now.open_gates[0].progress.since
        cluster.world.user_scales(4)
        cluster._settle()

        async def is_opened_again() -> bool:
            open_gates = (await status(handle)).open_gates
            return bool(open_gates) and open_gates[0].progress.since > first

        await until(is_opened_again)
        now = await status(handle)
        assert [gate.progress.finding for gate in now.open_gates] == [Finding.PENDING, Finding.PENDING]
        assert updated(cluster) == [2, 3]
        await steer(handle, "abort")
        await handle.result()


async def test_gates_find_nothing_while_somebody_elses_change_stands(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), start_up=QUICK)
    async with rollout(server, cluster, gated(BAKE)) as handle:
        await waits(handle, Finding.PENDING)
        cluster.world.spec = cluster.world.spec._replace(revision="theirs", partition=4)
        cluster.world.reflect()
        cluster.dispute = "the template"
        await until_phase(handle, Phase.STALLED)
        cluster.gates["bake"] = found(Finding.PASSED)
        assert (await status(handle)).phase is Phase.STALLED
        del cluster.gates["bake"]
        await steer(handle, "resume", side="ours")
        await waits(handle, Finding.PENDING)
        assert updated(cluster) == [3]
        cluster.gates["bake"] = found(Finding.PASSED)
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_retarget_outlasts_what_an_older_gate_finds(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4))
    async with rollout(server, cluster, gated(ApprovalGate(on_failure=OnFailure.ROLLBACK))) as handle:
        now = await waits(handle, Finding.PENDING)
        cluster.refusals = [ApplicationError("the API server doesn't answer")] * 4
        await handle.signal(RETARGET, {"change": {"images": {"model": "m:newer"}}})
        assert "another change is being taken up" in await refusal(handle, "reject")
        assert "another change is being taken up" in await refusal(handle, "approve", seen=now.seen)
        await until_phase(handle, Phase.GATED)

        async def is_at_its_own_gate() -> bool:
            told = await status(handle)
            return told.revision == "x-newer" and bool(told.seen)

        await until(is_at_its_own_gate)
        await steer(handle, "approve", seen=(await status(handle)).seen)
        result = await handle.result()
    assert (result.phase, result.revision) == (Phase.COMPLETED, "x-newer")


async def test_a_step_that_comes_late_is_not_taken_outside_the_window(server: WorkflowEnvironment) -> None:
    window = Window(schedule="0 22 * * *", duration=3600)
    cluster = FakeCluster(World(4), start_up=QUICK)
    async with rollout(server, cluster, gated(window)) as handle:
        await waits(handle, Finding.PENDING)
        cluster.refusals = [ApplicationError("the API server doesn't answer")] * 1000
        cluster.gates["window"] = found(Finding.PASSED, open_until=await _server_time(handle) + 60)

        async def is_closed() -> bool:
            try:
                return any("window has closed" in what for what in events(await status(handle)))
            except RPCError:  # the worker is about to take it up
                return False

        await until(is_closed)
        del cluster.gates["window"]
        cluster.refusals = []
        await waits(handle, Finding.PENDING)
        assert updated(cluster) == [3]
        await steer(handle, "promote")
        assert (await handle.result()).phase is Phase.COMPLETED


async def test_a_failure_with_much_to_tell_is_taken_like_any_other(server: WorkflowEnvironment) -> None:
    cluster = FakeCluster(World(4), broken=frozenset({"new"}), why="x" * 3000)
    async with rollout(server, cluster, Strategy(max_unavailable=1, on_stall=OnFailure.ROLLBACK)) as handle:
        assert (await handle.result()).phase is Phase.ROLLED_BACK
