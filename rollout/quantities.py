"""Values people write: counts that may be percentages, and durations."""

import re
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

_PERCENTAGE = re.compile(r"(\d{1,3})%")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNIT_SECONDS = (3600, 60, 1)
MOST_GROUPS = 2**31 - 1
"""As many as a number of Kubernetes can say."""
_LONGEST_SECONDS = 366 * 24 * 3600
"""A year. Moments so long from now are still dates; with much longer ones a rollout couldn't go on."""


def _read_count(value: object) -> object:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"{value} is negative; write 0 or more")
        if value > MOST_GROUPS:
            raise ValueError(f"there can't be so many groups; write {MOST_GROUPS} or less")
        return value
    match = _PERCENTAGE.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"{value!r} is neither a whole number (2) nor a percentage ('25%')")
    if int(match[1]) > 100:
        raise ValueError(f"{value!r} is more than 100%; write 0% to 100%")
    return value


def _read_duration(value: object) -> object:
    seconds = _seconds(value) if isinstance(value, str) else value
    if isinstance(seconds, int | float) and seconds < 0:
        raise ValueError(f"{value} is negative; write 0 or more")
    if isinstance(seconds, int | float) and seconds > _LONGEST_SECONDS:
        raise ValueError(f"{value} is longer than a year; write {_LONGEST_SECONDS // 3600}h or less")
    return seconds


def _seconds(value: str) -> int:
    match = _DURATION.fullmatch(value)
    if not value or not match:
        raise ValueError(f"'{value}' is no duration; write hours, minutes and seconds, as in '30s', '10m' or '1h30m'")
    return sum(int(number or 0) * unit for number, unit in zip(match.groups(), _UNIT_SECONDS, strict=True))


COUNT_PATTERN, DURATION_PATTERN = r"^\d+$|^\d{1,3}%$", r"^(\d+h)?(\d+m)?(\d+s)?$"
"""What the schema says of their text, for editors and for the reference of the file."""
_CountText = Annotated[str, StringConstraints(pattern=COUNT_PATTERN)]
_DurationText = Annotated[str, StringConstraints(pattern=DURATION_PATTERN)]

Count = Annotated[int | str, BeforeValidator(_read_count, json_schema_input_type=int | _CountText)]
"""A number of groups, or a percentage of the replicas such as "25%"."""

DurationSeconds = Annotated[int, BeforeValidator(_read_duration, json_schema_input_type=int | _DurationText)]
"""Whole seconds, 0 or more; also read from text such as "30s", "10m" or "1h30m".

A bound of its own here would outweigh the bounds that fields set.
"""


def resolve(count: int | str, replicas: int, *, round_up: bool) -> int:
    """The number of groups that `count` means for so many replicas.

    Kubernetes rounds percentages of maxSurge up and of maxUnavailable down. Whole-number arithmetic throughout.
    """
    if isinstance(count, int):
        return count
    hundredths = int(count.rstrip("%")) * replicas
    return -(-hundredths // 100) if round_up else hundredths // 100


def in_words(seconds: int) -> str:
    """A duration for people, as in "1 h 30 min"."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"
