"""How a target was left by a rollout, in words and numbers: apart from what reads it, as it is quick to load."""

from datetime import datetime
from enum import StrEnum

from rollwright.rollout.models import Model
from rollwright.rollout.spec import TargetKind


class Obstacle(StrEnum):
    """Why the user's settings can't be put back without a group being replaced, started or taken down."""

    OUTDATED = "groups are on an older revision: at the user's partition they would be replaced"
    SURGE = "a surge stands: it can't be given back without taking groups down"
    UNREADY = "groups aren't ready: LWS would start more of them by the user's maxSurge"
    UNSETTLED = "the controllers have not taken up the last write yet"


class Settings(Model):
    """LWS's own settings, as the user had them."""

    replicas: int
    partition: int
    max_unavailable: int | str
    max_surge: int | str


class Left(Model):
    """How a target was left. Groups are given by their ordinals."""

    kind: TargetKind
    namespace: str
    name: str
    since: datetime | None
    """When the last step acted on it; None if that can't be read."""
    settings: Settings
    """The user's, as they wait to be put back."""
    partition: int
    """In force."""
    groups_asked: int
    """With the surge."""
    updated: tuple[int, ...]
    """On the template that stands."""
    outdated: tuple[int, ...]
    unready: tuple[int, ...]
    before: str
    """Name of the kept template to go back to; empty if that isn't known."""
    edited: str
    """What somebody else has changed of what the rollout held, in words."""
    obstacles: tuple[Obstacle, ...]
    """None: the settings can be put back."""

    @property
    def surge(self) -> int:
        """Groups above what the user wants."""
        return max(0, self.groups_asked - self.settings.replicas)
