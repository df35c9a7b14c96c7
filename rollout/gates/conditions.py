"""Conditions that a number must meet, such as "< 0.05". Pure."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple, Self

from pydantic import AfterValidator, Field

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONDITION = re.compile(
    r"\s*(?P<comparison><=|>=|==|!=|<|>)\s*(?P<bound>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,2})?)\s*"
)


class Condition(NamedTuple):
    """A comparison with a number."""

    comparison: str
    bound: float

    @classmethod
    def read(cls, text: str) -> Self:
        """Read one, as people write it. Raises ValueError."""
        match = _CONDITION.fullmatch(text)
        if not match:
            raise ValueError(
                f"'{text}' is no condition; write one of {', '.join(_COMPARISONS)} and a number, as in '< 0.05'"
            )
        return cls(match["comparison"], float(match["bound"]))

    def holds(self, value: float) -> bool:
        """Whether a number meets it."""
        return _COMPARISONS[self.comparison](value, self.bound)

    def __str__(self) -> str:
        return f"{self.comparison} {in_short(self.bound)}"


def _check(text: str) -> str:
    Condition.read(text)
    return text


ConditionText = Annotated[str, Field(max_length=100), AfterValidator(_check)]
"""A condition that can be read; it is looked through only where it is short, as that may take long."""


def in_short(value: float) -> str:
    """A number for people, to six digits."""
    return f"{value:.6g}"
