"""What activities are given and what they answer, and their names: the workflow imports this and nothing else."""

from datetime import timedelta
from enum import StrEnum

from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import Change, Model, Strategy, Target

LONGEST_MUTATION = timedelta(seconds=15)
"""What may change the cluster ends within this; a worker that stops waits as long for it."""


class ActivityName(StrEnum):
    """Activities as they show in the Temporal UI."""

    KEEP_TEMPLATE = "keep_template"
    WAIT_READINESS = "wait_readiness"
    PREPARE = "prepare"
    SCALE_SURGE = "scale_surge"
    LOWER_PARTITION = "lower_partition"
    REPLACE_GROUPS = "replace_groups"
    UNBLOCK_GROUPS = "unblock_groups"
    RECLAIM_REPLICAS = "reclaim_replicas"
    RESTORE = "restore"


ACTIVITY_OF = {
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
    restarted_at: str
    """Written into the template by a restart; ISO 8601."""


class TakeStep(Model):
    """Carry out a step on the very spec it was planned on."""

    target: Target
    template: str
    step: Step
    uid: str
    generation: int


class Outcome(StrEnum):
    """What became of a step; both are fine, the next observation tells the rest."""

    DONE = "done"
    OUTDATED = "the target changed meanwhile, nothing done"


class WaitReadiness(Model):
    """Wait until the planner would act, or something has changed that is worth showing."""

    target: Target
    strategy: Strategy
    template: str
    """Name of the kept template; empty to take the one that stands."""
    hold: int = 0
    acting: bool = True
    """False while paused: steps wait, only what is to be shown is returned."""
    known: Observation | None = None
    """What was last returned."""
    trouble: str = ""
    """What trouble was last returned."""
    show_after_seconds: float = 60.0
    surge_limit: int | None = None
    """The most surge groups that find nodes, if that is known."""


class Sight(Model):
    """What a wait saw."""

    observation: Observation | None
    """None if the cluster could not be read yet."""
    available_min: int | None = None
    """The fewest available groups seen while waiting."""
    trouble: str = ""
    """Why the cluster can't be read, while that lasts."""
    surge_limit: int | None = None
    """How many surge groups have found nodes, once others have looked for them in vain for too long."""


class Restore(Model):
    """Put the user's own settings back."""

    target: Target
