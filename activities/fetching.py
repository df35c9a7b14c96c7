"""Answers over HTTP: bounded in time and size, to where it is allowed, and without a way for credentials to get out.

Nothing comes from the environment (no proxy, no .netrc), and no redirect is followed.
"""

import asyncio
import json
import os
from urllib.parse import urlencode, urlsplit

import aiohttp

from rollwright.activities.connections import Connection, ConnectionFilesError, Reach, read_connection
from rollwright.activities.guarding import LocalAddressError, signed, sockets
from rollwright.cluster.addresses import Local
from rollwright.rollout.gates.questions import Fetch, Fetched

_MOST_BYTES = 1_000_000
_CHUNK_BYTES = 65_536
_NO_LIMIT = aiohttp.ClientTimeout()
"""There is one around all of it."""
_REFUSED_TO_ALL = frozenset({Local.LINK_LOCAL})
_REFUSED_TO_ROLLOUTS = frozenset(Local)
"""A url is written by whoever may start a rollout, and must not lead into the worker's own host."""


async def fetch(question: Fetch, reach: Reach) -> Fetched:
    """Ask once. What goes wrong is part of the answer, in words without addresses; raises for a cancellation only."""
    try:
        async with asyncio.timeout(question.timeout_seconds):
            return await _ask(question, await _connection(question, reach), reach)
    except ConnectionFilesError as why:
        return Fetched(error=str(why))
    except TimeoutError:
        return Fetched(error=f"no answer within {question.timeout_seconds:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Fetched(error=_in_words(error))


async def _connection(question: Fetch, reach: Reach) -> Connection:
    if question.connection is None:
        return Connection(url=question.url or "")
    return await asyncio.to_thread(read_connection, reach, question.connection)


async def _ask(question: Fetch, connection: Connection, reach: Reach) -> Fetched:
    body, headers = _body(question)
    headers |= _credentials(connection, body)
    connector = aiohttp.TCPConnector(
        ssl=connection.tls or True,
        socket_factory=sockets(refused=_refused(question, reach)),
        force_close=True,
    )
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_NO_LIMIT) as session,
        session.request(
            "GET" if body is None else "POST",
            _address(connection.url, question.path),
            data=body,
            headers=headers,
            allow_redirects=False,
        ) as response,
    ):
        return Fetched(status=response.status, body=await _beginning(response))


def _refused(question: Fetch, reach: Reach) -> frozenset[Local]:
    if reach.local:
        return frozenset()
    return _REFUSED_TO_ROLLOUTS if question.connection is None else _REFUSED_TO_ALL


def _body(question: Fetch) -> tuple[bytes | None, dict[str, str]]:
    """What is sent by POST, and its headers; nothing for a GET."""
    headers = {"User-Agent": "rollwright", "Accept": "application/json, text/plain;q=0.9, */*;q=0.1"}
    if question.form is not None:
        return urlencode(question.form).encode(), headers | {"Content-Type": "application/x-www-form-urlencoded"}
    if question.document is not None:
        return json.dumps(question.document).encode(), headers | {"Content-Type": "application/json"}
    return None, headers


def _credentials(connection: Connection, body: bytes | None) -> dict[str, str]:
    """The token, and a signature."""
    headers = {}
    if connection.token:
        headers["Authorization"] = f"Bearer {connection.token}"
    if connection.hmac_key:
        headers |= signed(connection.hmac_key, body or b"")
    return headers


def _address(url: str, path: str) -> str:
    """The path is put behind that of the url, whose query stays."""
    parts = urlsplit(url)
    return parts._replace(path=parts.path.rstrip("/") + path).geturl() if path else url


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body, unpacked piece by piece, so that a small one can't become a huge one."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) >= _MOST_BYTES:
            break
    return body[:_MOST_BYTES].decode(errors="replace")


def _in_words(error: Exception) -> str:
    """Without anything of the request: it may hold credentials, in the query of an address say."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "the server's certificate is not trusted"
        case aiohttp.ClientConnectorSSLError():
            return "TLS could not be agreed on with the server"
        case aiohttp.ClientConnectorDNSError():
            return "the server's name is not known"
        case aiohttp.ClientConnectorError(os_error=LocalAddressError(local=local)):
            return f"the server's address is {local}, and is asked only by workers with --allow-local"
        case aiohttp.ClientConnectorError(os_error=os_error) if os_error.errno:
            return f"the server can't be reached: {os.strerror(os_error.errno).lower()}"
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return "the connection broke off before the answer was complete"
        case ValueError():
            return "the address can't be read"
        case _:
            return f"no answer that can be read ({type(error).__name__})"
