"""bake: the new groups must serve for a while, without a restart."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from rollwright.rollout.gates.gate import Context, Finding, Gate, GroupSeen, Progress, Reading
from rollwright.rollout.gates.questions import Answer
from rollwright.rollout.quantities import DurationSeconds, in_words


class Bake(Gate):
    """A while during which every group on the new revision must stay available and must not restart."""

    kind: Literal["bake"] = "bake"
    duration: DurationSeconds = Field(ge=1, description="How long.")

    @model_validator(mode="after")
    def _can_pass(self) -> Self:
        if self.timeout is not None and self.timeout <= self.duration:
            raise ValueError("timeout is not above duration, so it can't pass; leave it away, or raise it")
        return self

    @property
    def least_seconds(self) -> float:
        """How long it takes."""
        return self.duration

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """Compare with how the groups were when it began: a restart shows also if nobody looked meanwhile.

        A group that comes later, as somebody scales up, counts once it serves.
        """
        if why := next(filter(None, (_harm(group, progress.memory) for group in context.new)), ""):
            return Reading(Finding.FAILED, why)
        memory = {**{str(group.ordinal): _life(group) for group in context.new if group.available}, **progress.memory}
        stable, long = f"{_count(context.new)} on the new revision", in_words(self.duration)
        late = [group.ordinal for group in context.new if not group.available]
        if context.now - progress.since >= self.duration and late:
            return Reading(Finding.PENDING, f"waits for group {late[0]}, which came later", memory=memory)
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
    came_later = memory and not known
    return "" if group.available or came_later else f"group {group.ordinal} is not available"


def _count(groups: tuple[GroupSeen, ...]) -> str:
    return f"{len(groups)} group{'' if len(groups) == 1 else 's'}"
