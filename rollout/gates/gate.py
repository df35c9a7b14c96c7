"""What a gate is: a question that is asked again and again, and the rule by which the answers decide. Pure.

A kind of gate is one file beside this one and one entry in `kinds`: a model of what people write, with two methods.
`ask` says what is to be found out, if more than what is seen of the target anyway; `judge` makes one reading of the
answers. Whatever reaches out of the program is a question (see `questions`), which an activity answers; so a gate can
be tried without any of it, and goes on after a restart from its `Progress` alone.
"""

from abc import abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, NamedTuple, Self

from pydantic import Field, StringConstraints

from rollwright.rollout.gates.questions import Answer, Question
from rollwright.rollout.models import Input, Model
from rollwright.rollout.quantities import DurationSeconds, in_words

_MOST_CHARACTERS = 1000
Title = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=60, strip_whitespace=True)]


class OnFailure(StrEnum):
    """What follows by itself once a gate has failed, or more groups than are tolerated."""

    PAUSE = "pause"
    ROLLBACK = "rollback"
    ABORT = "abort"


class Finding(StrEnum):
    """What a gate, or one reading of it, has come to."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    """Neither: it could not be told. Never taken for a success, and no reason to go back either."""


class GroupSeen(Model):
    """A group that the user wants, as the watches show it."""

    ordinal: int
    pod: str = ""
    """Its leader pod's name; empty while it has none."""
    uid: str = ""
    """Its leader pod's: another one is a restart."""
    address: str = ""
    """Its leader pod's IP address."""
    restarts: int = 0
    """Of all containers of all its pods."""
    updated: bool = False
    available: bool = False


class Context(Model):
    """What a gate is about, at one moment."""

    kind: str
    namespace: str
    name: str
    rollout: str
    """The workflow id."""
    revision: str
    """Name of the kept template that is rolled out."""
    step: int
    """Of the strategy, from 1."""
    newly: tuple[int, ...] = ()
    """Ordinals that this step updates; the earlier steps' are not among them. One that starts anew just now is."""
    groups: tuple[GroupSeen, ...] = ()
    surge: int = 0
    """Groups that the strategy may ask for above the replicas."""
    now: float
    """Seconds since the epoch."""

    @property
    def new(self) -> tuple[GroupSeen, ...]:
        """Groups on the new revision."""
        return tuple(group for group in self.groups if group.updated)

    @property
    def old(self) -> tuple[GroupSeen, ...]:
        """Groups on an older one."""
        return tuple(group for group in self.groups if not group.updated)


class Reading(NamedTuple):
    """What came of asking once."""

    finding: Finding
    message: str
    """In words. Of a pending one: what it waits for, and nothing that changes with every reading."""
    again_after_seconds: float | None = None
    """When to ask again; the gate's interval unless given."""
    memory: Mapping[str, str] | None = None
    """What to remember until it is asked again; as before unless given."""
    surge_limit: int | None = None
    """The most surge to go on with, where that is known."""
    open_until: float | None = None
    """When what it has passed is over, in seconds since the epoch: then it is asked anew."""
    final: bool = False
    """Of a failed one: another attempt would come to the same."""


class Approval(Model):
    """Somebody has approved."""

    actor: str
    at: float
    """Seconds since the epoch."""
    reason: str = ""


class Progress(Model):
    """How far a gate has come: all that is remembered of it."""

    finding: Finding = Finding.PENDING
    message: str = ""
    since: float
    """When this attempt began, in seconds since the epoch."""
    attempt: int = 1
    passes: int = 0
    failures: int = 0
    inconclusives: int = 0
    asked_at: float = 0.0
    """When it was asked last, in seconds since the epoch; 0 if it wasn't."""
    ask_at: float = 0.0
    """When to ask again, in seconds since the epoch."""
    memory: Mapping[str, str] = Field(default={})
    surge_limit: int | None = None
    open_until: float | None = None
    approvals: tuple[Approval, ...] = ()

    def anew(self, now: float, ask_at: float) -> Self:
        """The next attempt."""
        return type(self)(since=now, attempt=self.attempt + 1, message=self.message, asked_at=now, ask_at=ask_at)


class Gate(Input):
    """What all gates have. Each kind adds a `kind` and what it needs."""

    name: Title = Field(default="", description="What people call it; its kind unless given.")
    timeout: DurationSeconds | None = Field(
        default=None, ge=1, description="An attempt that is not decided after so long has failed. Without it, never."
    )
    retries: int = Field(default=0, ge=0, le=100, description="How often a failed attempt is begun anew.")
    on_failure: OnFailure = Field(
        default=OnFailure.PAUSE, description="What follows when it has failed; what is inconclusive pauses."
    )

    INTERVAL_SECONDS: ClassVar[float] = 1.0
    """From one reading to the next, where the gate isn't told otherwise."""
    BY_PEOPLE: ClassVar[bool] = False
    """Decided by messages: there is nothing to ask."""
    JUDGES_GROUPS: ClassVar[bool] = False
    """Decided by how the groups stand: on what is read anew, and not on what the watches show."""
    LEAVES_THINGS: ClassVar[bool] = False
    """Whether there is something to clean up once it is over."""

    @property
    def title(self) -> str:
        """What people call it."""
        kind: str = getattr(self, "kind", "gate")
        return self.name or kind

    @property
    def interval_seconds(self) -> float:
        """From one reading to the next."""
        return self.INTERVAL_SECONDS

    @property
    def count(self) -> int:
        """Readings that are neither pending nor inconclusive, until it has passed."""
        return 1

    @property
    def failures_tolerated(self) -> int:
        """Failed readings among them."""
        return 0

    @property
    def inconclusive_tolerated(self) -> int:
        """Inconclusive readings one after another."""
        return 0

    @property
    def least_seconds(self) -> float:
        """How long it takes at least, for estimates."""
        return 0.0

    def opened(self, now: float) -> Progress:
        """Before anything was asked."""
        return Progress(since=now)

    def ask(self, context: Context, progress: Progress) -> tuple[Question, ...]:
        """What is to be found out now."""
        return ()

    @abstractmethod
    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """One reading of the answers, which are in the order of the questions."""


class Asking(Gate):
    """A gate that asks again and again what may have no answer."""

    interval: DurationSeconds = Field(default=30, ge=1, description="From one reading to the next.")
    inconclusive_limit: int = Field(
        default=4, ge=0, le=1000, description="Readings in a row to go on with that could not be told."
    )

    @property
    def interval_seconds(self) -> float:
        """As given."""
        return self.interval

    @property
    def inconclusive_tolerated(self) -> int:
        """As given."""
        return self.inconclusive_limit


def follow(gate: Gate, progress: Progress, reading: Reading, now: float) -> Progress:
    """How far the gate is with one more reading: counted, retried, or out of time."""
    found = reading.finding
    passes = progress.passes + (found is Finding.PASSED)
    failures = progress.failures + (found is Finding.FAILED)
    inconclusives = progress.inconclusives + 1 if found is Finding.INCONCLUSIVE else 0
    rest = gate.interval_seconds if reading.again_after_seconds is None else reading.again_after_seconds
    decided = Finding.PENDING
    if failures > gate.failures_tolerated:
        decided = Finding.FAILED
    elif inconclusives > gate.inconclusive_tolerated:
        decided = Finding.INCONCLUSIVE
    elif passes + failures >= gate.count:
        decided = Finding.PASSED
    after = progress.model_copy(
        update={
            "finding": decided,
            "message": reading.message[:_MOST_CHARACTERS],
            "passes": passes,
            "failures": failures,
            "inconclusives": inconclusives,
            "asked_at": now,
            "ask_at": now + rest,
            "memory": progress.memory if reading.memory is None else dict(reading.memory),
            "surge_limit": reading.surge_limit,
            "open_until": reading.open_until,
        }
    )
    if reading.final:
        return after
    return in_time(gate, after, now) if decided is Finding.PENDING else _retried(gate, after, now)


def in_time(gate: Gate, progress: Progress, now: float) -> Progress:
    """The same; or failed, or begun anew, if it has taken too long. What couldn't be told at last is no failure."""
    if progress.finding is not Finding.PENDING or gate.timeout is None or now - progress.since < gate.timeout:
        return progress
    why = f"not decided within {in_words(gate.timeout)}"
    message = f"{why}; at last: {progress.message}" if progress.message else why
    finding = Finding.INCONCLUSIVE if progress.inconclusives else Finding.FAILED
    late = progress.model_copy(update={"finding": finding, "message": message[:_MOST_CHARACTERS]})
    return _retried(gate, late, now)


def _retried(gate: Gate, progress: Progress, now: float) -> Progress:
    if progress.finding is not Finding.FAILED or progress.attempt > gate.retries:
        return progress
    again = f"attempt {progress.attempt} of {gate.retries + 1} failed: {progress.message}"
    anew = progress.anew(now, ask_at=now + gate.interval_seconds)
    return anew.model_copy(update={"message": again[:_MOST_CHARACTERS]})
