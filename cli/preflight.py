"""A look at the target before a rollout: what the change would make of it. Writes nothing."""

import logging
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import typer

from rollwright.cli.failure import CommandError
from rollwright.cli.planning import check_budget
from rollwright.cli.text import plain
from rollwright.cluster.api import Api, Manifest, connect
from rollwright.cluster.errors import ClusterError, ForbiddenError, TemporaryError, UnconfiguredError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Record
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import RolloutSpec

# A missing kubeconfig is told of in words; the client would log it besides.
logging.getLogger("kubernetes").setLevel(logging.ERROR)

WRONG_CLUSTER = "If this is the wrong cluster: --kubeconfig, --context, or --no-check."


class UncheckedError(Exception):
    """The cluster can't be asked from here; a worker may well be able to."""


async def look(spec: RolloutSpec, kubeconfig: str | None, context: str | None) -> None:
    """Read the target and have the API server dry-run the change.

    Raises CommandError for what is wrong with the rollout, UncheckedError if the cluster can't be asked.
    """
    with told_apart(spec):
        async with connect(kubeconfig, context) as api:
            await look_by(api, spec)


async def look_by(api: Api, spec: RolloutSpec) -> None:
    """The same by an API server that one is connected to. Raises as `look`."""
    with told_apart(spec):
        live = LiveTarget(api, Watches(api), spec.target)
        seen = await live.read_object()
        seen.check(spec.strategy)
        await preview(live, seen, spec)
    check_budget(spec, replicas_of(seen))


async def preview(live: LiveTarget, seen: TargetObject, spec: RolloutSpec) -> Manifest:
    """The template as the change would leave it, by a dry run. Raises ClusterError."""
    return await live.ledger.preview(seen, spec.change, datetime.now(UTC).isoformat(timespec="seconds"))


def replicas_of(seen: TargetObject) -> int:
    """Groups the user wants."""
    record = Record.of(seen)
    return record.replicas_wanted(seen.replicas) if record else seen.replicas


async def check(looking: Awaitable[None], *, todo: str = "") -> None:
    """Refuse what can't work; what can't be looked at from here is left to the worker, which is said.

    Raises CommandError, with what to do about it.
    """
    try:
        await looking
    except UncheckedError as error:
        typer.echo(f"note: not checked beforehand, the worker will: {plain(str(error))}", err=True)
    except CommandError as error:
        raise CommandError(error.what, todo=todo, code=error.code) from error


@contextmanager
def told_apart(spec: RolloutSpec) -> Iterator[None]:
    """Raise CommandError for what is wrong with the rollout, UncheckedError if the cluster can't be asked."""
    try:
        yield
    except (OSError, UnconfiguredError, ForbiddenError, TemporaryError) as error:
        raise UncheckedError(str(error)) from error
    except ClusterError as error:
        raise CommandError(f"{spec.target}: {error}") from error
