"""capacity: there must be free nodes for the surge of the next step."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rollwright.rollout.gates.gate import Asking, Context, Finding, Progress, Reading
from rollwright.rollout.gates.questions import Answer, CountPlaces, Places, Question

_NAME = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
LabelName = Annotated[str, StringConstraints(pattern=rf"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{_NAME}$", max_length=317)]
LabelValue = Annotated[str, StringConstraints(pattern=rf"^({_NAME})?$")]


class Otherwise(StrEnum):
    """What follows while there are too few nodes."""

    WAIT = "wait"
    WITHOUT_SURGE = "withoutSurge"
    """Go on with as much of the surge as does find nodes, which may be none."""


class Capacity(Asking):
    """Before the next step begins, the groups it would add must find nodes, by what is free now.

    Nothing is reserved: somebody else's pods may take the nodes in the meantime.
    """

    kind: Literal["capacity"] = Field(default="capacity", description="Which gate it is.")
    groups: int | None = Field(
        default=None, ge=1, le=10_000, description="How many more groups must find nodes; the surge unless given."
    )
    otherwise: Otherwise = Field(
        default=Otherwise.WAIT,
        description="While they don't: wait until they do, or go on at once with as much surge as finds nodes.",
    )
    node_selector: Mapping[LabelName, LabelValue] = Field(
        default={}, max_length=20, description="Labels of the nodes to count, besides those that the template asks for."
    )
    topology: LabelName | None = Field(
        default=None,
        description="Label whose value must be the same on all nodes of a group, such as that of a rack. Unless "
        "given, the one by which LWS places groups exclusively, if it does.",
    )

    def ask(self, context: Context, progress: Progress) -> tuple[Question, ...]:
        """Nothing where no group is to be added."""
        wanted = self._wanted(context)
        if not wanted:
            return ()
        return (CountPlaces(most=wanted, node_selector=self.node_selector, topology=self.topology),)

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """Compare what is free with what is wanted."""
        match answers:
            case ():
                return Reading(Finding.PASSED, "there is no surge to find nodes for")
            case (Places(error="") as found,):
                return self._compare(found, self._wanted(context))
            case (Places(error=error),):
                return Reading(Finding.INCONCLUSIVE, f"free nodes can't be counted: {error}")
            case _:
                raise TypeError(f"not the answer to what was asked: {answers}")

    def _wanted(self, context: Context) -> int:
        return context.surge if self.groups is None else self.groups

    def _compare(self, found: Places, wanted: int) -> Reading:
        if found.groups >= wanted:
            return Reading(Finding.PASSED, f"{wanted} more group{'' if wanted == 1 else 's'} would find nodes")
        counted = f"{found.groups} of {wanted} more groups would find nodes; short of {found.short_of}"
        if self.otherwise is Otherwise.WAIT:
            return Reading(Finding.PENDING, f"waits for nodes: {counted}")
        return Reading(Finding.PASSED, f"goes on with less surge: {counted}", surge_limit=found.groups)
