"""What is around each activity: its lines are logged with what they are about, and what comes of it is counted."""

import logging
from typing import Any

from structlog.contextvars import bound_contextvars
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from rollwright.activities.messages import KeepTemplate, Outcome, RecordOutcome, Restore, SettleDispute, TakeStep
from rollwright.cluster.record import Fence
from rollwright.worker.logs import fields_of
from rollwright.worker.meters import Meters

_log = logging.getLogger(__name__)
_WRITES = (KeepTemplate, TakeStep, SettleDispute, Restore, RecordOutcome)
"""What acts under a fence."""


class Tasks(Interceptor):
    """For a worker's activities."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Put it around."""
        return _Around(next, self._meters)


class _Around(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, meters: Meters) -> None:
        super().__init__(inner)
        self._meters = meters

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        (request,) = input.args
        fields = {**fields_of(str(info.workflow_id)), "step": info.activity_type}
        if writes := isinstance(request, _WRITES):
            fields["fence"] = str(Fence(info.scheduled_time, str(info.workflow_id)))
        with bound_contextvars(**fields):
            result = await self._meters.measured(request, self.next.execute_activity(input))
            if writes:
                _log.info("%s", result if isinstance(result, Outcome) else Outcome.DONE)
        return result
