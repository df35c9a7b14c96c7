"""What activities are given and what they answer, and their names: the workflow imports this and nothing else."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from rollwright.rollout.aim import Aim
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.gates.gate import Progress
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.models import Model
from rollwright.rollout.observation import Observation
from rollwright.rollout.ordeals import Ordeals
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import Change, Strategy, SurgeBy, Target

LONGEST_MUTATION = timedelta(seconds=15)
"""What may change the cluster ends within this; a worker that stops waits as long for it."""


class ActivityName(StrEnum):
    """Activities as they show in the Temporal UI."""

    KEEP_TEMPLATE = "keep_template"
    WAIT_READINESS = "wait_readiness"
    FREEZE = "freeze"
    PREPARE = "prepare"
    SCALE_SURGE = "scale_surge"
    LOWER_PARTITION = "lower_partition"
    REPLACE_GROUPS = "replace_groups"
    UNBLOCK_GROUPS = "unblock_groups"
    RECLAIM_REPLICAS = "reclaim_replicas"
    SETTLE_DISPUTE = "settle_dispute"
    RESTORE = "restore"
    RECORD_OUTCOME = "record_outcome"
    CHECK_GATE = "check_gate"
    END_GATES = "end_gates"
    TELL = "tell"


ACTIVITY_OF = {
    Action.FREEZE: ActivityName.FREEZE,
    Action.PREPARE: ActivityName.PREPARE,
    Action.SCALE_SURGE: ActivityName.SCALE_SURGE,
    Action.LOWER_PARTITION: ActivityName.LOWER_PARTITION,
    Action.REPLACE: ActivityName.REPLACE_GROUPS,
    Action.UNBLOCK: ActivityName.UNBLOCK_GROUPS,
    Action.RECLAIM_REPLICAS: ActivityName.RECLAIM_REPLICAS,
}


class KeepTemplate(Model):
    """Render the change, try it by a dry run, and keep the template in the cluster."""

    target: Target
    change: Change
    strategy: Strategy
    """To be refused where it can't be combined with what else acts on the target."""
    restarted_at: str
    """Written into the template by a restart; ISO 8601."""
    actor: str = ""
    reason: str = ""


class Kept(Model):
    """Names of kept templates, and what the target allows."""

    template: str
    """What the change makes of the target."""
    before: str
    """The template to go back to: what every group ran before anything was begun on the target."""
    standing: str
    """The template the target has now."""
    surge_by: SurgeBy = SurgeBy.REPLICAS
    """What carries the surge: never AUTO."""
    start_ups: tuple[float, ...] = ()
    """How long groups took to start in earlier rollouts of the target, or else those that serve now, in seconds."""
    gpus: int = 0
    """Accelerators that a group of the template asks for."""


class TakeStep(Model):
    """Carry out a step on the very spec it was planned on."""

    target: Target
    template: str
    step: Step
    uid: str
    generation: int
    floor: int = 0
    """The fewest available groups it may cause."""
    surge_by: SurgeBy = SurgeBy.REPLICAS
    record: str = ""
    """What was last read of the user's settings: they are written down again if somebody has removed them."""
    before: str = ""
    """Name of the kept template to go back to: written down with the first step."""
    seen_at: float = 0.0
    """When that was seen which it follows from, in seconds since the epoch."""


class Outcome(StrEnum):
    """What became of a step; both are fine, the next observation tells the rest."""

    DONE = "done"
    OUTDATED = "the target changed meanwhile, nothing done"


class Side(StrEnum):
    """Whose version holds after somebody else has changed the target."""

    OURS = "ours"
    THEIRS = "theirs"


class SettleDispute(Model):
    """End the freeze that followed somebody's change of the target."""

    target: Target
    uid: str
    side: Side
    record: str = ""


class WaitReadiness(Model):
    """Wait until the planner would act, or something has changed that is worth showing."""

    target: Target
    aim: Aim
    template: str
    """Name of the kept template; empty to take the one that stands."""
    surge_by: SurgeBy = SurgeBy.REPLICAS
    acting: bool = True
    """False while paused: steps wait, only what is to be shown is returned."""
    gated: bool = False
    """True at a gate: that everything up to it is done is no news."""
    known: Observation | None = None
    """What was last returned."""
    ordeals: Ordeals = Field(default={})
    """What was last returned, by ordinal."""
    record: str = ""
    """What was last returned."""
    trouble: str = ""
    """What trouble was last returned."""
    start_ups: tuple[float, ...] = ()
    """Of earlier rollouts, as kept."""
    estimate: Estimate | None = None
    """What was last returned."""
    show_after_seconds: float = 60.0


class Heard(Model):
    """What a wait that goes on tells of itself, for the one that goes on where its worker dies."""

    ordeals: Ordeals


class Sight(Model):
    """What a wait saw."""

    observation: Observation | None
    """None if the cluster could not be read yet."""
    ordeals: Ordeals = Field(default={})
    """Groups that are being started, by ordinal."""
    record: str = ""
    """The user's settings as they are written on the target, opaque; empty if there are none."""
    available_min: int | None = None
    """The fewest available groups seen while waiting."""
    trouble: str = ""
    """Why the cluster can't be read, while that lasts."""
    surge_limit: int | None = None
    """How many surge groups have found nodes, once others have looked for them in vain for too long."""
    estimate: Estimate | None = None
    """When it will end, as last reckoned: that is done while there is nothing else to do."""
    seen_at: float = 0.0
    """When, in seconds since the epoch."""


class Restore(Model):
    """Put the user's own settings back."""

    target: Target
    uid: str = ""
    generation: int = 0
    """The version of the spec that was seen to be at its end: of any other that isn't known."""
    record: str = ""
    before: str = ""
    """Name of the kept template to go back to: written down where no step came before."""
    held: bool = False
    """The partition holds groups back: the settings wait, and LWS is made to hold them too."""
    complete: bool = True
    """The update of the StatefulSet will be complete; else a partition of the user's own can't be put back."""


class RecordOutcome(Model):
    """Write into the ledger how the rollout of a template ended."""

    target: Target
    template: str
    outcome: str
    """The rollout's final phase, and when."""


class CheckGate(Model):
    """Ask a gate until it is decided, or there is something to show of it."""

    target: Target
    template: str
    """Name of the kept template that is rolled out."""
    gate: AnyGate
    progress: Progress
    step: int
    """Of the strategy, from 1."""
    strategy: Strategy
    surge_by: SurgeBy = SurgeBy.REPLICAS
    record: str = ""
    show_after_seconds: float = 60.0


class EndGates(Model):
    """Clean up what the gates of a rollout have left behind."""

    target: Target


class News(StrEnum):
    """What people are told of a rollout, as they write it in the file that says whom to tell."""

    STARTED = "started"
    GATED = "gated"
    STALLED = "stalled"
    PAUSED = "paused"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"
    ABORTED = "aborted"
    COMPLETED = "completed"
    DELETED = "target deleted"


class Tell(Model):
    """Tell people, and the target's own Events, where a rollout stands."""

    target: Target
    rollout: str
    """The workflow id."""
    uid: str = ""
    """Of the target, as far as it is known."""
    news: News
    line: str
    """It in one line."""
    next: tuple[str, ...] = ()
    """Commands that go on from here."""
    revision: str = ""
    """Name of the kept template."""
    actor: str = ""
    """Who has brought it about."""
    reason: str = ""
    """Why they have."""
    request_id: str = ""
    done: int | None = None
    """Groups on the revision and ready; None while nothing has been seen."""
    replicas: int | None = None
    at: str
    """ISO 8601, UTC."""
