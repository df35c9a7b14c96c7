"""Which ends of a round are right, given its plan and the messages that were accepted. Pure."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from rollwright.rollout.gates.gate import OnFailure
from rollwright.workflows.contract import Event, Phase
from tests.chaos.plan import Happening, Kind, Plan


class Answer(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    """A signal of which nothing is told: it may have come too late."""


class Told(NamedTuple):
    """A message that was sent."""

    what: Happening
    answer: Answer
    words: str = ""
    at: float = 0.0
    """When it was sent, in seconds since the epoch; or taken, where that is known."""
    actor: str = ""


class End(NamedTuple):
    """How a rollout may end: in this phase, with this version, or with a split up to it."""

    phase: Phase
    version: int


FINAL_COURSES = (Kind.ROLLBACK, Kind.ABORT, Kind.RETARGET)


def ends(plan: Plan, told: Iterable[Told], most_groups: int) -> set[End]:
    """All that are right. `most_groups`: so many there ever were: on which of them a version fails matters."""
    courses = [End(Phase.COMPLETED, 1)]
    for message in told:
        if message.what.kind not in FINAL_COURSES or message.answer is Answer.REFUSED:
            continue
        if message.answer is Answer.ACCEPTED:
            courses = []
        courses.append(_after(message.what, courses))
    return {end for course in courses for end in _by_itself(plan, course, most_groups)}


def as_taken(told: Iterable[Told], events: Iterable[Event]) -> list[Told]:
    """The messages in the order in which they were taken, each with its answer.

    By the events, which name who sent it: nobody answers a signal, and one that needs a template is taken after others
    that were sent later.
    """
    by_actor = {event.actor: event for event in events}
    return sorted((_as_taken(message, by_actor.get(message.actor)) for message in told), key=lambda taken: taken.at)


def _as_taken(message: Told, event: Event | None) -> Told:
    if event is None:
        return message
    refused = event.what.startswith(f"{message.what.kind} refused")
    answer = Answer.REFUSED if refused else Answer.ACCEPTED
    return message._replace(answer=answer, at=datetime.fromisoformat(event.at).timestamp())


def _after(message: Happening, courses: list[End]) -> End:
    match message.kind:
        case Kind.ROLLBACK:
            return End(Phase.ROLLED_BACK, 0)
        case Kind.RETARGET:
            return End(Phase.COMPLETED, message.version)
        case _:
            return End(Phase.ABORTED, 0)


def _by_itself(plan: Plan, course: End, most_groups: int) -> set[End]:
    """What may come of it where groups fail."""
    version = plan.versions[course.version]
    if course.phase is not Phase.COMPLETED or version.works(most_groups):
        return {course}
    match plan.strategy.on_stall:
        case OnFailure.ROLLBACK:
            automatic = {End(Phase.ROLLED_BACK, 0)}
        case OnFailure.ABORT:
            automatic = {End(Phase.ABORTED, 0)}
        case OnFailure.PAUSE:
            automatic = set()
    # Failed groups may be tolerated, lie below the partition, or be scaled away.
    may_complete = plan.strategy.max_failed_groups > 0 or plan.strategy.partition > 0 or version.on
    return {*automatic, course} if may_complete else automatic
