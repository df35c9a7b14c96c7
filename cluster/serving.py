"""Whether groups whose pods are ready serve: by the endpoints of a Service, or by their own answers over HTTP."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from rollwright.cluster import names
from rollwright.cluster.api import ENDPOINT_SLICES, Api, Manifest
from rollwright.cluster.errors import ForbiddenError, RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.probing import Prober
from rollwright.cluster.snapshot import Snapshot, WhyNot, now
from rollwright.cluster.watching import SharedWatch, Watches
from rollwright.rollout.spec import AnswersHttp, Serves


class Witness(ABC):
    """Knows which groups of one target serve. Every method raises a ClusterError for what goes wrong."""

    @abstractmethod
    async def last_seen(self, snapshot: Snapshot) -> WhyNot:
        """What is known by now, at no cost."""

    @abstractmethod
    async def read(self, snapshot: Snapshot) -> WhyNot:
        """The same, to decide on: what isn't known yet is found out."""

    @abstractmethod
    async def waking(self, changed: asyncio.Event) -> AbstractContextManager[None]:
        """Set the event at every change, if changes are told; else whoever waits has to look now and then."""


class EndpointsWitness(Witness):
    """A group serves when its leader is among the ready endpoints of a Service."""

    def __init__(self, api: Api, watches: Watches, namespace: str, service: str) -> None:
        self._api = api
        self._watches = watches
        self._namespace = namespace
        self._service = service

    async def last_seen(self, snapshot: Snapshot) -> WhyNot:
        """By the shared watch."""
        return in_endpoints((await self._watch()).owned_by(self._service), self._service)

    async def read(self, snapshot: Snapshot) -> WhyNot:
        """By a list."""
        selector = f"{names.SERVICE_NAME}={self._service}"
        listing = await self._api.list_all(ENDPOINT_SLICES, self._namespace, selector)
        return in_endpoints(listing["items"], self._service)

    async def waking(self, changed: asyncio.Event) -> AbstractContextManager[None]:
        """At every change of the endpoints."""
        return (await self._watch()).waking(self._service, changed)

    async def _watch(self) -> SharedWatch:
        return await self._watches.of(ENDPOINT_SLICES, self._namespace)


class HttpWitness(Witness):
    """A group serves when its leader answers."""

    def __init__(self, prober: Prober, probe: AnswersHttp, target_digest: str | None) -> None:
        """`target_digest`: of the template whose groups are asked; None: of whichever stands."""
        self._prober = prober
        self._probe = probe
        self._target_digest = target_digest

    async def last_seen(self, snapshot: Snapshot) -> WhyNot:
        """By the last answers. Those are asked from now on of which it is asked."""
        return partial(self._prober.why_not, probe=self._probe)

    async def read(self, snapshot: Snapshot) -> WhyNot:
        """Once all have been asked: a worker that has just begun knows nothing."""
        await self._prober.hear(snapshot.to_be_asked(self._target_digest, now()), self._probe)
        return await self.last_seen(snapshot)

    async def waking(self, changed: asyncio.Event) -> AbstractContextManager[None]:
        """Answers wake nobody: they come every few seconds, and waits look every second."""
        return nullcontext()


def in_endpoints(slices: Sequence[Manifest], service: str) -> WhyNot:
    """Who is among the ready endpoints of a Service, by its EndpointSlices.

    Source: EndpointConditions of discovery.k8s.io/v1, where a readiness that isn't told counts as ready. A Service that
    publishes addresses that aren't ready gives out pods that are leaving as ready.
    """
    endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or ()]
    serving = {_pod_of(endpoint) for endpoint in endpoints if _is_ready(endpoint)}

    def why_not(leader: Manifest) -> str:
        name, uid = leader["metadata"]["name"], leader["metadata"]["uid"]
        if (name, uid) in serving:
            return ""
        why = f"not in the endpoints of service {service}" if endpoints else f"service {service} has no endpoints"
        return f"{name}: {why}"

    return why_not


def _pod_of(endpoint: Manifest) -> tuple[str, str] | None:
    """Name and uid."""
    target = endpoint.get("targetRef") or {}
    return (target.get("name", ""), target.get("uid", "")) if target.get("kind") == "Pod" else None


def _is_ready(endpoint: Manifest) -> bool:
    conditions = endpoint.get("conditions") or {}
    return conditions.get("ready") is not False and not conditions.get("terminating")


def witness_of(
    readiness: Serves, api: Api, watches: Watches, prober: Prober, *, namespace: str, target_digest: str | None
) -> Witness | None:
    """Who knows which groups of a target serve, by the strategy; None if their pods do."""
    match readiness:
        case Serves(endpoint=endpoint) if endpoint:
            return EndpointsWitness(api, watches, namespace, endpoint.service)
        case Serves(http=probe) if probe:
            return HttpWitness(prober, probe, target_digest)
        case _:
            return None


async def check_rights(api: Api, item: TargetObject, readiness: Serves) -> None:
    """Raise RefusedError if the endpoints that the strategy asks for may not be seen, with what to do."""
    if readiness.endpoint is None:
        return
    try:
        await api.list_all(ENDPOINT_SLICES, item.namespace, f"{names.SERVICE_NAME}={readiness.endpoint.service}")
    except ForbiddenError as error:
        raise RefusedError(
            f"{item}: readiness by the endpoints of service {readiness.endpoint.service} needs more rights: let the "
            f"worker list and watch endpointslices as in deploy/rbac.yaml, or give readiness http or pod ({error})"
        ) from error
