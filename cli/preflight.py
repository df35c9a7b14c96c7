"""A look at the target before a rollout: what the change would make of it. Writes nothing."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from rollwright.cli.failure import CommandError
from rollwright.cluster.api import connect
from rollwright.cluster.errors import ClusterError, ForbiddenError, TemporaryError, UnconfiguredError
from rollwright.cluster.record import Record
from rollwright.cluster.target import LeaderWorkerSet
from rollwright.cluster.templates import template_of
from rollwright.cluster.watching import Watches
from rollwright.rollout.difference import Difference, differences
from rollwright.rollout.spec import RolloutSpec

# A missing kubeconfig is told of in words; the client would log it besides.
logging.getLogger("kubernetes").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Preflight:
    """The target as it is, and what the change would make of it."""

    replicas: int
    """Groups the user wants."""
    differences: tuple[Difference, ...]


class UncheckedError(Exception):
    """The cluster can't be asked from here; a worker may well be able to."""


async def look(spec: RolloutSpec, kubeconfig: str | None, context: str | None) -> Preflight:
    """Read the target and have the API server dry-run the change.

    Raises CommandError for what is wrong with the rollout, UncheckedError if the cluster can't be asked.
    """
    target = spec.target
    try:
        async with connect(kubeconfig, context) as api:
            lws = LeaderWorkerSet(api, Watches(api), target.namespace, target.name)
            seen = await lws.read_object()
            after = await lws.ledger.preview(seen, spec.change, datetime.now(UTC).isoformat(timespec="seconds"))
    except (OSError, UnconfiguredError, ForbiddenError, TemporaryError) as error:
        raise UncheckedError(str(error)) from error
    except ClusterError as error:
        raise CommandError(f"{target}: {error}") from error
    asked: int = seen["spec"]["replicas"]
    record = Record.of(seen)
    replicas = record.replicas_wanted(asked) if record else asked
    try:
        spec.strategy.check_budget(replicas)
    except ValueError as error:
        raise CommandError(f"{target}: strategy: {error}") from error
    return Preflight(replicas, tuple(differences(template_of(seen), after)))
