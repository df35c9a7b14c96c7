"""What is seen of a target at one moment: all that the planner knows."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from rollwright.rollout.spec import Model


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
    blip: bool = False
    """Was ready until less than the grace ago: it may be back in a moment."""
    unscheduled: bool = False
    """A pod of it finds no node."""
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
    letters: list[str] = []
    reasons: dict[int, str] = {}
    for group in groups:
        letters.append(_ALPHABET[sum(getattr(group, flag) << bit for bit, flag in enumerate(_FLAGS))])
        if group.reason and len(reasons) < _MOST_REASONS:
            reasons[group.ordinal] = group.reason
    return {"flags": "".join(letters), "reasons": reasons}


def _unpack(groups: object) -> object:
    if not isinstance(groups, dict):
        return groups
    reasons = {int(ordinal): reason for ordinal, reason in groups["reasons"].items()}
    return tuple(
        Group(
            ordinal=ordinal,
            reason=reasons.get(ordinal, ""),
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
    widened: bool = False
    """LWS's own maxUnavailable still stands as wide as the last release needed."""

    @property
    def available(self) -> int:
        """Groups that serve now, on whichever revision."""
        return sum(1 for group in self.groups if group.available)

    @property
    def asked(self) -> tuple[Group, ...]:
        """The groups that spec.replicas asks for."""
        return self.groups[: self.groups_asked]

    def kept(self, partition: int, groups: int) -> int:
        """Available groups once everything this partition releases, and all from ordinal `groups` up, has gone (K)."""
        return sum(
            1 for group in self.groups[:groups] if group.available and (group.updated or group.ordinal < partition)
        )
