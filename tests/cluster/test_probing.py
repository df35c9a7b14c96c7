"""What counts as an answer of a group that serves, and where the worker is never led to: with a real HTTP server."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from rollwright.cluster import probing
from rollwright.cluster.probing import Prober, refusal
from rollwright.devcluster.credentials import Authority
from rollwright.rollout.spec import AnswersHttp
from tests.cluster.objects import Json, pod
from tests.devcluster.standin.namespace import until


class Server:
    """A server whose answers are told, and who remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.port = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request.path)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.01)  # so that there may be several at once
            await self.goes_on.wait()
        finally:
            self.at_once -= 1
        return web.Response(status=self.status, headers=self.headers, body=b"x" * 1_000_000)

    def probe(self, **given: object) -> AnswersHttp:
        return AnswersHttp.model_validate({"port": self.port, "path": "/health", "timeout": 10} | given)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """One that listens on loopback."""
    server = Server()
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    _, server.port = runner.addresses[0][:2]
    try:
        yield server
    finally:
        server.goes_on.set()
        await runner.cleanup()


@asynccontextmanager
async def asking(refusal: Callable[[str], str] = lambda _: "") -> AsyncIterator[Prober]:
    """A prober that may ask on loopback, too."""
    prober = Prober(refusal)
    try:
        yield prober
    finally:
        await prober.close()


def leader(address: str = "127.0.0.1", ordinal: int = 3, of: str = "u-leaders") -> Json:
    """A leader pod of the StatefulSet with this uid."""
    found = pod(ordinal)
    metadata = {**found["metadata"], "uid": f"{of}-{ordinal}", "ownerReferences": [{"uid": of, "controller": True}]}
    return {**found, "metadata": metadata, "status": {**found["status"], "podIP": address}}


async def heard(prober: Prober, probe: AnswersHttp, address: str = "127.0.0.1") -> str:
    """What its first answer says."""
    assert prober.why_not(leader(address), probe) == "llm-3: it was not asked yet"
    await prober.hear([leader(address)], probe)
    return prober.why_not(leader(address), probe)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_OTHERS_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(probing, "_SERVING_EVERY_SECONDS", 0.05)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_PATIENCE_SECONDS", 30.0)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (200, ""),
        (204, ""),
        (302, "llm-3: http 302 from :{port}/health; redirects are not followed"),
        (404, "llm-3: http 404 from :{port}/health"),
        (503, "llm-3: http 503 from :{port}/health"),
    ],
)
async def test_only_a_status_of_200_to_299_is_an_answer_of_one_that_serves(status: int, says: str) -> None:
    async with serving() as server, asking() as prober:
        server.status = status
        server.headers = {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}
        assert await heard(prober, server.probe()) == says.format(port=server.port)
        assert set(server.asked) == {"/health"}


async def test_one_that_is_slow_or_refuses_does_not_serve() -> None:
    async with serving() as server, asking() as prober:
        server.goes_on.clear()
        says = f"llm-3: no answer from :{server.port}/health within 1 s"
        assert await heard(prober, server.probe(timeout=1)) == says
    async with asking() as prober:  # nobody listens there any more
        says = f"llm-3: no answer from :{server.port}/health (Connection refused)"
        assert await heard(prober, server.probe()) == says


async def test_one_that_speaks_no_tls_does_not_serve_by_https() -> None:
    async with serving() as server, asking() as prober:
        says = await heard(prober, server.probe(scheme="https", insecureSkipVerify=True))
        assert says.startswith(f"llm-3: no answer from :{server.port}/health (")


async def test_a_certificate_counts_unless_it_is_said_that_any_will_do(tmp_path: Path) -> None:
    Authority("nobody-knows").issue_server("llm").write(tmp_path, "llm")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "llm.crt", tmp_path / "llm.key")
    async with serving(tls) as server, asking() as prober:
        where = f":{server.port}/health"
        says = f"llm-3: the certificate at {where} is none for its address that the worker trusts"
        assert await heard(prober, server.probe(scheme="https")) == says
        assert server.asked == []
        assert await heard(prober, server.probe(scheme="https", insecureSkipVerify=True)) == ""


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as server, serving() as proxy, asking() as prober:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert await heard(prober, server.probe()) == ""
        assert proxy.asked == []


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("169.254.169.254", "is link-local"),
        ("fe80::1", "is link-local"),
        ("fe80::1%eth0", "is link-local"),
        ("::ffff:169.254.169.254", "is link-local"),
        ("fd00:ec2::254", "is link-local"),
        ("127.0.0.1", "is of loopback"),
        ("127.8.8.8", "is of loopback"),
        ("::1", "is of loopback"),
        ("::ffff:127.0.0.1", "is of loopback"),
        ("0.0.0.0", "is of no host"),
        ("::", "is of no host"),
        ("localhost", "is none"),
        ("10.0.0.1@example.com", "is none"),
        ("", "it has no address"),
    ],
)
async def test_what_is_no_address_of_a_pod_is_never_asked(address: str, why: str) -> None:
    async with serving() as server, asking(refusal) as prober:
        assert why in await heard(prober, server.probe(), address)
        assert server.asked == []


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.3.4", "100.64.0.9", "fd00::5", "2001:db8::5", "8.8.8.8"])
def test_what_may_be_one_is(address: str) -> None:
    assert refusal(address) == ""


async def test_it_is_asked_again_and_again_as_long_as_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_KEPT_SECONDS", 0.5)

    async with serving() as server, asking() as prober:

        async def says() -> str:
            return prober.why_not(leader(), server.probe())

        server.status = 503
        await until(says, lambda why: why.startswith("llm-3: http 503"))
        server.status = 200
        await until(says, lambda why: why == "")
        server.status = 500
        await until(says, lambda why: why.startswith("llm-3: http 500"))

        async def asked() -> int:
            return len(prober._answers)

        await until(asked, lambda questions: questions == 0)
        assert await says() == "llm-3: it was not asked yet", "what was known of it is forgotten"


async def test_an_answer_of_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the worker was frozen."""
    monkeypatch.setattr(probing, "_SERVING_EVERY_SECONDS", 60.0)
    async with serving() as server, asking() as prober:
        assert await heard(prober, server.probe()) == ""
        monkeypatch.setattr(probing, "_KEPT_SECONDS", 0.0)
        assert prober.why_not(leader(), server.probe()) == "llm-3: it was not asked for 0 s"


async def test_all_who_look_at_a_pod_share_its_answers_and_another_path_is_another_question() -> None:
    async with serving() as server, asking() as prober:
        await asyncio.gather(*(prober.hear([leader()], server.probe()) for _ in range(5)))
        assert server.asked == ["/health"]
        assert await heard(prober, server.probe(path="/ready")) == ""
        assert "/ready" in server.asked


async def test_not_too_many_are_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_OTHERS_EVERY_SECONDS", 60.0)
    monkeypatch.setattr(probing, "_SERVING_EVERY_SECONDS", 60.0)
    async with serving() as server, asking() as prober:
        leaders = [leader(ordinal=ordinal) for ordinal in range(120)]
        await prober.hear(leaders, server.probe())
        assert [prober.why_not(one, server.probe()) for one in leaders] == [""] * 120
        assert 1 < server.most_at_once <= 50


async def test_pods_that_hang_hold_up_neither_those_of_another_target_nor_another_question() -> None:
    async with serving() as hanging, serving() as server, asking() as prober:
        hanging.goes_on.clear()
        probe = hanging.probe(timeout=10)
        hang = [leader(ordinal=ordinal, of="u-hanging") for ordinal in range(120)]
        for one in hang:
            prober.why_not(one, probe)

        async def held() -> int:
            return hanging.at_once

        await until(held, lambda at_once: at_once == 50)
        assert await heard(prober, server.probe()) == ""
        await prober.hear(hang[-1:], server.probe())
        assert prober.why_not(hang[-1], server.probe()) == ""
        prober.why_not(leader(of="u-others"), probe)
        await until(held, lambda at_once: at_once == 51)


async def test_slots_are_kept_no_longer_than_pods_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_KEPT_SECONDS", 0.1)
    async with serving() as server, asking() as prober:
        await prober.hear([leader(ordinal=3), leader(ordinal=4), leader(of="u-others")], server.probe())

        async def kept() -> int:
            return len(prober._slots)

        assert await kept() == 2
        await until(kept, lambda slots: slots == 0)


async def test_a_first_answer_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_PATIENCE_SECONDS", 0.05)
    async with serving() as server, asking() as prober:
        server.goes_on.clear()
        await prober.hear([leader()], server.probe())
        assert prober.why_not(leader(), server.probe()) == "llm-3: it was not asked yet"
