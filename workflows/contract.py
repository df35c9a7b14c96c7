"""What goes in and out of a rollout's workflow: for its callers, who need no workflow code."""

from enum import StrEnum

from pydantic import Field
from temporalio.common import SearchAttributeKey

from rollwright.rollout.observation import Observation
from rollwright.rollout.spec import Input, Model, RolloutSpec
from rollwright.rollout.stages import Stage

WORKFLOW_TYPE = "Rollout"
DEFAULT_TASK_QUEUE = "rollwright"

# Search attributes, all keywords; a server knows them once they are registered.
TARGET_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutTarget")
PHASE_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutPhase")
REVISION_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutRevision")

MEMO = "rollout"
"""The memo that says in one line what a rollout is about, or how it stands."""

# Signals; each takes at most one argument, an Intervention.
PAUSE = "pause"
RESUME = "resume"
ABORT = "abort"

# Queries.
STATUS = "status"
STAGES = "stages"


class Phase(StrEnum):
    """Where a rollout stands."""

    PREPARING = "preparing"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    STALLED = "stalled"
    """It can't go on by itself; the reason says what is missing."""
    ABORTING = "aborting"
    RESTORING = "restoring"
    COMPLETED = "completed"
    ABORTED = "aborted"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Phase.COMPLETED, Phase.ABORTED)


class Intervention(Input):
    """Who steered the rollout, and why."""

    actor: str = Field(default="somebody", max_length=200)
    reason: str = Field(default="", max_length=1000)


class Event(Model):
    """Something a person should know: an intervention, or a message that could not be taken."""

    at: str
    """ISO 8601, UTC."""
    what: str
    actor: str = ""
    reason: str = ""


class RolloutStatus(Model):
    """The answer to the query `status`, and the workflow's result: a business outcome is a result, not a failure."""

    rollout: str
    """The workflow id, made of the target."""
    phase: Phase
    reason: str = ""
    """Why it waits or stalls, in words."""
    spec: RolloutSpec
    observation: Observation | None = None
    revision: str = ""
    """Name of the kept template that is rolled out."""
    stage: Stage | None = None
    """The last row of the stage table."""
    steps: int = 0
    """Steps taken so far."""
    available_min: int | None = None
    """The fewest available groups seen."""
    groups_max: int | None = None
    """The most groups asked for."""
    started_at: str = ""
    """ISO 8601, UTC."""
    finished_at: str = ""
    """ISO 8601, UTC; empty while it runs."""
    events: tuple[Event, ...] = ()
    """The last ones."""


class StageTable(Model):
    """The answer to the query `stages`."""

    stages: tuple[Stage, ...] = ()


class RolloutState(Model):
    """All that a rollout remembers, which is little: what to do next follows from the observation alone.

    It is carried over when the history is begun anew.
    """

    template: str = ""
    """Name of the kept template; empty until it is kept."""
    prepared: bool = False
    """Whether a step has been tried: from then on errors stall the rollout instead of ending it."""
    placed: bool = False
    """Whether the template has been seen in place: if it isn't any more, somebody else has changed it."""
    paused: bool = False
    aborting: bool = False
    observation: Observation | None = None
    stages: tuple[Stage, ...] = ()
    steps: int = 0
    reason: str = ""
    trouble: str = ""
    surge_limit: int | None = None
    """The most surge groups that find nodes, once that is known."""
    available_min: int | None = None
    groups_max: int | None = None
    started_at: str = ""
    events: tuple[Event, ...] = ()


class RolloutInput(Model):
    """What the workflow is started with: the spec. The state is for the workflow itself, to go on."""

    spec: RolloutSpec
    task_queue: str = DEFAULT_TASK_QUEUE
    """Where workers with access to the target's cluster take their activities from."""
    state: RolloutState = RolloutState()
