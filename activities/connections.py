"""Connections: folders of files on the worker that say where something is and what opens it.

A folder may be a mounted Secret. It is read anew for every request, because those change.
"""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_URL, _TOKEN, _CA, _CERTIFICATE, _KEY, _HMAC = "url", "token", "ca.crt", "tls.crt", "tls.key", "hmac.key"
_FILES = (_URL, _TOKEN, _CA, _CERTIFICATE, _KEY, _HMAC)
_HOLDS = f"a file {_URL}, and may hold {_TOKEN}, {_CA}, {_CERTIFICATE} with {_KEY}, and {_HMAC}"
_ATTEMPTS = 3
_VISIBLE = re.compile(r"[!-~]+")


class ConnectionFilesError(Exception):
    """A connection can't be used as it stands; says which, and what is looked for. Holds no credential."""


class Reach(NamedTuple):
    """What a worker may reach over HTTP."""

    connections: Path | None = None
    """The folder that holds a folder for each connection."""
    local: bool = False
    """Whether addresses of the worker's own host may be asked too, and link-local ones, where clouds serve credentials.

    Whoever runs the workers may name their own host in a connection anyway; not so a link-local address.
    """


PLAIN_REACH = Reach()
"""No connections, and nothing local."""


@dataclass(frozen=True)
class Connection:
    """Where something is, and what opens it."""

    url: str = field(repr=False)
    token: str = field(default="", repr=False)
    """Sent as a bearer token; empty without one."""
    hmac_key: bytes = field(default=b"", repr=False)
    """What requests are signed with; empty if they aren't."""
    tls: ssl.SSLContext | None = None
    """Instead of the usual one."""


def read_connection(reach: Reach, name: str) -> Connection:
    """The connection of this name, as it stands now. Raises ConnectionFilesError."""
    if reach.connections is None:
        raise ConnectionFilesError(
            f"there is no connection '{name}': the worker runs without --connections DIR (ROLLWRIGHT_CONNECTIONS), "
            f"where a folder {name} would hold {_HOLDS}"
        )
    if not _NAME.fullmatch(name):
        raise ConnectionFilesError(f"'{name}' is no name of a connection")
    folder = reach.connections / name
    try:
        return _connection(folder, _read(folder))
    except _UnusableError as why:
        raise ConnectionFilesError(f"connection '{name}': {why}") from why


class _UnusableError(Exception):
    """What is wrong with the files of a connection."""


def _read(folder: Path) -> dict[str, bytes]:
    """The files there are, all of one version: a mounted Secret is changed as a whole, by a link."""
    for _ in range(_ATTEMPTS):
        version = _version(folder)
        files = {name: content for name in _FILES if (content := _content(folder / name)) is not None}
        if _version(folder) == version:
            break
    else:
        raise _UnusableError(f"its files in {folder} change all the time")
    if _URL not in files:
        raise _UnusableError(f"there is no file {folder / _URL}; the folder {folder} must hold {_HOLDS}")
    if empty := [name for name, content in files.items() if not content.strip()]:
        raise _UnusableError(f"the file {folder / empty[0]} is empty")
    return files


def _version(folder: Path) -> str:
    try:
        return str((folder / "..data").readlink())
    except OSError:
        return ""


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _UnusableError(f"{path} can't be read: {error.strerror}") from error


def _connection(folder: Path, files: Mapping[str, bytes]) -> Connection:
    url = _text(folder / _URL, files[_URL])
    if not url.startswith(("http://", "https://")):
        raise _UnusableError(f"the file {folder / _URL} must hold an address that begins with http:// or https://")
    return Connection(
        url=url,
        token=_text(folder / _TOKEN, files[_TOKEN]) if _TOKEN in files else "",
        hmac_key=files.get(_HMAC, b"").strip(),
        tls=_tls(folder, files),
    )


def _text(path: Path, content: bytes) -> str:
    text = content.strip().decode("ascii", errors="replace")
    if not _VISIBLE.fullmatch(text):
        raise _UnusableError(f"the file {path} must hold one line of visible ASCII characters")
    return text


def _tls(folder: Path, files: Mapping[str, bytes]) -> ssl.SSLContext | None:
    """Trusts the given authorities alone, if there are any; shows the given certificate."""
    if not {_CA, _CERTIFICATE, _KEY} & files.keys():
        return None
    if (_CERTIFICATE in files) is not (_KEY in files):
        raise _UnusableError(f"the folder {folder} must hold both {_CERTIFICATE} and {_KEY}, or none of them")
    try:
        context = ssl.create_default_context(cadata=files[_CA].decode("ascii") if _CA in files else None)
        if _CERTIFICATE in files:
            context.load_cert_chain(folder / _CERTIFICATE, folder / _KEY, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        raise _UnusableError(f"{_CA}, {_CERTIFICATE} or {_KEY} in {folder} can't be used") from error
    return context
