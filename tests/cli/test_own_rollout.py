"""Whoever has found a rollout reaches that one, over its runs, and not the target's next one; rollouts are played."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from temporalio.client import Client

from rollwright.cli import temporal
from rollwright.cli.following import follow
from rollwright.cli.temporal import Run as Rollout
from rollwright.rollout.spec import Change, Target
from rollwright.workflows.contract import STATUS, Message, Phase, Retarget, RolloutStatus, Steering
from tests.cli.played import flags, go_on, rollout

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.real

PAUSE = Steering(actor="ann", message=Message.PAUSE)
NEXT = Retarget(actor="ann", change=Change(images={"model": "llm:v3"}))


async def found(server: Client, run: "Run", name: str) -> Rollout:
    await run(*flags(name))
    return await temporal.find(server, Target(name=name, namespace="inference"))


async def told(server: Client, name: str) -> RolloutStatus:
    answer: RolloutStatus = await server.get_workflow_handle(rollout(name)).query(STATUS, result_type=RolloutStatus)
    return answer


async def renew(server: Client, name: str) -> None:
    """Have it go on in another run."""
    handle = server.get_workflow_handle(rollout(name))
    before = (await handle.describe()).run_id
    await handle.signal("renew")
    async with asyncio.timeout(60):
        while (await handle.describe()).run_id == before:
            await asyncio.sleep(0.05)


async def test_what_is_sent_to_a_rollout_that_has_ended_does_not_reach_the_next_one(server: Client, run: "Run") -> None:
    first = await found(server, run, "own-sent")
    await go_on(server, "own-sent")
    second = await found(server, run, "own-sent")
    assert second != first
    assert await first.steer(PAUSE) == ""
    assert await first.retarget(NEXT) == ""
    assert not await first.signal(PAUSE)
    left = await told(server, "own-sent")
    assert (left.events, left.spec.change) == ((), Change(images={"model": "llm:v2"}))


async def test_what_is_sent_reaches_a_rollout_that_goes_on_in_another_run(server: Client, run: "Run") -> None:
    first = await found(server, run, "own-renewed")
    await renew(server, "own-renewed")
    assert await first.steer(PAUSE) == "played pause"
    assert await first.signal(PAUSE)
    assert await first.retarget(NEXT) == "llm-rw-next"
    left = await told(server, "own-renewed")
    assert [event.what for event in left.events] == ["pause", "pause", "retarget: goes on"]


async def test_a_next_rollout_that_begins_during_a_look_is_not_shown_as_the_one_that_was_followed(
    server: Client, run: "Run", monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await found(server, run, "own-followed")
    ask = Rollout.status

    async def status(self: Rollout) -> RolloutStatus:
        monkeypatch.setattr(Rollout, "status", ask)
        await go_on(server, "own-followed")
        await found(server, run, "own-followed")
        return await ask(self)

    monkeypatch.setattr(Rollout, "status", status)
    looks = [look async for look in follow(first, "")]
    assert [(look.ended, look.snapshot and look.snapshot.status.phase) for look in looks] == [(True, Phase.COMPLETED)]


async def test_a_next_rollout_that_begins_while_one_is_asked_does_not_answer_for_it(
    server: Client, run: "Run", monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await found(server, run, "own-asked")
    ask = Rollout.status

    async def status(self: Rollout) -> RolloutStatus:
        await go_on(server, "own-asked")
        await found(server, run, "own-asked")
        return await ask(self)

    monkeypatch.setattr(Rollout, "status", status)
    assert (await first.answer()).phase is Phase.COMPLETED
