"""The promise, as a check that tests and watchers make on every state. It shares no arithmetic with the planner."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rollwright.rollout.spec import Budget


class Written(NamedTuple):
    """What a write asks of the controllers."""

    revision: str
    partition: int
    groups: int


class Running(NamedTuple):
    """One group as it is."""

    revision: str
    available: bool


def certain(groups: Mapping[int, Running], in_flight: Iterable[Written]) -> int:
    """Available groups that no write still in flight takes down, whichever of them the controllers have acted on."""
    writes = list(in_flight)
    return sum(
        1
        for ordinal, group in groups.items()
        if group.available and all(_survives(ordinal, group, write) for write in writes)
    )


def _survives(ordinal: int, group: Running, write: Written) -> bool:
    return ordinal < write.groups and (group.revision == write.revision or ordinal < write.partition)


def broken_promises(
    budget: Budget, groups: Mapping[int, Running], in_flight: Iterable[Written], write: Written
) -> list[str]:
    """What a new write breaks, in words; empty if it keeps the promise.

    `in_flight`: the writes before it that the controllers may still act on, the last of them being in force.
    """
    before = list(in_flight)
    broken = []
    kept_before, kept_after = certain(groups, before), certain(groups, [*before, write])
    if kept_after < min(budget.floor, kept_before):
        broken.append(f"{write} lowers the certain groups from {kept_before} to {kept_after}; floor {budget.floor}")
    if write.groups > max(budget.ceiling, before[-1].groups):
        broken.append(f"{write} asks for more groups than replicas + maxSurge = {budget.ceiling}")
    return broken
