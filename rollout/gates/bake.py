"""bake: the new groups must serve for a while, without a restart."""

from collections.abc import Container, Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from rollwright.rollout.gates.gate import Context, Finding, Gate, GroupSeen, Progress, Reading
from rollwright.rollout.gates.questions import Answer
from rollwright.rollout.quantities import DurationSeconds, in_words

_BEGAN = "began"
"""In its memory: when all groups were first seen to serve, in seconds since the epoch."""


class Bake(Gate):
    """A while during which every group on the new revision must stay available and must not restart."""

    kind: Literal["bake"] = Field(default="bake", description="Which gate it is.")
    duration: DurationSeconds = Field(ge=1, description="How long.")

    JUDGES_GROUPS: ClassVar[bool] = True

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

        A group that comes later, as somebody scales up, counts once it serves. One that is scaled away is forgotten.
        """
        present = {str(group.ordinal) for group in context.groups}
        known = {ordinal: life for ordinal, life in progress.memory.items() if ordinal in present}
        if harm := next(filter(None, (_harm(group, known) for group in context.new)), ""):
            return Reading(Finding.FAILED, harm)
        waiting = [group for group in context.groups if _is_waited_for(group, context.newly, known)]
        if progress.memory and context.newly and not known:
            return Reading(Finding.INCONCLUSIVE, "the groups that it watched are gone: somebody has scaled")
        if waiting and not progress.memory:
            finding = Finding.FAILED if progress.attempt == 1 else Finding.PENDING
            return Reading(finding, f"group {waiting[0].ordinal} is not available")
        began = float(progress.memory.get(_BEGAN, context.now))
        seen = {str(group.ordinal): _life(group) for group in context.new if group.available}
        memory = {_BEGAN: str(began), **seen, **known}
        stable, long = f"{_count(context.new)} on the new revision", in_words(self.duration)
        if context.now - began < self.duration:
            return Reading(Finding.PENDING, f"watching {stable} for {long}", memory=memory)
        if waiting:
            return Reading(Finding.PENDING, f"waits for group {waiting[0].ordinal}, which came later", memory=memory)
        return Reading(Finding.PASSED, f"{stable} served for {long}", memory=memory)


def _life(group: GroupSeen) -> str:
    return f"{group.uid} {group.restarts}"


def _is_waited_for(group: GroupSeen, newly: Container[int], known: Container[str]) -> bool:
    """Whether a group doesn't serve on the new revision that is to."""
    is_ours = group.updated or group.ordinal in newly or str(group.ordinal) in known
    return is_ours and not (group.updated and group.available)


def _harm(group: GroupSeen, known: Mapping[str, str]) -> str:
    """What has happened to a group that must not, since it was first seen to serve; empty if nothing has."""
    life = known.get(str(group.ordinal))
    if life is None:
        return ""
    if group.uid and _life(group) != life:
        return f"group {group.ordinal} has restarted"
    return "" if group.available else f"group {group.ordinal} is not available"


def _count(groups: tuple[GroupSeen, ...]) -> str:
    return f"{len(groups)} group{'' if len(groups) == 1 else 's'}"
