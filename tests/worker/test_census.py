"""The open rollouts as Temporal lists them, played here; the real one is asked by the tests of a whole worker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from temporalio.client import Client
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError, RPCStatusCode

from rollwright.worker import census
from rollwright.worker.census import Census
from rollwright.worker.keyring import KeysError
from rollwright.workflows.contract import PHASE_ATTRIBUTE, WAITS_MEMO

AWAY = RPCError("away", RPCStatusCode.UNAVAILABLE, b"")


@dataclass
class Run:
    """An open rollout."""

    id: str
    phase: str = ""
    waits: str = ""
    error: Exception | None = None

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        return TypedSearchAttributes([SearchAttributePair(PHASE_ATTRIBUTE, self.phase)] if self.phase else [])

    async def memo_value(self, name: str, default: str, **_: object) -> str:
        assert name == WAITS_MEMO
        if self.error:
            raise self.error
        return self.waits or default


@dataclass
class Server:
    """Answers with what is open, if it does."""

    runs: list[Run] = field(default_factory=list)
    error: RPCError | None = None
    asked: int = 0

    async def list_workflows(self, query: str, **_: object) -> AsyncIterator[Run]:
        assert query == 'WorkflowType = "Rollout" AND ExecutionStatus = "Running" AND TaskQueue = "gpu"'
        self.asked += 1
        if self.error:
            raise self.error
        for run in self.runs:
            yield run


class Kept:
    """A census of it, that is kept."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._census = Census(cast("Client", server), "gpu")
        self._registry = CollectorRegistry()
        self._registry.register(self._census)
        self.keeping = asyncio.create_task(self._census.keep())

    async def counted_anew(self) -> None:
        asked = self._server.asked
        async with asyncio.timeout(10):
            while self._server.asked < asked + 2:
                await asyncio.sleep(0.001)

    def value(self, name: str, **labels: Any) -> float | None:
        return self._registry.get_sample_value(f"rollwright_{name}", labels)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kept]:
    monkeypatch.setattr(census, "_EVERY_SECONDS", 0.001)
    kept = Kept(server)
    yield kept
    kept.keeping.cancel()
    await asyncio.wait([kept.keeping])


async def test_all_open_rollouts_are_counted_by_phase_also_where_there_are_none(server: Server, kept: Kept) -> None:
    server.runs = [Run("rollout/lws/ml/a", "rolling back"), Run("rollout/lws/ml/b", "gated"), Run("rollout/lws/ml/c")]
    await kept.counted_anew()
    phases = ("rolling_back", "gated", "unknown", "stalled")
    assert [kept.value("rollouts", phase=phase) for phase in phases] == [1, 1, 1, 0]


async def test_how_long_each_waits_is_told_by_what_it_waits_for(server: Server, kept: Kept) -> None:
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    server.runs = [Run("rollout/lws/ml/a", "gated", f"approval {since}"), Run("rollout/lws/ml/b", "gated", f" {since}")]
    await kept.counted_anew()
    waited = kept.value("rollout_waiting_seconds", target="lws/ml/a", reason="approval")
    assert waited
    assert waited >= 3600
    assert kept.value("rollout_waiting_seconds", target="lws/ml/b", reason="approval") is None


async def test_while_temporal_does_not_answer_nothing_old_is_told_and_it_is_logged_once(
    server: Server, kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    server.runs = [Run("rollout/lws/ml/a", "gated")]
    await kept.counted_anew()
    server.error = AWAY
    await kept.counted_anew()
    assert kept.value("rollouts", phase="gated") is None
    assert [record.getMessage() for record in caplog.records if record.name == census.__name__] == [
        "the open rollouts can't be counted for metrics now: away"
    ]
    server.error = None
    await kept.counted_anew()
    assert kept.value("rollouts", phase="gated") == 1


async def test_what_one_memo_says_that_can_not_be_read_keeps_no_other_from_being_told(
    server: Server, kept: Kept
) -> None:
    """Anybody may start a workflow with memos of their own, by a key that isn't here."""
    since = datetime.now(UTC) - timedelta(hours=1)
    server.runs = [
        Run("rollout/lws/ml/sealed", "gated", error=KeysError("there is no key k2")),
        Run("rollout/lws/ml/naive", "gated", "approval 2026-01-01"),
        Run("rollout/lws/ml/a", "gated", f"approval {since.isoformat()}"),
    ]
    await kept.counted_anew()
    assert kept.value("rollouts", phase="gated") == 3
    told = [
        kept.value("rollout_waiting_seconds", target=f"lws/ml/{name}", reason="approval") for name in ("a", "naive")
    ]
    assert told[0]
    assert told[1] is None
