"""People change their minds: what each message makes of a rollout that is under way."""

import time
from collections.abc import Callable

import pytest

from rollwright.devcluster.parts import Part
from rollwright.rollout.spec import Change, GatedStep, Strategy
from rollwright.workflows.contract import RETARGET, Message, Phase
from tests.e2e.documented import TWO_TWO, assert_done_once, play
from tests.e2e.scene import (
    AT_ONCE,
    BY_HAND,
    CAPTAIN,
    NEW,
    OLD,
    RECORD,
    Rollout,
    Scene,
    assert_left_alone,
    assert_never_touched,
    broken,
)

pytestmark = pytest.mark.real

ONE = Strategy(max_unavailable=1)
ONE_ONE = Strategy(max_unavailable=1, max_surge=1)
AT_ONCE_SECONDS = 1
LATER = "model:3"


async def test_a_pause_takes_no_step_until_it_is_resumed(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.send(Message.PAUSE, reason="error rate is up")
        await scene.make_ready(4, 5)
        paused = await rollout.until(lambda now: now.observation and all(g.ready for g in now.observation.groups[4:6]))
        assert paused.phase is Phase.PAUSED
        assert rollout.seen.partition_replicas[-1] == (2, 6)
        await rollout.send(Message.RESUME)
        result = await play(scene, rollout, first=(0, 6))
    assert result.phase is Phase.COMPLETED
    told = [(event.what.partition(":")[0], event.actor, event.reason) for event in result.events]
    assert told == [("pause", CAPTAIN, "error rate is up"), ("resume", CAPTAIN, "")]
    await assert_done_once(scene, rollout)


@pytest.mark.parametrize("standing", [Phase.PROGRESSING, Phase.PAUSED, Phase.STALLED], ids=str)
async def test_a_rollback_brings_broken_groups_back_and_leaves_the_others_alone(scene: Scene, standing: Phase) -> None:
    await scene.create(ready_after=AT_ONCE)
    grace = AT_ONCE_SECONDS if standing is Phase.STALLED else 300
    async with scene.rollout(ONE_ONE.model_copy(update={"failure_grace": grace}), broken("image-pull")) as rollout:
        await rollout.replaced(3)
        if standing is Phase.PAUSED:
            await rollout.send(Message.PAUSE)
        await rollout.until_phase(standing)
        await rollout.send(Message.ROLLBACK, reason="there is no such image")
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1, 2)
    old, new, back = rollout.seen.leaders[3]
    assert back.revision == old.revision != new.revision
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def test_a_rollback_takes_broken_groups_first(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    strategy = ONE.model_copy(update={"failure_grace": AT_ONCE_SECONDS})
    async with scene.rollout(strategy, broken("image-pull", 1)) as rollout:
        await scene.make_ready(3, 2)
        await rollout.until_phase(Phase.STALLED, "group 1 has failed")
        await rollout.send(Message.ROLLBACK)
        await rollout.seen.until(lambda: len(rollout.seen.leaders[1]) == 3)
        assert [len(rollout.seen.leaders[ordinal]) for ordinal in range(4)] == [1, 3, 2, 2]
        await scene.make_ready(1, 3, 2, image=OLD)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert [len(rollout.seen.leaders[ordinal]) for ordinal in range(4)] == [1, 3, 3, 3]
    assert_left_alone(await scene.lws())


async def test_a_fast_rollback_passes_a_straggler(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(Strategy(max_unavailable=2)) as rollout:
        await scene.make_ready(3, 2, 1)
        await rollout.until(lambda now: now.observation and not now.observation.groups[0].ready)
        await rollout.until(lambda now: now.observation and now.observation.available == 3)
        await rollout.send(Message.ROLLBACK, fast=True)
        await scene.make_ready(0, image=OLD)
        await rollout.reaches(2, 4)
        await scene.make_ready(2, image=OLD)  # and not yet 3
        await rollout.reaches(1, 4)
        await scene.make_ready(1, 3, image=OLD)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_left_alone(await scene.lws())


async def test_gates_wait_to_be_promoted_one_by_one_or_all_at_once(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    steps = tuple(GatedStep(until=until) for until in (1, "50%", 3))
    async with scene.rollout(ONE_ONE.model_copy(update={"steps": steps})) as rollout:
        first = await rollout.until_phase(Phase.GATED)
        assert (first.gate, first.gates) == (1, 3)
        assert rollout.seen.partition_replicas[-1] == (3, 4)  # the surge is given back for as long as nobody promotes
        assert_never_touched(rollout.seen, 0, 1, 2)
        await rollout.send(Message.PROMOTE)
        await rollout.until(lambda now: now.gate == 2)
        assert rollout.seen.partition_replicas[-1] == (2, 4)
        assert_never_touched(rollout.seen, 0, 1)
        await rollout.send(Message.PROMOTE, full=True)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert [len(rollout.seen.leaders[ordinal]) for ordinal in range(4)] == [2, 2, 2, 2]
    assert_left_alone(await scene.lws())


async def test_another_change_in_the_middle_ends_with_every_group_on_it(scene: Scene) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await retarget(rollout, Change(images={"model": LATER}))
        await scene.make_ready(5, 4, 3, 2, 1, 0, image=LATER)
        result = await rollout.result()
    assert result.phase is Phase.COMPLETED
    assert [len(leaders) for leaders in rollout.seen.leaders.values()] == [2, 2, 3, 3, 2, 2]
    assert await scene.images() == {LATER}
    assert_left_alone(await scene.lws())


async def test_a_rollback_after_another_change_goes_back_to_before_the_first(scene: Scene) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(ONE, broken("not-ready")) as rollout:
        await rollout.replaced(3)
        await retarget(rollout, broken("crash-loop"))
        await rollout.seen.until(lambda: len(rollout.seen.leaders[3]) >= 3)
        await rollout.send(Message.ROLLBACK)
        result = await rollout.result()
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1, 2)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


@pytest.mark.parametrize(
    ("begun_by", "image", "leaders"),
    [
        pytest.param((), NEW, [2, 2, 1, 1], id="forward"),
        pytest.param(("rollback",), OLD, [1, 1, 2, 2], id="back"),
    ],
)
async def test_an_abort_stands_at_the_split_until_another_rollout_goes_on_or_back(
    scene: Scene, begun_by: tuple[str, ...], image: str, leaders: list[int]
) -> None:
    await scene.create(ready_after=BY_HAND)
    async with scene.rollout(TWO_TWO) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        await rollout.send(Message.ABORT, reason="wrong image")
        result = await rollout.result()
        await scene.make_ready(2, 3)
    assert result.phase is Phase.ABORTED
    assert "new revision on groups 2-3; older one on groups 0-1; held at partition 2" in result.reason
    assert [command.split()[1] for command in result.next] == ["doctor", "rollback"]
    assert rollout.seen.partition_replicas == [(0, 4), (4, 6), (2, 6), (2, 4)]
    assert_never_touched(rollout.seen, 0, 1)
    held = await scene.lws()
    assert held["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]["maxSurge"] == 0
    assert RECORD in held["metadata"]["annotations"]

    async with scene.rollout(TWO_TWO, Change(), begun_by=begun_by) as rest:
        await scene.make_ready(*(ordinal for ordinal, count in enumerate(leaders) if count == 2), image=image)
        assert (await rest.result()).phase is Phase.COMPLETED
    assert [len(rest.seen.leaders[ordinal]) for ordinal in range(4)] == leaders
    assert await scene.images() == {image}
    assert_left_alone(await scene.lws())


@pytest.mark.parametrize(
    ("part", "frozen"),
    [
        pytest.param(Part.API_SERVER, True, id="API server frozen"),
        pytest.param(Part.API_SERVER, False, id="API server stopped"),
        pytest.param(Part.LWS_STAND_IN, False, id="LWS controller stopped"),
    ],
)
async def test_messages_show_at_once_and_are_carried_out_when_what_is_away_is_back(
    scene: Scene, part: Part, *, frozen: bool, record_property: Callable[[str, object], None]
) -> None:
    await scene.create(ready_after=AT_ONCE)
    async with scene.rollout(TWO_TWO, broken("not-ready")) as rollout:
        await rollout.reaches(2, 6)
        await rollout.replaced(2, 3)
        async with scene.without(part, frozen=frozen):
            for message, phase in (
                (Message.PAUSE, Phase.PAUSED),
                (Message.RESUME, Phase.PROGRESSING),
                (Message.ROLLBACK, Phase.ROLLING_BACK),
            ):
                record_property(f"{message} shown after seconds", await seconds_until_shown(rollout, message, phase))
        began = time.monotonic()
        result = await rollout.result()
        record_property("back seconds", time.monotonic() - began)
    assert result.phase is Phase.ROLLED_BACK
    assert_never_touched(rollout.seen, 0, 1)
    assert await scene.images() == {OLD}
    assert_left_alone(await scene.lws())


async def seconds_until_shown(rollout: Rollout, message: Message, phase: Phase) -> float:
    """Steer, and wait until the status tells of it."""
    began = time.monotonic()
    await rollout.send(message)
    told = await rollout.until(lambda now: now.events and now.events[-1].what.startswith(message))
    assert told.phase is phase
    return time.monotonic() - began


async def retarget(rollout: Rollout, change: Change) -> None:
    """Set it another change."""
    given = {"actor": CAPTAIN, "change": change.model_dump(by_alias=True, exclude_none=True)}
    await rollout.handle.execute_update(RETARGET, given)
