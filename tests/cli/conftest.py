"""A real Temporal server with a workflow that answers as a rollout does, and the command line run as a user does."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typer.testing import CliRunner

from rollwright.cli import temporal
from rollwright.cli.main import app
from rollwright.worker import logs
from rollwright.workflows.contract import (
    ATTRIBUTES,
    DEFAULT_TASK_QUEUE,
)
from tests.cli.played import FakeRollout
from tests.cluster.conftest import group_size, real  # noqa: F401 - fixtures: a target in a cluster

StartServer = Callable[..., Awaitable[WorkflowEnvironment]]
Attributes = Sequence[SearchAttributeKey[Any]]


@pytest.fixture(autouse=True)
def _as_pytest_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is started by a test in its own process would set up the log of all tests after it."""
    monkeypatch.setattr(logs, "configure", lambda *_, **__: None)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout that answers is heard, also on a slow machine."""
    monkeypatch.setattr(temporal, "_PATIENCE", timedelta(seconds=60))


@pytest.fixture(scope="session")
def start_server(temporal_binary: Path) -> StartServer:
    """Start a Temporal server of one's own, with rollwright's search attributes unless others are given."""

    async def start_server(*, attributes: Attributes = ATTRIBUTES, **settings: Any) -> WorkflowEnvironment:
        return await WorkflowEnvironment.start_local(
            data_converter=pydantic_data_converter,
            dev_server_existing_path=str(temporal_binary),
            dev_server_log_level="error",
            search_attributes=attributes,
            **settings,
        )

    return start_server


def worker(client: Client) -> Worker:
    """A worker that plays rollouts."""
    return Worker(
        client,
        task_queue=DEFAULT_TASK_QUEUE,
        workflows=[FakeRollout],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


MakeWorker = Callable[[Client], Worker]


@pytest.fixture(scope="session")
def make_worker() -> MakeWorker:
    """Make a worker that plays rollouts."""
    return worker


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(start_server: StartServer) -> AsyncIterator[Client]:
    """A client of a server on which rollouts are played."""
    environment = await start_server()
    async with worker(environment.client):
        yield environment.client
    await environment.shutdown()


@dataclass(frozen=True)
class Ran:
    """What a command has printed and told the shell."""

    stdout: str
    stderr: str
    code: int


_PROGRAM = "from rollwright.cli import cancelling, main; cancelling.SENDING_SECONDS = 60; main.main()"
"""A slow machine has more time than CI gives a job that is cancelled."""


class Command:
    """The command line as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *arguments: str, env: dict[str, str]) -> "Command":
        """Start it with these settings besides those of the tests themselves."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, *arguments),
            env={**os.environ, **env, "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        return cls(process)

    async def line(self) -> str:
        """Its next line of stdout."""
        assert self.process.stdout
        return (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode().rstrip("\n")

    async def end(self) -> Ran:
        """What is left of its output once it has ended."""
        stdout, stderr = await asyncio.wait_for(self.process.communicate(), 120)
        assert self.process.returncode is not None
        return Ran(stdout.decode(), stderr.decode(), self.process.returncode)


Run = Callable[..., Awaitable[Ran]]
Start = Callable[..., Awaitable[Command]]


@pytest_asyncio.fixture
async def start(server: Client) -> AsyncIterator[Start]:
    """Start the command line against the server; what still runs at the end is ended."""
    address = server.service_client.config.target_host
    started: list[Command] = []
    # Where the tests themselves run in the background, Ctrl-C is ignored, and commands would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    async def start(*arguments: str, **env: str) -> Command:
        started.append(await Command.start(*arguments, env=_environment(**{"address": address, **env})))
        return started[-1]

    yield start
    signal.signal(signal.SIGINT, before)
    for command in started:
        if command.process.returncode is None:
            command.process.kill()
            await command.process.wait()


@pytest.fixture
def run(server: Client) -> Run:
    """Run the command line against the server to its end; in this process, which saves the loading."""
    address = server.service_client.config.target_host

    async def run(*arguments: str, **env: str) -> Ran:
        ran = await asyncio.to_thread(
            CliRunner().invoke, app, arguments, env=_environment(**{"address": address, **env})
        )
        return Ran(ran.stdout, ran.stderr, ran.exit_code)

    return run


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Move whoever looks to another time zone."""

    def zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield zone
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def universal(zone: Callable[[str], None]) -> None:
    """Times are given in UTC, and shown so unless a test moves whoever looks."""
    zone("UTC")


def _environment(address: str, **env: str) -> dict[str, str]:
    """A Temporal server, and no cluster in reach."""
    return {"TEMPORAL_ADDRESS": address, "KUBECONFIG": "no-such-kubeconfig", **env}
