"""Every message in every phase, as a signal and as an update: what is answered is what the table says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from unittest.mock import patch

import pytest
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from rollwright.activities.messages import ActivityName
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.workflows.contract import OVER, RETARGET, STEER, Message, Phase, RolloutState, Steering
from rollwright.workflows.steering import ANSWERS, STANDS, Refused, Situation, changed
from tests.support.played import PATIENCE_SECONDS, PlayedCluster
from tests.support.skipped_time import Handle, rollout, status, until_phase

pytestmark = pytest.mark.real

BY = {"actor": "ada", "reason": "why not"}
ELSEWHERE = BY | {"change": {"images": {"model": "m:newer"}}}
PLAIN = Strategy(max_unavailable=2, max_surge=1)
GATED = Strategy(max_unavailable=2, max_surge=1, steps=(GatedStep(until=1), GatedStep(until=2)))


class Scene:
    """How a phase is brought about, and held."""

    def __init__(
        self,
        *messages: str,
        strategy: Strategy = GATED,
        held: ActivityName | None = None,
        before: Callable[[PlayedCluster], None] = lambda cluster: None,
        after: Callable[[PlayedCluster], None] = lambda cluster: None,
    ) -> None:
        self.messages, self.strategy, self.held, self.before, self.after = messages, strategy, held, before, after


def _breaks(cluster: PlayedCluster) -> None:
    cluster.broken = frozenset({"new"})
    cluster.touch()


SCENES = {
    Phase.PREPARING: Scene(held=ActivityName.KEEP_TEMPLATE),
    Phase.PROGRESSING: Scene(),
    Phase.PAUSED: Scene("pause"),
    Phase.STALLED: Scene(after=_breaks),
    Phase.GATED: Scene(after=lambda cluster: cluster.become_ready(everything=True)),
    Phase.ROLLING_BACK: Scene("rollback", held=ActivityName.RECLAIM_REPLICAS),
    Phase.ABORTING: Scene("abort", strategy=PLAIN, held=ActivityName.RECLAIM_REPLICAS),
    Phase.RESTORING: Scene(strategy=PLAIN, held=ActivityName.RESTORE),
}


@asynccontextmanager
async def brought_to(server: WorkflowEnvironment, phase: Phase) -> AsyncIterator[tuple[Handle, PlayedCluster]]:
    scene = SCENES[phase]
    cluster = PlayedCluster(World(4), held={scene.held} if scene.held else set())
    async with rollout(server, cluster, scene.strategy) as handle:
        if phase is not Phase.PREPARING:
            await until_phase(handle, Phase.PROGRESSING)
            while not cluster.is_looked_at_in_vain:
                await asyncio.sleep(0.01)
        for message in scene.messages:
            await handle.signal(message)
        scene.after(cluster)
        async with asyncio.timeout(20):
            while (await status(handle)).phase is not phase:
                if phase is Phase.RESTORING:
                    cluster.become_ready(everything=True)
                await asyncio.sleep(0.02)
        yield handle, cluster
        cluster.held.clear()


def test_the_table_names_every_message_and_every_phase_before_the_end() -> None:
    open_phases = {phase for phase in Phase if not phase.is_final}
    assert set(ANSWERS) == {*Message, RETARGET}
    assert all(set(answers) == open_phases for answers in ANSWERS.values())
    assert set(SCENES) == open_phases


def test_a_promotion_passes_the_gate_that_waits_also_where_one_before_it_was_none() -> None:
    """With one replica a gate at half of them is all of it, and nothing to wait at."""
    waiting = Situation(Phase.GATED, RolloutState(gate=0, waiting=1), GATED)
    for steering in (Steering(), Steering(gate=2)):
        passed = changed(Message.PROMOTE, steering, waiting)
        assert (passed["gate"], passed["waiting"], passed["gating"]) == (2, None, ())


async def test_who_comes_too_late_with_a_change_learns_that_it_is_for_the_next_rollout(
    server: WorkflowEnvironment,
) -> None:
    async with brought_to(server, Phase.RESTORING) as (handle, _):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(RETARGET, ELSEWHERE)
    assert isinstance(refused.value.cause, ApplicationError)
    assert refused.value.cause.type == OVER


@pytest.mark.parametrize("phase", SCENES)
async def test_each_message_is_answered_as_the_table_says(server: WorkflowEnvironment, phase: Phase) -> None:
    with (
        patch("rollwright.activities.waiting._PATIENCE_SECONDS", PATIENCE_SECONDS),
        patch("rollwright.activities.waiting._LOOK_EVERY_SECONDS", PATIENCE_SECONDS),
    ):
        for message in ANSWERS:
            async with brought_to(server, phase) as (handle, cluster):
                assert await by_update(handle, cluster, message) == answer_in_words(message, phase)
            async with brought_to(server, phase) as (handle, cluster):
                await by_signal(handle, cluster, message, phase)


def answer_in_words(message: str, phase: Phase) -> str:
    answer = ANSWERS[message][phase]
    if isinstance(answer, Refused):
        return answer.why
    return "x-newer" if message == RETARGET else answer.effect


async def by_update(handle: Handle, cluster: PlayedCluster, message: str) -> str:
    name, given = (RETARGET, ELSEWHERE) if message == RETARGET else (STEER, BY | {"message": message})
    try:
        asking = await handle.start_update(name, given, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=str)
        if message == RETARGET:
            cluster.held.discard(ActivityName.KEEP_TEMPLATE)  # of one change after the other
        answer: str = await asking.result()
    except WorkflowUpdateFailedError as failed:
        if isinstance(failed.cause, ApplicationError):
            return failed.cause.message
        raise
    return answer


async def by_signal(handle: Handle, cluster: PlayedCluster, message: str, phase: Phase) -> None:
    """What is taken or refused is told with who and why; what stands already needs no word."""
    before = len((await status(handle)).events)
    await handle.signal(message, ELSEWHERE if message == RETARGET else BY)
    cluster.held.discard(ActivityName.KEEP_TEMPLATE)
    answer = ANSWERS[message][phase]
    if answer is STANDS:
        assert len((await status(handle)).events) == before
        return
    async with asyncio.timeout(20):
        while len(events := (await status(handle)).events) == before:
            await asyncio.sleep(0.02)
    expected = f"{message} refused: {answer.why}" if isinstance(answer, Refused) else f"{message}: {answer.effect}"
    assert (events[before].what, events[before].actor, events[before].reason) == (expected, "ada", "why not")
