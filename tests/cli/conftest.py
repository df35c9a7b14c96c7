"""A real Temporal server with a workflow that answers as a rollout does, and the command line run as a user does."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typer.testing import CliRunner

from rollwright.cli.main import app
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Done, Step
from rollwright.rollout.stages import extend, first_stage
from rollwright.workflows.contract import (
    ABORT,
    DEFAULT_TASK_QUEUE,
    PAUSE,
    PHASE_ATTRIBUTE,
    RESUME,
    REVISION_ATTRIBUTE,
    STAGES,
    STATUS,
    TARGET_ATTRIBUTE,
    WORKFLOW_TYPE,
    Event,
    Intervention,
    Phase,
    RolloutInput,
    RolloutStatus,
    StageTable,
)

BEFORE = Observation(
    replicas=4,
    groups_asked=4,
    partition=0,
    groups=tuple(Group(ordinal=i, updated=False, ready=True) for i in range(4)),
    on_target=False,
)
SURGED = Observation(
    replicas=4,
    groups_asked=6,
    partition=4,
    groups=(
        *BEFORE.groups,
        Group(ordinal=4, updated=True, ready=False, reason="pulling the image"),
        Group(ordinal=5, updated=True, ready=False, reason="pulling the image"),
    ),
)
AFTER = Observation(
    replicas=4,
    groups_asked=4,
    partition=0,
    groups=tuple(Group(ordinal=i, updated=True, ready=True) for i in range(4)),
)
PREPARED = extend((first_stage(BEFORE),), BEFORE, Step(action=Action.PREPARE, partition=4, groups=6))
COMPLETED = extend(PREPARED, AFTER, Done())


@workflow.defn(name=WORKFLOW_TYPE)
class FakeRollout:
    """Stands at stage 2 until it is told to `go_on`, which completes it, or is aborted."""

    @workflow.init
    def __init__(self, started: RolloutInput) -> None:
        self._status = RolloutStatus(
            rollout=workflow.info().workflow_id,
            phase=Phase.PROGRESSING,
            spec=started.spec,
            observation=SURGED,
            stage=PREPARED[-1],
            steps=1,
            available_min=4,
            groups_max=6,
            started_at="2026-01-02T03:04:05Z",
        )
        self._stages = PREPARED
        self._renewed = False

    @workflow.run
    async def run(self, started: RolloutInput) -> RolloutStatus:
        await workflow.wait_condition(lambda: self._status.phase.is_final or self._renewed)
        if self._renewed:
            workflow.continue_as_new(started)
        return self._status

    @workflow.signal(name=PAUSE)
    def pause(self, by: Intervention) -> None:
        self._steer("paused", by, Phase.PAUSED)

    @workflow.signal(name=RESUME)
    def resume(self, by: Intervention) -> None:
        self._steer("resumed", by, Phase.PROGRESSING)

    @workflow.signal(name=ABORT)
    def abort(self, by: Intervention) -> None:
        self._steer("aborted", by, Phase.ABORTED)

    @workflow.signal
    def go_on(self) -> None:
        self._stages = COMPLETED
        self._set(
            phase=Phase.COMPLETED, observation=AFTER, stage=COMPLETED[-1], steps=5, finished_at="2026-01-02T05:04:05Z"
        )

    @workflow.signal
    def renew(self) -> None:
        self._renewed = True

    @workflow.query(name=STATUS)
    def status(self) -> RolloutStatus:
        return self._status

    @workflow.query(name=STAGES)
    def stages(self) -> StageTable:
        return StageTable(stages=self._stages)

    def _steer(self, what: str, by: Intervention, phase: Phase) -> None:
        event = Event(at="2026-01-02T04:00:00Z", what=what, actor=by.actor, reason=by.reason)
        self._set(phase=phase, events=(*self._status.events, event))

    def _set(self, **update: object) -> None:
        self._status = self._status.model_copy(update=update)


StartServer = Callable[..., Awaitable[WorkflowEnvironment]]
Attributes = Sequence[SearchAttributeKey[Any]]


@pytest.fixture(scope="session")
def start_server(temporal_binary: Path) -> StartServer:
    """Start a Temporal server of one's own, with rollwright's search attributes unless others are given."""

    async def start_server(
        *, attributes: Attributes = (TARGET_ATTRIBUTE, PHASE_ATTRIBUTE, REVISION_ATTRIBUTE), **settings: Any
    ) -> WorkflowEnvironment:
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


class Command:
    """The command line as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, *arguments: str, env: dict[str, str]) -> "Command":
        """Start it with these settings besides those of the tests themselves."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rollwright.cli.main", *arguments),
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


def _environment(address: str, **env: str) -> dict[str, str]:
    """A Temporal server, and no cluster in reach."""
    return {"TEMPORAL_ADDRESS": address, "KUBECONFIG": "no-such-kubeconfig", **env}
