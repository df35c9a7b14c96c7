"""A receiver of callbacks and of apprise's own JSON on loopback, which answers as it is told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from multidict import CIMultiDictProxy

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    body: bytes
    headers: CIMultiDictProxy[str]


@dataclass
class Receiver:
    """Keeps what it gets."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """What it answers to the next ones, one each; then 204."""
    answer: Answer | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(Received(request.path, await request.read(), request.headers))
        if self.answer:
            return await self.answer(request)
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    receiving = Receiver()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiving.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        _, receiving.port = runner.addresses[0]
        yield receiving
    finally:
        await runner.cleanup()
