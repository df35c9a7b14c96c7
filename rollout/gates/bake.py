"""bake: the new groups must serve for a while, without a restart."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from rollwright.rollout.gates.gate import Context, Finding, Gate, GroupSeen, Progress, Reading
from rollwright.rollout.gates.questions import Answer
from rollwright.rollout.quantities import DurationSeconds, in_words


class Bake(Gate):
    """A while during which every group on the new revision must stay available and must not restart."""

    kind: Literal["bake"] = "bake"
    duration: DurationSeconds = Field(ge=1, description="How long.")

    @property
    def least_seconds(self) -> float:
        """How long it takes."""
        return self.duration

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """Compare with how the groups were when it began: a restart shows also if nobody looked meanwhile."""
        if why := next(filter(None, (_harm(group, progress.memory) for group in context.new)), ""):
            return Reading(Finding.FAILED, why)
        memory = {**{str(group.ordinal): _life(group) for group in context.new}, **progress.memory}
        stable, long = f"{_count(context.new)} on the new revision", in_words(self.duration)
        if context.now - progress.since >= self.duration:
            return Reading(Finding.PASSED, f"{stable} served for {long}", memory=memory)
        return Reading(Finding.PENDING, f"watching {stable} for {long}", memory=memory)


def _life(group: GroupSeen) -> str:
    return f"{group.uid} {group.restarts}"


def _harm(group: GroupSeen, memory: Mapping[str, str]) -> str:
    """What has happened to a group that must not; empty if nothing has."""
    known = memory.get(str(group.ordinal))
    if known and group.uid and _life(group) != known:
        return f"group {group.ordinal} has restarted"
    return "" if group.available else f"group {group.ordinal} is not available"


def _count(groups: tuple[GroupSeen, ...]) -> str:
    return f"{len(groups)} group{'' if len(groups) == 1 else 's'}"
