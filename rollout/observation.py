"""What is seen of a target at one moment: all that the planner knows."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from rollwright.rollout.models import Model
from rollwright.rollout.spec import Budget, Strategy


class Cause(StrEnum):
    """Why a group isn't ready."""

    UNSCHEDULABLE = "unschedulable"
    GATED = "scheduling gated"
    IMAGE = "image pull"
    CRASH = "crash loop"
    CONFIG = "configuration"
    """A container can't be made: a missing secret or config map, or a command that can't be run."""
    VOLUME = "volume"
    NODE = "node lost"
    UNREADY = "not ready"
    """It runs, and its readiness probe fails; a model that is being loaded looks like this."""
    STARTING = "starting"
    SERVING = "not serving"
    """Its pods are ready, and what the strategy asks for beside that doesn't show that it serves."""

    @property
    def heals(self) -> bool:
        """Whether waiting may be all it takes."""
        return self not in (Cause.IMAGE, Cause.CRASH, Cause.CONFIG)


class Group(Model):
    """One group of the target.

    `updated` is about the revision alone; a group can be updated and not ready. A group that is asked for but has
    no leader pod is given as not ready, and updated if the partition would start it on the target revision.
    """

    ordinal: int
    updated: bool
    ready: bool
    terminating: bool = False
    reason: str = ""
    """Why it is not ready, in words; empty when it is."""
    cause: Cause | None = None
    """Why it is not ready, in kind."""
    failed: bool = False
    """Released or on the target revision, and not ready for longer than the strategy has patience with it."""
    blip: bool = False
    """Was ready until less than the grace ago: it may be back in a moment."""
    unscheduled: bool = False
    """A pod of it has no node, or isn't there yet."""
    misplaced: bool = False
    """On a revision that a restart below the partition would change (not the StatefulSet's currentRevision)."""

    @property
    def available(self) -> bool:
        """Serves, on whichever revision."""
        return self.ready and not self.terminating

    @property
    def done(self) -> bool:
        """Serves on the target revision."""
        return self.updated and self.available


_FLAGS = ("updated", "ready", "terminating", "blip", "unscheduled", "misplaced")
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_MOST_REASONS = 50


def _pack(groups: Iterable[Group]) -> dict[str, Any]:
    """A letter a group, so that 2,000 groups are 2 kB in a workflow's history."""
    groups = tuple(groups)
    letters = (_ALPHABET[sum(getattr(group, flag) << bit for bit, flag in enumerate(_FLAGS))] for group in groups)
    told = sorted((group for group in groups if group.reason), key=lambda group: not group.failed)[:_MOST_REASONS]
    return {
        "flags": "".join(letters),
        "reasons": {group.ordinal: group.reason for group in told},
        "causes": {group.ordinal: group.cause for group in told if group.cause},
        "failed": [group.ordinal for group in groups if group.failed],
    }


def _unpack(groups: object) -> object:
    if not isinstance(groups, dict):
        return groups
    reasons = {int(ordinal): reason for ordinal, reason in groups["reasons"].items()}
    causes = {int(ordinal): cause for ordinal, cause in groups.get("causes", {}).items()}
    failed = set(groups.get("failed", ()))
    return tuple(
        Group(
            ordinal=ordinal,
            reason=reasons.get(ordinal, ""),
            cause=causes.get(ordinal),
            failed=ordinal in failed,
            **{flag: bool(_ALPHABET.index(letter) >> bit & 1) for bit, flag in enumerate(_FLAGS)},
        )
        for ordinal, letter in enumerate(groups["flags"])
    )


class Observation(Model):
    """The target at one moment, read after the last write arrived if `settled`."""

    replicas: int
    """What the user wants (R)."""
    groups_asked: int
    """spec.replicas: replicas plus the surge (G)."""
    partition: int
    """Ordinals from here on run the target revision (p)."""
    groups: Annotated[tuple[Group, ...], BeforeValidator(_unpack), PlainSerializer(_pack)]
    """By ordinal without a gap, at least groups_asked of them."""
    on_target: bool = True
    """False until the template is the target's."""
    settled: bool = True
    """False until the controllers reflect the last write."""
    uid: str = ""
    """Of the object: one made anew under the same name is another."""
    generation: int = 0
    """The version of the spec it was read at: a step planned on it is carried out on no other."""
    unheld: bool = False
    """LWS would surge by itself, or somebody else has set the number of groups: to be taken in hand at once."""
    loose: bool = False
    """LWS holds a release back by itself, and would go on with it by and by: the spec's partition is a lower one."""
    widened: bool = False
    """LWS's own maxUnavailable still stands as wide as the last release needed."""
    starts_in_turn: bool = False
    """A group is started only once all below it are ready, also one that was taken down (a StatefulSet's OrderedReady).
    """
    template: str = ""
    """Digest of the template that stands."""
    edited: str = ""
    """What somebody else has changed of what a rollout holds, in words: to be frozen at once."""
    dispute: str = ""
    """The same, once it is frozen: people must say whose version holds."""
    agreed: bool = False
    """The dispute is only about a template which is the target's by now: both want the same."""

    @property
    def available(self) -> int:
        """Groups that serve now, on whichever revision."""
        return sum(1 for group in self.groups if group.available)

    @property
    def failed(self) -> tuple[Group, ...]:
        """Groups that are asked for and have failed on the target revision."""
        return tuple(group for group in self.asked if group.failed)

    def budget(self, strategy: Strategy, surge_limit: int | None = None) -> Budget:
        """The strategy in groups, for what is wanted and seen now. `surge_limit`: the most surge that can be had."""
        budget = strategy.budget(self.replicas, surge_limit)
        return budget.in_turn(len(self.failed)) if self.starts_in_turn else budget

    @property
    def asked(self) -> tuple[Group, ...]:
        """The groups that spec.replicas asks for."""
        return self.groups[: self.groups_asked]

    def kept(self, partition: int, groups: int) -> int:
        """Available groups once everything this partition releases, and all from ordinal `groups` up, has gone (K)."""
        return sum(
            1 for group in self.groups[:groups] if group.available and (group.updated or group.ordinal < partition)
        )
