"""Whether a worker works: `/healthz` for what only a restart mends, `/readyz` also for what it depends on.

Without Temporal or its cluster a worker waits, and goes on by itself once they are back: a restart would mend nothing,
so only `/readyz` tells of it. A wedged event loop answers neither.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from aiohttp import web
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from rollwright.cluster.watching import Watches
from rollwright.worker.endpoints import Handler

_ANSWER = timedelta(seconds=2)
_POLLERS = {"_ActivityWorker.run": "activity tasks", "_WorkflowWorker.run": "workflow tasks"}
"""What the SDK calls the tasks that take what was polled. A worker isn't told by the SDK when one has ended early."""
_POLLED = {
    TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY: "activity tasks",
    TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW: "workflow tasks",
}


class Health:
    """Of one worker. Each problem is in plain words."""

    def __init__(self, workers: Sequence[Worker], client: Client, watches: Watches) -> None:
        self._workers = workers
        self._client = client
        self._watches = watches
        self._ran: set[str] = set()
        """Which pollers were seen: another version of the SDK may call them otherwise, and is not dead for that."""

    @property
    def handlers(self) -> dict[str, Handler]:
        """By path."""
        return {"/healthz": self._healthz, "/readyz": self._readyz}

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._broken())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer([*self._broken(), *await self._unpolled(), *self._unheard()])

    def _broken(self) -> list[str]:
        """What doesn't come back by itself."""
        if not all(worker.is_running for worker in self._workers):
            return ["the worker does not run"]
        running = {getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()}
        self._ran |= running & _POLLERS.keys()
        dead = [f"nothing takes {_POLLERS[name]} any more" for name in sorted(self._ran - running)]
        return [*dead, *(f"the {name} has ended" for name in self._watches.ended)]

    async def _unpolled(self) -> list[str]:
        """What Temporal doesn't see this worker ask for; it remembers pollers for some minutes."""
        kinds = [(worker.task_queue, kind) for worker in self._workers for kind in _kinds(worker)]
        try:
            polled = await asyncio.gather(*(self._is_polled(*kind) for kind in kinds))
        except RPCError as error:
            return [f"Temporal does not answer: {error.message}"]
        return [
            f"Temporal does not see this worker poll for {_POLLED[kind]} of {task_queue}"
            for (task_queue, kind), is_polled in zip(kinds, polled, strict=True)
            if not is_polled
        ]

    async def _is_polled(self, task_queue: str, kind: TaskQueueType.ValueType) -> bool:
        client = self._client
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request, timeout=_ANSWER)
        return any(poller.identity == client.identity for poller in answer.pollers)

    def _unheard(self) -> list[str]:
        watches = self._watches.all()
        troubles = {f"{kind.plural} in {namespace}": watch.trouble for kind, namespace, watch in watches}
        return [f"the watch of {what} is broken: {trouble}" for what, trouble in troubles.items() if trouble]


def _kinds(worker: Worker) -> list[TaskQueueType.ValueType]:
    """What a worker asks for in its queue."""
    given = worker.config()
    activities = [TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY] if given.get("activities") else []
    return [*activities, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW] if given.get("workflows") else activities


def _answer(problems: Sequence[str]) -> web.Response:
    return web.Response(status=503 if problems else 200, text="".join(f"{line}\n" for line in problems or ["ok"]))
