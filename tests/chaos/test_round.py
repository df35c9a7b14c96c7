# The Kubernetes client has annotations in part only.
# mypy: allow-untyped-calls
"""A round always comes to an end and to a verdict, whatever its rollout or what it stands on does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos.plan import Happening, Kind, Plan
from tests.chaos.round import BrokenError, Round, StuckError
from tests.chaos.site import Site, persistently
from tests.chaos.test_plan import plan
from tests.chaos.verdict import Outcome, Over, concluded, hold

Update = Callable[[], Awaitable[str]]


class Handle:
    """Of a workflow that never ends."""

    def __init__(self, update: Update) -> None:
        self._update = update

    async def result(self) -> None:
        await asyncio.Event().wait()

    async def execute_update(self, *_given: Any, **_options: Any) -> str:
        return await self._update()


class Rehearsal(Round):
    """A round without a worker and without a workflow."""

    def __init__(self, plan: Plan, site: Site, update: Update) -> None:
        super().__init__(plan, site, Path(), AsyncExitStack())
        self._handle = cast("Any", Handle(update))

    async def _start_worker(self) -> None:
        pass

    async def _start(self) -> None:
        pass


async def refuse() -> str:
    raise WorkflowUpdateFailedError(ApplicationError("it is being aborted"))


async def never_answer() -> str:
    await asyncio.Event().wait()
    return ""


@pytest.fixture
async def nowhere() -> Any:
    """A site of which nothing answers."""
    async with ApiClient(Configuration(host="http://127.0.0.1:1")) as api:
        yield Site(cast("Any", Nothing()), cast("Any", None), cast("Any", None), api)


class Nothing:
    """In place of a cluster."""

    kubeconfig = Path("nowhere")


def insisting(kind: Kind) -> Plan:
    return plan().model_copy(update={"happenings": (Happening(at=0, kind=kind, insists=True),)})


async def test_a_message_that_is_refused_for_ever_does_not_keep_a_round_from_being_stuck(
    nowhere: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.round.PATIENCE_SECONDS", 0.1)
    played = Rehearsal(insisting(Kind.PROMOTE), nowhere, refuse)
    with pytest.raises(StuckError, match=r"not over 0\.1 s after"):
        await asyncio.wait_for(played.play(), 20)
    assert played.told[0].words == "it is being aborted"


async def test_a_message_that_is_never_answered_is_stuck(nowhere: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.chaos.site._LONGEST_SECONDS", 0.1)
    played = Rehearsal(insisting(Kind.PAUSE), nowhere, never_answer)
    with pytest.raises(StuckError, match=r"pause, 0.\d\d s after the start: no answer in 0.1 s"):
        await asyncio.wait_for(played.play(), 20)


def failing_once(status: RPCStatusCode) -> Update:
    """Answers the second time."""
    errors = [RPCError("", status, b"")]

    async def call() -> str:
        if errors:
            raise errors.pop()
        return "answered"

    return call


async def test_what_meets_a_workflow_task_that_fails_is_asked_again_and_a_refusal_is_not() -> None:
    assert await persistently(failing_once(RPCStatusCode.FAILED_PRECONDITION)) == "answered"
    with pytest.raises(RPCError):
        await persistently(failing_once(RPCStatusCode.NOT_FOUND))


async def test_a_round_in_which_nothing_answers_ends_with_a_verdict_and_its_plan(
    nowhere: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.chaos.site._LONGEST_SECONDS", 0.1)
    verdict = await hold(insisting(Kind.PROMOTE), nowhere, tmp_path / "0")
    assert (verdict.outcome, verdict.plan) == (Outcome.STUCK, insisting(Kind.PROMOTE))
    assert "no answer in 0.1 s" in verdict.findings[0]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BrokenError("the workflow has failed"), Outcome.WRONG),
        (StuckError("not over"), Outcome.STUCK),
        (TimeoutError("no answer"), Outcome.STUCK),
        (KeyError("a mistake of the round's own"), Outcome.CRASHED),
    ],
)
async def test_what_a_round_raises_is_its_outcome_and_told(error: Exception, outcome: Outcome) -> None:
    async def play() -> Over:
        raise error

    async def waits_for() -> list[str]:
        return []

    over = await concluded(play, waits_for)
    assert over.outcome is outcome
    assert str(error) in over.findings[-1]
