"""How a gate is asked by its activity: when, on what, and what is told at once; the target is played."""

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from temporalio.testing import ActivityEnvironment

from rollwright.activities.gating import GateCheck
from rollwright.activities.messages import CheckGate
from rollwright.cluster.errors import TemporaryError
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.gate import Finding, GroupSeen, Progress
from rollwright.rollout.gates.questions import Answer, Places, Question
from rollwright.rollout.observation import Observation
from rollwright.rollout.spec import GatedStep, Strategy, Target

GOOD = GroupSeen(ordinal=3, uid="u", updated=True, available=True)
RESTARTED = GOOD.model_copy(update={"uid": "another"})


class Picture:
    """A snapshot with one group."""

    def __init__(self, group: GroupSeen) -> None:
        self.group = group

    def observe(self, *_: Any) -> Observation:
        return Observation(replicas=4, groups_asked=4, partition=3, groups=())

    def groups_seen(self, _: Observation) -> tuple[GroupSeen, ...]:
        return (self.group,)


class Played:
    """What the watches show, and what is read anew; raised where that can't be had."""

    def __init__(self, shown: Sequence[GroupSeen | None], read: Sequence[GroupSeen | TemporaryError]) -> None:
        self.shown, self.read_anew = list(shown), list(read)
        self.reads = 0

    async def last_seen(self) -> Picture | None:
        shown = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        return Picture(shown) if shown else None

    async def read(self) -> Picture:
        self.reads += 1
        found = self.read_anew.pop(0) if len(self.read_anew) > 1 else self.read_anew[0]
        if isinstance(found, TemporaryError):
            raise found
        return Picture(found)


class Asked:
    """Answers questions as given, one after another; the last one for ever."""

    def __init__(self, *answers: Places) -> None:
        self.answers, self.times = list(answers), list[float]()

    async def __call__(self, _: LiveTarget, __: CheckGate, ___: Question) -> Answer:
        self.times.append(time.monotonic())
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def checked(
    gate: Bake | Capacity, target: Played, progress: Progress, asked: Callable[..., Any] | None = None
) -> Progress:
    request = CheckGate(
        target=Target(name="llm"),
        template="",
        gate=gate,
        progress=progress,
        step=1,
        strategy=Strategy(max_surge=1, steps=(GatedStep(until=1, gates=(gate,)),)),
        show_after_seconds=600,
    )
    check = GateCheck(cast("LiveTarget", target), request, asked or Asked(Places()))
    return await ActivityEnvironment().run(check.check)


def begun(ago: float, **more: Any) -> Progress:
    """A bake that has been watching the group for so long."""
    moment = time.time() - ago
    memory = {"began": str(moment), "3": "u 0"}
    return Progress(since=moment, asked_at=moment, message="watching", memory=memory).model_copy(update=more)


async def test_a_failure_that_only_a_late_watch_shows_is_none() -> None:
    target = Played(shown=[RESTARTED, GOOD], read=[GOOD])
    told = await checked(Bake(duration=1), target, begun(ago=600))
    assert (told.finding, target.reads) == (Finding.PASSED, 1)


async def test_a_success_that_only_a_late_watch_shows_is_none() -> None:
    target = Played(shown=[GOOD], read=[RESTARTED])
    assert (await checked(Bake(duration=1), target, begun(ago=600))).message == "group 3 has restarted"


async def test_an_outage_does_not_keep_it_from_looking_again() -> None:
    away = TemporaryError("away")
    target = Played(shown=[None, None, RESTARTED], read=[away, away, GOOD, RESTARTED])
    began = time.monotonic()
    told = await checked(Bake(duration=3600), target, begun(ago=60))
    assert told.message == "group 3 has restarted"
    assert time.monotonic() - began < 20


async def test_it_is_asked_once_more_before_it_is_out_of_time() -> None:
    enough, asked = Capacity(groups=1, timeout=60), Asked(Places(groups=1))
    told = await checked(enough, Played([GOOD], [GOOD]), Progress(since=time.time() - 3600), asked)
    assert (told.finding, len(asked.times)) == (Finding.PASSED, 1)
    none = await checked(enough, Played([GOOD], [GOOD]), Progress(since=time.time() - 3600), Asked(Places()))
    assert none.finding is Finding.FAILED


async def test_it_waits_as_long_as_the_activity_before_it_was_to_wait() -> None:
    moment = time.time()
    asked = Asked(Places(groups=1))
    waiting = Progress(since=moment, asked_at=moment, ask_at=moment + 1.0, message="as before")
    told = await checked(Capacity(groups=1, interval=3600), Played([GOOD], [GOOD]), waiting, asked)
    assert told.finding is Finding.PASSED
    assert told.asked_at >= waiting.ask_at


@pytest.mark.parametrize("known", ["", "as before"])
async def test_the_first_word_is_told_at_once(known: str) -> None:
    told = await checked(Bake(duration=3600), Played([GOOD], [GOOD]), Progress(since=time.time(), message=known))
    assert told.message == "watching 1 group on the new revision for 1 h"
