"""An independent witness of one LeaderWorkerSet: what the API server held, version by version.

It shares no code with the rollout it watches: other client calls, another notion of readiness (the pods themselves, not
the status of StatefulSets), another arithmetic.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Self

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, AppsV1Api, CoreV1Api, CustomObjectsApi
from kubernetes.aio.config import new_client_from_config
from kubernetes.aio.watch import Watch

_LWS = "leaderworkerset.sigs.k8s.io"
_AGAIN_AFTER_SECONDS = 0.05
_GONE = 410
_NO_ANSWER = (ApiException, aiohttp.ClientError, TimeoutError, OSError)


class Leader(NamedTuple):
    """A leader pod: a group is replaced when its ordinal has another one."""

    uid: str
    revision: str


class Moment(NamedTuple):
    """What held from a moment on until the next one."""

    at: float
    """Seconds since the epoch, when the change arrived here."""
    partition: int
    replicas: int
    """Of the LeaderWorkerSet's spec, as is the partition."""
    available: int
    """Groups that serve, on whichever revision."""
    asked: int
    """Groups asked for: by spec.replicas, or by the leader StatefulSet if that asks for more."""


class _Spec(NamedTuple):
    partition: int
    replicas: int


class _Set(NamedTuple):
    uid: str
    owner: str
    replicas: int


class _Pod(NamedTuple):
    uid: str
    owner: str
    ordinal: int
    is_leader: bool
    revision: str
    size: int
    serves: bool
    """Ready, and nobody has asked for its deletion."""


class _Change(NamedTuple):
    """An object as it is from a version on; None once it is deleted."""

    version: int
    at: float
    name: str
    item: _Spec | _Set | _Pod | None


class Watcher:
    """Records a LeaderWorkerSet, its StatefulSets and its pods while the context is open.

    What it measures. Every write to the store of the API server has a version, one count for all kinds, and every event
    of a watch carries it. So the events of the three watches, put in the order of their versions, give the very states
    the API server went through, however late each watch is: no group is counted twice or missed because the news of
    one kind came before those of another. A state counts once all three watches are known to have passed it; leaving
    the context waits for that. If a watch has to list anew (the API server was away for too long), the versions that
    it missed don't count.

    A group is available when its leader is Ready and not being deleted and, with size > 1 (the group's own), as many
    workers as belong to it are as well, counted among the pods of the StatefulSet that this very leader owns.

    It holds for API servers that keep all kinds in one store, as the embedded one and nearly all others do.
    """

    def __init__(self, kubeconfig: Path | str, namespace: str, name: str) -> None:
        """Watch the LeaderWorkerSet of this name, which need not exist yet."""
        self._kubeconfig = str(kubeconfig)
        self._namespace = namespace
        self._name = name
        self._streams: list[_Stream] = []
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._client = await new_client_from_config(self._kubeconfig, persist_config=False)
        self._streams = _streams(self._client, self._namespace, self._name, self._changed)
        self._tasks = [asyncio.create_task(stream.run()) for stream in self._streams]
        await self.catch_up()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        try:
            if kind is None:
                await self.catch_up()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.close()

    async def catch_up(self, timeout_seconds: float = 30.0) -> None:
        """Wait until all that the API server holds by now has arrived. Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            for stream in self._streams:
                await stream.catch_up()

    async def until(self, condition: Callable[[Self], bool], timeout_seconds: float = 60.0) -> None:
        """Wait until the condition holds, looking at every change. Raises TimeoutError that says what was seen."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not condition(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(
                f"not seen within {timeout_seconds} s; partition and replicas so far: {self.partition_replicas}, "
                f"last {self.moments[-1:]}"
            ) from None

    @property
    def partition_replicas(self) -> list[tuple[int, int]]:
        """The partition and replicas of the LeaderWorkerSet's spec, one entry for every change of the two."""
        specs = [tuple(change.item) for change in self._streams[0].changes if isinstance(change.item, _Spec)]
        return [(partition, replicas) for (partition, replicas), _ in groupby(specs)]

    @property
    def moments(self) -> list[Moment]:
        """All states in order, each different from the one before in something other than its time."""
        return [next(same) for _, same in groupby(self._states(), lambda moment: moment[1:])]

    @property
    def available_min(self) -> int:
        """The fewest groups that were available at once."""
        return min(moment.available for moment in self.moments)

    @property
    def groups_max(self) -> int:
        """The most groups that were asked for."""
        return max(moment.asked for moment in self.moments)

    @property
    def leaders(self) -> dict[int, list[Leader]]:
        """The leader pods of each ordinal, in the order in which they came."""
        found: dict[int, list[Leader]] = {}
        for change in self._streams[2].changes:
            pod = change.item
            if isinstance(pod, _Pod) and pod.is_leader:
                leader, known = Leader(pod.uid, pod.revision), found.setdefault(pod.ordinal, [])
                if leader not in known:
                    known.append(leader)
        return dict(sorted(found.items()))

    def _states(self) -> Iterator[Moment]:
        """Replay all changes in the order of their versions, up to where nothing can be missing."""
        changes = sorted(change for stream in self._streams for change in stream.changes)
        complete = min(stream.complete for stream in self._streams)
        specs: dict[str, _Spec] = {}
        sets: dict[str, _Set] = {}
        pods: dict[str, _Pod] = {}
        for position, change in enumerate(changes):
            ...
