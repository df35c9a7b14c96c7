"""LWS's own rolling update: from what is there to the leader StatefulSet's next partition and replicas. Pure.

Source: LWS v0.9.0, rollingUpdateParameters of its LeaderWorkerSet controller.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple


class Strategy(NamedTuple):
    """What the object asks for; groups, percentages already resolved by `resolve`."""

    replicas: int
    max_unavailable: int
    max_surge: int
    partition: int

    @property
    def surge(self) -> int:
        """Groups above `replicas` that an update may add: never more than there are replicas."""
        return min(self.max_surge, self.replicas)


class Leader(NamedTuple):
    """The leader StatefulSet as it is: its replicas and partition, and the replicas wanted when they were written."""

    replicas: int
    partition: int
    wanted_then: int


class GroupState(NamedTuple):
    """One group by ordinal. A pod that is terminating and still ready counts as ready, as with LWS."""

    ready: bool
    updated: bool


class Target(NamedTuple):
    """What to write into the leader StatefulSet."""

    partition: int
    replicas: int


def resolve(value: int | str, replicas: int, *, round_up: bool) -> int:
    """Return `value`, or when it is a percentage such as "25%", that share of `replicas`."""
    if isinstance(value, int):
        return value
    hundredths = int(value.removesuffix("%")) * replicas
    return -(-hundredths // 100) if round_up else hundredths // 100


def next_target(
    strategy: Strategy, leader: Leader | None, groups: Sequence[GroupState], *, template_changed: bool
) -> Target:
    """Return the next partition and replicas of the leader StatefulSet.

    `groups` are those below `leader.replicas`, seen from the newest revision; `template_changed` says that the leader
    StatefulSet doesn't have that revision yet. The object's own partition is a floor to whatever LWS works out.
    """
    own = _own_target(strategy, leader, groups, template_changed=template_changed)
    return Target(max(own.partition, strategy.partition), own.replicas)


def _own_target(
    strategy: Strategy, leader: Leader | None, groups: Sequence[GroupState], *, template_changed: bool
) -> Target:
    replicas = strategy.replicas
    if leader is None:
        return Target(0, replicas)
    if template_changed:
        frozen = min(replicas, leader.replicas)
        scaling_up = leader.replicas < replicas
        return Target(frozen, replicas if scaling_up else _replicas_with_surge(strategy, unready=replicas))
    if leader.partition == 0 and leader.replicas == replicas:
        return Target(0, replicas)
    if leader.replicas < replicas:
        return Target(leader.partition, replicas)
    unready = sum(not (group.ready and group.updated) for group in groups[:replicas])
    wanted = _replicas_with_surge(strategy, unready=unready)
    if leader.wanted_then != replicas:
        return Target(min(leader.partition, replicas + strategy.surge), wanted)
    surge_missing = replicas + strategy.surge - leader.replicas
    step = strategy.max_unavailable + strategy.surge - surge_missing
    return Target(min(leader.partition, _released_down_to(groups, step)), wanted)


def _released_down_to(groups: Sequence[GroupState], step: int) -> int:
    """Return the ordinal down to which groups may be replaced, `step` of them at a time."""
    done_at_the_end = sum(1 for _ in takewhile(lambda group: group.ready and group.updated, reversed(groups)))
    first = max(0, len(groups) - done_at_the_end - step)
    partition = first + sum(not group.ready for group in groups[:first])
    for ordinal in range(min(partition, len(groups) - 1), first - 1, -1):
        if groups[ordinal].ready and not groups[ordinal].updated:
            break
        partition = ordinal
    return partition


def _replicas_with_surge(strategy: Strategy, *, unready: int) -> int:
    """Return the groups to keep: the whole surge, or once it covers the unready ones, what maxUnavailable doesn't."""
    if unready > strategy.surge:
        return strategy.replicas + strategy.surge
    return strategy.replicas + max(0, unready - strategy.max_unavailable)
