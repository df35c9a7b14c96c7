"""Events on a target: shown by `kubectl describe`, and never in anybody's way."""

import asyncio
import logging
import time
from datetime import timedelta
from unittest.mock import patch

import pytest

from rollwright.cluster.events import Events, Happening, Origin
from rollwright.rollout.spec import Target
from tests.cluster.conftest import BEGIN, NAME, Real
from tests.cluster.test_api import saying, server

LOWERED = Happening("LoweredPartition", "Partition is 2")
STALLED = Happening("RolloutStalled", "é" * 1000, is_warning=True)
FORBIDDEN = saying('{"message": "events is forbidden"}', status="403 Forbidden")
TARGET = Target(name="llm")
FIRST, SECOND = Origin(BEGIN, "run/1"), Origin(BEGIN + timedelta(milliseconds=1), "run/2")


@pytest.mark.real
async def test_kubectl_describe_shows_an_event_once_however_often_it_is_made(real: Real) -> None:
    events = Events(real.api)
    uid = (await real.namespace.set(NAME))["metadata"]["uid"]
    await events.make(real.named, "", STALLED, SECOND)  # asks which object it is
    for _ in range(2):
        await events.make(real.named, uid, LOWERED, FIRST)
    described = await real.cluster.kubectl("describe", f"lws/{NAME}", f"--namespace={real.namespace.name}")
    (lowered,) = [line.split() for line in described.splitlines() if "LoweredPartition" in line]
    assert (lowered[0], lowered[3:]) == ("Normal", ["rollwright", "Partition", "is", "2"])
    (stalled,) = [line.split() for line in described.splitlines() if "RolloutStalled" in line]
    assert described.index("LoweredPartition") < described.index("RolloutStalled")
    assert (stalled[0], stalled[-1]) == ("Warning", "é" * 512)  # 1,024 bytes


async def test_a_missing_right_is_logged_once_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with server(FORBIDDEN) as api:
        events = Events(api)
        with caplog.at_level(logging.WARNING):
            for number in range(3):
                await events.make(TARGET, "uid", LOWERED, Origin(BEGIN, str(number)))
    (told,) = caplog.messages
    assert "grant this verb on this resource" in told


async def test_an_api_server_that_is_slow_is_not_waited_for() -> None:
    async def hang(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with server(hang) as api:
        events, began = Events(api), time.monotonic()
        events.report(TARGET, "uid", LOWERED, FIRST)
        assert time.monotonic() - began < 0.1
        with patch("rollwright.cluster.events._PATIENCE_SECONDS", 0.2):
            await asyncio.wait_for(events.make(TARGET, "uid", LOWERED, SECOND), 2)


async def test_what_nobody_makes_again_outlasts_an_api_server_that_is_away_for_a_moment() -> None:
    answers, asked, made = [saying("{}", status="503 Service Unavailable"), saying("{}")], list[str](), asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(writer)
        if not answers:
            made.set()

    async with server(answer, asked) as api:
        with patch("rollwright.cluster.events._AGAIN_SECONDS", 0.01):
            Events(api).report(TARGET, "uid", LOWERED, FIRST)
            await asyncio.wait_for(made.wait(), 10)
    assert [request.split()[0] for request in asked] == ["POST", "POST"]
