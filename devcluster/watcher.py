"""An independent witness of one target: what the API server held, version by version.

It shares no code with the rollout it watches: other client calls, another notion of readiness (the pods themselves, not
the status of StatefulSets), another arithmetic.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, Self

from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.history import Change, GroupSet, History, Pod, Spec, Watched, histories
from rollwright.rollout.spec import TargetKind


class Leader(NamedTuple):
    """A leader pod: a group was replaced when its ordinal has another one."""

    uid: str
    revision: str


class Moment(NamedTuple):
    """What held from a moment on until the next one."""

    at: float
    """Seconds since the epoch, when the news arrived here."""
    partition: int
    """Of the target's spec, as is replicas."""
    replicas: int
    available: int
    """Groups that serve, on whichever revision."""
    asked: int
    """Groups asked for: by spec.replicas, or by the leader StatefulSet where that asks for more."""


class Frame(NamedTuple):
    """All objects, by name, as they were from a change until the next one."""

    change: Change
    known: bool
    """False where what came before or after it was missed: it may have been otherwise for a moment."""
    spec: Spec | None
    leader_set: GroupSet | None
    sets: Mapping[str, GroupSet | None]
    pods: Mapping[str, Pod | None]

    @property
    def leaders(self) -> dict[int, Pod]:
        """Leader pods by ordinal."""
        return {pod.ordinal: pod for pod in self.pods.values() if pod and pod.is_leader}

    @property
    def leader_of_set(self) -> dict[str, str]:
        """The uid of the leader that owns each StatefulSet of workers, by the uid of that."""
        return {item.uid: item.owner for item in self.sets.values() if item}

    @property
    def serving(self) -> frozenset[int]:
        """Ordinals of the groups that serve, on whichever revision."""
        owners = self.leader_of_set
        pods = [pod for pod in self.pods.values() if pod and pod.serves]
        workers = Counter(owners.get(pod.owner) for pod in pods if not pod.is_leader)
        return frozenset(pod.ordinal for pod in pods if pod.is_leader and workers[pod.uid] >= pod.size - 1)


class Watcher:
    """Records a LeaderWorkerSet, or a StatefulSet, with what belongs to it, while its context is open.

    What it measures: every write to the API server's store has a version, one count for all kinds, and every event of
    a watch carries it. So the events of three watches, put in the order of their versions, give the very states the
    API server went through, however late each watch is: no group is counted twice or missed because news of one kind
    came before news of another. A state counts once all three watches are known to have passed it; leaving the context
    waits for that. Where a watch had to list anew, since the API server was away, the versions it missed don't count.

    A group is available when its leader is Ready and not being deleted and, with a size (the group's own) of more than
    1, as many workers as belong to it are as well, of the pods of the StatefulSet that this very leader owns.

    It holds for API servers that keep all kinds in one store: the embedded one and nearly all others.
    """

    def __init__(
        self,
        kubeconfig: Path | str,
        namespace: str,
        name: str,
        kind: TargetKind = TargetKind.LEADER_WORKER_SET,
    ) -> None:
        """Watch the target of this name; it need not exist yet."""
        self._kind = kind
        self._kubeconfig = str(kubeconfig)
        self._namespace = namespace
        self._name = name
        self._changed = asyncio.Event()
        self._histories: list[History] = []

    async def __aenter__(self) -> Self:
        """Begin; what there is when this returns is the first moment."""
        self._client = await new_client_from_config(self._kubeconfig, persist_config=False)
        self._histories = histories(self._client, self._namespace, self._name, self._kind, self._changed)
        self._tasks = [asyncio.create_task(history.run()) for history in self._histories]
        await self.catch_up()
        return self

    async def __aexit__(self, error: type[BaseException] | None, *_details: object) -> None:
        try:
            if error is None:
                await self.catch_up()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.close()

    async def catch_up(self, timeout_seconds: float = 30.0) -> None:
        """Wait until all that the API server holds by now has arrived. Raises TimeoutError."""
        async with asyncio.timeout(timeout_seconds):
            for _ in range(2):  # the lists differ in their versions: the second round covers them all
                for history in self._histories:
                    await history.catch_up()

    async def until(self, condition: Callable[[], bool], timeout_seconds: float = 60.0) -> None:
        """Wait until the condition holds, looking at every change. Raises TimeoutError that says what was seen."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(
                f"not seen within {timeout_seconds} s; partition and replicas so far: {self.partition_replicas}, "
                f"then {self.moments[-1:]}"
            ) from None

    @property
    def partition_replicas(self) -> list[tuple[int, int]]:
        """The partition and replicas of the target's spec, one entry for every change of the two."""
        specs = [change.item[:2] for change in self._histories[0].changes if isinstance(change.item, Spec)]
        return [spec for spec, _ in groupby(specs)]

    @property
    def moments(self) -> list[Moment]:
        """All states in order, each other than the one before."""
        return [next(same) for _, same in groupby(self._replayed(), lambda moment: moment[1:])]

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
        """All leader pods of each ordinal, in the order in which they came."""
        found: dict[int, list[Leader]] = {}
        for change in self._changes():
            pod = change.item
            if isinstance(pod, Pod) and pod.is_leader:
                known = found.setdefault(pod.ordinal, [])
                if pod.uid not in (leader.uid for leader in known):
                    known.append(Leader(pod.uid, pod.revision))
        return dict(sorted(found.items()))

    def _changes(self) -> list[Change]:
        return sorted((change for history in self._histories for change in history.changes), key=attrgetter("version"))

    def _knows(self, version: int) -> bool:
        return all(history.knows(version) for history in self._histories)

    def frames(self) -> Iterator[Frame]:
        """Every state in order, as far as all three watches have come; none before the context was opened."""
        changes = self._changes()
        complete = min((history.complete for history in self._histories), default=0)
        ends = [*(change.version - 1 for change in changes), complete][1:]
        state: dict[Watched, dict[str, Any]] = {history.of: {} for history in self._histories}
        for change, end in zip(changes, ends, strict=True):
            state[change.of] = {**state[change.of], change.name: change.item}
            if change.version <= complete:
                known = self._knows(change.version) or self._knows(min(end, complete))
                sets, pods = state[Watched.SETS], state[Watched.PODS]
                yield Frame(change, known, state[Watched.TARGET].get(self._name), sets.get(self._name), sets, pods)

    def _replayed(self) -> Iterator[Moment]:
        """Every state that is known completely."""
        for frame in self.frames():
            if frame.spec and frame.known:
                spec, leaders = frame.spec, frame.leader_set
                asked = max(spec.replicas, leaders.replicas if leaders else 0)
                yield Moment(frame.change.at, spec.partition, spec.replicas, len(frame.serving), asked)
