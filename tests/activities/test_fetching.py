"""Asking a real server on loopback: what is sent, what comes of every kind of answer, and where nothing goes at all."""

import asyncio
import errno
import gzip
import hashlib
import hmac
import ipaddress
import socket
import ssl
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from aiohttp import web

from rollwright.activities import guarding
from rollwright.activities.answers import Answers
from rollwright.activities.connections import PLAIN_REACH, Reach
from rollwright.activities.fetching import fetch
from rollwright.activities.guarding import SIGNATURE, TIMESTAMP
from rollwright.activities.messages import CheckGate
from rollwright.cluster import addresses
from rollwright.cluster.addresses import Local
from rollwright.cluster.api import Api
from rollwright.cluster.target import LiveTarget
from rollwright.devcluster.credentials import Authority, User
from rollwright.rollout.gates.questions import Fetch, Fetched

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]
MEGABYTE = 1_000_000


def says(**response: Any) -> Answering:
    """Always the same, but a response of its own for every request."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(**response)

    return answer


class Server:
    """Answers as a test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer = says(text="fine")
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        """Method, path with query, headers, body."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        return await self.answer(request)


async def run(server: Server, tls: ssl.SSLContext | None = None) -> web.AppRunner:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.port = runner.addresses[0][1]
    return runner


@pytest_asyncio.fixture(loop_scope="session")
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await run(server)
    yield server
    await runner.cleanup()


def connection(folder: Path, name: str = "prod", **files: str | bytes) -> Reach:
    """A connection of these files; a dot in a name is written as an underscore."""
    (folder / name).mkdir(parents=True)
    for file, content in files.items():
        path = folder / name / file.replace("_", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Reach(connections=folder)


ON_LOOPBACK = Reach(local=True)
"""The servers of these tests are there."""


async def asked(url: str, reach: Reach = ON_LOOPBACK, **given: Any) -> Fetched:
    return await fetch(Fetch(url=url, **given), reach)


async def asked_by(reach: Reach, **given: Any) -> Fetched:
    return await fetch(Fetch(connection="prod", **given), reach)


async def test_it_is_what_answers_the_question_of_a_gate(server: Server, tmp_path: Path) -> None:
    answers = Answers(cast("Api", None), connection(tmp_path, url=server.url))
    question = Fetch(connection="prod", path="/check")
    answer = await answers.answer(cast("LiveTarget", None), cast("CheckGate", None), question)
    assert answer == Fetched(status=200, body="fine")
    assert server.asked[0][1] == "/check"


@pytest.mark.parametrize("status", [200, 202, 204, 404, 500])
async def test_a_status_and_what_is_said_are_told(server: Server, status: int) -> None:
    server.answer = says(status=status, text="" if status == 204 else "naïve")
    assert await asked(server.url) == Fetched(status=status, body="" if status == 204 else "naïve")


async def test_a_form_is_sent_by_post_behind_the_url(server: Server) -> None:
    await asked(f"{server.url}/tenant/a/?team=x", path="/api/v1/query", form={"query": 'a{b="c&d"}', "time": "1"})
    ((method, path, headers, body),) = server.asked
    assert (method, path) == ("POST", "/tenant/a/api/v1/query?team=x")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert body == b"query=a%7Bb%3D%22c%26d%22%7D&time=1"


async def test_a_document_is_sent_by_post_as_json_and_nothing_by_get(server: Server) -> None:
    await asked(server.url, document={"step": 1})
    await asked(server.url)
    (posted, got) = server.asked
    assert (posted[0], posted[1], posted[2]["Content-Type"], posted[3]) == (
        "POST",
        "/",
        "application/json",
        b'{"step": 1}',
    )
    assert (got[0], got[3]) == ("GET", b"")


async def test_a_redirect_is_told_and_not_followed(server: Server) -> None:
    server.answer = says(status=302, headers={"Location": f"{server.url}/elsewhere"})
    assert (await asked(server.url)).status == 302
    assert len(server.asked) == 1


async def test_a_slow_server_is_not_waited_for(server: Server) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    server.answer = never
    began = time.monotonic()
    assert await asked(server.url, timeout_seconds=0.2) == Fetched(error="no answer within 0.2 s")
    assert time.monotonic() - began < 5


async def test_an_answer_that_trickles_in_is_not_waited_for(server: Server) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b".")
            await asyncio.sleep(0.02)

    server.answer = trickle
    assert await asked(server.url, timeout_seconds=0.3) == Fetched(error="no answer within 0.3 s")


async def test_of_a_big_answer_the_first_megabyte_is_read_and_the_rest_is_not(server: Server) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100_000)
            sent += 1

    server.answer = endless
    answer = await asked(server.url)
    assert (answer.status, answer.body) == (200, "x" * MEGABYTE)
    assert sent < 1000


async def test_a_small_answer_that_unpacks_to_a_huge_one_is_unpacked_only_as_far_as_it_is_read(server: Server) -> None:
    bomb = gzip.compress(b"\0" * 200 * MEGABYTE)
    assert len(bomb) < MEGABYTE
    server.answer = says(body=bomb, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        answer = await asked(server.url)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (answer.status, len(answer.body)) == (200, MEGABYTE)
    assert most < 20 * MEGABYTE


async def test_a_packed_answer_is_read(server: Server) -> None:
    server.answer = says(body=gzip.compress(b"fine"), headers={"Content-Encoding": "gzip"})
    assert (await asked(server.url)).body == "fine"


async def test_an_answer_that_breaks_off_is_none(server: Server) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.abort()
        return response

    server.answer = break_off
    assert await asked(server.url) == Fetched(error="the connection broke off before the answer was complete")


async def test_a_server_that_speaks_no_http_has_given_no_answer() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as listening:
        answer = await asked(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
    assert answer.status is None
    assert answer.error


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/?token=secret", "the server can't be reached: connection refused"),
        ("http://secret.test/", "the server's name is not known"),
        ("http://127.0.0.1:99999/secret", "the address can't be read"),
        ("http://[secret/", "the address can't be read"),
        ("http://" + "secret" * 20 + "/", None),
        ("http://secret\u0000.example/", None),
    ],
)
async def test_no_answer_is_told_in_words_without_the_address(
    monkeypatch: pytest.MonkeyPatch, url: str, error: str | None
) -> None:
    resolve_to(monkeypatch, [])
    answer = await asked(url, path="/x", form={"query": "secret"})
    assert answer.status is None
    assert answer.error
    assert "secret" not in answer.error
    assert error in (None, answer.error)


async def test_nothing_comes_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    assert (await asked(server.url)).status == 200
    assert "Authorization" not in server.asked[0][2]


LINK_LOCAL = "the server's address is link-local, and is asked only by workers with --allow-local"
LOOPBACK = LINK_LOCAL.replace("link-local", "of loopback")
UNSPECIFIED = LINK_LOCAL.replace("link-local", "of no host")


@pytest.fixture
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the guard fails, the test does too, and still sends nothing to whoever has such an address."""

    def refuse(_: object) -> socket.socket:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")

    monkeypatch.setattr(guarding, "_open", refuse)


@pytest.mark.usefixtures("nothing_leaves")
@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.0.1:8080",
        "0xa9fea9fe",
        "[fe80::1]",
        "[fe80::1%25lo]",
        "[febf::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fd00:ec2::254]",
    ],
)
async def test_a_link_local_address_is_not_asked_however_it_is_written(host: str) -> None:
    assert (await asked(f"http://{host}/latest/meta-data", PLAIN_REACH)).error == LINK_LOCAL


@pytest.mark.usefixtures("nothing_leaves")
@pytest.mark.parametrize("host", ["2852039166", "0251.0376.0251.0376", "169.254.43518"])
async def test_other_ways_to_write_one_are_no_addresses_at_all(host: str) -> None:
    assert (await asked(f"http://{host}/", PLAIN_REACH)).error in (LINK_LOCAL, "the address can't be read")


def link_local(monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    """Have these addresses, and no others, stand for link-local ones: nothing may be sent to those."""
    monkeypatch.setattr(addresses, "_NETWORKS", {ipaddress.ip_network(network): Local.LINK_LOCAL})


async def test_a_worker_that_allows_it_asks_link_local_addresses(
    monkeypatch: pytest.MonkeyPatch, server: Server, tmp_path: Path
) -> None:
    link_local(monkeypatch, "127.0.0.0/8")
    by_connection = connection(tmp_path, url=server.url)
    assert (await asked(server.url, PLAIN_REACH)).error == LINK_LOCAL
    assert (await asked_by(by_connection)).error == LINK_LOCAL
    assert (await asked(server.url, Reach(local=True))).status == 200
    assert (await asked_by(by_connection._replace(local=True))).status == 200


@pytest.mark.usefixtures("nothing_leaves")
@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("127.0.0.1", LOOPBACK),
        ("127.8.8.8", LOOPBACK),
        ("localhost", LOOPBACK),
        ("0x7f000001", LOOPBACK),
        ("[::1]", LOOPBACK),
        ("[::ffff:127.0.0.1]", LOOPBACK),
        ("0.0.0.0", UNSPECIFIED),
        ("0x0", UNSPECIFIED),
        ("[::]", UNSPECIFIED),
        ("[::ffff:0.0.0.0]", UNSPECIFIED),
    ],
)
async def test_the_url_of_a_rollout_does_not_lead_to_the_host_of_the_worker(host: str, error: str) -> None:
    assert (await asked(f"http://{host}:8080/", PLAIN_REACH)).error == error


async def test_a_name_does_not_lead_there_either(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    resolve_to(monkeypatch, ["127.0.0.1"])
    url = f"http://inside.test:{server.port}/"
    assert (await asked(url, PLAIN_REACH)).error == LOOPBACK
    assert server.asked == []
    assert (await asked(url, Reach(local=True))).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_connection_may_lead_to_the_host_of_the_worker(server: Server, tmp_path: Path, host: str) -> None:
    assert (await asked_by(connection(tmp_path, url=f"http://{host}:{server.port}"))).status == 200
    assert (await asked(server.url, PLAIN_REACH)).error == LOOPBACK


Resolving = Callable[..., list[tuple[Any, ...]]]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Have names resolve to these addresses, once each in turn; return the list that tells which were looked up.

    Without addresses a name is not known.
    """
    looked_up: list[str] = []
    resolve: Resolving = socket.getaddrinfo

    def resolved(host: str, port: int, *rest: Any, **given: Any) -> list[tuple[Any, ...]]:
        if not host.endswith(".test"):
            return resolve(host, port, *rest, **given)
        looked_up.append(host)
        addresses = answers[min(len(looked_up), len(answers)) - 1]
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return looked_up


@pytest.mark.usefixtures("nothing_leaves")
async def test_a_name_that_leads_to_a_link_local_address_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ["169.254.169.254"])
    assert (await asked("http://metadata.test/", PLAIN_REACH)).error == LINK_LOCAL


async def test_of_several_addresses_of_a_name_the_link_local_one_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    link_local(monkeypatch, "127.0.0.2/32")
    resolve_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert (await asked(f"http://both.test:{server.port}/", PLAIN_REACH)).status == 200


async def test_a_name_is_looked_up_once_and_what_it_led_to_then_is_asked(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    link_local(monkeypatch, "127.0.0.2/32")
    looked_up = resolve_to(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])
    url = f"http://rebound.test:{server.port}/"
    assert (await asked(url, PLAIN_REACH)).status == 200
    assert looked_up == ["rebound.test"]
    assert (await asked(url, PLAIN_REACH)).error == LINK_LOCAL


@pytest.mark.usefixtures("nothing_leaves")
async def test_a_connection_to_a_link_local_address_is_not_asked_either(tmp_path: Path) -> None:
    assert (await asked_by(connection(tmp_path, url="http://169.254.169.254"))).error == LINK_LOCAL


async def test_a_token_goes_where_its_connection_says_and_nowhere_else(server: Server, tmp_path: Path) -> None:
    reach = connection(tmp_path, url=f"{server.url}\n", token="s3cret\n")
    assert (await asked_by(reach, path="/x")).status == 200
    assert (await asked(server.url, reach._replace(local=True), path="/x")).status == 200
    with_connection, with_url = (headers for _, _, headers, _ in server.asked)
    assert with_connection["Authorization"] == "Bearer s3cret"
    assert not {"Authorization", SIGNATURE, TIMESTAMP} & with_url.keys()


async def test_a_user_in_the_url_of_a_connection_is_sent(server: Server, tmp_path: Path) -> None:
    reach = connection(tmp_path, url=server.url.replace("//", "//ann:pw@"))
    assert (await asked_by(reach)).status == 200
    assert server.asked[0][2]["Authorization"] == "Basic YW5uOnB3"


async def test_what_is_sent_is_signed_over_the_time_and_the_body(server: Server, tmp_path: Path) -> None:
    await asked_by(connection(tmp_path, url=server.url, hmac_key="k3y\n"), document={"step": 1})
    ((_, _, headers, body),) = server.asked
    assert abs(int(headers[TIMESTAMP]) - time.time()) < 10
    expected = hmac.new(b"k3y", headers[TIMESTAMP].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers[SIGNATURE] == f"sha256={expected}"


async def test_files_that_change_count_from_the_next_request_on(server: Server, tmp_path: Path) -> None:
    """As the kubelet changes a mounted Secret: by a link to another folder."""
    folder = tmp_path / "prod"
    for version in ("1", "2"):
        (folder / f"..{version}").mkdir(parents=True)
        (folder / f"..{version}" / "url").write_text(server.url)
        (folder / f"..{version}" / "token").write_text(f"token-{version}")
    for name in ("url", "token"):
        (folder / name).symlink_to(f"..data/{name}")
    for version in ("1", "2"):
        (folder / "..next").symlink_to(f"..{version}")
        (folder / "..next").rename(folder / "..data")
        await asked_by(Reach(connections=tmp_path))
    assert [headers["Authorization"] for _, _, headers, _ in server.asked] == ["Bearer token-1", "Bearer token-2"]


async def secured(
    tmp_path: Path, authority: Authority, *, client: Authority | None = None
) -> tuple[Server, web.AppRunner]:
    """A server with a certificate of this authority, that wants one of the client's authority."""
    authority.issue_server("server").write(tmp_path, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    if client:
        context.load_verify_locations(cadata=client.certificate.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    server = Server()
    return server, await run(server, context)


async def test_a_server_is_trusted_by_the_authority_of_its_connection_alone(tmp_path: Path) -> None:
    authority = Authority("one")
    server, runner = await secured(tmp_path, authority)
    url = server.url.replace("http:", "https:")
    trusting = connection(tmp_path / "a", url=url, ca_crt=authority.certificate)
    other = connection(tmp_path / "b", url=url, ca_crt=Authority("two").certificate)
    assert (await asked_by(trusting)).status == 200
    assert (await asked_by(other)).error == "the server's certificate is not trusted"
    assert (await asked(url)).error == "the server's certificate is not trusted"
    await runner.cleanup()


async def test_a_certificate_must_be_for_the_name_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority("one")
    server, runner = await secured(tmp_path, authority)
    resolve_to(monkeypatch, ["127.0.0.1"])
    reach = connection(tmp_path / "a", url=f"https://other.test:{server.port}", ca_crt=authority.certificate)
    assert (await asked_by(reach)).error == "the server's certificate is not trusted"
    await runner.cleanup()


async def test_a_connection_shows_its_certificate(tmp_path: Path) -> None:
    authority, clients = Authority("servers"), Authority("clients")
    server, runner = await secured(tmp_path, authority, client=clients)
    url = server.url.replace("http:", "https:")
    pair = clients.issue_client(User("rollwright"))
    shown = connection(
        tmp_path / "a", url=url, ca_crt=authority.certificate, tls_crt=pair.certificate, tls_key=pair.key
    )
    assert (await asked_by(shown)).status == 200
    without = connection(tmp_path / "b", url=url, ca_crt=authority.certificate)
    assert (await asked_by(without)).status is None
    await runner.cleanup()


async def test_plain_http_where_tls_is_spoken_is_no_answer(tmp_path: Path, server: Server) -> None:
    answer = await asked(server.url.replace("http:", "https:"))
    assert answer == Fetched(error="TLS could not be agreed on with the server")


async def test_a_connection_that_is_missing_says_what_is_looked_for(tmp_path: Path) -> None:
    answer = await asked_by(Reach(connections=tmp_path))
    assert answer.error == (
        f"connection 'prod': there is no file {tmp_path}/prod/url; the folder {tmp_path}/prod must hold a file url, "
        "and may hold token, ca.crt, tls.crt with tls.key, and hmac.key"
    )
    assert (
        "--connections DIR (ROLLWRIGHT_CONNECTIONS), where a folder prod would hold"
        in (await asked_by(PLAIN_REACH)).error
    )


@pytest.mark.parametrize("name", ["..", "a/b", "../prod", "", "Prod", "a" * 64, "prod\n"])
async def test_a_name_leads_to_no_other_folder(tmp_path: Path, server: Server, name: str) -> None:
    reach = connection(tmp_path, url=server.url)
    answer = await fetch(Fetch(connection=name), reach._replace(connections=tmp_path / "prod" / ".."))
    assert answer.error.endswith("is no name of a connection")
    assert server.asked == []


@pytest.mark.parametrize(
    ("files", "error"),
    [
        ({"url": "prometheus:9090"}, "must hold an address that begins with http:// or https://"),
        ({"url": ""}, "prod/url is empty"),
        ({"token": "\n"}, "prod/token is empty"),
        ({"token": "secret\nX-Other: secret"}, "prod/token must hold one line of visible ASCII characters"),
        ({"token": "secret\u00e9"}, "prod/token must hold one line of visible ASCII characters"),
        ({"hmac_key": " "}, "prod/hmac.key is empty"),
        ({"ca_crt": ""}, "prod/ca.crt is empty"),
        ({"ca_crt": "secret"}, "ca.crt, tls.crt or tls.key in"),
        ({"tls_crt": "secret"}, "must hold both tls.crt and tls.key, or none of them"),
        ({"tls_key": "secret"}, "must hold both tls.crt and tls.key, or none of them"),
        ({"tls_crt": "secret", "tls_key": "secret"}, "ca.crt, tls.crt or tls.key in"),
    ],
)
async def test_a_connection_that_cant_be_used_says_why_and_no_secret(
    tmp_path: Path, server: Server, files: dict[str, str], error: str
) -> None:
    answer = await asked_by(connection(tmp_path, **({"url": server.url} | files)))
    assert answer.status is None
    assert error in answer.error
    assert "secret" not in answer.error
    assert server.asked == []


async def test_a_file_that_cant_be_read_is_not_taken_for_one_that_is_missing(tmp_path: Path, server: Server) -> None:
    reach = connection(tmp_path, url=server.url)
    (tmp_path / "prod" / "token").mkdir()
    assert "prod/token can't be read: Is a directory" in (await asked_by(reach)).error
    assert server.asked == []
