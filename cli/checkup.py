"""What `plan` looks at before a rollout. Writes nothing, and says of each check what came of it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rollwright.cli import cluster_checks, planning, preflight, service_checks, source_checks
from rollwright.cli.outputs import Checked, Verdict
from rollwright.cluster import startups
from rollwright.cluster.api import Api, Manifest, connect
from rollwright.cluster.errors import ClusterError, ForbiddenError, TemporaryError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import kept_name
from rollwright.cluster.watching import Watches
from rollwright.rollout.difference import Difference, differences
from rollwright.rollout.gpus import gpus_of_group
from rollwright.rollout.spec import RolloutSpec


@dataclass(frozen=True)
class Checkup:
    """The target as it is, what the change would make of it, and what stands against that."""

    replicas: int
    """Groups the user wants."""
    differences: tuple[Difference, ...] | None
    """None if the cluster doesn't say."""
    start_ups: tuple[float, ...]
    """How long groups took to start in earlier rollouts, or those that serve now, in seconds: a few stand for all."""
    gpus: int
    """Accelerators of a group after the change."""
    checks: tuple[Checked, ...]


async def examine(
    spec: RolloutSpec, kubeconfig: str | None, context: str | None, *, task_queue: str, connections: Path | None
) -> Checkup:
    """Look at all of it. `connections`: those of the workers; None if they aren't here.

    Raises CommandError and UncheckedError where there is no target to look at.
    """
    with preflight.told_apart(spec):
        async with connect(kubeconfig, context) as api:
            seen = await _see(api, spec)
            of_cluster = await _check(api, spec, seen, connections)
    of_service = await service_checks.check(spec.target, task_queue)
    planning.check_budget(spec, seen.replicas)
    after = seen.after
    return Checkup(
        replicas=seen.replicas,
        differences=None if after is None else tuple(differences(seen.item.template, after)),
        start_ups=seen.start_ups,
        gpus=gpus_of_group(seen.item.pods_of_group(seen.template)),
        checks=(*of_cluster, *of_service),
    )


@dataclass(frozen=True)
class _Seen:
    item: TargetObject
    replicas: int
    after: Manifest | None
    """The template after the change; None if the cluster doesn't say."""
    snapshot: Snapshot | None
    """None if the pods may not be seen."""
    start_ups: tuple[float, ...]
    checks: tuple[Checked, ...]

    @property
    def template(self) -> Manifest:
        """After the change, as far as it is known."""
        return self.item.template if self.after is None else self.after


async def _see(api: Api, spec: RolloutSpec) -> _Seen:
    live = LiveTarget(api, Watches(api), spec.target)
    item = await live.read_object()
    after, change = await _try(live, item, spec)
    snapshot = None
    with suppress(ForbiddenError):
        snapshot = await live.read_anew()
    return _Seen(
        item=item,
        replicas=preflight.replicas_of(item),
        after=after,
        snapshot=snapshot,
        start_ups=await _start_ups(live, item, snapshot),
        checks=(_check_target(item, spec), change),
    )


def _check_target(item: TargetObject, spec: RolloutSpec) -> Checked:
    try:
        item.check(spec.strategy)
    except ClusterError as error:
        return Checked(about="target", verdict=Verdict.FAILED, what=str(error))
    replicas = preflight.replicas_of(item)
    groups = f"{replicas} group{'' if replicas == 1 else 's'}"
    return Checked(about="target", verdict=Verdict.OK, what=f"{spec.target} has {groups}, and can be rolled out so")


async def _try(live: LiveTarget, item: TargetObject, spec: RolloutSpec) -> tuple[Manifest | None, Checked]:
    """The template after the change, if the cluster takes it."""
    try:
        after = await preflight.preview(live, item, spec)
    except (ForbiddenError, TemporaryError) as error:
        return None, Checked(about="change", verdict=Verdict.NOT_CHECKED, what=str(error))
    except ClusterError as error:
        todo = "Mend it; or, if this is the wrong cluster: --kubeconfig, --context."
        return None, Checked(about="change", verdict=Verdict.FAILED, what=str(error), todo=todo)
    what = "the API server takes it (a dry run), and nobody has rejected this template"
    return after, Checked(about="change", verdict=Verdict.OK, what=what)


async def _start_ups(live: LiveTarget, item: TargetObject, snapshot: Snapshot | None) -> tuple[float, ...]:
    """As earlier rollouts tell, or else the pods; whoever may see neither plans without."""
    known: tuple[float, ...] = ()
    with suppress(ForbiddenError):
        known = startups.read([kept.item for kept in await live.ledger.entries(item)])
    return known or (snapshot.standing_start_ups(now()) if snapshot else ())


async def _check(api: Api, spec: RolloutSpec, seen: _Seen, connections: Path | None) -> Sequence[Checked]:
    asked = source_checks.Asked(spec, seen.replicas, kept_name(seen.item, seen.template))
    found = await asyncio.gather(
        cluster_checks.rights(api, spec),
        cluster_checks.scaler(api, seen.item, spec.strategy),
        cluster_checks.nodes(api, seen.item, seen.snapshot, seen.template, spec.strategy),
        source_checks.check(asked, connections),
    )
    return [*seen.checks, *(check for some in found for check in some)]
