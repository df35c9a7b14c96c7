"""What a signal makes of work that is under way."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import cast

import pytest
from temporalio.client import Client

from rollwright.cli import cancelling, conflicts
from rollwright.cli.cancelling import OnCancel
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.following import Patience
from rollwright.cli.launching import Waiting, _Launch
from rollwright.cli.temporal import Run
from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.workflows import asking as asking_of
from rollwright.workflows.contract import RolloutInput


def send() -> None:
    """As a CI does."""
    os.kill(os.getpid(), signal.SIGTERM)


async def test_work_that_makes_an_error_of_being_cancelled_was_cancelled_and_its_end_is_told_whatever_comes() -> None:
    told: list[ExitCode | str] = []

    async def work() -> ExitCode:
        send()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise CommandError("cancelled, as a client says it") from None
        return ExitCode.DONE

    async def if_cancelled() -> None:
        told.append("cancelled")

    def at_end(code: ExitCode) -> None:
        send()  # once more: it ends the process where nobody handles it
        told.append(code)

    assert await cancelling.carried_out(work(), if_cancelled, at_end) is ExitCode.TERMINATED
    assert told == ["cancelled", ExitCode.TERMINATED]


async def test_what_goes_wrong_before_a_signal_is_told_as_it_is() -> None:
    async def work() -> ExitCode:
        raise CommandError("refused")

    async def if_cancelled() -> None:
        raise AssertionError

    with pytest.raises(CommandError, match="refused"):
        await cancelling.carried_out(work(), if_cancelled, lambda _: None)


async def test_whoever_waits_for_an_update_sees_that_it_was_cancelled_whatever_the_client_makes_of_that() -> None:
    asks, unhandled = asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))

    async def asking() -> str:
        asks.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("cancelled, as the client says it") from None
        return ""

    waiting = asyncio.create_task(asking_of._within(timedelta(minutes=1), asking()))
    await asks.wait()
    waiting.cancel()
    await asyncio.wait({waiting})
    await asyncio.sleep(0)
    assert waiting.cancelled()
    assert not unhandled


async def test_a_server_that_does_not_answer_holds_up_no_job_that_is_cancelled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(cancelling, "SENDING_SECONDS", 0.1)
    monkeypatch.setattr(conflicts, "started", never)
    monkeypatch.setattr(Run, "is_open", never)
    client = cast("Client", object())
    given = RolloutInput(spec=RolloutSpec(target=Target(name="llm")))
    launched = _Launch(given, Waiting(Patience(60), OnCancel.PAUSE))
    launched._client = client
    launched._retargets(Run(client, "rollout/lws/default/llm", "1"))
    await asyncio.wait_for(launched.cancelled(), 60)
    assert "pause could not be sent, so the rollout may go on: no answer within 0 s" in capsys.readouterr().err
