"""What gates ask is asked beforehand: a real Prometheus, and a service on loopback."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rollwright.cli import source_checks
from rollwright.cli.outputs import Checked, Verdict
from rollwright.cli.source_checks import Asked
from rollwright.devcluster.prometheus import Prometheus
from rollwright.rollout.spec import RolloutSpec
from tests.devcluster.standin.namespace import Json
from tests.support.exporter import Exporter
from tests.support.prometheus import query_until
from tests.support.receiver import receiver


async def checked(connections: Path | None, *gates: Json, replicas: int = 2) -> list[Checked]:
    content = {"target": {"name": "llm"}, "strategy": {"steps": [{"until": 1}, {"until": 2, "gates": list(gates)}]}}
    return await source_checks.check(Asked(RolloutSpec.model_validate(content), replicas, "llm-rw-1"), connections)


async def found(connections: Path, **gate: Any) -> tuple[Verdict, str]:
    (check,) = await checked(connections, gate)
    assert bool(check.todo) is (check.verdict is Verdict.FAILED)
    return check.verdict, check.what


async def found_in_time(connections: Path, says: str, **gate: Any) -> tuple[Verdict, str]:
    """What is found once there is something to tell: for the time of a scrape that was missed there is nothing."""
    async with asyncio.timeout(30):
        while True:
            told = await found(connections, kind="prometheus", connection="it", **gate)
            if told[1].startswith(says) or "tells nothing" not in told[1]:
                return told
            await asyncio.sleep(0.1)


def connection(folder: Path, url: str) -> Path:
    """The folder of connections, with one called `it`."""
    (folder / "it").mkdir()
    (folder / "it" / "url").write_text(url)
    return folder


async def test_gates_that_ask_nothing_are_not_checked(tmp_path: Path) -> None:
    gates: tuple[Json, ...] = ({"kind": "bake", "duration": "1h"}, {"kind": "approval"})
    assert await checked(tmp_path, *gates) == []
    assert await checked(None, *gates) == []


async def test_without_connections_the_gates_are_named_that_workers_will_ask() -> None:
    http = {"kind": "http", "url": "http://go.example.com"}
    (check,) = await checked(None, {**http, "name": "may it?"}, http, {"kind": "bake", "duration": "1h"})
    assert check.verdict is Verdict.NOT_CHECKED
    assert check.what.endswith("with their connections: may it? of step 2, http of step 2")


async def test_a_url_is_not_followed_into_the_own_host_and_a_connection_is(tmp_path: Path) -> None:
    async with receiver() as service:
        url = f"http://127.0.0.1:{service.port}"
        verdict, what = await found(tmp_path, kind="http", url=url)
        assert verdict is Verdict.FAILED
        assert what == "the server's address is of loopback, and is asked only by workers with --allow-local"
        assert service.received == []
        connections = connection(tmp_path, f"{url}/base")
        assert await found(connections, kind="http", connection="it", path="/gate") == (
            Verdict.OK,
            "answers (204 to a GET); what it decides was not asked",
        )
        assert [(got.path, got.body) for got in service.received] == [("/base/gate", b"")]


@pytest.mark.parametrize(
    ("status", "verdict", "says"),
    [
        (405, Verdict.OK, "answers (405 to a GET)"),
        (401, Verdict.FAILED, "does not take the credentials: it answers 401"),
        (503, Verdict.FAILED, "nothing is behind it: it answers 503"),
    ],
)
async def test_what_a_service_answers_tells_whether_it_is_there(
    tmp_path: Path, status: int, verdict: Verdict, says: str
) -> None:
    async with receiver() as service:
        service.statuses = [status]
        connections = connection(tmp_path, f"http://127.0.0.1:{service.port}")
        told = await found(connections, kind="http", connection="it")
    assert told[0] is verdict
    assert told[1].startswith(says)
    assert (await found(connections, kind="http", connection="it"))[0] is Verdict.FAILED  # it has gone


async def test_an_answer_that_is_no_prometheus_fails_or_tells_nothing(tmp_path: Path) -> None:
    async with receiver() as service:
        connections = connection(tmp_path, f"http://127.0.0.1:{service.port}")
        gate = {"kind": "prometheus", "connection": "it", "query": "up", "condition": "== 1"}
        service.statuses = [404]
        assert await found(connections, **gate) == (Verdict.FAILED, "Prometheus answered 404")
        service.answer = partial(_text, "hello")
        assert await found(connections, **gate) == (
            Verdict.WARNING,
            "answers, and tells nothing of the groups there are: the answer holds no vector and no scalar",
        )


async def _text(text: str, request: web.Request) -> web.Response:
    return web.Response(text=text)


@pytest.mark.real
@pytest.mark.parametrize(
    ("query", "condition", "verdict", "says"),
    [
        ('errors{pod=~"{{ pods }}"}', "< 0.05", Verdict.OK, "answers; of the groups there are: 0.01, 0.02 of 2 values"),
        ('errors{pod=~"{{ pods }}"}', "< 0.015", Verdict.WARNING, "answers; of the groups there are: 0.02 of 2 values"),
        (
            'nothing{pod=~"{{ pods }}"}',
            "< 1",
            Verdict.WARNING,
            "answers, and tells nothing of the groups there are: no",
        ),
        ("sum(", "< 1", Verdict.FAILED, "Prometheus answered 400 (bad_data)"),
    ],
)
async def test_a_query_is_tried_on_the_groups_there_are(
    prometheus: Prometheus, exporter: Exporter, tmp_path: Path, query: str, condition: str, verdict: Verdict, says: str
) -> None:
    for ordinal, value in enumerate((0.01, 0.02)):
        exporter.set("errors", value, pod=f"llm-{ordinal}")
    await query_until(prometheus, "errors", lambda answer: len(answer.series) == 2)
    connections = connection(tmp_path, prometheus.url)
    told = await found_in_time(connections, says, query=query, condition=condition)
    assert told[0] is verdict
    assert told[1].startswith(says)


@pytest.mark.real
async def test_what_is_compared_is_only_seen_to_be_a_query(
    prometheus: Prometheus, exporter: Exporter, tmp_path: Path
) -> None:
    exporter.set("errors", 5, pod="llm-0")
    await query_until(prometheus, "errors", lambda answer: len(answer.series) == 1)
    gate = {"query": 'sum(errors{pod=~"{{ pods }}"})', "condition": "< 1.5", "compareToOld": "ratio"}
    says = "answers the query"
    assert await found_in_time(connection(tmp_path, prometheus.url), says, **gate) == (Verdict.OK, says)


async def test_a_target_without_groups_has_nothing_to_be_asked_about(tmp_path: Path) -> None:
    query = 'up{pod=~"{{ pods }}"}'
    gate = {"kind": "prometheus", "url": "http://prometheus", "query": query, "condition": "> 0"}
    (check,) = await checked(tmp_path, gate, replicas=0)
    assert check.verdict is Verdict.NOT_CHECKED
