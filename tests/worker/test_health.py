"""The probes of a worker, by breaking it: what a restart mends, and what it only waits for."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from concurrent import futures
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.cluster.api import PODS, Api, Manifest
from rollwright.cluster.errors import UnreachableError
from rollwright.cluster.watching import Watches
from rollwright.worker.endpoints import Address, served
from rollwright.worker.health import Health
from rollwright.workflows.rollout import RolloutWorkflow

pytestmark = pytest.mark.real

QUEUE = "probed"
DEADLINE_SECONDS = 30.0


class Silent:
    """An API server that is away."""

    async def list_all(self, *_: object, **__: object) -> Manifest:
        raise UnreachableError("list pods: nobody answers")


@activity.defn
async def nothing() -> None:
    """A worker takes activities only if it has one."""


class Probed:
    """A worker, on an event loop of its own: it is the only one there, and may be kept from running."""

    def __init__(self, server: str, asked_as: str = "") -> None:
        """`asked_as`: whom the probes take it for; as somebody else it is not seen to poll."""
        self._server = server
        self._asked_as = asked_as
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self.address = Address("127.0.0.1", 0)
        self.watches = Watches(cast("Api", Silent()))
        self._working = asyncio.run_coroutine_threadsafe(self._work(), self._loop)

    async def _work(self) -> None:
        client = await Client.connect(self._server)
        worker = Worker(
            client,
            task_queue=QUEUE,
            workflows=[RolloutWorkflow],
            activities=[nothing],
            workflow_runner=UnsandboxedWorkflowRunner(),
        )
        asking = await Client.connect(self._server, identity=self._asked_as) if self._asked_as else client
        async with worker:
            async with served(self.address, Health([worker], asking, self.watches).handlers) as self.address:
                self._up.set()
                await self._stop.wait()
            await self.watches.close()

    async def up(self) -> None:
        assert await asyncio.to_thread(self._up.wait, DEADLINE_SECONDS)

    def there(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something on its loop."""
        asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_SECONDS)

    async def _let_go(self) -> None:
        """Of all that is left on its loop."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def end_task(self, words: str) -> None:
        """End a task as a bug would, by what the task is or is called."""
        (task,) = [task for task in asyncio.all_tasks() if words in (task.get_name(), task.get_coro().__qualname__)]  # type: ignore[union-attr]
        task.cancel()
        await asyncio.wait([task])

    def wedge(self, until: threading.Event) -> None:
        """Keep its loop from running."""
        self._loop.call_soon_threadsafe(until.wait)

    async def told(self, path: str) -> tuple[int, str]:
        """What a probe is answered."""
        async with aiohttp.ClientSession() as session, session.get(f"http://{self.address}{path}") as answer:
            return answer.status, await answer.text()

    async def tells(self, path: str, status: int, words: str, *, only: bool = False) -> None:
        """Wait until a probe is answered so; `only`: in these words and no more."""
        told = await self.told(path)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                while told[0] != status or words not in told[1] or (only and words != told[1]):
                    await asyncio.sleep(0.05)
                    told = await self.told(path)
        except TimeoutError:
            raise AssertionError(f"{path} is answered {told}") from None

    def close(self) -> None:
        """One that was broken may never come to its end."""
        self._loop.call_soon_threadsafe(self._stop.set)
        futures.wait([self._working], timeout=3.0)
        self.there(self._let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
async def server(temporal_binary: Path) -> AsyncIterator[str]:
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=str(temporal_binary)) as environment:
        yield environment.client.service_client.config.target_host


@asynccontextmanager
async def probing(server: str, asked_as: str = "") -> AsyncIterator[Probed]:
    probed = Probed(server, asked_as)
    try:
        await probed.up()
        yield probed
    finally:
        await asyncio.to_thread(probed.close)


@pytest.fixture
async def probed(server: str) -> AsyncIterator[Probed]:
    async with probing(server) as probed:
        await probed.tells("/readyz", 200, "ok")
        yield probed


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("_ActivityWorker.run", "nothing takes activity tasks any more\n"),
        ("_WorkflowWorker.run", "nothing takes workflow tasks any more\n"),
    ],
)
async def test_a_poller_that_has_ended_fails_both_as_only_a_restart_mends_it(
    probed: Probed, task: str, told: str
) -> None:
    assert await probed.told("/healthz") == (200, "ok\n")
    probed.there(probed.end_task(task))
    assert await probed.told("/healthz") == (503, told)
    await probed.tells("/readyz", 503, told, only=True)  # more is said where Temporal is slow to answer


async def test_a_watch_that_has_ended_fails_both_and_one_that_is_not_answered_only_the_second(probed: Probed) -> None:
    async def watch() -> None:
        probed.watches.begun(PODS, "ml")

    probed.there(watch())
    await probed.tells("/readyz", 503, "the watch of pods in ml is broken: list pods: nobody answers\n")
    assert await probed.told("/healthz") == (200, "ok\n")
    probed.there(probed.end_task("watch pods ml"))
    assert await probed.told("/healthz") == (503, "the watch pods ml has ended\n")


async def test_a_worker_that_temporal_does_not_see_poll_is_not_ready(server: str) -> None:
    async with probing(server, asked_as="somebody else") as probed:
        await probed.tells(
            "/readyz",
            503,
            f"Temporal does not see this worker poll for activity tasks of {QUEUE}\n"
            f"Temporal does not see this worker poll for workflow tasks of {QUEUE}\n",
        )
        assert await probed.told("/healthz") == (200, "ok\n")


async def test_a_wedged_event_loop_answers_nothing(probed: Probed) -> None:
    let_go = threading.Event()
    probed.wedge(let_go)
    try:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(probed.told("/healthz"), 0.5)
    finally:
        let_go.set()
    await probed.tells("/healthz", 200, "ok")
