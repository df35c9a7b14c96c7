"""What becomes of a rollout when the command that waits for it is cancelled, as CI does: by SIGINT, or SIGTERM."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.workflows.contract import Intervention, Message, Steering

_LETTING_GO_SECONDS = 1.0
SENDING_SECONDS = 5.0
"""For all that is asked of Temporal and said to the rollout then.

GitHub kills a job 7.5 s after it was asked to end, or 10 s with a second signal between.
"""
_CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class OnCancel(StrEnum):
    """What to tell the rollout when the command is cancelled."""

    LEAVE = "leave"
    PAUSE = "pause"
    ABORT = "abort"


async def carried_out(
    work: Coroutine[Any, Any, ExitCode],
    if_cancelled: Callable[[], Awaitable[None]],
    at_end: Callable[[ExitCode], None],
) -> ExitCode:
    """Do the work to its end, or until a signal asks to end. The first signal counts: more of them change nothing."""
    task, came = asyncio.ensure_future(work), asyncio.get_running_loop().create_future()
    with _taken(came):
        code = await _code(task, came, if_cancelled)
        at_end(code)
        return code


async def _code(
    task: "asyncio.Future[ExitCode]",
    came: "asyncio.Future[signal.Signals]",
    if_cancelled: Callable[[], Awaitable[None]],
) -> ExitCode:
    try:
        await asyncio.wait((task, came), return_when=asyncio.FIRST_COMPLETED)
    finally:
        had_ended = task.done()
        task.cancel()
    await asyncio.wait({task}, timeout=_LETTING_GO_SECONDS)
    # What goes wrong afterwards has been cancelled, whatever became of that on its way.
    if task.done() and not task.cancelled() and (had_ended or task.exception() is None):
        return task.result()
    await if_cancelled()
    return _CODES[came.result()]


@contextmanager
def _taken(came: "asyncio.Future[signal.Signals]") -> Iterator[None]:
    """The first signal that asks to end is the future's result, meanwhile."""
    if threading.current_thread() is not threading.main_thread():  # no other thread is told of them
        yield
        return

    def take(number: signal.Signals) -> None:
        if not came.done():
            came.set_result(number)

    loop = asyncio.get_running_loop()
    for number in _CODES:
        loop.add_signal_handler(number, take, number)
    try:
        yield
    finally:
        for number in _CODES:
            loop.remove_signal_handler(number)


async def tell(run: Run, on_cancel: OnCancel, by: Intervention, until: float) -> str:
    """Say to the rollout what was asked for this case; what came of it, in words. `until`: by the loop's clock."""
    follow = f"follow it: rollwright watch {run.rollout}"
    if on_cancel is OnCancel.LEAVE:
        return f"the rollout goes on; {follow}"
    message = Message(on_cancel.value)
    steering = Steering(message=message, actor=by.actor, reason="the job that waits for it was cancelled")
    try:
        # Not the update, which would wait for an answer: a signal lasts, whether a worker is there or not.
        async with asyncio.timeout_at(until):
            sent = await run.is_open() and await run.signal(steering)
    except (CommandError, NoAnswerError, TimeoutError) as error:
        why = str(error) or f"no answer within {SENDING_SECONDS:.0f} s"
        return f"{message} could not be sent, so the rollout may go on: {why}; {follow}"
    if not sent:
        return f"the rollout has ended; how: rollwright status {run.rollout}"
    return f"sent {message} to {run.rollout}, by {by.actor}; {follow}"
