"""What goes in and out of a rollout's workflow: for its callers, who need no workflow code."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer
from temporalio.common import SearchAttributeKey

from rollwright.activities.messages import Side
from rollwright.rollout.aim import Course
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.models import Formatted, Input, Model
from rollwright.rollout.observation import Observation
from rollwright.rollout.ordeals import Ordeals
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, SurgeBy
from rollwright.rollout.stages import Stage, in_letters
from rollwright.rollout.timing import Cost

WORKFLOW_TYPE = "Rollout"
DEFAULT_TASK_QUEUE = "rollwright"


def activity_queue(task_queue: str, cluster: str | None) -> str:
    """Where the workers of a cluster take activities from.

    Workflows are on `task_queue` itself, for the workers of all clusters: a rollout answers, and can be steered, also
    while no worker of its cluster is there.
    """
    return f"{task_queue}@{cluster}" if cluster else task_queue


# Search attributes, all keywords; a server knows them once they are registered. The first three are needed to search at
# all, so that a server that knows only those goes on as before.
TARGET_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutTarget")
PHASE_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutPhase")
REVISION_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutRevision")
NAMESPACE_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutNamespace")
INITIATOR_ATTRIBUTE = SearchAttributeKey.for_keyword("RolloutInitiator")
ATTRIBUTES = (TARGET_ATTRIBUTE, PHASE_ATTRIBUTE, REVISION_ATTRIBUTE, NAMESPACE_ATTRIBUTE, INITIATOR_ATTRIBUTE)
NEEDED_ATTRIBUTES = ATTRIBUTES[:3]

MEMO = "rollout"
"""The memo that says in one line what a rollout is about, or how it stands."""
REQUEST_MEMO = "request"
"""The memo with the id of the request that the rollout answers."""
ASKED_MEMO = "asked"
"""The memo that says when somebody has asked for it: ISO 8601. It may have been queued since."""
WAITS_MEMO = "waits"
"""The memo that says what a rollout waits for that isn't to be had from groups, and since when: as in
"approval 2026-01-31T12:00:00+00:00". Nothing before the blank where it doesn't wait for any such thing.
"""

# Updates: the same messages as the signals, for callers who want an answer. One is refused with a reason; a signal that
# can't be taken is kept among the events.
STEER = "steer"
"""Takes a Steering with its `message`; answers in words what comes of it."""
RETARGET = "retarget"
"""Takes a Retarget; answers with the name of the new template."""

OVER = "Over"
"""The type of the error by which one is refused, as the rollout is done and only about to be closed."""

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
    GATED = "gated"
    """A step of the strategy has ended; somebody must promote."""
    ROLLING_BACK = "rolling back"
    ABORTING = "aborting"
    RESTORING = "restoring"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled back"
    ABORTED = "aborted"
    DELETED = "target deleted"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (Phase.COMPLETED, Phase.ROLLED_BACK, Phase.ABORTED, Phase.DELETED)

    @property
    def goes_on(self) -> bool:
        """Whether it comes to its end by itself."""
        return self in (Phase.PREPARING, Phase.PROGRESSING, Phase.ROLLING_BACK)


class Waits(StrEnum):
    """What a rollout waits for where it doesn't go on by itself."""

    APPROVAL = "approval"
    """People must approve, or promote."""
    GATES = "gates"
    """They are asked."""
    PAUSED = "paused"
    STALLED = "stalled"


class Message(StrEnum):
    """What steers a rollout: signals of these names, each with at most one argument, a Steering."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    APPROVE = "approve"
    REJECT = "reject"


MOST_REASON = 1000
"""Characters of a reason; what is told by a cluster may be longer, and is cut."""


class Intervention(Input):
    """Who steered the rollout, and why."""

    actor: str = Field(default="somebody", max_length=200)
    reason: str = Field(default="", max_length=MOST_REASON)


class Steering(Intervention):
    """A message. Fields that don't concern it are passed over."""

    message: Message | None = Field(default=None, description="For the update `steer`; a signal has its name for it.")
    fast: bool = Field(default=False, description="rollback: in any order of ordinals, as far as the promise allows.")
    full: bool = Field(default=False, description="promote: pass all later gates too.")
    gate: int | None = Field(default=None, ge=1, description="promote: this gate, whether it is passed by now or not.")
    step: int | None = Field(default=None, ge=1, description="approve, reject: the step of the strategy that waits.")
    seen: str = Field(
        default="", max_length=64, description="approve: what was seen, as the status has it; else it is refused."
    )
    side: Side | None = Field(default=None, description="resume: whose version holds after a change by somebody else.")


class Retarget(Intervention):
    """A second change while the first is under way. What is left out stays as it is."""

    change: Change
    strategy: Strategy | None = None
    request_id: str = Field(default="", max_length=200)


class Event(Model):
    """Something a person should know: an intervention, or a message that could not be taken."""

    at: str
    """ISO 8601, UTC."""
    what: str
    actor: str = ""
    reason: str = ""


EVENTS_KEPT = 20
"""A rollout keeps the last ones only."""


class OpenGate(Model):
    """How a gate stands."""

    name: str
    kind: str
    progress: Progress


class RolloutStatus(Formatted):
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
    estimate: Estimate | None = None
    """When it will end, if it goes on by itself, as last reckoned."""
    cost: Cost = Cost()
    """What it has taken of the fleet so far, counted from one look to the next."""
    gpus: int = 0
    """Accelerators of a group, as the template asks for them."""
    course: Course = Course.FORWARD
    before: str = ""
    """Name of the kept template that a rollback goes to."""
    gate: int | None = None
    """Number, from 1, of the gate that waits to be promoted."""
    gates: int = 0
    """Steps with gates in all."""
    open_gates: tuple[OpenGate, ...] = ()
    """The gates of the step that waits; none where it waits to be promoted."""
    seen: str = ""
    """What is there to be approved, to be sent along with an approval; empty where none is waited for."""
    unconfirmed: bool = False
    """A step is being carried out: it may still take effect."""
    next: tuple[str, ...] = ()
    """Commands that go on from here, once it has ended or needs somebody."""
    request_id: str = ""
    by: Intervention = Intervention()
    """Who started it, and why."""
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
    before: str = ""
    """Name of the kept template to go back to."""
    standing: str = ""
    """Name of the template that stood when the change was tried on it."""
    surge_by: SurgeBy = SurgeBy.REPLICAS
    prepared: bool = False
    """Whether a step has been tried: from then on errors stall the rollout instead of ending it."""
    paused: bool = False
    course: Course = Course.FORWARD
    fast: bool = False
    gate: int = 0
    """Steps of the strategy that are passed."""
    waiting: int | None = None
    """The step whose gate waits to be promoted, from 0."""
    gating: tuple[Progress, ...] = ()
    """How the gates of that step stand, in their order."""
    gates_leave: bool = False
    """Whether gates may have left something in the cluster."""
    closes_at: float = 0.0
    """When the window closes that it goes on in, in seconds since the epoch; 0: in none."""
    closed_after: int | None = None
    """The step, from 0, behind which a window has closed: its other gates have passed."""
    placed: bool = False
    """Whether this rollout's own template has been seen in place: what was disputed before is of no interest."""
    asked: Retarget | None = None
    """Another change that is asked for and not taken up yet."""
    asked_at: str = ""
    settle: Side | None = None
    """Whose version holds, where somebody else has changed the target: to be carried out."""
    observation: Observation | None = None
    ordeals: Ordeals = Field(default={})
    record: str = ""
    """The user's settings as last read on the target."""
    stages: Annotated[tuple[Stage, ...], PlainSerializer(in_letters)] = ()
    steps: int = 0
    phase: Phase | None = None
    """As it was shown when the history was begun anew; None: as people have steered it."""
    reason: str = ""
    trouble: str = ""
    surge_limit: int | None = None
    """The most surge groups that find nodes, once that is known."""
    surge_again_at: float = 0.0
    """When more surge is tried again, in seconds since the epoch."""
    available_min: int | None = None
    groups_max: int | None = None
    start_ups: tuple[float, ...] = ()
    """Of earlier rollouts, in seconds."""
    gpus: int = 0
    estimate: Estimate | None = None
    cost: Cost = Cost()
    looked_at: float = 0.0
    """When the observation was taken in, in seconds since the epoch."""
    started_at: str = ""
    events: tuple[Event, ...] = ()
    told: tuple[str, ...] = ()
    """What people were told since it last went on, the first being that it has started."""
    told_in_vain: bool = False
    """Whether somebody could not be told something."""


class RolloutInput(Formatted):
    """What the workflow is started with: the spec. The state is for the workflow itself, to go on.

    A workflow that a build can't read is not begun by it, and waits for one that can.
    """

    spec: RolloutSpec
    task_queue: str = DEFAULT_TASK_QUEUE
    """Where workers take workflows from, and activities those without a cluster of a name."""
    by: Intervention = Intervention()
    request_id: str = ""
    """Of whoever asks: the same request again attaches to the rollout instead of starting another."""
    state: RolloutState = RolloutState()

    @property
    def activity_queue(self) -> str:
        """Where workers with access to the target's cluster take activities from."""
        return activity_queue(self.task_queue, self.spec.target.cluster)
