"""What goes on beside all else for a while."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

_log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]


@asynccontextmanager
async def beside(works: Mapping[str, Work]) -> AsyncIterator[None]:
    """A while in which these go on, by the names of their tasks. They end with it; nothing waits for them before."""
    tasks = [asyncio.create_task(work(), name=name) for name, work in works.items()]
    for task in tasks:
        task.add_done_callback(_tell_if_failed)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        _log.error("%s has failed, and is not done any more", task.get_name(), exc_info=error)
