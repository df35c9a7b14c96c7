"""The codec server: opens sealed payloads for the Temporal UI, in the browsers of those who may, and for its CLI.

It takes what https://docs.temporal.io/codec-server describes: payloads as JSON, POSTed to /decode or /encode. A browser
says which page asks; pages of other origins than the given ones get nothing, so none that happens to be open can have
payloads opened, nor one whose name was made to lead to this host.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payload, Payloads

from rollwright.worker.keyring import KeysError
from rollwright.worker.sealing import SealingCodec

_MOST_BYTES = 16 * 1024 * 1024
"""A payload has at most 2 MB, a third more in base64; the UI sends those of an event at once."""
_ASKED_WITH = "authorization, content-type, x-namespace"
"""What the UI sends besides."""
_REMEMBERED_SECONDS = "600"

_Convert = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def application(codec: SealingCodec, origins: Collection[str], token: str) -> web.Application:
    """`origins`: of pages that may ask, as in https://temporal.example. `token`: all must send it; '' for none."""
    made = web.Application(client_max_size=_MOST_BYTES, middlewares=[_for_origins(origins), _with_token(token)])
    made.router.add_post("/decode", _converting(codec.decode))
    made.router.add_post("/encode", _converting(codec.encode))
    return made


def _converting(convert: _Convert) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            given = Parse(await request.read(), Payloads())
            converted = await convert(given.payloads)
        except (ParseError, UnicodeDecodeError, RecursionError) as error:
            raise web.HTTPBadRequest(text="the body must be payloads as JSON") from error
        except KeysError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from error
        return web.json_response(text=MessageToJson(Payloads(payloads=converted)))

    return answer


def _for_origins(origins: Collection[str]) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in origins:
            raise web.HTTPForbidden(text="pages of this origin may not ask")
        response: web.StreamResponse
        try:
            response = web.Response(status=204) if _is_question(request) else await handler(request)
        except web.HTTPException as refused:
            response = web.Response(status=refused.status, text=refused.text)
        if origin is not None:
            response.headers.update(_allowing(origin))
        return response

    return guarded


def _is_question(request: web.Request) -> bool:
    """Whether a browser asks beforehand what it may send."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _allowing(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": _ASKED_WITH,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Max-Age": _REMEMBERED_SECONDS,
        "Vary": "Origin",
    }


def _with_token(token: str) -> Middleware:
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if token and not hmac.compare_digest(sent, expected):
            raise web.HTTPUnauthorized(text="the bearer token is missing or another one")
        return await handler(request)

    return guarded


@asynccontextmanager
async def served(made: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """A while in which it is served; the port, chosen by the system if 0 is given. Raises OSError if it is taken."""
    runner = web.AppRunner(made, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
