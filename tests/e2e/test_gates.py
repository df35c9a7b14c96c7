"""Gates on the real parts: what bakes, waits to be approved, and keeps to its hours; also when its worker dies."""

from datetime import UTC, datetime, timedelta

import pytest

from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import Finding, OnFailure
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.window import Window
from rollwright.rollout.spec import GatedStep, Strategy, SurgeDuringGates
from rollwright.workflows.contract import Message, Phase, RolloutStatus
from tests.e2e.scene import AT_ONCE, NEW, OLD, Scene, assert_left_alone, assert_never_touched

pytestmark = pytest.mark.real


def gated(*gates: AnyGate, max_surge: int = 1, surge: SurgeDuringGates = SurgeDuringGates.RECLAIM) -> Strategy:
    step = GatedStep(until=1, gates=gates)
    return Strategy(max_unavailable=1, max_surge=max_surge, surge_during_gates=surge, steps=(step,))


def stand(status: RolloutStatus) -> list[Finding]:
    return [gate.progress.finding for gate in status.open_gates]


async def test_a_canary_that_bakes_well_is_followed_by_the_rest(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(Bake(duration=10))) as rollout:
        now = await rollout.until(lambda now: stand(now) == [Finding.PENDING])
        assert rollout.seen.partition_replicas[-1] == (3, 4)  # the surge is given back meanwhile
        assert now.phase is Phase.GATED
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert [event.what for event in result.events] == [
        "gate 1 passed: bake: 1 group on the new revision served for 10 s"
    ]
    assert [len(rollout.seen.leaders[ordinal]) for ordinal in range(4)] == [2, 2, 2, 2]
    assert_left_alone(await scene.lws())


async def test_a_canary_that_restarts_is_taken_back_and_cost_one_group(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE, size=2)
    async with scene.rollout(gated(Bake(duration=3600, on_failure=OnFailure.ROLLBACK))) as rollout:
        await rollout.until(lambda now: stand(now) == [Finding.PENDING] and now.open_gates[0].progress.memory)
        await scene.kubectl("delete", "pod", "llm-3", "--wait=false")
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    (why,) = {event.reason for event in result.events if event.actor == "rollwright"}
    assert why in ("gate bake failed: group 3 is not available", "gate bake failed: group 3 has restarted")
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def test_a_bake_goes_on_where_its_worker_died_and_sees_what_happened_meanwhile(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(Bake(duration=3600, on_failure=OnFailure.ABORT))) as rollout:
        before = await rollout.until(lambda now: stand(now) == [Finding.PENDING] and now.open_gates[0].progress.memory)
        await rollout.worker.kill()
        leader = rollout.seen.leaders[3][-1].uid
        await scene.kubectl("delete", "pod", "llm-3", "--wait=false")
        await rollout.seen.until(
            lambda: rollout.seen.leaders[3][-1].uid != leader and rollout.seen.moments[-1].available == 4
        )
        await scene.start_worker()
        result = await rollout.result()
    assert result.phase is Phase.ABORTED
    assert [event.reason for event in result.events if event.actor == "rollwright"] == [
        "gate bake failed: group 3 has restarted"
    ]
    assert before.open_gates[0].progress.since > 0


async def test_a_bake_is_not_begun_anew_by_another_worker(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(Bake(duration=15))) as rollout:
        before = await rollout.until(lambda now: stand(now) == [Finding.PENDING])
        await rollout.worker.kill()
        await scene.start_worker()
        after = await rollout.until(lambda now: now.open_gates)
        assert after.open_gates[0].progress.since == before.open_gates[0].progress.since
        assert (await rollout.result()).phase is Phase.COMPLETED


async def test_people_approve_what_they_have_seen_by_the_command_line(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(gated(ApprovalGate(approvers=2), max_surge=0), scaled_to=5) as rollout:
        first = await rollout.until_phase(Phase.GATED)
        assert "by ada" in await scene.rollwright("approve", "--step=1", "--actor=ada", "--reason=good answers")
        await scene.kubectl("annotate", "lws/llm", "note=nothing")  # no change of its spec
        assert (await rollout.status()).seen == first.seen
        await scene.scale(5)
        await rollout.until(lambda now: now.seen not in ("", first.seen))
        refused = await scene.rollwright("approve", "--actor=bob", f"--seen={first.seen}", code=1)
        assert "has changed since you looked" in refused
        await rollout.until(lambda now: now.phase is Phase.GATED and now.observation and now.observation.available == 5)
        for actor in ("ada", "bob"):
            await scene.rollwright("approve", f"--actor={actor}")
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED


async def test_a_rejection_by_the_command_line_and_the_surge_that_stays_during_gates(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    gate = ApprovalGate(on_failure=OnFailure.ROLLBACK)
    async with scene.rollout(gated(gate, surge=SurgeDuringGates.KEEP)) as rollout:
        await rollout.until_phase(Phase.GATED)
        assert rollout.seen.partition_replicas[-1] == (3, 5)
        shown = await scene.rollwright("status")
        assert "1 of 1: approval pending: waits to be approved" in shown
        await scene.rollwright("reject", "--step=1", "--reason=answers in Klingon")
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1, 2)


async def test_outside_the_window_nothing_is_begun_and_a_full_promotion_passes_it(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    opens = datetime.now(UTC) + timedelta(hours=2)
    window = Window(schedule=f"{opens.minute} {opens.hour} * * *", duration=3600)
    strategy = Strategy(max_unavailable=1, steps=(GatedStep(until=0, gates=(window,)),))
    async with scene.rollout(strategy) as rollout:
        now = await rollout.until(lambda now: stand(now) == [Finding.PENDING] and now.open_gates[0].progress.message)
        assert now.open_gates[0].progress.message == f"outside the window, which opens {opens:%a %Y-%m-%d %H:%M} UTC"
        assert_never_touched(rollout.seen, 0, 1, 2, 3)
        await rollout.send(Message.PROMOTE, full=True)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED


async def test_gates_after_the_last_group_decide_before_the_rollout_is_complete(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    gate = ApprovalGate(on_failure=OnFailure.ROLLBACK)
    strategy = Strategy(max_unavailable=2, steps=(GatedStep(until="100%", gates=(gate,)),))
    async with scene.rollout(strategy) as rollout:
        await rollout.until_phase(Phase.GATED)
        assert await scene.images() == {NEW}
        await scene.rollwright("reject", "--step=1", "--reason=answers in Klingon")
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert await scene.images() == {OLD}
