"""The codec server, asked as the Temporal UI asks it from a browser, and by pages that have no business there."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from temporalio.api.common.v1 import Payload, Payloads

from rollwright.worker.codec_server import application, served
from rollwright.worker.keyring import Keyring
from rollwright.worker.sealing import ENCODING, SealingCodec

UI, OTHER = "https://temporal.example", "https://elsewhere.example"
CODEC = SealingCodec(Keyring("a", {"a": b"a" * 32}))
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"walrus"')
TOKEN = "a-token-of-the-ui"


@asynccontextmanager
async def asking(token: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody who can reach it."""
    async with (
        served(application(CODEC, {UI}, token), "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield session


async def body(*payloads: Payload) -> bytes:
    return json.dumps(MessageToDict(Payloads(payloads=payloads))).encode()


async def of(response: aiohttp.ClientResponse) -> list[Payload]:
    assert response.status == 200, await response.text()
    return list(ParseDict(await response.json(), Payloads()).payloads)


async def test_the_ui_has_payloads_opened_and_sealed() -> None:
    """As version 2.54 asks: what is sealed and what is plain together; a preflight first."""
    (sealed,) = await CODEC.encode([PLAIN])
    headers = {"Origin": UI, "Content-Type": "application/json", "X-Namespace": "default"}
    asked = {
        "Origin": UI,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
    }
    async with asking() as session:
        async with session.options("/decode", headers=asked) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == UI
            allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
            assert {"content-type", "x-namespace", "authorization"} <= set(allowed)
        async with session.post("/decode", headers=headers, data=await body(sealed, PLAIN)) as response:
            assert await of(response) == [PLAIN, PLAIN]
            assert response.headers["Access-Control-Allow-Origin"] == UI
            assert response.headers["Vary"] == "Origin"
        async with session.post("/encode", headers=headers, data=await body(PLAIN)) as response:
            (payload,) = await of(response)
            assert payload.metadata["encoding"] == ENCODING
            assert await CODEC.decode([payload]) == [PLAIN]


@pytest.mark.parametrize("origin", [OTHER, "null", UI.upper(), f"{UI}.elsewhere.example", "*"])
async def test_a_page_of_another_origin_gets_nothing(origin: str) -> None:
    (sealed,) = await CODEC.encode([PLAIN])
    async with asking() as session:
        for method in ("POST", "OPTIONS"):
            headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
            async with session.request(method, "/decode", headers=headers, data=await body(sealed)) as response:
                assert response.status == 403
                assert not [name for name in response.headers if name.startswith("Access-Control")]
                assert "walrus" not in await response.text()


@pytest.mark.parametrize("sent", ["", "Bearer another", f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", "Bearer \xe9"])
async def test_with_a_token_nobody_is_answered_without_it(sent: str) -> None:
    (sealed,) = await CODEC.encode([PLAIN])
    async with asking(TOKEN) as session:
        headers = {"Origin": UI, **({"Authorization": sent} if sent else {})}
        async with session.post("/decode", headers=headers, data=await body(sealed)) as response:
            assert response.status == 401
            assert response.headers["Access-Control-Allow-Origin"] == UI  # else the UI could not tell why
        async with session.post(
            "/decode", headers={"Authorization": f"Bearer {TOKEN}"}, data=await body(sealed)
        ) as response:
            assert await of(response) == [PLAIN]


async def test_what_can_not_be_opened_says_why_and_what_is_too_much_is_refused() -> None:
    stranger = Payload(metadata={"encoding": ENCODING, "encryption-key-id": b"b"}, data=b"x" * 40)
    async with asking() as session:
        async with session.post("/decode", data=await body(stranger)) as response:
            assert response.status == 422
            assert "sealed with the key 'b', which is not in the file" in await response.text()
        for junk in (b"{", b"[" * 100_000, b"\xff", b'{"payloads": 1}'):
            async with session.post("/decode", data=junk) as response:
                assert response.status == 400
        async with session.post("/decode", data=b" " * (17 * 1024 * 1024)) as response:
            assert response.status == 413
        async with session.get("/decode") as response:
            assert response.status == 405
