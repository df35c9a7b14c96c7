"""Activities that may last for days: alive by their heartbeat, and handed on when their worker stops."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

_Result = TypeVar("_Result")
_Details = TypeVar("_Details", bound=BaseModel)
_MOVING_ON = "this worker is shutting down, another one goes on"


async def lasting(
    work: Coroutine[Any, Any, _Result],
    *,
    told: Callable[[], BaseModel],
    early: Callable[[], _Result | None],
    every: float,
) -> _Result:
    """Await the work. It is given up for what `early` returns, if anything, and when the worker stops.

    `told`: what each heartbeat tells, for whoever goes on. Both are asked every so many seconds.
    """
    working = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(activity.wait_for_worker_shutdown())
    try:
        while not working.done():
            activity.heartbeat(told())
            await asyncio.wait([working, stopping], timeout=every, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done() and not working.done():
                raise ApplicationError(_MOVING_ON, next_retry_delay=timedelta(milliseconds=1))
            if (result := early()) is not None:
                return result
        return working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


def last_heard(details: type[_Details]) -> _Details | None:
    """What an earlier attempt told last; None if there was none, or of a worker of another version."""
    heard = activity.info().heartbeat_details
    if not heard:
        return None
    try:
        return details.model_validate(heard[0])
    except ValidationError:
        return None
