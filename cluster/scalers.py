"""Autoscalers: does one write the replicas of a target, and what may carry the surge then."""

import logging

from rollwright.cluster.api import LEADER_WORKER_SETS, Api, Kind, Manifest
from rollwright.cluster.errors import ForbiddenError, RefusedError
from rollwright.cluster.record import Record
from rollwright.rollout.spec import Budget, Pacing, Strategy, SurgeBy

HORIZONTAL_POD_AUTOSCALERS = Kind("/apis/autoscaling/v2", "horizontalpodautoscalers")
_log = logging.getLogger(__name__)


async def choose_surge_by(api: Api, lws: Manifest, strategy: Strategy) -> SurgeBy:
    """What carries the surge of a rollout; never AUTO. Raises RefusedError for what can't be combined.

    An autoscaler puts raised replicas back every 15 s, and the surge groups go with them (Kubernetes: the controller
    manager's --horizontal-pod-autoscaler-sync-period). LWS's own maxSurge leaves replicas to it. Where it can't be
    seen whether there is one, auto does as if there were, which serves without one, too.
    """
    written = lws["spec"]["replicas"]
    record = Record.of(lws)
    budget = strategy.budget(record.replicas_wanted(written) if record else written)
    match strategy.surge_by:
        case SurgeBy.MAX_SURGE:
            return _by_max_surge(lws, strategy, budget, because="")
        case _ if budget.surge == 0:
            return SurgeBy.REPLICAS
        case SurgeBy.REPLICAS:
            if found := await _scalers(api, lws):
                raise RefusedError(
                    f"{_name(lws)}: {found} writes its replicas, and would take the surge down; give surgeBy auto or "
                    "maxSurge, or maxSurge 0, or remove the autoscaler for the rollout"
                )
            return SurgeBy.REPLICAS
        case SurgeBy.AUTO:
            found = await _scalers(api, lws)
            if found is None:
                because = (
                    "it can't be seen whether an autoscaler writes its replicas (list horizontalpodautoscalers), so "
                )
                return _by_max_surge(lws, strategy, budget, because=because)
            if not found:
                return SurgeBy.REPLICAS
            return _by_max_surge(lws, strategy, budget, because=f"{found} writes its replicas, so ")


def _by_max_surge(lws: Manifest, strategy: Strategy, budget: Budget, *, because: str) -> SurgeBy:
    if strategy.pacing is Pacing.EAGER and budget.surge > budget.unavailable:
        raise RefusedError(
            f"{_name(lws)}: {because}LWS's own maxSurge carries the surge, of which LWS may give back too much under "
            f"pacing eager where maxSurge ({budget.surge} groups) is more than maxUnavailable ({budget.unavailable}); "
            "give pacing ordered, or no more maxSurge than maxUnavailable, or, where no autoscaler is, surgeBy replicas"
        )
    if strategy.max_failed_groups > 0 and budget.surge > 0:
        raise RefusedError(
            f"{_name(lws)}: {because}LWS's own maxSurge carries the surge, and LWS waits for groups that have failed; "
            "give maxFailedGroups 0, or maxSurge 0, or, where no autoscaler is, surgeBy replicas"
        )
    return SurgeBy.MAX_SURGE


async def _scalers(api: Api, lws: Manifest) -> str | None:
    """The autoscalers of a target, in words; empty if it has none, None if they may not be seen."""
    try:
        listing = await api.list_all(HORIZONTAL_POD_AUTOSCALERS, lws["metadata"]["namespace"])
    except ForbiddenError as error:
        _log.warning("%s: whether an autoscaler writes its replicas can't be seen: %s", _name(lws), error)
        return None
    names = sorted(item["metadata"]["name"] for item in listing["items"] if _scales(item, lws))
    return f"the HorizontalPodAutoscaler {', '.join(names)}" if names else ""


def _scales(scaler: Manifest, lws: Manifest) -> bool:
    """Whether it scales this object; for KEDA's ScaledObjects one is made that does."""
    target = scaler["spec"]["scaleTargetRef"]
    group = str(target.get("apiVersion", "")).partition("/")[0]
    wanted = (LEADER_WORKER_SETS.path.split("/")[2], "LeaderWorkerSet", lws["metadata"]["name"])
    return (group, target["kind"], target["name"]) == wanted


def _name(lws: Manifest) -> str:
    return f"lws/{lws['metadata']['name']} in namespace {lws['metadata']['namespace']}"
