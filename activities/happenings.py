"""What the Events on a target say of its rollout. Pure."""

from rollwright.activities.messages import News, Restore, SettleDispute, TakeStep, Tell
from rollwright.cluster.events import Happening
from rollwright.rollout.planner import Action

_REASONS = {
    News.STARTED: "RolloutStarted",
    News.GATED: "RolloutGated",
    News.STALLED: "RolloutStalled",
    News.PAUSED: "RolloutPaused",
    News.REFUSED: "RolloutRefused",
    News.ROLLED_BACK: "RolledBack",
    News.ABORTED: "RolloutAborted",
    News.COMPLETED: "RolloutCompleted",
}
"""A target that is deleted has no Events any more."""
_WARNINGS = (News.STALLED, News.REFUSED)


def of_step(request: TakeStep) -> Happening:
    """What a step has done."""
    step = request.step
    ordinals = ", ".join(map(str, step.delete))
    match step.action:
        case Action.FREEZE:
            return Happening("FrozeTarget", f"Somebody else has changed it: frozen at partition {step.partition}")
        case Action.PREPARE:
            frozen = f"Template {request.template} is in place, frozen at partition {step.partition}"
            return Happening("PreparedTemplate", f"{frozen}; {step.groups} groups")
        case Action.LOWER_PARTITION:
            released = f"Partition is {step.partition}: from that ordinal on groups are updated"
            return Happening("LoweredPartition", f"{released}; {step.groups} groups")
        case Action.SCALE_SURGE:
            return Happening("ScaledSurge", f"Groups are {step.groups}, with the surge")
        case Action.RECLAIM_REPLICAS:
            return Happening("ReclaimedReplicas", f"Groups are {step.groups}: surge is given back")
        case Action.REPLACE:
            replaced = f"Groups {ordinals} were released and are replaced"
            return Happening("ReplacedGroups", replaced if ordinals else "What was opened for a release is closed")
        case Action.UNBLOCK:
            return Happening("UnblockedGroups", f"Groups {ordinals} were broken and start again")


def of_dispute(request: SettleDispute) -> Happening:
    """How a dispute about the target has ended."""
    return Happening("SettledDispute", f"Somebody else had changed it: {request.side} holds")


def of_restore(request: Restore, note: str) -> Happening:
    """What has become of the user's settings; `note`: what could not be put back as it was."""
    if request.held:
        return Happening("HeldPartition", "It is held as it is: nothing further is updated")
    return Happening("RestoredSettings", note or "Your own settings are put back")


def of_news(request: Tell) -> Happening | None:
    """What people are told; None where there is nothing left to say it of."""
    if request.news not in _REASONS:
        return None
    parts = [
        request.line[:1].upper() + request.line[1:],
        *([f"next: {'; '.join(request.next)}"] if request.next else ()),
    ]
    return Happening(_REASONS[request.news], ". ".join(parts), is_warning=request.news in _WARNINGS)
