"""Checks of a cluster before a rollout: rights, an autoscaler, nodes for the surge."""

from rollwright.cli.outputs import Checked, Verdict
from rollwright.cli.preflight import replicas_of
from rollwright.cluster import access, capacity, scalers
from rollwright.cluster.api import Api, Manifest
from rollwright.cluster.errors import ClusterError, ForbiddenError, RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.snapshot import Snapshot
from rollwright.rollout.gates.questions import CountPlaces, Places
from rollwright.rollout.spec import Budget, RolloutSpec, Strategy, SurgeBy


async def rights(api: Api, spec: RolloutSpec) -> list[Checked]:
    """What whoever asks may do: to start it, and as far as a worker must."""
    namespace = spec.target.namespace
    to_start, to_roll_out = access.rights_to_start(spec), access.rights_to_roll_out(spec)
    try:
        lacking = await access.missing(api, namespace, to_start)
        lacking_of_worker = await access.missing(api, namespace, to_roll_out)
    except ClusterError as error:
        return [Checked(about="your rights", verdict=Verdict.NOT_CHECKED, what=str(error))]
    return [_yours(namespace, lacking), _as_of_a_worker(namespace, lacking_of_worker)]


def _yours(namespace: str, lacking: tuple[access.Right, ...]) -> Checked:
    if not lacking:
        what = "you may start it: get and patch the target, and list what is kept of it"
        return Checked(about="your rights", verdict=Verdict.OK, what=what)
    return Checked(
        about="your rights",
        verdict=Verdict.FAILED,
        what=f"in namespace {namespace} you may not {access.in_words(lacking)}",
        todo="Have it granted: docs/permissions.md says what each verb needs. Or leave the checks to the worker: "
        "rollwright start --no-check.",
    )


def _as_of_a_worker(namespace: str, lacking: tuple[access.Right, ...]) -> Checked:
    if not lacking:
        what = "you may do all that the worker must; what the worker itself may do was not asked"
        return Checked(about="worker's rights", verdict=Verdict.OK, what=what)
    return Checked(
        about="worker's rights",
        verdict=Verdict.WARNING,
        what=f"in namespace {namespace} the worker must {access.in_words(lacking)}; you may not, and what the worker "
        "itself may do was not asked",
        todo="See that deploy/rbac.yaml is applied for the worker's account in this namespace; or plan with its "
        "kubeconfig.",
    )


async def scaler(api: Api, item: TargetObject, strategy: Strategy) -> list[Checked]:
    """Whether an autoscaler writes the replicas, and what follows."""
    about = "autoscaler"
    if not scalers.matters(item, strategy) and strategy.surge_by is not SurgeBy.MAX_SURGE:
        return [Checked(about=about, verdict=Verdict.OK, what="there is no surge, so one would not matter")]
    found: str | None
    try:
        found = await scalers.autoscalers(api, item)
    except ForbiddenError:
        found = None
    except ClusterError as error:
        return [Checked(about=about, verdict=Verdict.NOT_CHECKED, what=str(error))]
    try:
        surge_by = scalers.surge_by(item, strategy, found)
    except RefusedError as error:
        return [Checked(about=about, verdict=Verdict.FAILED, what=str(error))]
    return [_carried(surge_by, found)]


def _carried(surge_by: SurgeBy, found: str | None) -> Checked:
    writes = f"{found} writes the replicas" if found else "none writes the replicas"
    if found is None:
        writes = "you may not see whether one writes the replicas (list horizontalpodautoscalers)"
    carrier = "LWS's maxSurge carries" if surge_by is SurgeBy.MAX_SURGE else "replicas carry"
    verdict = Verdict.WARNING if found is None else Verdict.OK
    todo = "The worker may see it: then replicas carry the surge where there is none." if found is None else ""
    return Checked(about="autoscaler", verdict=verdict, what=f"{writes}, so {carrier} the surge", todo=todo)


async def nodes(
    api: Api, item: TargetObject, snapshot: Snapshot | None, template: Manifest, strategy: Strategy
) -> list[Checked]:
    """Whether the surge finds nodes, by what is free now."""
    about = "free nodes"
    budget = strategy.budget(replicas_of(item))
    if snapshot and snapshot.starts_in_turn:
        budget = budget.in_turn(0)
    if not budget.surge:
        return [Checked(about=about, verdict=Verdict.OK, what="there is no surge to find nodes for")]
    if snapshot is None:
        return [Checked(about=about, verdict=Verdict.NOT_CHECKED, what="you may not see the pods of the target")]
    try:
        found = await capacity.places_for(api, snapshot, template, CountPlaces(most=budget.surge))
    except ClusterError as error:
        return [Checked(about=about, verdict=Verdict.NOT_CHECKED, what=str(error))]
    return [_places(found, budget)]


def _places(found: Places, budget: Budget) -> Checked:
    about, surge = "free nodes", budget.surge
    if found.groups >= surge:
        what = f"{surge} more group{'' if surge == 1 else 's'}, the whole surge, would find nodes"
        return Checked(about=about, verdict=Verdict.OK, what=what)
    counted = f"{found.groups} of {surge} surge groups would find nodes; short of {found.short_of}"
    if found.groups or budget.unavailable:
        what = f"{counted}. The rollout would go on with {found.groups}"
        return Checked(about=about, verdict=Verdict.WARNING, what=what, todo="Free nodes, or lower maxSurge.")
    return Checked(
        about=about,
        verdict=Verdict.FAILED,
        what=f"{counted}. As no group may be missing, the rollout would stall",
        todo="Free nodes, or raise maxUnavailable.",
    )
