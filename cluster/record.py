"""What is written on the target beside its spec: the user's own settings, what is asked for, the fence."""

from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, Self

from pydantic import NonNegativeInt, ValidationError

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.objects import Settings, TargetObject
from rollwright.cluster.templates import digest_of_kept, kept_name
from rollwright.rollout.models import Model
from rollwright.rollout.quantities import Count, resolve


class Asked(Model):
    """What a rollout holds of the spec, as it last wrote it. Whatever differs from it, somebody else has written."""

    partition: NonNegativeInt
    max_unavailable: NonNegativeInt
    max_surge: NonNegativeInt = 0
    template: str
    """Name of the kept template."""

    def edited(self, item: TargetObject) -> "Found | None":
        """What of it somebody else has changed, if anything. Percentages count as the number they come to."""
        (partition, max_unavailable, max_surge), replicas = item.settings, item.replicas
        template = kept_name(item, item.template)
        same = {
            "partition": partition == self.partition,
            "max_unavailable": resolve(max_unavailable, replicas, round_up=False) == self.max_unavailable,
            "max_surge": resolve(max_surge, replicas, round_up=True) == self.max_surge,
            "template": digest_of_kept(template) == digest_of_kept(self.template),
        }
        standing = {
            "partition": partition,
            "max_unavailable": max_unavailable,
            "max_surge": max_surge,
            "template": template,
        }
        others: dict[str, Any] = {part: value for part, value in standing.items() if not same[part]}
        return Found(asked=self, **others) if others else None


class Found(Model):
    """What somebody else has set of what a rollout holds; None where it was as asked for."""

    asked: Asked
    """In place of what."""
    partition: int | None = None
    max_unavailable: int | str | None = None
    max_surge: int | str | None = None
    template: str | None = None
    template_changes: str | None = None
    """What of the template, in short."""

    def __str__(self) -> str:
        """As in "partition 4 -> 0, maxUnavailable 1 -> 10, the template (...)"."""
        numbers = (
            ("partition", self.asked.partition, self.partition),
            ("maxUnavailable", self.asked.max_unavailable, self.max_unavailable),
            ("maxSurge", self.asked.max_surge, self.max_surge),
        )
        changes = [f"{name} {asked} -> {found}" for name, asked, found in numbers if found is not None]
        if self.template:
            changes.append(f"the template ({self.template_changes})" if self.template_changes else "the template")
        return ", ".join(changes)

    @property
    def settings(self) -> dict[str, int | str]:
        """Those of them that are settings of the user, by their names in a record."""
        values = {
            "partition": self.partition,
            "max_unavailable": self.max_unavailable,
            "max_surge": self.max_surge,
        }
        return {name: value for name, value in values.items() if value is not None}

    def is_only(self, template: str | None) -> bool:
        """Whether it is no more than this template, by its digest."""
        return self.template is not None and digest_of_kept(self.template) == template and not self.settings

    def with_later(self, later: "Found") -> "Found | None":
        """Together with what was found once this was frozen; None if nothing differs any more."""
        together = {part: value for found in (self, later) for part, value in found if value is not None}
        asked = dict(self.asked)
        others = {part: value for part, value in together.items() if part in asked and value != asked[part]}
        return Found(asked=self.asked, **others) if others else None


class Record(Model):
    """The user's settings, to be put back, and what we asked for.

    A spec.replicas other than `groups` was written by somebody else: that is what the user wants now.
    """

    version: Literal[1] = 1
    replicas: NonNegativeInt
    groups: NonNegativeInt
    max_unavailable: Count
    max_surge: Count
    partition: NonNegativeInt
    template: str = ""
    """Name of the kept template that all groups ran when the first step came: what a rollback goes to.

    Empty: not known.
    """
    asked: Asked | None = None
    """None in records that were written before there was such a thing."""
    found: Found | None = None
    """What somebody else has set, once that is frozen and until people say whose version holds."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """A record from its text; None if it can't be read."""
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return None

    @classmethod
    def of(cls, item: TargetObject) -> Self | None:
        """The record on a target, if a rollout is under way or was left half way, and if it can be read."""
        return cls.parse(record_text(item))

    @classmethod
    def first(cls, item: TargetObject, before: str = "") -> Self:
        """The record of an object as it stands. `before`: what a rollback goes to, if not the template it has."""
        settings, replicas = item.settings, item.replicas
        return cls(
            replicas=replicas,
            groups=replicas,
            max_unavailable=settings.max_unavailable,
            max_surge=settings.max_surge,
            partition=settings.partition,
            template=before or kept_name(item, item.template),
        )

    def edited(self, item: TargetObject) -> Found | None:
        """What somebody else has changed on the target of what a rollout holds, if anything."""
        found = self.asked.edited(item) if self.asked else None
        return None if found and self._is_put_back(item, found) else found

    def _is_put_back(self, item: TargetObject, found: Found) -> bool:
        """Whether the user's settings stand again by our own hand, and only the answer to that was lost."""
        stand = item.settings == self.settings
        return not record_text(item) and stand and found.template is None and found.asked.partition == 0

    @property
    def settings(self) -> Settings:
        """The user's own."""
        return Settings(self.partition, self.max_unavailable, self.max_surge)

    def replicas_wanted(self, asked: int) -> int:
        """How many groups the user wants, given that spec.replicas asks for so many."""
        return self.replicas if asked == self.groups else asked

    def narrow(self, asked: int, max_surge: int = 0) -> int:
        """LWS's maxUnavailable while nothing is being released: the user's, but at least 1 where its maxSurge is 0.

        Beside a maxSurge of ours it is 0: by more than that LWS would give surge groups back by itself. A whole number:
        LWS refuses percentages that come to 0 together.
        """
        if max_surge > 0:
            return 0
        return max(1, resolve(self.max_unavailable, self.replicas_wanted(asked), round_up=False))


class Fence(NamedTuple):
    """Which step may act: the newest. A frozen worker that wakes up late finds a newer one and does nothing."""

    scheduled: datetime
    workflow_id: str

    def __str__(self) -> str:
        return f"{self.scheduled.astimezone(UTC).isoformat(timespec='microseconds')} {self.workflow_id}"

    @classmethod
    def of(cls, item: Manifest) -> Self | None:
        """The fence written on an object, if any.

        One that can't be read counts as none: what a step assumes of the object's generation and uid still protects.
        """
        text: str = item["metadata"].get("annotations", {}).get(names.FENCE, "")
        scheduled, _, workflow_id = text.partition(" ")
        try:
            moment = datetime.fromisoformat(scheduled)
        except ValueError:
            return None
        return cls(moment, workflow_id) if moment.tzinfo else None


def record_text(item: TargetObject) -> str:
    """The record on a target as it is written; empty if there is none, or none that can be read."""
    text: str = item.annotations.get(names.RECORD, "")
    return text if text and Record.parse(text) else ""
