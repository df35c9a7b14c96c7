"""What to ask of LWS for a step: what carries the surge, and how far its own maxUnavailable is opened. Pure.

The surge is carried by spec.replicas, or by LWS's own maxSurge: then replicas stays as the user, or an autoscaler, has
written it. maxSurge is what we ask for and no more, as LWS surges by itself whenever it is higher; and beside it
maxUnavailable is 0, or LWS would give surge groups back before they may go.
"""

from typing import NamedTuple

from rollwright.cluster.api import Manifest
from rollwright.cluster.native import keeps_available, max_unavailable_needed
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.record import Asked, Record
from rollwright.cluster.templates import kept_name
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Step
from rollwright.rollout.spec import SurgeBy


class Asking(NamedTuple):
    """What to write: the record, and what it is to say was asked for."""

    record: Record
    asked: Asked


def closed(
    item: TargetObject,
    known: Record,
    groups: int,
    surge_by: SurgeBy,
    *,
    partition: int | None = None,
    template: Manifest | None = None,
) -> Asking:
    """Ask for so many groups, and have nothing released beyond the partition. What isn't given stays.

    `known`: the record as last read, or the one to begin with.
    """
    record = _with_wish(item, known)
    by_max_surge = surge_by is SurgeBy.MAX_SURGE
    max_surge = max(0, groups - record.replicas) if by_max_surge else 0
    record = record.model_copy(update={"groups": record.replicas if by_max_surge else groups})
    return _asking(item, record, max_surge, partition=partition, template=template)


def opened(item: TargetObject, known: Record, step: Step, surge_by: SurgeBy, seen: Observation) -> Asking:
    """Ask for a lower partition, with LWS's own maxUnavailable as wide as this needs, but no wider than is safe."""
    asking = closed(item, known, step.groups, surge_by, partition=step.partition)
    if not item.OWN_BUDGET:
        return asking
    replicas, max_surge = asking.record.groups, asking.asked.max_surge
    more_to_come = max_surge == 0 and len(seen.asked) < step.groups
    widest = max_unavailable_needed(seen, replicas, step.partition, more_to_come=more_to_come)
    while max_surge and widest > 0 and not keeps_available(seen, step.partition, replicas, max_surge, widest):
        widest -= 1
    wide = max(asking.asked.max_unavailable, widest)
    return asking._replace(asked=asking.asked.model_copy(update={"max_unavailable": wide}))


def unchanged(
    item: TargetObject, known: Record, *, partition: int | None = None, standing: int | None = None
) -> Asking:
    """Leave the number of groups and what carries the surge, but no more of it than stands, if that is given."""
    record = _with_wish(item, known)
    max_surge = record.asked.max_surge if record.asked else 0
    if standing is not None:
        max_surge = min(max_surge, standing)
    record = record.model_copy(update={"groups": item.replicas})
    return _asking(item, record, max_surge, partition=partition)


def _with_wish(item: TargetObject, known: Record) -> Record:
    return known.model_copy(update={"replicas": known.replicas_wanted(item.replicas)})


def _asking(
    item: TargetObject, record: Record, max_surge: int, *, partition: int | None, template: Manifest | None = None
) -> Asking:
    asked = Asked(
        partition=item.settings.partition if partition is None else partition,
        max_unavailable=record.narrow(record.groups, max_surge),
        max_surge=max_surge,
        template=kept_name(item, template or item.template),
    )
    return Asking(record, asked)
