"""Metrics that a test sets, served on loopback in the format that Prometheus scrapes."""

import asyncio
from collections.abc import Mapping
from typing import Self

from aiohttp import web

from rollwright.devcluster.state import free_ports

Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name of a metric and its labels, sorted."""


class Exporter:
    """Gauges at /metrics, in the test's own process. It keeps its port while it is gone."""

    def __init__(self) -> None:
        (self._port,) = free_ports(1)
        self._runner: web.AppRunner | None = None
        self._values: dict[Series, float] = {}
        self.delay_seconds = 0.0
        """How long each answer takes from now on."""

    @property
    def target(self) -> str:
        """As a scrape configuration names it."""
        return f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self.come()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.go()

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Have a gauge at a value, NaN and the infinities too, from the next scrape on."""
        self._values[name, tuple(sorted(labels.items()))] = value

    def clear(self) -> None:
        """Serve nothing: a page without gauges."""
        self._values.clear()

    async def come(self) -> None:
        """Serve, also again after it was gone. Does nothing if it is there."""
        if self._runner is None:
            application = web.Application()
            application.router.add_get("/metrics", self._answer)
            self._runner = web.AppRunner(application, shutdown_timeout=0.1)
            await self._runner.setup()
            await web.TCPSite(self._runner, "127.0.0.1", self._port).start()

    async def go(self) -> None:
        """Refuse connections, and end those there are. The gauges stay as they are for when it comes again."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _answer(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay_seconds)
        return web.Response(
            body=exposition(self._values).encode(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )


def exposition(values: Mapping[Series, float]) -> str:
    """Gauges in the text format (prometheus.io/docs/instrumenting/exposition_formats)."""
    by_name: dict[str, list[str]] = {}
    for (name, labels), value in values.items():
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
        by_name.setdefault(name, [f"# TYPE {name} gauge"]).append(f"{name}{{{pairs}}} {_number(value)}")
    return "".join(f"{line}\n" for lines in by_name.values() for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}.get(repr(float(value)), repr(float(value)))
