"""A look at the target before a rollout: what the change would make of it. Writes nothing."""

import logging
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from rollwright.cli.failure import CommandError
from rollwright.cli.text import plain
from rollwright.cluster import startups
from rollwright.cluster.api import Api, connect
from rollwright.cluster.errors import ClusterError, ForbiddenError, TemporaryError, UnconfiguredError
from rollwright.cluster.record import Record
from rollwright.cluster.snapshot import now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.difference import Difference, differences
from rollwright.rollout.gpus import gpus_of_group
from rollwright.rollout.spec import RolloutSpec

# A missing kubeconfig is told of in words; the client would log it besides.
logging.getLogger("kubernetes").setLevel(logging.ERROR)

WRONG_CLUSTER = "If this is the wrong cluster: --kubeconfig, --context, or --no-check."


@dataclass(frozen=True)
class Preflight:
    """The target as it is, and what the change would make of it."""

    replicas: int
    """Groups the user wants."""
    differences: tuple[Difference, ...]
    start_ups: tuple[float, ...]
    """How long groups took to start in earlier rollouts, or those that serve now, in seconds: a few stand for all."""
    gpus: int
    """Accelerators of a group after the change."""


class UncheckedError(Exception):
    """The cluster can't be asked from here; a worker may well be able to."""


async def look(spec: RolloutSpec, kubeconfig: str | None, context: str | None, *, timed: bool = False) -> Preflight:
    """Read the target and have the API server dry-run the change; `timed`: its pods too, to learn of start-ups.

    Raises CommandError for what is wrong with the rollout, UncheckedError if the cluster can't be asked.
    """
    with _told_apart(spec):
        async with connect(kubeconfig, context) as api:
            return await look_by(api, spec, timed=timed)


async def _told_by_pods(target: LiveTarget) -> tuple[float, ...]:
    """How long the groups took to start that serve now; whoever may not see the pods plans without."""
    with suppress(ForbiddenError):
        return (await target.read_anew()).standing_start_ups(now())
    return ()


async def look_by(api: Api, spec: RolloutSpec, *, timed: bool = False) -> Preflight:
    """The same by an API server that one is connected to. Raises as `look`."""
    target = spec.target
    with _told_apart(spec):
        live = LiveTarget(api, Watches(api), target)
        seen = await live.read_object()
        seen.check(spec.strategy)
        after = await live.ledger.preview(seen, spec.change, datetime.now(UTC).isoformat(timespec="seconds"))
        entries = await live.ledger.entries(seen)
        known = startups.read([kept.item for kept in entries])
        if timed and not known:
            known = await _told_by_pods(live)
    record = Record.of(seen)
    replicas = record.replicas_wanted(seen.replicas) if record else seen.replicas
    try:
        spec.strategy.check_budget(replicas)
    except ValueError as error:
        raise CommandError(f"{target}: strategy: {error}") from error
    return Preflight(
        replicas,
        tuple(differences(seen.template, after)),
        start_ups=known,
        gpus=gpus_of_group(seen.pods_of_group(after)),
    )


async def check(looking: Awaitable[Preflight], *, todo: str = "") -> None:
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
def _told_apart(spec: RolloutSpec) -> Iterator[None]:
    try:
        yield
    except (OSError, UnconfiguredError, ForbiddenError, TemporaryError) as error:
        raise UncheckedError(str(error)) from error
    except ClusterError as error:
        raise CommandError(f"{spec.target}: {error}") from error
