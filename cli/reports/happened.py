"""What can happen in a rollout, as its workflow's history tells it. Decoded, and in no way judged."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field

from rollwright.activities.messages import CheckGate, Kept, Sight, TakeStep
from rollwright.rollout.aim import Aim
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.models import Model
from rollwright.workflows.contract import Phase, RolloutInput, RolloutStatus


class Asked(Model):
    """Of what a wait is given: what people have decided by then. The rest is in the answers before."""

    aim: Aim
    template: str = ""
    acting: bool = True
    gated: bool = False
    start_ups: tuple[float, ...] = Field(default=())


@dataclass(frozen=True)
class Happened:
    """Something, at a moment."""

    at: datetime


@dataclass(frozen=True)
class Began(Happened):
    """A run began; it goes on from `given.state`."""

    given: RolloutInput
    run_id: str
    before: str
    """The run that it continues; empty if none."""


@dataclass(frozen=True)
class Waited(Happened):
    """A wait was begun."""

    asked: Asked
    summary: str


@dataclass(frozen=True)
class Saw(Happened):
    """A wait has answered."""

    asked: Asked
    sight: Sight


@dataclass(frozen=True)
class Stepped(Happened):
    """A step was taken, or tried, which took until `end`."""

    end: datetime
    request: TakeStep
    summary: str
    outcome: str

    @property
    def released(self) -> set[int]:
        """Ordinals of the groups that it takes down, unless they are on its template already."""
        step = self.request.step
        return {*step.delete, *range(step.partition, max(step.partition, step.groups))}


@dataclass(frozen=True)
class KeptTemplate(Happened):
    """A change was tried and its template kept."""

    kept: Kept


@dataclass(frozen=True)
class AskedGate(Happened):
    """A gate is being asked."""

    request: CheckGate


@dataclass(frozen=True)
class GateTold(Happened):
    """A gate has told what it has come to."""

    request: CheckGate
    progress: Progress


@dataclass(frozen=True)
class Said(Happened):
    """Somebody sent a message."""

    message: str
    given: Any
    """As it was sent, whatever that is."""
    answer: str = ""
    """To an update."""
    refused: bool = False


@dataclass(frozen=True)
class Entered(Happened):
    """A phase began, as the search attribute has it."""

    phase: Phase


@dataclass(frozen=True)
class Ended(Happened):
    """A run came to its end."""

    outcome: str
    """completed, continued, failed, terminated, timed out or cancelled: of the workflow."""
    status: RolloutStatus | None = None
    reason: str = ""
    next_run: str = ""
    given: RolloutInput | None = None
    """What the next run is given."""
