"""What a worker answers over HTTP, to those who scrape and probe it."""

import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple, Self

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.Response]]
_ADDRESS = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:/\s]+):(?P<port>\d{1,5})")
_LAST_PORT = 65535


class EndpointError(Exception):
    """Nothing can listen there; says why."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int
    """0: any that is free."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """HOST:PORT, as in 127.0.0.1:9090 or [::1]:9090. Raises EndpointError."""
        found = _ADDRESS.fullmatch(text)
        if not found or int(found["port"]) > _LAST_PORT:
            raise EndpointError(f"{text!r} is no HOST:PORT")
        return cls(found["host"].strip("[]"), int(found["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@asynccontextmanager
async def served(address: Address, handlers: Mapping[str, Handler]) -> AsyncIterator[Address]:
    """A while in which these paths are answered; where, with the port that was free. Raises EndpointError."""
    application = web.Application()
    application.add_routes([web.get(path, handler) for path, handler in handlers.items()])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, *address).start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            raise EndpointError(f"nothing can listen at {address}: {why}") from error
        yield Address(address.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()
