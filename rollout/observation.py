"""What is seen of a target at one moment: all that the planner knows."""

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


class Observation(Model):
    """The target at one moment, read after the last write arrived if `settled`."""

    replicas: int
    """What the user wants (R)."""
    groups_asked: int
    """spec.replicas: replicas plus the surge (G)."""
    partition: int
    """Ordinals from here on run the target revision (p)."""
    groups: tuple[Group, ...]
    """By ordinal without a gap, at least groups_asked of them."""
    on_target: bool = True
    """False until the template is the target's."""
    settled: bool = True
    """False until the controllers reflect the last write."""

    @property
    def asked(self) -> tuple[Group, ...]:
        """The groups that spec.replicas asks for."""
        return self.groups[: self.groups_asked]

    def kept(self, partition: int, groups: int) -> int:
        """Available groups once everything this partition releases, and all from ordinal `groups` up, has gone (K)."""
        return sum(
            1 for group in self.groups[:groups] if group.available and (group.updated or group.ordinal < partition)
        )
