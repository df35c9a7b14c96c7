"""What a change makes of a template, field by field. Pure."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

_MISSING = object()
_FEW = 3
_SHORT = 60


class Difference(BaseModel):
    """One field that changes; values are JSON."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="Dotted path; members of lists by their name, or by their position.")
    before: str = Field(description="As JSON; empty if the field is new.")
    after: str = Field(description="As JSON; empty if the field goes away.")


def differences(before: Any, after: Any, field: str = "") -> Iterator[Difference]:
    """Walk two documents side by side; members of lists that have names are matched by them, as Kubernetes does."""
    if before == after:
        return
    old, new = _members(before, field), _members(after, field)
    if old is None or new is None:
        yield Difference(field=field, before=_json(before), after=_json(after))
        return
    for path in [*old, *(path for path in new if path not in old)]:
        yield from differences(old.get(path, _MISSING), new.get(path, _MISSING), path)


def in_short(before: Any, after: Any) -> str:
    """The first few differences on one line, for people who must decide at a glance.

    Values of images alone: it is shown in many places, and others, of environment variables say, may be secret.
    """
    found = list(differences(before, after))
    told = [_in_short(one) for one in found[:_FEW]]
    return ", ".join([*told, f"and {len(found) - _FEW} more"] if len(found) > _FEW else told)


def _in_short(one: Difference) -> str:
    return f"{one.field} {_cut(one.before)} -> {_cut(one.after)}" if one.field.endswith("image") else one.field


def _cut(text: str) -> str:
    return (text if len(text) <= _SHORT else f"{text[:_SHORT]}...") or "nothing"


def _members(value: Any, field: str) -> dict[str, Any] | None:
    """The members of a mapping or a list by their paths; None for anything else."""
    if isinstance(value, dict):
        return {f"{field}.{key}" if field else str(key): member for key, member in value.items()}
    if isinstance(value, list):
        return {f"{field}[{_key(member, position)}]": member for position, member in enumerate(value)}
    return None


def _key(member: Any, position: int) -> str:
    return str(member["name"]) if isinstance(member, dict) and "name" in member else str(position)


def _json(value: Any) -> str:
    return "" if value is _MISSING else json.dumps(value, ensure_ascii=False)
