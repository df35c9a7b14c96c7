"""A follower at work: what it asks, does and tells, look after look."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rollwright.cluster import names
from rollwright.cluster.api import LEADER_WORKER_SETS, Api, Kind, Manifest
from rollwright.cluster.errors import MissingError
from rollwright.cluster.events import Events, Happening
from rollwright.cluster.templates import digest
from rollwright.cluster.watching import Watches
from rollwright.rollout.aim import Course
from rollwright.rollout.spec import Strategy, Target
from rollwright.worker import follower
from rollwright.worker.decision import Decision, Kept, Latest, Request, Retarget, Seen, Start
from rollwright.worker.follower import Follower
from rollwright.worker.policies import Policies, Policy
from rollwright.worker.rollouts import Rollouts
from rollwright.workflows.contract import Phase
from tests.cluster.objects import lws

ITEM = lws(annotations={names.POLICY: "careful"})
ITEM.manifest["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00+00:00"
NEW = digest(ITEM.template)
AT_REST = Seen("lws/llm", "default", ITEM.uid, NEW)
PENDING = AT_REST._replace(pending=True)
LOOSE = PENDING._replace(frozen=False)
DISPUTED = PENDING._replace(disputed=True)
GOING = Latest(Request(ITEM.uid, "0ld", "p0"), is_open=True, run="run-1", course=Course.FORWARD)
DONE = Latest(Request(ITEM.uid, NEW, "p0"), is_open=False, ended=Phase.COMPLETED)


class Scene:
    """All that a follower sees and does, as the watches, Temporal, and the clock would have it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.seen = PENDING
        self.latest_ones: list[Latest | None] = [None]
        """One for each time that is asked; the last for all after it."""
        self.refusal = ""
        self.done: list[Decision] = []
        self.started: list[Target] = []
        self.told: list[str] = []
        self.served = True
        self.listed: list[Kind] = []
        self.hangs = False
        self.changed = asyncio.Event()
        given: Any = self
        self.follower = Follower(
            cast("Api", given),
            cast("Watches", given),
            cast("Events", given),
            cast("Rollouts", given),
            policies=cast("Policies", given),
            namespace="default",
            cluster="east",
        )

    async def look(self, *, seen: Seen | None = None, after: float = 10.0) -> None:
        """Have the follower look once more, so many seconds later."""
        self.now += after
        self.seen = seen or self.seen
        await self.follower._attend(ITEM)

    def monotonic(self) -> float:
        return self.now

    async def of_name(self, name: str) -> Policy:
        return Policy(name, Strategy(), "p0")

    async def latest(self, *_: Any, **__: Any) -> Latest | None:
        if self.hangs:
            await asyncio.Event().wait()
        return self.latest_ones.pop(0) if len(self.latest_ones) > 1 else self.latest_ones[0]

    async def start(self, target: Target, asked: Start) -> bool:
        self.started.append(target)
        self.done.append(asked)
        return True

    async def retarget(self, _target: Any, asked: Retarget) -> str:
        self.done.append(asked)
        return self.refusal

    def report(self, _target: Any, _uid: str, happening: Happening, _origin: Any) -> None:
        self.told.append(happening.reason)

    async def list_all(self, kind: Kind, _namespace: str) -> Manifest:
        self.listed.append(kind)
        if kind == LEADER_WORKER_SETS and not self.served:
            raise MissingError("not served")
        return {"items": []}

    async def of(self, *_: Any) -> Any:
        return SimpleNamespace(everything=list, waking=self.waking)

    @contextmanager
    def waking(self, *_: Any) -> Iterator[None]:
        yield


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    scene = Scene()
    snapshot = SimpleNamespace(item=ITEM)

    async def seen() -> Any:
        return snapshot

    async def kept(*_: Any) -> Kept:
        return Kept()

    monkeypatch.setattr(follower, "LiveTarget", lambda *_: SimpleNamespace(last_seen=seen, read=seen))
    monkeypatch.setattr(follower, "look", lambda *_: scene.seen)
    monkeypatch.setattr(follower, "_kept", kept)
    monkeypatch.setattr(follower, "time", scene)
    return scene


async def test_a_change_is_rolled_out(scene: Scene) -> None:
    await scene.look()
    assert [type(done) for done in scene.done] == [Start]
    assert [target.workflow_id for target in scene.started] == ["rollout/lws/default/llm@east"]


async def test_what_another_worker_has_rolled_out_meanwhile_is_not_started_once_more(scene: Scene) -> None:
    scene.latest_ones = [None, DONE]
    await scene.look()
    assert scene.done == []


async def test_what_is_decided_too_late_is_dropped_and_said(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    moments = iter((1000.0, 1011.0))
    scene.monotonic = lambda: next(moments, 1011.0)  # type: ignore[method-assign]
    await scene.look()
    assert scene.done == []
    assert "looked at anew" in caplog.text


async def test_a_target_about_which_nobody_answers_is_given_up_for_now(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(follower, "_PATIENCE_SECONDS", 0.001)
    scene.hangs = True
    async with asyncio.timeout(30):
        await scene.look()
    assert "it takes too long" in caplog.text


async def test_what_a_rollout_refuses_is_asked_again_after_a_while(scene: Scene) -> None:
    scene.latest_ones, scene.refusal = [GOING], "no such GPU"
    await scene.look(seen=DISPUTED)
    await scene.look()
    assert len(scene.done) == 1
    await scene.look(after=60)
    assert len(scene.done) == 2
    assert scene.told == ["TemplateNotTaken"]


async def test_what_one_rollout_refuses_the_next_one_is_asked(scene: Scene) -> None:
    scene.latest_ones, scene.refusal = [GOING], "no such GPU"
    await scene.look(seen=DISPUTED)
    scene.latest_ones = [GOING._replace(run="run-2")]
    await scene.look()
    assert len(scene.done) == 2


async def test_what_was_refused_is_asked_again_when_it_is_disputed_again(scene: Scene) -> None:
    scene.latest_ones, scene.refusal = [GOING], "no such GPU"
    await scene.look(seen=DISPUTED)
    await scene.look(seen=AT_REST)
    await scene.look(seen=DISPUTED)
    assert len(scene.done) == 2


async def test_what_is_told_is_not_told_again_after_a_moment_of_nothing(scene: Scene) -> None:
    for seen in (LOOSE, AT_REST, LOOSE):
        await scene.look(seen=seen)
    assert scene.told == ["NotFrozen"]


async def test_a_kind_that_the_cluster_comes_to_know_later_is_followed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "_KINDS_SECONDS", 0.001)
    monkeypatch.setattr(follower, "_REST_SECONDS", 0.001)
    scene.served = False
    following = asyncio.create_task(scene.follower._follow())
    async with asyncio.timeout(30):
        while scene.listed.count(LEADER_WORKER_SETS) < 2:
            scene.now += 1
            await asyncio.sleep(0.001)
        assert not following.done()
        scene.served = True
        while not following.done():
            scene.now += 1
            await asyncio.sleep(0.001)
    await following  # to be begun anew
