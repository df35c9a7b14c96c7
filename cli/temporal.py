"""Rollouts as Temporal knows them: connecting, finding one, asking it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pydantic import ValidationError
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
)
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from rollwright.cli import views
from rollwright.cli.connecting import connecting
from rollwright.cli.failure import CommandError
from rollwright.rollout.spec import Target
from rollwright.rollout.stages import Stage
from rollwright.worker.keyring import KeysError
from rollwright.worker.temporal import connect as connect_to_temporal
from rollwright.workflows import asking
from rollwright.workflows.contract import (
    RETARGET,
    STAGES,
    STATUS,
    STEER,
    Retarget,
    RolloutStatus,
    StageTable,
    Steering,
)
from rollwright.workflows.describing import short

ANSWER = timedelta(seconds=5)
"""How long a call may take: a server that is away, or a rollout whose worker is away, is told of after that."""

_KEEPING = timedelta(seconds=40)
"""How long a new change may take to be tried and kept; a worker that is there has done it by then, or given up."""

_LOCAL_UI = "http://localhost:8233"
_LOCAL_HOSTS = ("localhost", "127.", "[::1]")
# Nobody answers a query: the call times out, or the server knows already that no worker polls.
_NO_WORKER = (RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)
_START_A_WORKER = "no worker answers; start one: rollwright worker"
_PATIENCE = timedelta(seconds=3)
_AWAY = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.UNKNOWN,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    # As proxies in between tell of a stream that was reset.
    RPCStatusCode.INTERNAL,
    RPCStatusCode.ABORTED,
)


class NoAnswerError(Exception):
    """The server or the workers can't be reached now; trying again may help."""


async def connect() -> Client:
    """Connect to Temporal as its environment configuration says. Raises CommandError."""
    # The SDK's own log of its retries would run over what the command prints; what matters is told in words.
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)), error_if_already_set=False)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # as are those of a collector that is away
    with connecting():
        return await connect_to_temporal()


class RefusedError(Exception):
    """The rollout does not take a message; says why, and what to do instead."""


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn what Temporal answers to a single call into CommandError. `what`: the thing that could not be done."""
    try:
        yield
    except RPCError as error:
        raise CommandError(f"{what}: {error.message}", todo=_todo(error)) from error


def _todo(error: RPCError) -> str:
    match error.status:
        case RPCStatusCode.PERMISSION_DENIED | RPCStatusCode.UNAUTHENTICATED:
            return "Check TEMPORAL_NAMESPACE and TEMPORAL_API_KEY, or the profile of temporal.toml."
        case RPCStatusCode.UNAVAILABLE | RPCStatusCode.DEADLINE_EXCEEDED:
            return "Temporal is away; try again."
        case _:
            return ""


@dataclass(frozen=True)
class Run:
    """One rollout: an id, and the first run of its chain; a later rollout of the same target has another."""

    client: Client
    rollout: str
    first_run_id: str

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine, and its UI therefore where the dev server has it."""
        return self.client.service_client.config.target_host.startswith(_LOCAL_HOSTS)

    def ui_link(self, base: str) -> str:
        """Its page in the Temporal UI; empty if the address of the UI isn't known."""
        known = base or (_LOCAL_UI if self.is_local else "")
        return views.ui_link(known, self.client.namespace, self.rollout, self.first_run_id)

    async def is_open(self) -> bool:
        """Whether it still runs. Raises NoAnswerError."""
        with _answered():
            return bool(await self._open_run())

    async def status(self) -> RolloutStatus:
        """What it says of itself. Raises NoAnswerError."""
        with _answered(by_worker_of=self.rollout):
            status: RolloutStatus = await self._latest.query(STATUS, result_type=RolloutStatus, rpc_timeout=ANSWER)
        return status

    async def stages(self) -> tuple[Stage, ...]:
        """Its stage table. Raises NoAnswerError."""
        with _answered(by_worker_of=self.rollout):
            table: StageTable = await self._latest.query(STAGES, result_type=StageTable, rpc_timeout=ANSWER)
        return table.stages

    async def result(self) -> RolloutStatus:
        """How a rollout that has ended came out. Raises NoAnswerError, CommandError if it ended without a result."""
        handle = self.client.get_workflow_handle(self.rollout, run_id=self.first_run_id, result_type=RolloutStatus)
        try:
            with _answered():
                status: RolloutStatus = await handle.result(rpc_timeout=ANSWER)
        except WorkflowFailureError as failure:
            raise _without_result(self.rollout, failure.cause) from failure
        return status

    async def answer(self) -> RolloutStatus:
        """Where it stands, or how it ended. Raises NoAnswerError, CommandError if it ended without a result."""
        if await self.is_open():
            status = await self.status()
            if await self.is_open():  # else it may be the next rollout that has answered
                return status
        return await self.result()

    async def steer(self, steering: Steering) -> str:
        """Send a message and have it answered, in words; empty if the rollout has ended.

        Raises NoAnswerError (it may have arrived all the same), RefusedError, CommandError.
        """
        return await self._update(STEER, steering, _PATIENCE)

    async def retarget(self, retarget: Retarget) -> str:
        """Set it another target; the name of the new template, empty if the rollout has ended. Raises as `steer`."""
        return await self._update(RETARGET, retarget, _KEEPING)

    async def _update(self, name: str, message: Steering | Retarget, patience: timedelta) -> str:
        handle = self.client.get_workflow_handle(self.rollout, first_execution_run_id=self.first_run_id)
        try:
            return await asking.update(handle, name, message, patience)
        except TimeoutError as error:
            raise NoAnswerError(_START_A_WORKER) from error
        except asking.NotTakenError as refused:
            raise RefusedError(str(refused)) from refused
        except RPCError as error:
            return self._ended(error)

    async def signal(self, steering: Steering) -> bool:
        """Leave a message for whenever a worker is there; False if the rollout has ended. Raises CommandError."""
        with explained(f"{self.rollout} can't be reached"):
            while run_id := await self._open_run():
                handle = self.client.get_workflow_handle(self.rollout, run_id=run_id)
                try:
                    await handle.signal(str(steering.message), steering, rpc_timeout=ANSWER)
                except RPCError as error:
                    self._ended(error)  # that run has; the rollout may go on in another one
                else:
                    return True
        return False

    async def _open_run(self) -> str:
        """The run in which it goes on now; empty if it has ended. Raises RPCError."""
        description = await self._latest.describe(rpc_timeout=ANSWER)
        goes_on = description.status is WorkflowExecutionStatus.RUNNING
        return description.run_id if goes_on and first_run_id(description) == self.first_run_id else ""

    def _ended(self, error: RPCError) -> str:
        """Nothing, if the error says that the rollout has ended. Raises CommandError if it says anything else."""
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise CommandError(f"{self.rollout} can't be reached: {error.message}", todo=_todo(error)) from error
        return ""

    @property
    def _latest(self) -> WorkflowHandle[object, object]:
        """The latest run of this id; it belongs to this rollout as long as `is_open`."""
        return self.client.get_workflow_handle(self.rollout)


def _without_result(rollout: str, cause: BaseException) -> CommandError:
    if isinstance(cause, ApplicationError):
        return CommandError(f"{rollout} failed: {cause.message}")
    why = cause.message if isinstance(cause, FailureError) else str(cause)
    return CommandError(
        f"{rollout} ended without a result: {why}",
        todo=f"Its target may stand half way, with a surge or a partition: `rollwright doctor {rollout}` says so, and "
        "mends it. Or start another rollout of it: that goes on from what it finds.",
    )


def first_run_id(description: WorkflowExecutionDescription) -> str:
    """The first run of the chain that this run continues."""
    return description.raw_description.workflow_execution_info.first_run_id or description.run_id


async def look_up(client: Client, target: Target) -> WorkflowExecutionDescription | None:
    """What Temporal knows of the latest rollout of a target; None if there is none. Raises CommandError."""
    with explained(f"{target.workflow_id} can't be looked up"):
        try:
            return await client.get_workflow_handle(target.workflow_id).describe(rpc_timeout=ANSWER)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise


async def find(client: Client, target: Target) -> Run:
    """The latest rollout of a target. Raises CommandError if there is none."""
    description = await look_up(client, target)
    if description is None:
        raise CommandError(
            f"there is no rollout of {target}", todo="`rollwright list --all` shows the rollouts there are."
        )
    return Run(client, target.workflow_id, first_run_id(description))


@contextmanager
def _answered(*, by_worker_of: str = "") -> Iterator[None]:
    """Tell what may be tried again (NoAnswerError) from what may not (CommandError).

    `by_worker_of`: the rollout, if its worker must answer.
    """
    try:
        yield
    except RPCError as error:
        if by_worker_of and error.status in _NO_WORKER:
            if "failed state" in error.message:
                more = f"`rollwright doctor {by_worker_of}` says more"
                raise NoAnswerError(f"its workflow code fails; {more}") from error
            raise NoAnswerError(_START_A_WORKER) from error
        if error.status in _AWAY:
            raise NoAnswerError(f"Temporal is away ({error.message})") from error
        raise CommandError(f"Temporal refuses: {error.message}", todo=_todo(error)) from error
    except KeysError as error:  # of this one alone, where others are listed too
        raise CommandError(f"its answers can't be read: {error}") from error
    except ValidationError as error:
        raise CommandError(
            f"what the rollout's worker answers can't be read: {short(error)}",
            todo="If the worker is newer than this command line, upgrade this.",
        ) from error
    except WorkflowQueryFailedError as error:
        raise NoAnswerError(f"its workflow doesn't answer as a rollout does: {error.message}") from error
