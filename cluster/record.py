"""What is written on the target beside its spec: the user's own settings, and the fence against late steps."""

from datetime import UTC, datetime
from typing import Literal, NamedTuple, Self

from pydantic import ValidationError

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import RefusedError
from rollwright.rollout.quantities import resolve
from rollwright.rollout.spec import Model


class Record(Model):
    """The user's settings, to be put back, and the number of groups we asked for.

    A spec.replicas other than `groups` was written by somebody else: that is what the user wants now.
    """

    version: Literal[1] = 1
    replicas: int
    groups: int
    max_unavailable: int | str
    max_surge: int | str
    partition: int

    @classmethod
    def of(cls, lws: Manifest) -> Self | None:
        """The record on a target, if a rollout is under way or was left half way."""
        text = lws["metadata"].get("annotations", {}).get(names.RECORD)
        try:
            return cls.model_validate_json(text) if text else None
        except ValidationError as error:
            raise _unreadable(lws, names.RECORD) from error

    def replicas_wanted(self, asked: int) -> int:
        """How many groups the user wants, given that spec.replicas asks for so many."""
        return self.replicas if asked == self.groups else asked

    def narrow(self, asked: int) -> int:
        """LWS's maxUnavailable while nothing is being released: the user's, but at least 1, as maxSurge is 0.

        A whole number: LWS refuses percentages that come to 0 together.
        """
        return max(1, resolve(self.max_unavailable, self.replicas_wanted(asked), round_up=False))


class Fence(NamedTuple):
    """Which step may act: the newest. A frozen worker that wakes up late finds a newer one and does nothing."""

    scheduled: datetime
    workflow_id: str

    def __str__(self) -> str:
        return f"{self.scheduled.astimezone(UTC).isoformat(timespec='microseconds')} {self.workflow_id}"

    @classmethod
    def of(cls, item: Manifest) -> Self | None:
        """The fence written on an object, if any."""
        text = item["metadata"].get("annotations", {}).get(names.FENCE)
        if not text:
            return None
        scheduled, _, workflow_id = text.partition(" ")
        try:
            return cls(datetime.fromisoformat(scheduled), workflow_id)
        except ValueError as error:
            raise _unreadable(item, names.FENCE) from error


def _unreadable(item: Manifest, annotation: str) -> RefusedError:
    name = item["metadata"]["name"]
    return RefusedError(f"the annotation {annotation} of {name} can't be read; mend it, or remove it")
