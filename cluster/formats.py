"""What a newer version of rollwright has written to an object is not for this one to go by, nor to write over."""

import json
import re
from contextlib import suppress

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.errors import RefusedError
from rollwright.rollout.models import unknown_format

_KNOWN = 1


def check_format(item: Manifest, what: str) -> None:
    """Raise RefusedError if a newer version has written to an object. `what`: the object, in words."""
    notes = item["metadata"].get("annotations") or {}
    found = max(_number(notes.get(names.FORMAT)), _version_of(notes.get(names.RECORD)))
    if found > _KNOWN:
        raise RefusedError(f"{what} is left as it is: {unknown_format(found, _KNOWN)}")


def _number(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else _KNOWN


def _version_of(record: str | None) -> int:
    """Of a record. One that can't be read at all was spoilt by somebody, and is no newer."""
    with suppress(ValueError, AttributeError, RecursionError):
        version = json.loads(record or "{}").get("version")
        return version if isinstance(version, int) else _KNOWN
    return _KNOWN
