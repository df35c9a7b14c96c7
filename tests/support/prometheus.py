"""Asking a Prometheus over its HTTP API, and waiting for what it will say."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp

from rollwright.devcluster.prometheus import Prometheus

DEADLINE_SECONDS = 30.0


class Answer(NamedTuple):
    """What /api/v1/query said."""

    status: int
    body: dict[str, Any]

    @property
    def series(self) -> list[tuple[dict[str, str], str]]:
        """Labels and value of each series of a vector; the value is a number, NaN, +Inf or -Inf, as text."""
        assert self.status == 200, self.body
        return [(series["metric"], series["value"][1]) for series in self.body["data"]["result"]]

    @property
    def values(self) -> list[str]:
        """The values alone."""
        return [value for _, value in self.series]


async def query(prometheus: Prometheus, expression: str) -> Answer:
    """Ask for the value of an expression now."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{prometheus.url}/api/v1/query", params={"query": expression}) as response,
    ):
        return Answer(response.status, await response.json())


async def query_until(prometheus: Prometheus, expression: str, condition: Callable[[Answer], bool]) -> Answer:
    """Ask until the answer is as wanted; raises AssertionError with the last one if that takes too long."""
    answer = await query(prometheus, expression)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition(answer):
                await asyncio.sleep(0.02)
                answer = await query(prometheus, expression)
    except TimeoutError:
        raise AssertionError(f"{expression} didn't get there; the last answer was {answer}") from None
    return answer
