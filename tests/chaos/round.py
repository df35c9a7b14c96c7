"""One round: a rollout is started, its plan happens to it, and what became of it is judged."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from rollwright.devcluster.watcher import Watcher
from rollwright.rollout.spec import Target as Address
from rollwright.workflows.contract import Event, RolloutStatus
from tests.chaos.expectation import Answer, Told
from tests.chaos.plan import MESSAGES, SHARED, Happening, Kind, Plan
from tests.chaos.site import Site, persistently
from tests.chaos.target import Target
from tests.devcluster.standin.namespace import Namespace
from tests.e2e.processes import Process
from tests.e2e.scene import NAME, Scene

PATIENCE_SECONDS = 75.0
"""So long may a rollout take after the last thing that happened to it."""
_LOOK_EVERY_SECONDS = 0.5
_LOOKED_SECONDS = 1.0
"""So long before a decision may that have been read which it rests on, when all are well."""
_ANSWER_SECONDS = 40.0
_WORKER_ATTEMPTS = 20


class Happened(NamedTuple):
    """What has happened; times in seconds since the start of the rollout."""

    kind: Kind
    began: float
    ended: float
    words: str

    def __str__(self) -> str:
        return f"{self.began:.2f} to {self.ended:.2f} s: {self.kind} {self.words}".rstrip()


class StuckError(Exception):
    """It has not ended in time."""


class BrokenError(Exception):
    """It has ended as no rollout may."""


def looked_since(moment: float, blind: Iterable[tuple[float, float]]) -> float:
    """When that may have been read at the earliest what was decided on at this moment.

    `blind`: from and until when somebody who carries the decision was frozen or away.
    """
    since = moment - _LOOKED_SECONDS
    for began, ended in sorted(blind, reverse=True):
        if began < moment and ended > since:
            since = min(since, began - _LOOKED_SECONDS)
    return since


class Round:
    """What happens to one rollout."""

    def __init__(self, plan: Plan, site: Site, folder: Path, cleanup: AsyncExitStack) -> None:
        self.plan = plan
        self.site = site
        namespace = Namespace(site.api, f"chaos-{plan.seed}-{int(time.time() * 1000) % 100_000}")
        self.target = Target(site.api, namespace, plan)
        self.scene = Scene(site.cluster, site.server, site.client, namespace, folder, cleanup)
        self.seen = Watcher(site.cluster.kubeconfig, namespace.name, NAME)
        self.happened: list[Happened] = []
        self.told: list[Told] = []
        self.frozen: list[tuple[float, float]] = []
        """When workers were frozen, from and until."""
        self.events: tuple[Event, ...] = ()
        """What the rollout told of itself, once it is over."""
        self.began = self.over_at = self._last = time.time()
        self.ended_at = 0.0
        """Seconds since the epoch; over also if it was given up, while it has ended only by itself."""
        self._workers: list[Process] = []
        self._ended = asyncio.Event()

    def looked_since(self, moment: float) -> float:
        """When that may have been read at the earliest what was decided on at this moment."""
        away = [(outage.began, outage.ended) for outage in self.site.outages if outage.kind is Kind.RESTART_TEMPORAL]
        return looked_since(moment, [*self.frozen, *away])

    @property
    def handle(self) -> WorkflowHandle[Any, RolloutStatus]:
        """The rollout's workflow."""
        return self._handle

    async def play(self) -> RolloutStatus:
        """Start the rollout and let the plan happen to it; how it ended. Raises StuckError or BrokenError."""
        for _ in range(self.plan.workers):
            await self._start_worker()
        await self._start()
        self.began = self._last = time.time()
        watching = asyncio.ensure_future(self._result())
        watching.add_done_callback(lambda _: self._ended.set())
        try:
            await self._let_happen()
        except BaseException:
            watching.cancel()
            raise
        finally:
            self.over_at = time.time()
        self.ended_at = time.time()
        return await watching

    async def _let_happen(self) -> None:
        """All of the plan, until the rollout has ended. Raises StuckError when that takes too long."""
        messages = [happening for happening in self.plan.happenings if happening.kind in MESSAGES]
        others = [happening for happening in self.plan.happenings if happening.kind not in MESSAGES]
        lanes = [self._happen(*messages), *(self._happen(happening) for happening in others), self._ended.wait()]
        under_way = {asyncio.ensure_future(lane) for lane in lanes}
        try:
            while under_way:
                if time.time() > self._deadline:
                    raise StuckError(f"not over {PATIENCE_SECONDS} s after the last that could happen to it")
                over, under_way = await asyncio.wait(
                    under_way, timeout=_LOOK_EVERY_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                for lane in over:
                    lane.result()
        finally:
            for lane in under_way:
                lane.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    @property
    def _deadline(self) -> float:
        planned = [self.began + happening.at + happening.seconds for happening in self.plan.happenings]
        outages = [outage.ended for outage in self.site.outages]
        return max([self._last, *planned, *outages]) + PATIENCE_SECONDS

    async def _happen(self, *happenings: Happening) -> None:
        """One after the other, each at its time, until the rollout has ended."""
        for happening in happenings:
            await self._wait_for_end(self.began + happening.at - time.time())
            if self._ended.is_set():
                return
            began = time.time()
            try:
                words = await self._DOES[happening.kind](self, happening)
            except TimeoutError as error:
                raise StuckError(f"{happening.kind}, {began - self.began:.2f} s after the start: {error}") from error
            self._last = max(self._last, time.time())
            self.happened.append(Happened(happening.kind, began - self.began, time.time() - self.began, words))

    async def _wait_for_end(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), max(0.0, seconds))

    async def _start(self) -> None:
        self._handle = self.site.client.get_workflow_handle(
            Address(namespace=self.scene.namespace.name, name=NAME).workflow_id, result_type=RolloutStatus
        )
        start = partial(self.scene.start, self.plan.strategy, self.target.change(self.plan.versions[1]))
        with suppress(WorkflowAlreadyStartedError):
            await persistently(start)

    async def _result(self) -> RolloutStatus:
        while True:
            try:
                result: RolloutStatus = await self._handle.result()
                return result
            except WorkflowFailureError as error:
                raise BrokenError(f"the workflow has failed: {error.cause}") from error
            except RPCError:
                await asyncio.sleep(0.2)

    async def _start_worker(self) -> None:
        for _ in range(_WORKER_ATTEMPTS):
            with suppress(AssertionError):  # Temporal is away
                self._workers.append(await self.scene.start_worker())
                return
            await asyncio.sleep(0.5)
        raise TimeoutError("no worker could be started")

    # -- what happens -------------------------------------------------------------------------------------------------

    async def _kill_worker(self, happening: Happening) -> str:
        worker = self._picked(happening)
        if worker:
            self._workers.remove(worker)
            await worker.kill()
        await asyncio.sleep(happening.seconds)
        await self._start_worker()
        return f"{worker.pid}, another after {happening.seconds} s" if worker else "none; one more is started"

    async def _freeze_worker(self, happening: Happening) -> str:
        worker = self._picked(happening)
        if worker is None:
            return "none"
        began = time.time()
        with suppress(ProcessLookupError):
            worker.freeze()
            try:
                await asyncio.sleep(happening.seconds)
            finally:
                worker.thaw()
        self.frozen.append((began, time.time()))
        return f"{worker.pid}"

    def _picked(self, happening: Happening) -> Process | None:
        return self._workers[int(happening.pick * len(self._workers))] if self._workers else None

    async def _take_away(self, happening: Happening) -> str:
        await self.site.take_away(happening.kind, happening.seconds, self.plan.seed)
        return ""

    async def _delete_leader(self, happening: Happening) -> str:
        return await self.target.delete_pod(happening.pick, leader=True)

    async def _delete_worker_pod(self, happening: Happening) -> str:
        return await self.target.delete_pod(happening.pick, leader=False)

    async def _scale(self, happening: Happening) -> str:
        return await self.target.scale(happening.by)

    async def _tell(self, happening: Happening) -> str:
        answer = await self._tell_once(happening)
        while happening.insists and self.told[-1].answer is Answer.REFUSED and not self._ended.is_set():
            await self._wait_for_end(1)
            answer = await self._tell_once(happening)
        return answer

    async def _tell_once(self, happening: Happening) -> str:
        actor, sent = f"chaos {len(self.told)}", time.time()
        given = {"actor": actor, "reason": "chaos", **self._details(happening)}
        told = Told(happening, Answer.REFUSED, "it has ended")
        try:
            if happening.signal:
                await persistently(lambda: self._handle.signal(happening.kind.value, given))
                told = Told(happening, Answer.UNANSWERED, actor)
            else:
                told = Told(happening, Answer.ACCEPTED, await self._ask(happening, given))
        except WorkflowUpdateFailedError as refusal:
            told = Told(happening, Answer.REFUSED, str(refusal.cause))
        except RPCError as error:
            if error.status.name != "NOT_FOUND":
                raise
        self.told.append(told._replace(at=sent, actor=actor))
        return f"{told.answer}: {told.words}"

    def _details(self, happening: Happening) -> dict[str, Any]:
        """What a message of this kind says besides."""
        match happening.kind:
            case Kind.ROLLBACK:
                return {"fast": happening.fast}
            case Kind.PROMOTE:
                return {"full": True}
            case Kind.RETARGET:
                change = self.target.change(self.plan.versions[happening.version])
                request_id = f"{self.plan.seed}-{len(self.told)}"
                return {"change": change.model_dump(mode="json", by_alias=True), "request_id": request_id}
            case _:
                return {}

    async def _ask(self, happening: Happening, given: dict[str, Any]) -> str:
        name = "retarget"
        if happening.kind is not Kind.RETARGET:
            name, given = "steer", given | {"message": happening.kind.value}
        update = f"{self.plan.seed}-{len(self.told)}"
        return await persistently(
            lambda: asyncio.wait_for(
                self._handle.execute_update(name, given, id=update, result_type=str), _ANSWER_SECONDS
            )
        )

    _DOES: dict[Kind, Callable[["Round", Happening], Awaitable[str]]] = {  # noqa: RUF012 - never changed
        Kind.KILL_WORKER: _kill_worker,
        Kind.FREEZE_WORKER: _freeze_worker,
        **dict.fromkeys(SHARED, _take_away),
        Kind.DELETE_LEADER: _delete_leader,
        Kind.DELETE_WORKER_POD: _delete_worker_pod,
        Kind.SCALE: _scale,
        **dict.fromkeys(MESSAGES, _tell),
    }
