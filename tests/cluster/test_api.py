"""Requests to an API server that breaks off, or has much to say: a server of a few lines plays it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from rollwright.cluster.api import NO_ANSWER, PODS, Api
from rollwright.cluster.errors import (
    ClusterError,
    ConflictError,
    ForbiddenError,
    MissingError,
    RefusedError,
    UnreachableError,
)

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer, asked: list[str] | None = None) -> AsyncIterator[Api]:
    """An API whose server answers every request like this, and then hangs up. `asked`: gets what was asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(request.decode())
        await answer(writer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening, ApiClient(Configuration(host=f"http://127.0.0.1:{port}")) as client:
        yield Api(client)


def saying(body: str, *, status: str = "200 OK", announced: str = "") -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{announced}\r\n{body}".encode())
        await writer.drain()

    return answer


BROKEN_OFF = ["", "Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n"]


@pytest.mark.parametrize("announced", BROKEN_OFF)
async def test_an_answer_that_breaks_off_is_worth_trying_again(announced: str) -> None:
    async with server(saying('{"items": [', announced=announced)) as api:
        with pytest.raises(UnreachableError, match="list pods default"):
            await api.list_all(PODS, "default")


@pytest.mark.parametrize("announced", BROKEN_OFF)
async def test_a_watch_that_breaks_off_is_worth_trying_again(announced: str) -> None:
    async with server(saying('{"type": "ADDED", "obj', announced=announced)) as api:
        with pytest.raises(UnreachableError, match="watch pods in default"):
            [event async for event in api.watch(PODS, "default", "", "1")]


async def test_an_event_may_be_as_large_as_an_object() -> None:
    large = {"type": "ADDED", "object": {"metadata": {"annotations": {"note": "x" * 1_500_000}}}}
    small = {"type": "BOOKMARK", "object": {}}
    async with server(saying(f"{json.dumps(large)}\n{json.dumps(small)}\n")) as api:
        assert [event async for event in api.watch(PODS, "default", "", "1")] == [large, small]


async def test_no_server_at_all_is_worth_trying_again() -> None:
    async with ApiClient(Configuration(host="http://127.0.0.1:9")) as client:
        api = Api(client)
        with pytest.raises(UnreachableError, match=r"get pods default/a: .*; is the API server up\?"):
            await api.get(PODS, "default", "a")
        assert api.answers == {("get pods", NO_ANSWER): 1}


WEBHOOK = 'admission webhook "v.example" denied the request: not scanned'
POLICY = "pods \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not scanned"


@pytest.mark.parametrize(
    ("status", "message", "error", "words"),
    [
        (404, "pods 'a' not found", MissingError, "get pods default/a: not found"),
        (401, "Unauthorized", UnreachableError, "doesn't take these credentials"),
        (403, "User 'x' cannot get pods", ForbiddenError, "get pods default/a: not permitted; grant this verb"),
        (403, WEBHOOK, RefusedError, "refused by admission control: .*not scanned"),
        (403, POLICY, RefusedError, "refused by admission control: .*not scanned"),
        (409, "the object has been modified", ConflictError, "changed meanwhile"),
        (422, "spec.replicas: Invalid value", RefusedError, "refused: spec.replicas: Invalid value"),
        (429, "too many requests", UnreachableError, "answers 429"),
        (500, "failed calling webhook", UnreachableError, "answers 500 .failed calling webhook"),
    ],
)
async def test_answers_are_told_apart(status: int, message: str, error: type[ClusterError], words: str) -> None:
    body = json.dumps({"kind": "Status", "message": message})
    async with server(saying(body, status=f"{status} No")) as api:
        with pytest.raises(error, match=words):
            await api.get(PODS, "default", "a")
        assert api.answers == {("get pods", str(status)): 1}


async def test_what_a_proxy_does_not_find_is_not_missing() -> None:
    """A rollout would end for good, as if its target was deleted."""
    async with server(saying("<html>no backend</html>", status="404 Not Found")) as api:
        with pytest.raises(UnreachableError, match="something between answers 404"):
            await api.get(PODS, "default", "a")


async def test_a_list_of_several_pages_is_one_list() -> None:
    pages = [
        {"metadata": {"resourceVersion": "7", "continue": "after a"}, "items": ["a"]},
        {"metadata": {"resourceVersion": "7"}, "items": ["b"]},
    ]

    async def answer(writer: asyncio.StreamWriter) -> None:
        await saying(json.dumps(pages.pop(0)))(writer)

    async with server(answer) as api:
        assert await api.list_all(PODS, "default") == {"metadata": {"resourceVersion": "7"}, "items": ["a", "b"]}
        assert api.requests == {"list pods": 2}
        assert api.answers == {("list pods", "200"): 2}


async def test_a_kind_the_cluster_does_not_have_is_missing() -> None:
    async with server(saying("404 page not found\n", status="404 Not Found")) as api:
        with pytest.raises(MissingError):
            await api.list_all(PODS, "default")


LOG_URL = "GET /api/v1/namespaces/default/pods/a/log?container=main&tailLines=3&limitBytes=8 "


async def test_of_a_log_no_more_is_read_than_was_asked_for() -> None:
    """Whoever answers may not know of the limit, and may not come to an end."""
    async with server(saying("0123456789")) as api:
        assert await api.log("default", "a", "main", lines=3, limit_bytes=8) == "01234567"


async def test_a_log_is_asked_for_with_its_limits() -> None:
    asked: list[str] = []
    async with server(saying("1\n"), asked) as api:
        assert await api.log("default", "a", "main", lines=3, limit_bytes=8) == "1\n"
    assert asked[0].startswith(LOG_URL)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (403, "User 'x' cannot get pods/log", ForbiddenError),
        (404, "pods 'a' not found", MissingError),
        (400, 'container "main" in pod "a" is waiting to start', RefusedError),
        (500, "dial tcp 10.0.0.7:10250: connection refused", UnreachableError),
    ],
)
async def test_why_there_is_no_log_is_told_apart(status: int, message: str, error: type[ClusterError]) -> None:
    body = json.dumps({"kind": "Status", "message": message})
    async with server(saying(body, status=f"{status} No")) as api:
        with pytest.raises(error, match="get pods/log default/a"):
            await api.log("default", "a", "main", lines=3, limit_bytes=8)


async def test_a_log_that_breaks_off_is_worth_trying_again() -> None:
    async with server(saying("012", announced="Content-Length: 8\r\n")) as api:
        with pytest.raises(UnreachableError, match="get pods/log default/a"):
            await api.log("default", "a", "main", lines=3, limit_bytes=16)
