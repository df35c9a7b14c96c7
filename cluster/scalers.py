"""Autoscalers: does one write the replicas of a target, and what may carry the surge then."""

import logging

from rollwright.cluster.api import Api, Kind, Manifest
from rollwright.cluster.errors import ForbiddenError, RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Record
from rollwright.rollout.spec import BY_PODS, Budget, Pacing, Strategy, SurgeBy

HORIZONTAL_POD_AUTOSCALERS = Kind("/apis/autoscaling/v2", "horizontalpodautoscalers")
_log = logging.getLogger(__name__)


async def choose_surge_by(api: Api, item: TargetObject, strategy: Strategy) -> SurgeBy:
    """What carries the surge of a rollout; never AUTO. Raises RefusedError for what can't be combined.

    An autoscaler puts raised replicas back every 15 s, and the surge groups go with them (Kubernetes: the controller
    manager's --horizontal-pod-autoscaler-sync-period). LWS's own maxSurge leaves replicas to it. Where it can't be
    seen whether there is one, auto does as if there were, which serves without one, too.
    """
    if not matters(item, strategy):
        return surge_by(item, strategy, "")
    try:
        found: str | None = await autoscalers(api, item)
    except ForbiddenError as error:
        _log.warning("%s: whether an autoscaler writes its replicas can't be seen: %s", item, error)
        found = None
    return surge_by(item, strategy, found)


def matters(item: TargetObject, strategy: Strategy) -> bool:
    """Whether it makes a difference to a rollout that an autoscaler writes the replicas."""
    return strategy.surge_by is not SurgeBy.MAX_SURGE and _budget(item, strategy).surge > 0


def surge_by(item: TargetObject, strategy: Strategy, found: str | None) -> SurgeBy:
    """The same by the autoscalers that were found, in words; None if they may not be seen."""
    budget = _budget(item, strategy)
    match strategy.surge_by:
        case SurgeBy.MAX_SURGE:
            return _by_max_surge(item, strategy, budget, because="")
        case _ if budget.surge == 0:
            return SurgeBy.REPLICAS
        case SurgeBy.REPLICAS:
            if found:
                otherwise = "surgeBy auto or maxSurge, or maxSurge 0" if item.OWN_BUDGET else "maxSurge 0"
                raise RefusedError(
                    f"{item}: {found} writes its replicas, and would take the surge down; give {otherwise}, or remove "
                    "the autoscaler for the rollout"
                )
            return SurgeBy.REPLICAS
        case SurgeBy.AUTO:
            if found is None:
                because = (
                    "it can't be seen whether an autoscaler writes its replicas (list horizontalpodautoscalers), so "
                )
                return _by_max_surge(item, strategy, budget, because=because)
            if not found:
                return SurgeBy.REPLICAS
            return _by_max_surge(item, strategy, budget, because=f"{found} writes its replicas, so ")


def _budget(item: TargetObject, strategy: Strategy) -> Budget:
    written, record = item.replicas, Record.of(item)
    return strategy.budget(record.replicas_wanted(written) if record else written)


def _by_max_surge(item: TargetObject, strategy: Strategy, budget: Budget, *, because: str) -> SurgeBy:
    if not item.OWN_BUDGET:
        raise RefusedError(
            f"{item}: {because}replicas can't carry the surge, and a {item.KIND} has no maxSurge of its own; "
            "give maxSurge 0, or, where no autoscaler is, surgeBy replicas"
        )
    if strategy.pacing is Pacing.EAGER and budget.surge > budget.unavailable:
        raise RefusedError(
            f"{item}: {because}LWS's own maxSurge carries the surge, of which LWS may give back too much under "
            f"pacing eager where maxSurge ({budget.surge} groups) is more than maxUnavailable ({budget.unavailable}); "
            "give pacing ordered, or no more maxSurge than maxUnavailable, or, where no autoscaler is, surgeBy replicas"
        )
    if strategy.max_failed_groups > 0 and budget.surge > 0:
        raise RefusedError(
            f"{item}: {because}LWS's own maxSurge carries the surge, and LWS waits for groups that have failed; "
            "give maxFailedGroups 0, or maxSurge 0, or, where no autoscaler is, surgeBy replicas"
        )
    if strategy.readiness != BY_PODS and budget.surge > 0:
        raise RefusedError(
            f"{item}: {because}LWS's own maxSurge carries the surge, and LWS gives it back as soon as pods are ready; "
            "give readiness pod, or maxSurge 0, or, where no autoscaler is, surgeBy replicas"
        )
    return SurgeBy.MAX_SURGE


async def autoscalers(api: Api, item: TargetObject) -> str:
    """The autoscalers of a target, in words; empty if it has none. Raises ClusterError."""
    listing = await api.list_all(HORIZONTAL_POD_AUTOSCALERS, item.namespace)
    names = sorted(found["metadata"]["name"] for found in listing["items"] if _scales(found, item))
    return f"the HorizontalPodAutoscaler {', '.join(names)}" if names else ""


def _scales(scaler: Manifest, item: TargetObject) -> bool:
    """Whether it scales this object; for KEDA's ScaledObjects one is made that does."""
    target = scaler["spec"]["scaleTargetRef"]
    group = str(target.get("apiVersion", "")).partition("/")[0]
    wanted = (item.RESOURCE.version.partition("/")[0], item.KIND, item.name)
    return (group, target["kind"], target["name"]) == wanted
