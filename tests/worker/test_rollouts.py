"""What a follower makes of the answers of Temporal."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError

from rollwright.rollout.observation import Observation
from rollwright.rollout.spec import RolloutSpec, Strategy, Target
from rollwright.worker.decision import Request, Retarget, Stood
from rollwright.worker.policies import Policy
from rollwright.worker.rollouts import Rollouts
from rollwright.workflows.contract import Event, Phase, RolloutStatus

TARGET = Target(namespace="inference", name="llm")
REQUEST = Request("2f0d", "n3w", "p0")
ASKED = Retarget(Policy("careful", Strategy(), "p0"), REQUEST, "run-1", "10:00")
SEEN = Observation(
    partition=0, on_target=True, groups=(), replicas=0, groups_asked=0, uid="2f0d", template="n3xt", dispute="template"
)
STATUS = RolloutStatus(
    rollout="rollout/lws/inference/llm",
    phase=Phase.ABORTED,
    spec=RolloutSpec(target=TARGET, strategy=Strategy()),
    revision="llm-rw-2f0d-n3w",
    observation=SEEN,
)


class Server:
    """Temporal: one rollout, and what comes of an update."""

    def __init__(self, status: RolloutStatus, how: WorkflowExecutionStatus, answer: Exception | None = None) -> None:
        self._status = status
        self._how = how
        self._answer = answer
        self.updates: list[str] = []
        self.waits = False

    def get_workflow_handle(self, _id: str, *, run_id: str | None = None, **_: Any) -> "Handle":
        return Handle(self, run_id)

    async def describe(self) -> Any:
        async def memo() -> dict[str, str]:
            return {"request": str(REQUEST)}

        return SimpleNamespace(run_id="run-1", status=self._how, memo=memo)

    async def result(self, run_id: str | None) -> RolloutStatus:
        if run_id != "run-1":
            await asyncio.Event().wait()  # another rollout is open by now
        return self._status

    async def status(self) -> RolloutStatus:
        return self._status

    async def update(self, request: str) -> str:
        self.updates.append(request)
        if self.waits:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:  # as the client does
                raise WorkflowUpdateRPCTimeoutOrCancelledError from error
        if self._answer:
            raise WorkflowUpdateFailedError(self._answer)
        return "llm-rw-2f0d-n3w"


class Handle:
    def __init__(self, server: Server, run_id: str | None) -> None:
        self._server = server
        self._run_id = run_id

    async def describe(self, **_: Any) -> Any:
        return await self._server.describe()

    async def result(self, **_: Any) -> RolloutStatus:
        return await self._server.result(self._run_id)

    async def query(self, *_: Any, **__: Any) -> RolloutStatus:
        return await self._server.status()

    async def execute_update(self, *_: Any, id: str, **__: Any) -> str:
        assert self._run_id == "run-1"
        return await self._server.update(id)


def rollouts(server: Server) -> Rollouts:
    return Rollouts(cast("Client", server), "rollwright")


async def test_how_a_rollout_ended_is_asked_of_its_own_run() -> None:
    server = Server(STATUS, WorkflowExecutionStatus.COMPLETED)
    async with asyncio.timeout(30):
        latest = await rollouts(server).latest(TARGET, disputed=False)
    assert latest
    assert (latest.ended, latest.revision, latest.run) == (Phase.ABORTED, "llm-rw-2f0d-n3w", "run-1")
    assert latest.stood == Stood("2f0d", "n3xt")


@pytest.mark.parametrize(("phase", "stands"), [(Phase.STALLED, True), (Phase.PROGRESSING, False)])
async def test_an_open_one_tells_whether_it_stands_and_when_it_was_last_set_another_target(
    phase: Phase, *, stands: bool
) -> None:
    events = (
        Event(at="9:00", what="pause: p"),
        Event(at="10:00", what="retarget: t"),
        Event(at="11:00", what="resume"),
    )
    status = STATUS.model_copy(update={"phase": phase, "events": events})
    latest = await rollouts(Server(status, WorkflowExecutionStatus.RUNNING)).latest(TARGET, disputed=True)
    assert latest
    assert (latest.stands, latest.asked_at) == (stands, "10:00")


async def test_what_is_sent_again_is_one_and_the_same_until_it_was_set_another_target() -> None:
    server = Server(STATUS, WorkflowExecutionStatus.RUNNING)
    for asked in (ASKED, ASKED, ASKED._replace(asked_at="11:00")):
        assert await rollouts(server).retarget(TARGET, asked) == ""
    first, second, third = server.updates
    assert first == second != third


async def test_a_refusal_is_told() -> None:
    server = Server(STATUS, WorkflowExecutionStatus.RUNNING, ApplicationError("no such GPU"))
    assert await rollouts(server).retarget(TARGET, ASKED) == "no such GPU"


async def test_a_rollout_that_has_ended_meanwhile_refuses_nothing() -> None:
    ended = ApplicationError("it has ended", type="AcceptedUpdateCompletedWorkflow")
    server = Server(STATUS, WorkflowExecutionStatus.RUNNING, ended)
    assert await rollouts(server).retarget(TARGET, ASKED) == ""


async def test_who_waits_for_an_answer_can_be_cancelled() -> None:
    server = Server(STATUS, WorkflowExecutionStatus.RUNNING)
    server.waits = True
    asking = asyncio.create_task(rollouts(server).retarget(TARGET, ASKED))
    while not server.updates:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_answer_that_does_not_come_in_time_is_said_to_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(STATUS, WorkflowExecutionStatus.RUNNING)
    server.waits = True
    monkeypatch.setattr("rollwright.worker.rollouts._KEEPING", timedelta(milliseconds=1))
    with pytest.raises(TimeoutError):
        await rollouts(server).retarget(TARGET, ASKED)
