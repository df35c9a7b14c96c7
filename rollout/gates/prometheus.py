"""prometheus: a metric of the new groups must be good, also beside that of the old ones."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, model_validator

from rollwright.rollout.gates.conditions import Condition, ConditionText, in_short
from rollwright.rollout.gates.gate import Asking, Context, Finding, GroupSeen, Progress, Reading
from rollwright.rollout.gates.queries import Query, filled, names_groups, without_pods
from rollwright.rollout.gates.questions import Answer, Fetch, Fetched, Question, Source
from rollwright.rollout.models import Model
from rollwright.rollout.quantities import DurationSeconds, in_words

_QUERY_SECONDS = 10
_ANSWER_SECONDS = 15.0
_MOST_SHOWN = 3


class Comparison(StrEnum):
    """How the new groups' value is set beside the old groups'."""

    RATIO = "ratio"
    DIFFERENCE = "difference"

    def of(self, new: float, old: float) -> float:
        """New / old, or new - old. NaN where one of them tells nothing, and for a ratio to 0."""
        if not (math.isfinite(new) and math.isfinite(old)):
            return math.nan
        if self is Comparison.DIFFERENCE:
            return new - old
        return new / old if old else math.nan

    @property
    def sign(self) -> str:
        """As it is written between the two."""
        return {Comparison.RATIO: "/", Comparison.DIFFERENCE: "-"}[self]


class PrometheusGate(Source, Asking):
    """A query of Prometheus whose value must meet a condition, several times in a row or nearly so.

    A vector must have one sample at least, of each group where samples tell their pod, and all of its samples must meet
    the condition. What can't be told (no data, NaN, an infinity, no answer) is inconclusive.
    """

    kind: Literal["prometheus"] = Field(default="prometheus", description="Which gate it is.")
    query: Query = Field(
        description="PromQL. Inside double quotes, {{ pods }}, {{ leaders }} and {{ ordinals }} stand for the groups "
        "on the new revision, {{ namespace }}, {{ name }} and {{ revision }} for the target's; all are regular "
        "expressions."
    )
    condition: ConditionText = Field(
        description="What each value must meet: one of <, <=, >, >=, ==, != and a number, as in '< 0.05'."
    )
    interval: DurationSeconds = Field(default=60, ge=1, description="From one reading to the next.")
    readings: int = Field(
        default=5, ge=1, le=1000, alias="count", description="Readings, good or bad, until it has passed."
    )
    failure_limit: int = Field(default=0, ge=0, description="Bad readings to go on with.")
    delay: DurationSeconds = Field(default=0, description="How long to wait before the first reading.")
    max_age: DurationSeconds | None = Field(
        default=None,
        ge=1,
        description="How old a sample may be that is taken for a value of now; as the server has it unless given (5m).",
    )
    compare_to_old: Comparison | None = Field(
        default=None,
        description="The condition is about new / old (ratio), or new - old (difference): the same query at the same "
        "moment for the groups on the new revision, and for those on the old one.",
    )

    @model_validator(mode="after")
    def _can_be_decided(self) -> Self:
        if self.failure_limit >= self.readings:
            raise ValueError(f"failureLimit {self.failure_limit} is not below count {self.readings}, so it can't fail")
        if self.timeout is not None and self.timeout <= self.least_seconds:
            least = in_words(int(self.least_seconds))
            raise ValueError(f"timeout is not above {least}, which delay, count and interval take, so it can't pass")
        if self.compare_to_old and not names_groups(self.query):
            raise ValueError(
                "with compareToOld the query must name the groups, with {{ pods }}, {{ leaders }} or {{ ordinals }}"
            )
        return self

    @property
    def count(self) -> int:
        """As given."""
        return self.readings

    @property
    def failures_tolerated(self) -> int:
        """As given."""
        return self.failure_limit

    @property
    def least_seconds(self) -> float:
        """Until the last reading, if all are good."""
        return self.delay + self.interval * (self.readings - 1)

    def ask(self, context: Context, progress: Progress) -> tuple[Question, ...]:
        """The query for the new groups, and that for the old ones where they are compared."""
        if self._delay_left(context, progress) > 0 or self._missing(context):
            return ()
        return tuple(self._question(context, groups) for groups in self._asked_about(context))

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """All values must meet the condition; one that doesn't decides, whatever can't be told of the others."""
        left = self._delay_left(context, progress)
        if left > 0:
            return Reading(Finding.PENDING, f"is asked first after {in_words(self.delay)}", again_after_seconds=left)
        try:
            answered = self._answered(context, answers)
            values = self._values(answered)
        except _UntoldError as why:
            return self._reading(progress, Finding.INCONCLUSIVE, str(why))
        condition = Condition.read(self.condition)
        bad = [value for value in values if value.is_told and not condition.holds(value.number)]
        untold = [value for value in values if not value.is_told]
        if bad:
            return self._reading(progress, Finding.FAILED, f"{_in_short(bad, len(values))} (wanted {condition})")
        if untold:
            return self._reading(progress, Finding.INCONCLUSIVE, f"{_in_short(untold, len(values))} tells nothing")
        if without := self._without_data(context, answered):
            more = f" and {len(without) - 1} more" if len(without) > 1 else ""
            return self._reading(progress, Finding.INCONCLUSIVE, f"no data of group {without[0]}{more}")
        return self._reading(progress, Finding.PASSED, f"{_in_short(values, len(values))} (wanted {condition})")

    def _delay_left(self, context: Context, progress: Progress) -> float:
        return progress.since + self.delay - context.now

    def _missing(self, context: Context) -> str:
        """Why there is nothing to ask, in words; empty if there is something."""
        if names_groups(self.query) and not context.new:
            return "no group is on the new revision"
        return "no group is left on the old revision" if self.compare_to_old and not context.old else ""

    def _asked_about(self, context: Context) -> tuple[tuple[GroupSeen, ...], ...]:
        return (context.new, context.old) if self.compare_to_old else (context.new,)

    def _question(self, context: Context, groups: Sequence[GroupSeen]) -> Fetch:
        form = {
            "query": filled(self.query, context, groups),
            "time": f"{context.now:.3f}",
            "timeout": f"{_QUERY_SECONDS}s",
            "partial_response": "false",  # of Thanos, which else leaves out the stores that don't answer
        }
        if self.max_age is not None:
            form["lookback_delta"] = f"{self.max_age}s"
        return Fetch(
            url=self.url,
            connection=self.connection,
            path="/api/v1/query",
            form=form,
            timeout_seconds=_ANSWER_SECONDS,
        )

    def _answered(self, context: Context, answers: tuple[Answer, ...]) -> "list[_Samples]":
        """One for each question. Raises _UntoldError."""
        if why := self._missing(context):
            raise _UntoldError(why)
        return [_samples(answer) for answer in answers]

    def _values(self, answered: "list[_Samples]") -> "list[_Value]":
        """What is to meet the condition: one at least. Raises _UntoldError."""
        new, *old = answered
        if not self.compare_to_old:
            return [_Value(number, in_short(number)) for number in new.values()]
        return [_compared(self.compare_to_old, *pair) for pair in _paired(new, old[0])]

    def _without_data(self, context: Context, answered: "list[_Samples]") -> list[int]:
        """Ordinals of the groups that were asked about and have no sample; none where samples tell no pod."""
        if not names_groups(self.query):
            return []
        asked = zip(self._asked_about(context), map(_pods, answered), strict=True)
        return [ordinal for groups, pods in asked if pods for ordinal in without_pods(context, groups, pods)]

    def _reading(self, progress: Progress, finding: Finding, found: str) -> Reading:
        passes = progress.passes + (finding is Finding.PASSED)
        failures = progress.failures + (finding is Finding.FAILED)
        bad = f", {failures} bad" if failures else ""
        return Reading(finding, f"{found}; {passes} of {self.readings} good{bad}")


class _UntoldError(Exception):
    """There is no value, and why."""


class _Value(NamedTuple):
    number: float
    text: str

    @property
    def is_told(self) -> bool:
        """NaN, and what a division by zero gives, tell nothing."""
        return math.isfinite(self.number)


_Labels = frozenset[tuple[str, str]]
_Samples = Mapping[_Labels, float]
_Point = tuple[float, float]
"""When, in seconds since the epoch, and what: Prometheus writes the latter as text, also NaN and +Inf."""


class _Sample(Model):
    metric: Mapping[str, str] = Field(default={})
    value: _Point


class _Vector(Model):
    result_type: Literal["vector"]
    result: tuple[_Sample, ...]


class _Scalar(Model):
    result_type: Literal["scalar"]
    result: _Point


class _Success(Model):
    status: Literal["success"]
    data: Annotated[_Vector | _Scalar, Field(discriminator="result_type")]
    warnings: tuple[str, ...] = ()

    @property
    def may_be_partial(self) -> bool:
        """Warned of anything but the query itself, whose annotations Prometheus marks, as in 'PromQL warning: ...'."""
        return any(not warning.startswith("PromQL") for warning in self.warnings)


class _Refusal(Model):
    error_type: Annotated[str, Field(pattern="^[a-z_]{1,30}$")]


def _samples(answer: Answer) -> _Samples:
    """What was answered, by labels: one at least. Raises _UntoldError."""
    if not isinstance(answer, Fetched):
        raise TypeError(answer.answer)
    if answer.status is None:
        raise _UntoldError(answer.error)
    if not 200 <= answer.status < 300:
        raise _UntoldError(f"Prometheus answered {answer.status}{_why(answer.body)}")
    try:
        success = _Success.model_validate_json(answer.body)
    except ValidationError as error:
        raise _UntoldError("the answer holds no vector and no scalar") from error
    if success.may_be_partial:
        raise _UntoldError("the answer may be partial")
    data = success.data
    if isinstance(data, _Scalar):
        return {frozenset(): data.result[1]}
    if not data.result:
        raise _UntoldError("no data")
    return {frozenset(sample.metric.items()): sample.value[1] for sample in data.result}


def _why(body: str) -> str:
    """The kind of error that Prometheus tells; its text holds parts of the query."""
    try:
        return f" ({_Refusal.model_validate_json(body).error_type})"
    except ValidationError:
        return ""


def _pods(samples: _Samples) -> set[str]:
    """What their labels say."""
    return {value for labels in samples for name, value in labels if name == "pod"}


def _paired(new: _Samples, old: _Samples) -> list[tuple[float, float]]:
    """Values of the same labels. Raises _UntoldError if one has nothing beside it."""
    if new.keys() - old.keys():
        raise _UntoldError("not every value of the new groups has one of the old groups with the same labels")
    if old.keys() - new.keys():
        raise _UntoldError("not every value of the old groups has one of the new groups with the same labels")
    return [(value, old[labels]) for labels, value in new.items()]


def _compared(comparison: Comparison, new: float, old: float) -> _Value:
    value = comparison.of(new, old)
    return _Value(value, f"{in_short(new)} {comparison.sign} {in_short(old)} = {in_short(value)}")


def _in_short(values: Sequence[_Value], all_of_them: int) -> str:
    """The first few; how many there are if that is more than one."""
    shown = ", ".join(value.text for value in values[:_MOST_SHOWN])
    if all_of_them == 1:
        return shown
    more = f" and {len(values) - _MOST_SHOWN} more" if len(values) > _MOST_SHOWN else ""
    return f"{shown}{more} of {all_of_them} values"
