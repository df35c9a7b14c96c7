"""The stage table: how a rollout went, a row for every change worth seeing, as in the LWS documentation."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator

from rollwright.rollout.models import Model
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Blocked, Done, Failed, Step, Verdict, Wait

COMPLETED = "Rolling update completed"
_MOST_MARKS = 20_000


class Mark(StrEnum):
    """How a group stands in a stage."""

    UPDATED = "updated"
    """Serves on the target revision."""
    OUTDATED = "outdated"
    """On an older revision and not released."""
    ROLLING = "rolling"
    """Released or being started."""


_BY_LETTER = {mark[0]: mark for mark in Mark}


def _from_letters(groups: object) -> object:
    return tuple(_BY_LETTER.get(letter, letter) for letter in groups) if isinstance(groups, str) else groups


class Stage(Model):
    """One row: the partition and the groups asked for after the step taken in it, if any."""

    stage: int
    partition: int
    replicas: int
    groups: Annotated[tuple[Mark, ...], BeforeValidator(_from_letters)]
    note: str = ""


def in_letters(stages: Iterable[Stage]) -> list[dict[str, Any]]:
    """The rows as a workflow's history keeps them, with a letter a group; they can be read back."""
    return [
        stage.model_dump(exclude={"groups"}) | {"groups": "".join(mark[0] for mark in stage.groups)} for stage in stages
    ]


def first_stage(observation: Observation) -> Stage:
    """The row before anything was done: whatever serves counts as up to date."""
    return Stage(
        stage=1,
        partition=observation.partition,
        replicas=observation.groups_asked,
        groups=tuple(Mark.UPDATED if group.available else Mark.ROLLING for group in observation.asked),
        note="Before rolling update",
    )


def extend(
    stages: tuple[Stage, ...],
    observation: Observation,
    verdict: Verdict,
    *,
    ending: str = COMPLETED,
) -> tuple[Stage, ...]:
    """The table with what is seen and decided now: the same rows if there is nothing new to show.

    `stages` are the rows so far, at least the first one.
    """
    partition, replicas = observation.partition, observation.groups_asked
    if isinstance(verdict, Step):
        partition, replicas = verdict.partition, verdict.groups
    last = stages[-1]
    row = Stage(
        stage=last.stage + 1,
        partition=partition,
        replicas=replicas,
        groups=tuple(_mark(observation, ordinal, partition) for ordinal in range(replicas)),
        note=ending if isinstance(verdict, Done) else _note(stages, observation, verdict),
    )
    if (row.partition, row.replicas, row.groups) != (last.partition, last.replicas, last.groups):
        return _bounded((*stages, row))
    if isinstance(verdict, Done):
        return (*stages[:-1], last.model_copy(update={"note": row.note}))
    return stages


def gate_note(gate: int) -> str:
    """What the table says where a gate waits; counted from 0."""
    return f"Gate {gate + 1} waits"


def _bounded(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    """The first row and the last ones: the table travels through a workflow's history, which has limits."""
    rows = max(10, _MOST_MARKS // max(1, len(stages[-1].groups)))
    return stages if len(stages) <= rows else (stages[0], *stages[1 - rows :])


def _mark(observation: Observation, ordinal: int, partition: int) -> Mark:
    if ordinal >= len(observation.groups):
        return Mark.ROLLING
    group = observation.groups[ordinal]
    if group.done:
        return Mark.UPDATED
    return Mark.ROLLING if group.updated or ordinal >= partition else Mark.OUTDATED


def _note(stages: tuple[Stage, ...], observation: Observation, verdict: Step | Wait | Blocked | Failed) -> str:
    match verdict:
        case Step(action=Action.PREPARE):
            return "Rolling update started" if len(stages) == 1 else "Rolling update towards another revision started"
        case Step(action=Action.REPLACE | Action.UNBLOCK):
            return f"{verdict.action.capitalize()} {', '.join(map(str, verdict.delete))}"
        case Step():
            return "; ".join(_changes(stages, observation, verdict))
        case Wait() if not observation.settled:
            return ""
        case Wait() | Blocked() | Failed():
            return verdict.reason


def _changes(stages: tuple[Stage, ...], observation: Observation, step: Step) -> Iterator[str]:
    if step.partition != observation.partition:
        yield f"Partition changes from {observation.partition} to {step.partition}"
    if step.groups > observation.groups_asked:
        yield f"Ask for {_replicas(step.groups - observation.groups_asked)} of surge"
    reclaimed = observation.groups_asked - step.groups
    if reclaimed > 1:
        yield f"Reclaim {_replicas(reclaimed)}"
    elif reclaimed == 1 and any(after.replicas < before.replicas for before, after in pairwise(stages)):
        yield "Release another replica"
    elif reclaimed == 1:
        yield "Reclaim a replica for the accommodation of unready ones"


def _replicas(number: int) -> str:
    return f"{number} replica{'' if number == 1 else 's'}"
