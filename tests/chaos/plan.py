"""The plan of a round: all that is random about it, drawn from its seed before it starts. Pure."""

import json
from enum import StrEnum
from random import Random
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import GatedStep, Pacing, Reclaim, Strategy, SurgeBy

MOST_REPLICAS = 10
"""Also after scaling."""
_GROUPS = 2 * MOST_REPLICAS
_COUNTS: tuple[int | str, ...] = (0, 1, 1, 2, 3, "25%", "50%")


class Kind(StrEnum):
    """What may happen to a rollout."""

    KILL_WORKER = "kill worker"
    FREEZE_WORKER = "freeze worker"
    RESTART_TEMPORAL = "restart Temporal"
    RESTART_API_SERVER = "restart API server"
    RESTART_STAND_IN = "restart stand-in"
    DELETE_LEADER = "delete leader"
    DELETE_WORKER_POD = "delete worker pod"
    SCALE = "scale"
    PAUSE = "pause"
    RESUME = "resume"
    ROLLBACK = "rollback"
    ABORT = "abort"
    RETARGET = "retarget"
    PROMOTE = "promote"
    """Past all gates."""


SHARED = frozenset({Kind.RESTART_TEMPORAL, Kind.RESTART_API_SERVER, Kind.RESTART_STAND_IN})
"""Hit every round under way."""
MESSAGES = frozenset({Kind.PAUSE, Kind.RESUME, Kind.ROLLBACK, Kind.ABORT, Kind.RETARGET, Kind.PROMOTE})
_FAULTS = {
    Kind.KILL_WORKER: 4,
    Kind.FREEZE_WORKER: 4,
    Kind.RESTART_TEMPORAL: 1,
    Kind.RESTART_API_SERVER: 1,
    Kind.RESTART_STAND_IN: 2,
    Kind.DELETE_LEADER: 3,
    Kind.DELETE_WORKER_POD: 3,
}
_COURSES: tuple[tuple[Kind, ...], ...] = (
    (),
    (),
    (),
    (Kind.ROLLBACK,),
    (Kind.ABORT,),
    (Kind.RETARGET,),
    (Kind.RETARGET, Kind.ROLLBACK),
    (Kind.ROLLBACK, Kind.RETARGET),
    (Kind.RETARGET, Kind.RETARGET),
    (Kind.RETARGET, Kind.ABORT),
    (Kind.ABORT, Kind.ROLLBACK),
)


class Planned(BaseModel):
    """Base of what a plan is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Happening(Planned):
    """One thing that happens. What doesn't concern its kind is left at its default."""

    at: float
    """Seconds after the start of the rollout."""
    kind: Kind
    seconds: float = 0.0
    """How long something is away, or frozen."""
    pick: float = 0.0
    """Which of those there are, from 0 to 1."""
    by: int = 0
    """Groups more, or fewer."""
    version: int = 0
    fast: bool = False
    signal: bool = False
    """A message goes as a signal, which nobody answers, instead of an update."""
    insists: bool = False
    """A message that is refused is sent again until it is taken."""


class Version(Planned):
    """A template: an image, and whether it works."""

    image: str
    fails: Literal["", "image-pull", "crash-loop"] = ""
    on: tuple[int, ...] = ()
    """The groups it fails on; empty for all."""

    def works(self, groups: int) -> bool:
        """Whether it does on so many."""
        return not self.fails or (bool(self.on) and min(self.on) >= groups)


class Plan(Planned):
    """All of a round that isn't up to the machine."""

    seed: int
    replicas: int
    size: int
    workers: int
    strategy: Strategy
    start_up_ms: tuple[int, ...]
    """By ordinal."""
    versions: tuple[Version, ...]
    """The one before the rollout, the one it rolls out, and others for retargets."""
    happenings: tuple[Happening, ...]

    def to_json(self) -> str:
        """Readable, and read back by `Plan.model_validate_json`."""
        written = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        written["strategy"]["reclaim"] = self.strategy.reclaim  # left out it would be as is usual with the pacing
        return json.dumps(written)


def draw(seed: int) -> Plan:
    """The plan of a seed, always the same."""
    random = Random(seed)
    replicas, size = 1 if random.random() < 0.1 else random.randint(2, 8), random.choice((1, 2))
    start_up_ms = _start_ups(random)
    broken = random.random() < 0.3
    strategy = _strategy(random, replicas, broken=broken)
    budget = strategy.budget(replicas)
    waves = replicas / max(1, budget.unavailable + budget.surge)
    horizon = 2 + waves * (1 + sum(start_up_ms[:replicas]) / replicas / 1000)
    messages = _messages(random, horizon, strategy, broken=broken)
    others = [*_faults(random, horizon, size), *_scalings(random, horizon)]
    return Plan(
        seed=seed,
        replicas=replicas,
        size=size,
        workers=random.choice((1, 1, 2)),
        strategy=strategy,
        start_up_ms=start_up_ms,
        versions=(
            Version(image="model:1"),
            _broken(random, replicas) if broken else Version(image="model:2"),
            Version(image="model:3"),
            Version(image="model:4"),
        ),
        happenings=tuple(sorted([*messages, *others], key=lambda happening: happening.at)),
    )


def _start_ups(random: Random) -> tuple[int, ...]:
    slowest = random.choice((300, 1000, 2500))
    return tuple(random.randint(100, slowest) for _ in range(_GROUPS))


def _strategy(random: Random, replicas: int, *, broken: bool) -> Strategy:
    while True:
        unavailable, surge = random.choice(_COUNTS), random.choice(_COUNTS)
        if (unavailable, surge) == (0, 0):
            continue
        pacing = random.choice(tuple(Pacing))
        # Eager can't be had with it where more may be surplus than missing, nor can failures be tolerated.
        by_max_surge = pacing is Pacing.ORDERED and random.random() < 0.3
        gated = random.random() < 0.15
        strategy = Strategy(
            max_unavailable=unavailable,
            max_surge=surge,
            pacing=pacing,
            reclaim=random.choice(tuple(Reclaim)),
            surge_by=SurgeBy.MAX_SURGE if by_max_surge else SurgeBy.AUTO,
            steps=(GatedStep(until=random.randint(1, replicas)),) if gated else (),
            partition=random.randint(1, replicas - 1) if replicas > 1 and random.random() < 0.15 else 0,
            failure_grace=3 if broken else 300,
            max_failed_groups=1 if broken and not by_max_surge and random.random() < 0.2 else 0,
            on_stall=random.choice(tuple(OnFailure)),
        )
        # A scaling may not end in a budget of nothing, which holds a rollout up by rights.
        if not any(strategy.budget(scaled).is_empty for scaled in range(1, MOST_REPLICAS + 1)):
            return strategy


def _broken(random: Random, replicas: int) -> Version:
    some = random.sample(range(replicas), min(replicas, random.randint(1, 2)))
    return Version(
        image="model:broken",
        fails=random.choice(("image-pull", "crash-loop")),
        on=tuple(sorted(some)) if random.random() < 0.6 else (),
    )


def _faults(random: Random, horizon: float, size: int) -> list[Happening]:
    kinds = [kind for kind in _FAULTS if size > 1 or kind is not Kind.DELETE_WORKER_POD]
    chosen = random.choices(kinds, [_FAULTS[kind] for kind in kinds], k=random.randint(1, 4))
    return [
        Happening(
            at=_moment(random, horizon),
            kind=kind,
            pick=0.0 if kind in SHARED else round(random.random(), 3),
            seconds=_seconds(random, kind),
        )
        for kind in chosen
    ]


def _seconds(random: Random, kind: Kind) -> float:
    if kind in (Kind.DELETE_LEADER, Kind.DELETE_WORKER_POD):
        return 0.0
    return round(random.uniform(1, 6) if kind is Kind.FREEZE_WORKER else random.uniform(0, 3), 2)


def _scalings(random: Random, horizon: float) -> list[Happening]:
    return [
        Happening(at=_moment(random, horizon), kind=Kind.SCALE, by=random.choice((-3, -2, -1, 1, 2, 3)))
        for _ in range(random.choice((0, 0, 0, 1, 1, 2)))
    ]


def _messages(random: Random, horizon: float, strategy: Strategy, *, broken: bool) -> list[Happening]:
    course = random.choice(_COURSES)
    moments = sorted(max(0.8, _moment(random, horizon)) for _ in course)
    told = [
        Happening(
            at=moment,
            kind=kind,
            version=min(3, 2 + course[:place].count(Kind.RETARGET)) if kind is Kind.RETARGET else 0,
            fast=kind is Kind.ROLLBACK and random.random() < 0.4,
            # Gates begin anew once a retarget is taken, which by a signal may be after somebody has promoted.
            signal=not (kind is Kind.RETARGET and strategy.steps) and random.random() < 0.4,
        )
        for place, (kind, moment) in enumerate(zip(course, moments, strict=True))
    ]
    if random.random() < 0.3:
        paused = _moment(random, horizon)
        resumed = round(paused + random.uniform(0.5, 4), 2)
        told += [Happening(at=paused, kind=Kind.PAUSE), Happening(at=resumed, kind=Kind.RESUME)]
    if broken:
        told += _closing(random, max([horizon, *(one.at for one in told)]), strategy)
    if strategy.steps:
        told.append(Happening(at=max([horizon, *(one.at for one in told)]), kind=Kind.PROMOTE, insists=True))
    return told


def _closing(random: Random, at: float, strategy: Strategy) -> list[Happening]:
    """What brings a rollout of a broken version to an end, if nothing else has.

    An abort may not: where a broken group uses up the budget, the surge can't be given back.
    """
    last = [random.choice((Kind.ROLLBACK, Kind.RETARGET))]
    if strategy.on_stall is OnFailure.PAUSE:
        last.insert(0, random.choice((Kind.ROLLBACK, Kind.ABORT, Kind.RETARGET)))
    return [
        Happening(
            at=round(at + (5 if number < len(last) else 20), 2),
            kind=kind,
            version=3 if kind is Kind.RETARGET else 0,
            insists=True,
        )
        for number, kind in enumerate(last, start=1)
    ]


def _moment(random: Random, horizon: float) -> float:
    return round(random.uniform(0.1, horizon), 2)
