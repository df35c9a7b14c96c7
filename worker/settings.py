"""What a worker is told by whoever runs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rollwright.activities.connections import PLAIN_REACH, Reach
from rollwright.worker.observing import NO_ENDPOINTS, Endpoints
from rollwright.worker.policies import DEFAULT_PLACE, Place
from rollwright.worker.versions import Versioned
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE


@dataclass(frozen=True)
class Settings:
    """All of it; without any a worker takes what there is, and reaches its cluster as kubectl does, or as a pod."""

    task_queue: str = DEFAULT_TASK_QUEUE
    cluster: str | None = None
    """The name of its cluster, where workers of several share a Temporal namespace."""
    kubeconfig: str | None = None
    context: str | None = None
    reach: Reach = PLAIN_REACH
    notify: Path | None = None
    """The file that says whom to tell."""
    targets: Sequence[str] = ()
    """The namespaces for which it tells what it may not do there."""
    follow: Sequence[str] = ()
    """The namespaces whose targets are followed."""
    policies: Place = DEFAULT_PLACE
    """By which they are."""
    endpoints: Endpoints = NO_ENDPOINTS
    """Where it is observed."""
    versioned: Versioned | None = None
    """Which build it is; without it Temporal tells builds apart by nothing."""
