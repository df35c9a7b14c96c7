"""Starts rollouts by itself where the template of a followed target changes under a frozen partition.

It goes by what the shared watches show, and keeps no memory that matters: any number of workers may follow the same
targets, and each may end and begin at any time.
"""

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from typing import NamedTuple

from temporalio.service import RPCError

from rollwright.cluster import names
from rollwright.cluster.api import STATEFUL_SETS, Api, Kind
from rollwright.cluster.errors import ClusterError, MissingError, RefusedError
from rollwright.cluster.events import Events, Happening, Origin
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.cluster.objects import TargetObject, controller_of
from rollwright.cluster.snapshot import Snapshot
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest, kept_name
from rollwright.cluster.watching import ANYBODY, Watches
from rollwright.rollout.spec import Target
from rollwright.worker.decision import Decision, Kept, Nothing, Request, Retarget, Seen, Start, Tell, Why, decide
from rollwright.worker.policies import Policies, Policy, Unusable
from rollwright.worker.rollouts import Rollouts

_log = logging.getLogger(__name__)
_REST_SECONDS = 0.5
"""Changes come in bursts."""
_AGAIN_SECONDS = 5.0
"""How soon to look again where something is pending, or something didn't answer."""
_LONGEST_SECONDS = 10.0
"""After which what was decided on may be so no more."""
_PATIENCE_SECONDS = 30.0
"""For all that is asked about one target; the others wait for it."""
_ASKED_ANEW_SECONDS = 60.0
"""After which what a rollout didn't take is asked again."""
_KINDS_SECONDS = 180.0
"""How often to look whether the cluster has come to know a kind."""


class _Looked(NamedTuple):
    """What was decided on, and when."""

    seen: Seen
    policy: Policy | Unusable
    at: float


class _Refused(NamedTuple):
    """What a rollout doesn't take, and until when it isn't asked again: it would keep an event of it each time."""

    request: Request
    run: str
    until: float


class Follower:
    """Follows the targets of one namespace."""

    def __init__(
        self,
        api: Api,
        watches: Watches,
        events: Events,
        rollouts: Rollouts,
        *,
        policies: Policies,
        namespace: str,
        cluster: str | None = None,
    ) -> None:
        self._api = api
        self._watches = watches
        self._events = events
        self._rollouts = rollouts
        self._policies = policies
        self._namespace = namespace
        self._cluster = cluster
        self._looked: dict[str, _Looked] = {}
        """By uid; where nothing has changed since, nothing is asked again so soon."""
        self._told: dict[str, tuple[str, Tell]] = {}
        """By uid; what the log has said, and of which template."""
        self._refused: dict[str, _Refused] = {}
        """By uid."""

    async def run(self) -> None:
        """Follow until cancelled, through every outage."""
        while True:
            with _surviving(f"namespace {self._namespace}"):
                await self._follow()
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow(self) -> None:
        changed = asyncio.Event()
        kinds = await self._served()
        for missing in [kind.OBJECT.RESOURCE for kind in SNAPSHOTS.values() if kind not in kinds]:
            _log.info("this cluster has no %s", missing.plural)
        kinds_at = time.monotonic()
        with ExitStack() as stack:
            for resource in {STATEFUL_SETS, *(kind.OBJECT.RESOURCE for kind in kinds)}:
                watch = await self._watches.of(resource, self._namespace)
                stack.enter_context(watch.waking(ANYBODY, changed))
            stack.enter_context(self._policies.waking(changed))
            _log.info("following the targets in %s that have the annotation %s", self._namespace, names.POLICY)
            while True:
                changed.clear()
                busy = await self._look(kinds)
                lacks = len(kinds) < len(SNAPSHOTS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_AGAIN_SECONDS if busy else _KINDS_SECONDS if lacks else None):
                        await changed.wait()
                if lacks and time.monotonic() - kinds_at >= _KINDS_SECONDS:
                    if await self._served() != kinds:
                        return
                    kinds_at = time.monotonic()
                await asyncio.sleep(_REST_SECONDS)

    async def _served(self) -> list[type[Snapshot]]:
        """The kinds that the cluster has at all: a watch of what isn't there would be tried for ever."""
        return [kind for kind in SNAPSHOTS.values() if await self._is_served(kind.OBJECT.RESOURCE)]

    async def _is_served(self, resource: Kind) -> bool:
        try:
            await self._api.list_all(resource, self._namespace)
        except MissingError:
            return False
        return True

    async def _look(self, kinds: Sequence[type[Snapshot]]) -> bool:
        """Look at all followed targets; whether to look again soon."""
        followed: list[TargetObject] = []
        for kind in kinds:
            watch = await self._watches.of(kind.OBJECT.RESOURCE, self._namespace)
            items = map(kind.OBJECT, watch.everything())
            followed += [
                item for item in items if names.POLICY in item.annotations and not controller_of(item.manifest)
            ]
        uids = {item.uid for item in followed}
        for uid in self._looked.keys() - uids:
            for known in (self._looked, self._told, self._refused):
                known.pop(uid, None)
        return any(await asyncio.gather(*(self._attend(item) for item in followed)))

    async def _attend(self, item: TargetObject) -> bool:
        """Do what is to be done about one target; whether to look at it again soon."""
        with _surviving(str(item)):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._do(item)
        return True

    async def _do(self, item: TargetObject) -> bool:
        named = self._named(item)
        target = LiveTarget(self._api, self._watches, named)
        snapshot = await target.last_seen()
        if snapshot is None or snapshot.item.uid != item.uid:
            return False
        seen, policy = look(snapshot, named), await self._policies.of_name(item.annotations[names.POLICY])
        now, looked = time.monotonic(), self._looked.get(item.uid)
        if looked and looked[:2] == (seen, policy) and now - looked.at < _AGAIN_SECONDS - 1:
            return seen.pending or seen.disputed
        self._looked[item.uid] = _Looked(seen, policy, now)
        decision = await self._decide(target, snapshot, seen, policy)
        if not seen.disputed:
            self._refused.pop(item.uid, None)
        is_late = isinstance(decision, Start | Retarget) and look(await target.read(), named) != seen
        # A rollout that has begun and ended since would be begun once more; of one that is open Temporal knows itself.
        is_late = is_late or (
            isinstance(decision, Start) and await self._decide(target, snapshot, seen, policy) != decision
        )
        if is_late or time.monotonic() - now > _LONGEST_SECONDS:
            _log.info("%s: what was decided on may be so no more, it is looked at anew", item)
            self._looked.pop(item.uid)
            return True  # the watches were behind, or this worker was: another may have done it since
        await self._carry_out(snapshot.item, decision)
        return seen.pending or seen.disputed

    async def _decide(self, target: LiveTarget, snapshot: Snapshot, seen: Seen, policy: Policy | Unusable) -> Decision:
        if isinstance(policy, Unusable) or not (seen.pending or seen.disputed):
            return decide(seen, policy, None, Kept())
        latest = await self._rollouts.latest(self._named(snapshot.item), disputed=seen.disputed)
        goes_on = latest is not None and latest.is_open and not seen.disputed
        return decide(seen, policy, latest, Kept() if goes_on else await _kept(target, snapshot.item))

    async def _carry_out(self, item: TargetObject, decision: Decision) -> None:
        match decision:
            case Tell():
                self._tell(item, decision)
            case Start():
                self._told.pop(item.uid, None)
                if await self._rollouts.start(self._named(item), decision):
                    _log.info("%s: its template has changed: a rollout by policy %r", item, decision.policy.name)
            case Retarget():
                await self._retarget(item, decision)
            case Nothing():
                pass

    async def _retarget(self, item: TargetObject, asked: Retarget) -> None:
        known, now = self._refused.get(item.uid), time.monotonic()
        if known and known[:2] == (asked.request, asked.run) and now < known.until:
            return
        if why := await self._rollouts.retarget(self._named(item), asked):
            self._refused[item.uid] = _Refused(asked.request, asked.run, now + _ASKED_ANEW_SECONDS)
            self._tell(item, Tell(Why.REFUSED, f"The rollout does not take the new template: {why}"))
        else:
            self._told.pop(item.uid, None)
            _log.info("%s: its template has changed again: its rollout was asked to go on towards it", item)

    def _named(self, item: TargetObject) -> Target:
        return item.target.of_cluster(self._cluster)

    def _tell(self, item: TargetObject, told: Tell) -> None:
        """In the log once, and as an Event: from all workers, and however often, one and the same."""
        template = digest(item.template)
        if self._told.get(item.uid) == (template, told):
            return
        self._told[item.uid] = (template, told)
        line = "".join(letter if letter.isprintable() else " " for letter in told.message)
        _log.warning("%s: %s: %s", item, told.why, line)
        created = datetime.fromisoformat(item.manifest["metadata"]["creationTimestamp"])
        origin = Origin(created, f"{item.uid} {template} {line}")
        self._events.report(item.target, item.uid, Happening(told.why, line, is_warning=True), origin)


@contextmanager
def _surviving(what: str) -> Iterator[None]:
    """Have the log say what can't be followed, to be tried again."""
    try:
        yield
    except (ClusterError, RPCError, TimeoutError) as error:
        why = str(error) or "it takes too long"
        _log.warning("%s can't be followed now, again within %.0f s: %s", what, _AGAIN_SECONDS, why)
    except Exception:  # noqa: BLE001 - a follower that has ended unseen looks like a cluster at rest
        _log.exception("%s can't be followed now, again within %.0f s", what, _AGAIN_SECONDS)


def look(snapshot: Snapshot, target: Target) -> Seen:
    """What of a target matters to whoever follows it."""
    item, record = snapshot.item, snapshot.record
    found = record.found if record else None
    runs_another = bool(snapshot.running_revisions - {snapshot.target_revision})
    return Seen(
        word=target.word,
        namespace=item.namespace,
        uid=item.uid,
        template=digest(item.template),
        revision=kept_name(item, item.template),
        pending=snapshot.is_settled and (runs_another or not snapshot.is_complete),
        frozen=record is not None or item.settings.partition >= item.replicas,
        disputed=bool(record and found and found.template) and not (record and record.edited(item)),
    )


async def _kept(target: LiveTarget, item: TargetObject) -> Kept:
    """What the ledger says of the template that an object has."""
    try:
        await target.ledger.check_standing(item)
    except RefusedError as error:
        return Kept(rejection=str(error))
    return Kept(outcome=await target.ledger.last_outcome(item))
