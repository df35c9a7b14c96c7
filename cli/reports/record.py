"""All that a report says, as `report --json` prints it. Times are ISO 8601 in UTC, durations seconds, counts groups."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field, PlainSerializer

from rollwright.cli.outputs import Cost, Output, Printed
from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import Finding
from rollwright.rollout.planner import Action
from rollwright.rollout.spec import RolloutSpec
from rollwright.rollout.stages import Stage
from rollwright.workflows.contract import Intervention, Phase


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[AwareDatetime, PlainSerializer(_iso)]


class State(StrEnum):
    """How a group stands for a while."""

    SERVING = "serving"
    LEAVING = "leaving"
    """Taken down, and not gone yet, or its successor not begun."""
    STARTING = "starting"
    UNPLACED = "without nodes"
    DOWN = "not ready"
    """Served before on the same revision, or was found so."""
    FAILED = "failed"


class Role(StrEnum):
    """What a revision is to the rollout."""

    OLD = "old"
    """What it started from."""
    NEW = "new"
    """What it went to; the last, where it was set another target."""
    REPLACED = "replaced"
    """What it went to before it was set another target."""


class Span(Output):
    """A group stands alike for so long."""

    start: Moment
    end: Moment
    state: State
    role: Role = Field(description="Of the revision that the group is on.")

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.start).total_seconds()


class Track(Output):
    """A group through the rollout; where it has no span it wasn't there."""

    ordinal: int
    spans: tuple[Span, ...]


class Revision(Output):
    """A template that groups were on."""

    name: str = Field(description="Of the kept template.")
    role: Role


class Look(Output):
    """The target as it was seen at one moment, against what was promised then."""

    at: Moment
    replicas: int
    groups_asked: int = Field(description="Groups asked for: replicas and surge.")
    partition: int
    available: int = Field(description="Groups that serve, on whichever revision.")
    done: int = Field(description="Groups that serve on the revision that is gone to.")
    failed: int
    fewest: int = Field(description="The fewest available ones since the look before.")
    available_least: int = Field(description="The fewest that the strategy allows.")
    groups_most: int = Field(description="The most groups that the strategy allows.")


class Shortfall(Output):
    """Fewer groups served than the strategy allows."""

    start: Moment
    end: Moment
    fewest: int
    available_least: int
    ordinals: tuple[int, ...] = Field(description="Groups that had become unready by themselves.")
    by_rollout: bool | None = Field(
        description="Whether too few served even without those; null where it passed between two looks."
    )


class Promise(Output):
    """Whether at least replicas - maxUnavailable groups served, and no more than replicas + maxSurge were asked for."""

    kept: bool | None = Field(
        description="By the rollout: groups that fail by themselves don't count against it. Null if it can't be told."
    )
    fewest: int | None = Field(description="The fewest available groups; null if nothing was seen.")
    fewest_at: Moment | None
    available_least: int | None = Field(description="The fewest that the strategy allowed then.")
    most: int | None = Field(description="The most groups asked for.")
    groups_most: int | None = Field(description="The most that the strategy allowed then.")
    below: tuple[Shortfall, ...]
    above: tuple[Moment, ...] = Field(description="When more groups were asked for than allowed.")


class Passage(Output):
    """The rollout was in one phase for so long."""

    phase: Phase
    start: Moment
    end: Moment

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return (self.end - self.start).total_seconds()


class Approval(Output):
    """Somebody has approved."""

    actor: str
    at: Moment
    reason: str


class GateFound(Output):
    """What a gate came to."""

    name: str
    kind: str
    finding: Finding
    message: str
    opened_at: Moment
    decided_at: Moment | None
    attempt: int
    passes: int = Field(description="Good readings.")
    failures: int
    approvals: tuple[Approval, ...] = ()


class Ending(StrEnum):
    """How a stop at a gate came to its end."""

    PASSED = "passed"
    PROMOTED = "promoted"
    """By people, whatever its gates had found."""
    LEFT = "left"
    """Rolled back, aborted, set another target, or its groups weren't done any more."""
    OPEN = "open"


class Stop(Output):
    """A stop at the end of one of the strategy's steps."""

    step: int = Field(description="From 1.")
    until: str = Field(description="Groups, or percentage of replicas, on the new revision at its end.")
    opened_at: Moment
    ended_at: Moment | None
    ending: Ending
    by: str = Field(description="Who has approved or promoted; empty if nobody had to.")
    people_from: Moment | None = Field(description="Since when only people were waited for; null if they weren't.")
    people_until: Moment | None
    gates: tuple[GateFound, ...]

    @property
    def seconds(self) -> float | None:
        """How long it lasted; None while it is open."""
        return (self.ended_at - self.opened_at).total_seconds() if self.ended_at else None

    @property
    def people_seconds(self) -> float:
        """For how long only people were waited for."""
        if self.people_from is None or self.people_until is None:
            return 0.0
        return (self.people_until - self.people_from).total_seconds()


class Deed(Output):
    """What somebody has said to the rollout, or it has done of its own accord."""

    at: Moment
    actor: str
    what: str
    reason: str
    came_of_it: str = Field(description="In words; empty if it isn't known.")
    refused: bool = False
    by_itself: bool = Field(description="The rollout's own doing.")


class StartUp(Output):
    """A group from its start until it served."""

    ordinal: int
    role: Role
    begun_at: Moment
    served_at: Moment | None = Field(description="Null if it didn't.")
    seconds: float = Field(description="Until it served, or as long as it was tried.")
    unplaced_seconds: float = Field(description="Of those without nodes for all its pods.")
    alone_seconds: float = Field(
        description="Of those in which no other group was starting, so that it was waited for."
    )
    reason: str = Field(description="What it showed last before it served, or was taken down.")


class Forecast(Output):
    """When the rollout was expected to end, as told at a moment."""

    at: Moment
    ends_at: Moment
    earliest: Moment
    latest: Moment


class Taken(Output):
    """A step that was taken on the target."""

    start: Moment
    end: Moment
    action: Action
    what: str = Field(description='In words, as in "partition 4 -> 2".')
    outcome: str = Field(description="done, or why it wasn't.")


class Resolution(Output):
    """How closely the history shows what was: between two looks only what the groups themselves tell is known."""

    looks: int
    usual_seconds: float | None = Field(description="From one look to the next: the median.")
    longest_seconds: float | None


class Report(Printed):
    """What became of a rollout."""

    rollout: str = Field(description="The workflow id, made of the target.")
    run_ids: tuple[str, ...] = Field(description="Of the runs it is made from, the first one first.")
    target: str
    outcome: str = Field(description="The final phase; or running, terminated, failed, timed out.")
    reason: str = Field(description="Why it ended so, or waits, in words.")
    by: Intervention = Field(description="Who started it, and why; of the last change.")
    request_id: str
    started_at: Moment
    finished_at: Moment | None
    until: Moment = Field(description="How far it is known: its end; or now, or the last event of a file.")
    revisions: tuple[Revision, ...]
    replicas: int | None = Field(description="Groups that the user wants; null if nothing was seen.")
    updated: int | None = Field(
        description="Groups that served on the revision that was gone to, at the last look; null if nothing tells them."
    )
    course: Course = Field(description="Which way it went at the last look: back is to the old revision.")
    promise: Promise
    cost: Cost
    people_seconds: float = Field(
        description="For how long it was paused, or nothing but people was missing at a gate."
    )
    passages: tuple[Passage, ...]
    looks: tuple[Look, ...]
    tracks: tuple[Track, ...]
    stops: tuple[Stop, ...]
    deeds: tuple[Deed, ...]
    start_ups: tuple[StartUp, ...] = Field(description="The slowest first.")
    usual_start_up_seconds: float | None = Field(description="The median of those that came to serve.")
    forecasts: tuple[Forecast, ...] = Field(description="Of its last course: forward, back, or to another target.")
    steps: tuple[Taken, ...]
    stages: tuple[Stage, ...]
    spec: RolloutSpec
    resolution: Resolution
    notes: tuple[str, ...] = Field(description="What the report can't tell.")

    @property
    def seconds(self) -> float:
        """From its start until its end, or as far as is known."""
        return (self.until - self.started_at).total_seconds()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.finished_at is not None
