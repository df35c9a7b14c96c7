"""The workers of Temporal's SDK that one process runs, with everything registered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.activities.messages import LONGEST_MUTATION
from rollwright.activities.recipients import Recipients
from rollwright.activities.rollout import RolloutActivities
from rollwright.activities.succession import Succession
from rollwright.activities.telling import TellingActivities
from rollwright.cluster.api import Api
from rollwright.cluster.events import Events
from rollwright.cluster.probing import Prober
from rollwright.cluster.watching import Watches
from rollwright.worker.meters import Meters
from rollwright.worker.settings import Settings
from rollwright.worker.tasks import Tasks
from rollwright.worker.versions import Versioned
from rollwright.workflows.contract import activity_queue
from rollwright.workflows.rollout import RolloutWorkflow

# Every open rollout holds a slot by its wait; the default of 100 would stop all others from being steered.
_MOST_ACTIVITIES = 1000


@dataclass(frozen=True)
class Parts:
    """What the activities act by."""

    client: Client
    api: Api
    watches: Watches
    prober: Prober
    recipients: Recipients | None = None
    meters: Meters = field(default_factory=Meters)
    succession: Succession = field(default_factory=Succession)


def make_workers(parts: Parts, settings: Settings) -> list[Worker]:
    """One, or two where the cluster has a name, as its activities have a queue of their own then."""
    events = Events(parts.api)
    rollouts = RolloutActivities(
        parts.api,
        parts.watches,
        parts.prober,
        events,
        reach=settings.reach,
        looked=parts.meters.rollouts.looked,
        succession=parts.succession,
    )
    activities = [*rollouts.all(), *TellingActivities(events, parts.recipients).all()]
    queue = activity_queue(settings.task_queue, settings.cluster)
    if queue == settings.task_queue:
        return [_worker(parts, settings.versioned, queue, workflows=[RolloutWorkflow], activities=activities)]
    return [
        _worker(parts, settings.versioned, settings.task_queue, workflows=[RolloutWorkflow]),
        _worker(parts, settings.versioned, queue, activities=activities),
    ]


def _worker(
    parts: Parts,
    versioned: Versioned | None,
    task_queue: str,
    *,
    workflows: Sequence[type] = (),
    activities: Sequence[Callable[..., object]] = (),
) -> Worker:
    """A dead workflow worker costs 10 s unless the sticky queue gives up sooner.

    The tests run the workflow in Temporal's sandbox, which refuses what couldn't be replayed; here it would only import
    the workflow's module anew for every rollout, and stand between it and Python, for more than half of its CPU time.
    """
    return Worker(
        parts.client,
        task_queue=task_queue,
        workflows=workflows,
        activities=activities,
        interceptors=[Tasks(parts.meters)],
        deployment_config=versioned.config if versioned else None,
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=_MOST_ACTIVITIES,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=timedelta(seconds=2),
        default_heartbeat_throttle_interval=timedelta(seconds=2),
        graceful_shutdown_timeout=LONGEST_MUTATION,
    )
