"""Kubernetes Events on a target: `kubectl describe` shows what was done to it and why. Nothing depends on them.

They are of core v1, whose dates and counts `kubectl describe` shows; events.k8s.io serves the same objects.
"""

import asyncio
import hashlib
import logging
import socket
import time
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from rollwright.cluster.api import EVENTS, Api, Manifest
from rollwright.cluster.errors import ClusterError, ConflictError, TemporaryError
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.cluster.snapshot import now
from rollwright.rollout.spec import Target

_log = logging.getLogger(__name__)
_REPORTER = "rollwright"
_PATIENCE_SECONDS = 2.0
_UNHURRIED_SECONDS = 60.0
_AGAIN_SECONDS = 2.0
_MOST_BYTES = 1024
"""Of a message, as events.k8s.io has it."""


class Happening(NamedTuple):
    """What has happened to a target."""

    reason: str
    """One word, in CamelCase."""
    message: str
    is_warning: bool = False


class Origin(NamedTuple):
    """What it comes of: made again for the same one, it stays one Event."""

    scheduled: datetime
    """Events of one and the same second are shown in this order."""
    key: str


class Events:
    """Events that one worker makes; what keeps it from making them is logged once for each kind of refusal."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._underway: set[asyncio.Task[None]] = set()
        self._logged: set[str] = set()

    def report(self, target: Target, uid: str, happening: Happening, origin: Origin) -> None:
        """Make an Event by and by, within a minute or not at all; nobody waits for it. Arguments as those of `make`."""
        task = asyncio.create_task(self._make_unhurried(target, uid, happening, origin))
        self._underway.add(task)
        task.add_done_callback(self._underway.discard)

    async def make(self, target: Target, uid: str, happening: Happening, origin: Origin) -> None:
        """Make an Event, within two seconds or not at all.

        `uid`: of the very object, or empty to ask which it is.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._create(target, uid, happening, origin)
        except (ClusterError, TimeoutError) as error:
            self._log_once(error)

    async def _make_unhurried(self, target: Target, uid: str, happening: Happening, origin: Origin) -> None:
        """Make an Event that nobody makes again: an API server that is away for a moment must not cost it."""
        until = time.monotonic() + _UNHURRIED_SECONDS
        while True:
            try:
                return await self._create(target, uid, happening, origin)
            except TemporaryError as error:
                if time.monotonic() > until:
                    return self._log_once(error)
            except ClusterError as error:
                return self._log_once(error)
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _create(self, target: Target, uid: str, happening: Happening, origin: Origin) -> None:
        event = _event(target, uid or await self._uid(target), happening, origin)
        with suppress(ConflictError):  # an earlier attempt has made it
            await self._api.create(EVENTS, target.namespace, event)

    async def _uid(self, target: Target) -> str:
        found = await self._api.get(SNAPSHOTS[target.kind].OBJECT.RESOURCE, target.namespace, target.name)
        uid: str = found["metadata"]["uid"]
        return uid

    def _log_once(self, error: ClusterError | TimeoutError) -> None:
        kind = type(error).__name__
        if kind not in self._logged:
            self._logged.add(kind)
            _log.warning("Events are left out, and this isn't said again: %s", str(error) or "it takes too long")


def _event(target: Target, uid: str, happening: Happening, origin: Origin) -> Manifest:
    kind, at = SNAPSHOTS[target.kind].OBJECT, now().strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha256(f"{origin.key} {happening.reason}".encode()).hexdigest()[:8]
    moment = f"{int(origin.scheduled.timestamp() * 1_000_000):x}"
    return {
        "apiVersion": EVENTS.version,
        "kind": "Event",
        "metadata": {"name": f"{target.name}.{moment}{digest}", "namespace": target.namespace},
        "involvedObject": {
            "apiVersion": kind.RESOURCE.version,
            "kind": str(target.kind),
            "namespace": target.namespace,
            "name": target.name,
            "uid": uid,
        },
        "reason": happening.reason,
        "message": happening.message.encode()[:_MOST_BYTES].decode(errors="ignore"),
        "type": "Warning" if happening.is_warning else "Normal",
        "source": {"component": _REPORTER},
        "reportingComponent": _REPORTER,
        "reportingInstance": socket.gethostname(),
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
