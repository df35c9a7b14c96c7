"""A version that fails: the rollout stands and says why, goes back by itself, or goes on without a few groups."""

import pytest

from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import Message, Phase
from tests.e2e.scene import (
    AT_ONCE,
    BY_HAND,
    NAME,
    NEW,
    NEW_IMAGE,
    OLD,
    Scene,
    assert_left_alone,
    assert_never_touched,
    assert_replaced_once,
    broken,
)

pytestmark = pytest.mark.real

IMPATIENT = Strategy(max_unavailable=1, failure_grace=1)
PULL = f'{NAME}-3: ImagePullBackOff: Back-off pulling image "{NEW}"'


async def test_a_failed_group_stalls_the_rollout_in_its_pods_own_words_until_it_is_mended(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(IMPATIENT, broken("image-pull", 3)) as rollout:
        stalled = await rollout.until_phase(Phase.STALLED, "has failed")
        assert f"group 3 has failed ({PULL}" in stalled.reason
        assert "for more than 1 s)" in stalled.reason
        assert_never_touched(rollout.seen, 0, 1, 2)
        await scene.kubectl("annotate", "pod", f"{NAME}-3", "devcluster.rollwright.io/fail-")
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_replaced_once(rollout.seen)
    assert_left_alone(await scene.lws())


async def test_too_many_failures_take_a_rollout_back_by_itself(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    strategy = IMPATIENT.model_copy(update={"max_surge": 1, "on_stall": OnFailure.ROLLBACK})
    async with scene.rollout(strategy, broken("image-pull")) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    (event,) = result.events
    assert (event.actor, event.what.partition(":")[0]) == ("rollwright", "rollback")
    assert "has failed (llm-" in event.reason
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def test_too_many_failures_abort_a_rollout_by_itself(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    strategy = IMPATIENT.model_copy(update={"on_stall": OnFailure.ABORT})
    async with scene.rollout(strategy, broken("image-pull")) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.ABORTED
    assert "new revision on group 3; older one on groups 0-2; held at partition 3" in result.reason
    assert f"group 3 has failed ({PULL}" in result.events[0].reason
    assert_never_touched(rollout.seen, 0, 1, 2)


async def test_a_group_over_its_deadline_has_failed_until_it_is_ready(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    strategy = Strategy(max_unavailable=1, progress_deadline=1)
    async with scene.rollout(strategy, NEW_IMAGE) as rollout:
        words = "containers with unready status: [model], not ready 1 s after its start)"
        stalled = await rollout.until_phase(Phase.STALLED, words)
        assert f"group 3 has failed ({NAME}-3: {words}" in stalled.reason
        await scene.make_ready(3, 2, 1, 0)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert_replaced_once(rollout.seen)


async def test_a_failure_that_is_tolerated_is_gone_round_and_named_at_the_end(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    strategy = IMPATIENT.model_copy(update={"max_unavailable": 2, "max_failed_groups": 1})
    async with scene.rollout(strategy, broken("image-pull", 2)) as rollout:
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert "failed: group 2" in result.reason
    assert_replaced_once(rollout.seen)
    assert_left_alone(await scene.lws())


async def test_a_crash_loop_that_recreates_its_group_is_counted_as_one_start(scene: Scene) -> None:
    await scene.create(size=2, ready_after=AT_ONCE)
    strategy = Strategy(max_unavailable=1, failure_grace=2)
    async with scene.rollout(strategy, broken("crash-loop", 3)) as rollout:
        words = "its leader dies again and again, for more than 2 s"
        await rollout.until(lambda now: now.phase is Phase.STALLED and words in now.reason, within_seconds=90)
        assert len(rollout.seen.leaders[3]) > 3
        # Between two of its leaders there are no pods to tell why.
        await rollout.until(lambda now: "group 3 has failed (llm-3" in now.reason, within_seconds=90)
        await rollout.send(Message.ROLLBACK)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())
