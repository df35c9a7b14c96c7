"""Shared watches: a copy that follows the API server through every outage, played here by a script."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest

from rollwright.cluster import names
from rollwright.cluster.api import CONFIG_MAPS, ENDPOINT_SLICES, PODS, Api
from rollwright.cluster.errors import ClusterError, ForbiddenError, UnreachableError
from rollwright.cluster.watching import ANYBODY, SharedWatch, Watches

Json = dict[str, Any]


def pod(name: str, owner: str, version: int) -> Json:
    return {"metadata": {"name": name, "labels": {names.NAME: owner}, "resourceVersion": str(version)}}


def owned(name: str, statefulset: str, version: int) -> Json:
    """A pod of a StatefulSet; of none where that is empty."""
    owners = [{"kind": "StatefulSet", "name": statefulset, "uid": "u", "controller": True}] if statefulset else []
    return {"metadata": {"name": name, "ownerReferences": owners, "resourceVersion": str(version)}}


class Script(Api):
    """An API server that answers lists and watches with what is put there, one after another."""

    def __init__(self) -> None:
        self.lists: asyncio.Queue[list[Json] | ClusterError] = asyncio.Queue()
        self.events: asyncio.Queue[Json | ClusterError | None] = asyncio.Queue()
        self.watched_from: list[str] = []
        self.fields: list[str] = []
        """What lists were asked for."""

    async def list_all(self, kind: object, namespace: str, selector: str = "", *, fields: str = "") -> Json:
        self.fields.append(fields)
        answer = await self.lists.get()
        if isinstance(answer, ClusterError):
            raise answer
        return {"items": answer, "metadata": {"resourceVersion": "10"}}

    async def watch(
        self, kind: object, namespace: str, selector: str, version: str, *, fields: str = ""
    ) -> AsyncIterator[Json]:
        self.watched_from.append(version)
        while event := await self.events.get():
            if isinstance(event, ClusterError):
                raise event
            yield event


@asynccontextmanager
async def watching(script: Script) -> AsyncIterator[Watches]:
    watches = Watches(script)
    try:
        yield watches
    finally:
        await watches.close()


def told(watch: SharedWatch, owner: str) -> dict[str, str]:
    return {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in watch.owned_by(owner)}


async def until_woken(watch: SharedWatch, owner: str, expected: dict[str, str]) -> None:
    """Wait until the copy is as expected, looking whenever the watch wakes us."""
    changed = asyncio.Event()
    with watch.waking(owner, changed):
        async with asyncio.timeout(5):
            while told(watch, owner) != expected:
                changed.clear()
                await changed.wait()


async def test_it_keeps_the_objects_of_each_owner_up_to_date_and_wakes_who_waits_for_them() -> None:
    script = Script()
    script.lists.put_nowait([pod("a-0", "a", 1), pod("b-0", "b", 2)])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        assert (told(watch, "a"), told(watch, "b"), told(watch, "c")) == ({"a-0": "1"}, {"b-0": "2"}, {})
        script.events.put_nowait({"type": "ADDED", "object": pod("a-1", "a", 11)})
        script.events.put_nowait({"type": "MODIFIED", "object": pod("a-0", "a", 12)})
        await until_woken(watch, "a", {"a-0": "12", "a-1": "11"})
        script.events.put_nowait({"type": "DELETED", "object": pod("a-0", "a", 13)})
        await until_woken(watch, "a", {"a-1": "11"})


async def test_a_change_of_another_owner_wakes_nobody() -> None:
    script = Script()
    script.lists.put_nowait([])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        changed = asyncio.Event()
        with watch.waking("a", changed):
            script.events.put_nowait({"type": "ADDED", "object": pod("b-0", "b", 11)})
            await until_woken(watch, "b", {"b-0": "11"})
            assert not changed.is_set()


async def test_a_change_of_any_owner_wakes_who_waits_for_anybody() -> None:
    script = Script()
    script.lists.put_nowait([pod("a-0", "a", 1)])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        changed = asyncio.Event()
        with watch.waking(ANYBODY, changed):
            script.events.put_nowait({"type": "ADDED", "object": pod("b-0", "b", 11)})
            await asyncio.wait_for(changed.wait(), 5)
        assert [item["metadata"]["name"] for item in watch.everything()] == ["a-0", "b-0"]


async def test_of_the_one_object_that_may_be_read_no_other_is_asked_for() -> None:
    script = Script()
    script.lists.put_nowait([])
    script.lists.put_nowait([])
    async with watching(script) as watches:
        by_name = await watches.of(CONFIG_MAPS, "default", "policies")
        assert await watches.of(CONFIG_MAPS, "default", "policies") is by_name
        assert await watches.of(CONFIG_MAPS, "default") is not by_name
    assert script.fields == ["metadata.name=policies", ""]


async def test_endpoint_slices_belong_to_their_service() -> None:
    def slice_of(service: str, name: str, version: int) -> Json:
        labels = {names.SERVICE_NAME: service}
        return {"metadata": {"name": name, "labels": labels, "resourceVersion": str(version)}, "endpoints": []}

    script = Script()
    script.lists.put_nowait([slice_of("llm", "llm-x", 1), slice_of("web", "web-x", 2)])
    async with watching(script) as watches:
        watch = await watches.of(ENDPOINT_SLICES, "default")
        assert told(watch, "llm") == {"llm-x": "1"}
        script.events.put_nowait({"type": "ADDED", "object": slice_of("llm", "llm-y", 11)})
        await until_woken(watch, "llm", {"llm-x": "1", "llm-y": "11"})


async def test_a_stream_that_ends_is_taken_up_where_it_ended() -> None:
    script = Script()
    script.lists.put_nowait([])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        script.events.put_nowait({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "40"}}})
        script.events.put_nowait(None)
        script.events.put_nowait({"type": "ADDED", "object": pod("a-0", "a", 41)})
        await until_woken(watch, "a", {"a-0": "41"})
    assert script.watched_from == ["10", "40"]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param({"type": "ERROR", "object": {"code": 410, "message": "too old"}}, id="expired"),
        pytest.param(UnreachableError("away"), id="broken off"),
    ],
)
async def test_what_went_while_nobody_watched_is_forgotten(end: Json | ClusterError) -> None:
    script = Script()
    script.lists.put_nowait([pod("a-0", "a", 1), pod("a-1", "a", 2)])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        script.events.put_nowait(end)
        script.lists.put_nowait([pod("a-1", "a", 20)])
        await until_woken(watch, "a", {"a-1": "20"})


async def test_a_pod_that_is_orphaned_and_deleted_is_nobodys_any_more() -> None:
    script = Script()
    script.lists.put_nowait([owned("web-0", "web", 1), owned("web-1", "web", 2)])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        script.events.put_nowait({"type": "MODIFIED", "object": owned("web-1", "", 3)})
        await until_woken(watch, "web", {"web-0": "1"})
        script.events.put_nowait({"type": "DELETED", "object": owned("web-1", "", 4)})
        script.events.put_nowait({"type": "MODIFIED", "object": owned("web-0", "web", 5)})
        await until_woken(watch, "web", {"web-0": "5"})
        assert told(watch, "web-1") == {}


async def test_an_api_server_that_is_away_is_told_of_and_waited_for() -> None:
    script = Script()
    script.lists.put_nowait(UnreachableError("away"))
    async with watching(script) as watches:
        with pytest.raises(UnreachableError, match="away"):
            await watches.of(PODS, "default")
        script.lists.put_nowait([pod("a-0", "a", 1)])
        async with asyncio.timeout(5):
            while True:
                try:
                    watch = await watches.of(PODS, "default")
                    break
                except UnreachableError:
                    await asyncio.sleep(0.01)
        assert told(watch, "a") == {"a-0": "1"}


async def test_a_watch_that_is_not_permitted_says_so() -> None:
    script = Script()
    script.lists.put_nowait(ForbiddenError("list pods default: not permitted"))
    async with watching(script) as watches:
        with pytest.raises(ForbiddenError, match="list pods default"):
            await watches.of(PODS, "default")


async def test_an_answer_that_nobody_has_thought_of_is_told_and_what_follows_is_followed_again() -> None:
    script = Script()
    script.lists.put_nowait([pod("a-0", "a", 1)])
    async with watching(script) as watches:
        watch = await watches.of(PODS, "default")
        script.events.put_nowait({"type": "ADDED", "object": {"kind": "Status"}})
        async with asyncio.timeout(5):
            while True:
                try:
                    await watches.of(PODS, "default")
                except UnreachableError as error:
                    assert "KeyError" in str(error)  # noqa: PT017 - the first that is raised
                    break
                await asyncio.sleep(0)
        script.lists.put_nowait([pod("a-0", "a", 20)])
        await until_woken(watch, "a", {"a-0": "20"})


async def test_what_a_shared_watch_logs_is_not_about_who_has_asked_for_it_first() -> None:
    about = ContextVar("about", default="nobody")

    class Listed(Script):
        async def list_all(self, *given: Any, **more: Any) -> Json:
            seen.append(about.get())
            return await super().list_all(*given, **more)

    seen: list[str] = []
    script = Listed()
    script.lists.put_nowait([])
    async with watching(script) as watches:
        about.set("a rollout")
        await watches.of(PODS, "default")
    assert seen == ["nobody"]


async def test_all_who_ask_share_one_watch() -> None:
    script = Script()
    script.lists.put_nowait([])
    async with watching(script) as watches:
        first, second = await asyncio.gather(watches.of(PODS, "default"), watches.of(PODS, "default"))
    assert first is second


async def test_a_watch_that_was_well_for_a_while_is_soon_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rollwright.cluster.watching._FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr("rollwright.cluster.watching._LAST_RETRY_SECONDS", 0.04)
    script = Script()
    for _ in range(5):
        script.lists.put_nowait([])
    async with watching(script) as watches, asyncio.timeout(5):
        await watches.of(PODS, "default")
        for _ in range(3):
            script.events.put_nowait(UnreachableError("away"))
        while len(script.watched_from) < 4:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)  # longer than the longest pause
        script.events.put_nowait(UnreachableError("away again"))
        while len(script.watched_from) < 5:
            await asyncio.sleep(0.005)
    pauses = [record.args[2] for record in caplog.records if isinstance(record.args, tuple)]
    assert pauses == [0.01, 0.02, 0.04, 0.01]


async def test_it_tells_whether_the_api_server_can_be_heard_and_for_how_long_it_was_not() -> None:
    script = Script()
    async with watching(script) as watches:
        watch = watches.begun(PODS, "ml")
        for answer, trouble, refused in (
            (UnreachableError("nobody answers"), "nobody answers", False),
            (ForbiddenError("not permitted"), "", True),
            ([pod("a-0", "a", 1)], "", False),
        ):
            watch._told -= 1000
            script.lists.put_nowait(answer)
            async with asyncio.timeout(5):
                while (watch.trouble, watch.is_refused) != (trouble, refused):
                    await asyncio.sleep(0.01)
        assert watch.age_seconds < 1000
        watch._told -= 1000
        script.events.put_nowait({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "11"}}})
        async with asyncio.timeout(5):
            while watch.age_seconds >= 1000:
                await asyncio.sleep(0.01)
        assert list(watches.all()) == [(PODS, "ml", watch)]
        assert watches.ended == []
        (task,) = watches._tasks
        task.cancel()
        await asyncio.wait([task])
        assert watches.ended == ["watch pods ml"]
