"""Reconciling keys as they are woken, each by one task at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from rollwright.devcluster.standin.manifests import Key
from rollwright.devcluster.standin.store import API_ERRORS, describe

_log = logging.getLogger(__name__)

_FIRST_RETRY_SECONDS: Final = 0.02
_LAST_RETRY_SECONDS: Final = 1.0


class WorkQueue:
    """Calls `reconcile` for each woken key; again if it is woken meanwhile; again, ever later, after an API error."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        reconcile: Callable[[Key], Awaitable[None]],
        rest_seconds: Callable[[Key], float] = lambda _key: 0.0,
    ) -> None:
        """Reconcile in `tasks`, which outlive every call of `wake`; a key again after its `rest_seconds`."""
        self._tasks = tasks
        self._reconcile = reconcile
        self._rest_seconds = rest_seconds
        self._working: set[Key] = set()
        self._woken: set[Key] = set()

    def wake(self, key: Key) -> None:
        """Have `key` reconciled from now on."""
        self._woken.add(key)
        if key not in self._working:
            self._working.add(key)
            self._tasks.create_task(self._work(key))

    async def _work(self, key: Key) -> None:
        retry_seconds = _FIRST_RETRY_SECONDS
        while key in self._woken:
            self._woken.discard(key)
            try:
                await self._reconcile(key)
                retry_seconds = _FIRST_RETRY_SECONDS
                await asyncio.sleep(self._rest_seconds(key))
            except API_ERRORS as error:
                _log.warning("%s/%s: trying again in %.2f s: %s", *key, retry_seconds, describe(error))
                self._woken.add(key)
                await asyncio.sleep(retry_seconds)
                retry_seconds = min(2 * retry_seconds, _LAST_RETRY_SECONDS)
        self._working.discard(key)
