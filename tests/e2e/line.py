"""A worker's line to the API server that can lose time: what is sent arrives when the test says so."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientSession, TCPConnector, web
from kubernetes.aio.config import new_client_from_config

_PASSED_ON = ("Accept", "Content-Type")


@dataclass
class Held:
    """Requests of one kind that don't get through for now."""

    method: str
    plural: str
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """There is one."""
    let_go: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to let them through."""
    answers: list[asyncio.Future[int]] = field(default_factory=list)

    async def get_through(self) -> list[int]:
        """Let them go, however long ago they were sent; what the API server answers."""
        self.let_go.set()
        return await asyncio.gather(*self.answers)


@dataclass
class Line:
    """A proxy on loopback that passes everything on, but for what it is told to hold."""

    server: str
    session: ClientSession
    kubeconfig: Path
    held: list[Held] = field(default_factory=list)

    def hold(self, method: str, plural: str) -> Held:
        """Hold all requests of this kind from now on."""
        self.held.append(Held(method, plural))
        return self.held[-1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on; a held one later, also if whoever sent it has given up waiting."""
        body = await request.read()
        for held in self.held:
            if request.method == held.method and f"/{held.plural}/" in request.path and not held.let_go.is_set():
                answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                held.answers.append(answer)
                held.arrived.set()
                await held.let_go.wait()
                return await self._pass(request, body, answer)
        return await self._pass(request, body)

    async def _pass(
        self, request: web.Request, body: bytes, answered: asyncio.Future[int] | None = None
    ) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = f"{self.server}{request.path_qs}"
        async with self.session.request(request.method, url, data=body, headers=headers) as answer:
            if answered:
                answered.set_result(answer.status)
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response


@asynccontextmanager
async def line_to(kubeconfig: Path, folder: Path) -> AsyncIterator[Line]:
    """A line to the API server of a kubeconfig, with a kubeconfig of its own."""
    async with (
        await new_client_from_config(str(kubeconfig), persist_config=False) as api,
        ClientSession(connector=TCPConnector(ssl=api.rest_client.ssl_context)) as session,
    ):
        line = Line(api.configuration.host, session, folder / "line.kubeconfig")
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", line.handle)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0]
            line.kubeconfig.write_text(json.dumps(_kubeconfig(f"http://{host}:{port}")))
            yield line
        finally:
            await runner.cleanup()


def _kubeconfig(server: str) -> dict[str, object]:
    name = "line"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
