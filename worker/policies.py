"""Policies: how followed targets are rolled out, each under its name in a ConfigMap."""

import asyncio
import hashlib
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import NamedTuple

import yaml
from pydantic import ValidationError

from rollwright.cluster.api import CONFIG_MAPS, Manifest
from rollwright.cluster.errors import PermanentError
from rollwright.cluster.watching import ANYBODY, Watches
from rollwright.rollout.models import Input
from rollwright.rollout.spec import ApiVersion, Strategy
from rollwright.rollout.written import WITHOUT_ALIASES, Loader
from rollwright.workflows.describing import short

DEFAULT_CONFIG_MAP = "rollwright-policies"
_MOST_CHARACTERS = 8192
_MOST_KEPT = 128
_LONGEST_NAME = 100


class _Written(Input):
    """A policy, as it is written."""

    api_version: ApiVersion = "rollwright/v1"
    strategy: Strategy


class Policy(NamedTuple):
    """How a followed target is rolled out."""

    name: str
    strategy: Strategy
    digest: str
    """Of its content."""


class Unusable(NamedTuple):
    """There is no such policy, or it can't be read."""

    why: str


class Place(NamedTuple):
    """Where policies are: a ConfigMap of this name."""

    config_map: str = DEFAULT_CONFIG_MAP
    namespace: str = ""
    """Empty: in the namespace of each target."""


DEFAULT_PLACE = Place()


class Policies:
    """The policies of one namespace of targets, as the watch of their ConfigMap shows them."""

    def __init__(self, watches: Watches, place: Place, namespace: str) -> None:
        self._watches = watches
        self._name, self._namespace = place.config_map, place.namespace or namespace

    def waking(self, event: asyncio.Event) -> AbstractContextManager[None]:
        """Set `event` whenever they change, also where they can't be read now."""
        return self._watches.begun(CONFIG_MAPS, self._namespace, self._name).waking(ANYBODY, event)

    async def of_name(self, name: str) -> Policy | Unusable:
        """The policy of a name, which a target's annotation gives. Raises TemporaryError if it can't be read now."""
        try:
            watch = await self._watches.of(CONFIG_MAPS, self._namespace, self._name)
        except PermanentError as error:
            return Unusable(f"its policy can't be read: {error}")
        found = next(iter(watch.everything()), None)
        where = f"ConfigMap {self._name} in namespace {self._namespace}"
        return read_policy(name, found, where)


def read_policy(name: str, config_map: Manifest | None, where: str) -> Policy | Unusable:
    """A policy out of a ConfigMap, if there is one. `where`: which ConfigMap that is, in words. Pure."""
    named = repr(name[:_LONGEST_NAME])
    if config_map is None:
        return Unusable(f"its policy {named} is missing: there is no {where}")
    text = (config_map.get("data") or {}).get(name)
    if text is None:
        return Unusable(f"its policy {named} is missing: {where} has no such key")
    read = _read(text) if len(text) <= _MOST_CHARACTERS else f"can't be used: longer than {_MOST_CHARACTERS} characters"
    return read._replace(name=name) if isinstance(read, Policy) else Unusable(f"its policy {named} {read} ({where})")


@lru_cache(maxsize=_MOST_KEPT)
def _read(text: str) -> Policy | str:
    """A policy without its name, or why it is none; every target is looked at again and again, its policy read once."""
    try:
        parsed = _parsed(text)
        if not isinstance(parsed, dict):
            return "can't be used: write 'strategy:' with what belongs to it"
        written = _Written.model_validate(parsed)
    except ValidationError as error:
        return f"can't be used: {short(error)}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return f"is no YAML: {' '.join(str(error).split())}"
    return Policy("", written.strategy, hashlib.sha256(text.encode()).hexdigest()[:10])


def _parsed(text: str) -> object:
    """Bounded, as whoever may write in the namespace of a target writes it, and the worker serves all of them."""
    loader = Loader(text)
    node = loader.get_single_node()
    if loader.aliases:
        raise ValueError(WITHOUT_ALIASES)
    return loader.construct_document(node) if node else None
