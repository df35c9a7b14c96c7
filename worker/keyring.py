"""The keys that payloads are sealed with: the active one seals, all of them open. They are read once, at the start."""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SETTING = "ROLLWRIGHT_KEYS"
"""The environment variable with the path of the file; what goes to Temporal is sealed where it is set."""
_KEY_BYTES = 32
_MOST_BYTES = 64 * 1024
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_LOOKS = "it holds `active: ID`, and under `keys:` lines `ID: KEY`, KEY as `head -c 32 /dev/urandom | base64` prints it"


class KeysError(Exception):
    """Payloads can't be sealed or opened: by which key or file, and what to do. Holds no key."""


@dataclass(frozen=True)
class Keyring:
    """Keys by their ids, and which of them seals."""

    active: str
    keys: Mapping[str, bytes] = field(repr=False)


def from_environment() -> Keyring | None:
    """The keys in the file that ROLLWRIGHT_KEYS names; None if it names none. Raises KeysError."""
    named = os.environ.get(SETTING)
    return read(Path(named)) if named else None


def read(path: Path) -> Keyring:
    """The keys that a file holds. Raises KeysError."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is no text"
        raise KeysError(f"the keys in {path} ({SETTING}) can't be read: {why}") from error
    try:
        return _parsed(text)
    except ValueError as error:
        # The cause may quote the file, which holds keys.
        raise KeysError(f"the keys in {path} ({SETTING}) can't be used: {error}; {_LOOKS}") from None


def _parsed(text: str) -> Keyring:
    import yaml  # noqa: PLC0415 - only where payloads are sealed

    try:
        # All values are texts to this loader: an id such as 2026-11-01 is no date.
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it makes nothing but texts, lists and mappings
    except yaml.YAMLError:
        raise ValueError("it is no YAML") from None
    match document:
        case {"active": str(active), "keys": dict(keys), **more} if not more:
            ring = Keyring(active, {_id(name): _key(name, text) for name, text in keys.items()})
        case _:
            raise ValueError("it doesn't look as expected")
    if active not in ring.keys:
        raise ValueError("the active key is none of the keys")
    return ring


def _id(name: object) -> str:
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ValueError("an id has letters, digits, '.', '_' and '-', at most 63")
    return name


def _key(name: str, text: object) -> bytes:
    try:
        key = base64.b64decode(str(text), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError(f"key '{_id(name)}' is not {_KEY_BYTES} bytes in base64")
    return key
