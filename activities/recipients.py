"""Whom to tell: a file on the worker. Its addresses are secrets, so nothing that is said of it holds what is in it."""

import logging
import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import yaml
from pydantic import ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from rollwright.activities.messages import News, Tell
from rollwright.cluster.addresses import Local, locality
from rollwright.rollout.models import Input

if TYPE_CHECKING:
    from apprise import NotifyBase

_log = logging.getLogger(__name__)


class NotifyFileError(Exception):
    """The file can't be used. Says what is wrong, without anything that is in it."""


class Recipient(Input):
    """Somebody to be told: a service that apprise knows, or a callback."""

    model_config = ConfigDict(hide_input_in_errors=True)

    url: SecretStr | None = Field(default=None, description="As apprise has it, such as slack://... or mailto://...")
    callback: SecretStr | None = Field(default=None, description="Address that JSON is posted to.")
    hmac_key_file: Path | None = Field(default=None, description="What the callback's bodies are signed with.")
    allow_link_local: bool = Field(default=False, description="Whether the callback's address may be link-local.")
    targets: tuple[str, ...] = Field(default=("*",), min_length=1, description="Patterns of KIND/NAMESPACE/NAME.")
    events: tuple[News, ...] = Field(default=tuple(News), min_length=1)

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: SecretStr | None) -> SecretStr | None:
        if url and service(url) is None:
            raise ValueError("apprise knows no such service, or something of the address is missing")
        return url

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.url is None) is (self.callback is None):
            raise ValueError("give either url or callback")
        if self.callback is None and (self.hmac_key_file or self.allow_link_local):
            raise ValueError("hmacKeyFile and allowLinkLocal are for a callback")
        if self.callback is not None:
            _check_address(self.callback.get_secret_value(), allow_link_local=self.allow_link_local)
        self.key()
        return self

    def key(self) -> bytes:
        """What the callback's bodies are signed with; empty if they aren't. Raises ValueError if it can't be read."""
        if self.hmac_key_file is None:
            return b""
        try:
            key = self.hmac_key_file.read_bytes().strip()
        except OSError as error:
            raise ValueError(f"hmacKeyFile can't be read: {error.strerror}") from None
        if not key:
            raise ValueError("hmacKeyFile is empty")
        return key

    def wants(self, told: Tell) -> bool:
        """Whether this is to be told to them."""
        target = told.target
        name = f"{target.kind.short}/{target.namespace}/{target.name}"
        return told.news in self.events and any(fnmatchcase(name, pattern) for pattern in self.targets)


class _NotifyFile(Input):
    model_config = ConfigDict(hide_input_in_errors=True)

    notify: tuple[Recipient, ...]


class Recipients:
    """Those of a file, which is read anew when it changes. Raises NotifyFileError if it can't be used to begin with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version = _version(path)
        self._known = read(path)

    def known(self) -> Sequence[Recipient]:
        """Those of the file as it is, or as it last was when it could be used."""
        if (version := _version(self._path)) != self._version:
            self._version = version
            try:
                self._known = read(self._path)
            except NotifyFileError as error:
                _log.error("%s; the file counts as it was before", error)
            else:
                _log.info("%s was read anew", self._path)
        return self._known


def read(path: Path) -> tuple[Recipient, ...]:
    """Those that a file names. Raises NotifyFileError with all that is wrong in it."""
    try:
        return _NotifyFile.model_validate(yaml.safe_load(path.read_bytes())).notify
    except OSError as error:
        raise NotifyFileError(f"{path} can't be read: {error.strerror}") from None
    except ValidationError as error:
        raise NotifyFileError(f"{path}: {_mistakes(error)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise NotifyFileError(f"{path}{where}: this is no YAML") from None


def service(url: SecretStr) -> "NotifyBase | None":
    """The service that apprise makes of an address; None if it can't."""
    # Importing it takes a third of a second, which workers that tell nobody needn't spend.
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415
    from urllib3.exceptions import HTTPWarning  # noqa: PLC0415

    # They name addresses, some with the secrets in them.
    logging.getLogger("apprise").disabled = True
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore", HTTPWarning)
    asset = AppriseAsset(app_id="rollwright", app_desc="rollwright")
    try:
        return Apprise.instantiate(url.get_secret_value(), asset=asset)
    except Exception:  # noqa: BLE001 - what it says of an address that it can't read may hold it
        return None


def _check_address(url: str, *, allow_link_local: bool) -> None:
    """Raise ValueError if nothing can be posted to it. What names stand for is seen when they are connected to."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise ValueError("callback: this is no address with http or https")
    try:
        refused = locality(host) is Local.LINK_LOCAL and not allow_link_local
    except ValueError:
        return
    if refused:
        raise ValueError("callback: the address is link-local; allowLinkLocal: true allows that")


def _mistakes(error: ValidationError) -> str:
    mistakes = []
    for found in error.errors(include_input=False, include_context=False, include_url=False):
        location = list(found["loc"])
        what = found["msg"].removeprefix("Value error, ")
        if found["type"] == "extra_forbidden":
            location.pop()  # what stands there may be anything, also an address
            what = "there is a field that is not known"
        mistakes.append(": ".join(filter(None, (_place(location), what))))
    return "; ".join(mistakes)


def _place(location: Sequence[int | str]) -> str:
    """As in "notify 2: events 1", counted from 1."""
    words = [f" {part + 1}" if isinstance(part, int) else f": {part}" for part in location]
    return "".join(words).removeprefix(": ")


def _version(path: Path) -> tuple[int, ...]:
    """What differs where a file has changed; also where another took its place, as in a mounted Secret."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size
