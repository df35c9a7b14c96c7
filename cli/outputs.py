"""What --json prints: one model each, on one line. `rollwright schema --of` prints their JSON Schemas."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from rollwright.cli.difference import Difference
from rollwright.rollout.observation import Group
from rollwright.rollout.spec import RolloutSpec
from rollwright.rollout.stages import Stage
from rollwright.workflows.contract import Event, Phase, RolloutStatus


class Output(BaseModel):
    """Frozen; snake_case outside too."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Started(Output):
    """What `start` has started; also the first line of `start --wait`."""

    rollout: str = Field(description="The workflow id, made of the target.")
    run_id: str = Field(description="Of the workflow's first run.")
    ui: str = Field(description="The run in the Temporal UI; empty if its address isn't known.")


class Plan(Output):
    """How a rollout would go."""

    stages: tuple[Stage, ...]
    changes: tuple[Difference, ...] | None = Field(
        default=None, description="What changes in the target's template; left out of plans made offline."
    )


class Status(Output):
    """Where a rollout stands; counts are groups, times are ISO 8601 in UTC and empty until then."""

    rollout: str = Field(description="The workflow id, made of the target.")
    ui: str = Field(description="The run in the Temporal UI; empty if its address isn't known.")
    phase: Phase
    reason: str = Field(description="Why it waits or stalls, in words.")
    started_at: str
    finished_at: str
    steps: int = Field(description="Steps taken so far.")
    replicas: int | None = Field(description="Groups the user wants; null until the target was seen.")
    available: int | None = Field(description="Groups that serve now, on whichever revision.")
    available_least: int | None = Field(description="The fewest that the strategy allows.")
    available_min: int | None = Field(description="The fewest that were seen.")
    groups_asked: int | None = Field(description="Groups asked for now: replicas and surge.")
    groups_most: int | None = Field(description="The most that the strategy allows.")
    groups_max: int | None = Field(description="The most that were asked for.")
    groups: tuple[Group, ...] = Field(description="By ordinal.")
    stage: Stage | None = Field(description="The last row of the stage table.")
    revision: str = Field(description="Name of the kept template that is rolled out.")
    events: tuple[Event, ...] = Field(description="Interventions and refused messages, the last ones.")
    spec: RolloutSpec

    @classmethod
    def of(cls, status: RolloutStatus, ui: str = "") -> Self:
        """From the workflow's own answer."""
        seen = status.observation
        budget = status.spec.strategy.budget(seen.replicas) if seen else None
        return cls(
            rollout=status.rollout,
            ui=ui,
            phase=status.phase,
            reason=status.reason,
            started_at=status.started_at,
            finished_at=status.finished_at,
            steps=status.steps,
            replicas=seen.replicas if seen else None,
            available=sum(1 for group in seen.groups if group.available) if seen else None,
            available_least=budget.floor if budget else None,
            available_min=status.available_min,
            groups_asked=seen.groups_asked if seen else None,
            groups_most=budget.ceiling if budget else None,
            groups_max=status.groups_max,
            groups=seen.groups if seen else (),
            stage=status.stage,
            revision=status.revision,
            events=status.events,
            spec=status.spec,
        )


class Snapshot(Output):
    """A line of `watch` and `start --wait`: printed whenever something changed; the last one has a final phase."""

    status: Status
    stages: tuple[Stage, ...]


class Listed(Output):
    """A rollout in `list`."""

    rollout: str = Field(description="The workflow id, made of the target.")
    target: str = Field(description="lws/NAMESPACE/NAME")
    phase: str = Field(description="A rollout's phase; or failed, terminated, cancelled, timed out.")
    stage: str = Field(description="The last stage's number and note, if a worker answers.")
    started_at: str


class Listing(Output):
    """What `list` prints."""

    rollouts: tuple[Listed, ...]


class Demonstrated(Output):
    """What `demo` prints. Counts are groups; what is measured is so at the API server, by an independent watcher."""

    result: Phase = Field(description="How the rollout ended.")
    workflow_id: str
    ui: str = Field(description="The run in the Temporal UI; empty if its address isn't known.")
    duration_seconds: float = Field(description="Of the rollout, without what was set up for it.")
    stages: tuple[Stage, ...] = Field(description="The stage table, as the rollout tells it.")
    available_min: int = Field(description="Measured: the fewest groups that served at once.")
    available_least: int = Field(description="The fewest that the strategy allows.")
    groups_max: int = Field(description="Measured: the most groups that were asked for.")
    groups_most: int = Field(description="The most that the strategy allows.")
    promise_held: bool = Field(description="Whether what was measured is what the strategy allows.")
    partition_replicas: tuple[tuple[int, int], ...] = Field(description="Measured: every change of the two.")
    as_planned: bool | None = Field(
        description="Whether those are the simulator's; null in a cluster of your own, where groups start otherwise."
    )
    leaders: dict[int, int] = Field(description="Measured: how many leader pods each group had.")
    replaced_once: bool = Field(description="Whether those are 2 for each group and 1 for each surge group.")
    worker_killed: bool
