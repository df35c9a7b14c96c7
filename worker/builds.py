"""Builds of the workers as Temporal knows them: which is current, which still has rollouts, which has none left.

A worker deployment is all the workers that share a task queue, whatever their build. What is started goes to its
current build.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Standing(StrEnum):
    """Where a build stands in its deployment."""

    INACTIVE = "inactive"
    """It has never been current."""
    CURRENT = "current"
    """What is started goes to it."""
    RAMPING = "ramping"
    """A part of what is started goes to it."""
    DRAINING = "draining"
    """Nothing further goes to it, and rollouts may still be on it."""
    DRAINED = "drained"
    """It has no rollouts any more: its workers can go."""


class Build(NamedTuple):
    """One build that has had workers."""

    build_id: str
    standing: Standing
    since: datetime | None
    """When that last changed, as far as it is known."""
    was_current: bool
    """Also if it still is."""


class Deployment(NamedTuple):
    """One worker deployment."""

    name: str
    current: str
    """Id of the current build; empty: what is started goes to workers without a build."""
    builds: Sequence[Build]
    """The newest first."""

    def was_current(self, build_id: str) -> bool:
        """Whether a build is, or has ever been, the current one."""
        return any(build.was_current for build in self.builds if build.build_id == build_id)

    def is_behind(self, build_id: str) -> bool:
        """Whether a build that came later than this one is current."""
        order = [build.build_id for build in self.builds]
        return {build_id, self.current} <= set(order) and order.index(self.current) < order.index(build_id)
