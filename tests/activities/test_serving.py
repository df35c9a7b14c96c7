"""A wait for groups to serve, beside their pods: the API server is played, what asks and answers is real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from temporalio.testing import ActivityEnvironment

from rollwright.activities import waiting
from rollwright.activities.messages import Outcome, Sight, TakeStep, WaitReadiness
from rollwright.activities.rollout import RolloutActivities
from rollwright.activities.waiting import Waiter
from rollwright.cluster import names, probing, steps
from rollwright.cluster.api import ENDPOINT_SLICES, PODS, STATEFUL_SETS, Kind
from rollwright.cluster.events import Events
from rollwright.cluster.probing import Prober
from rollwright.cluster.serving import witness_of
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.observation import Cause
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import InEndpoints, Serves, Strategy, Target, TargetKind
from tests.cluster import test_probing, test_reading
from tests.cluster.test_reading import Json

WEB = Target(kind=TargetKind.STATEFUL_SET, name="web")


def pod(ordinal: int, revision: str) -> Json:
    """One whose pod is ready."""
    found = test_reading.pod(ordinal)
    found["metadata"]["labels"][names.CONTROLLER_REVISION] = revision
    found["metadata"]["creationTimestamp"] = "2026-01-01T11:00:00Z"
    status = {"podIP": "127.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    return {**found, "spec": {"nodeName": "node-1"}, "status": status}


def slice_of(*ordinals: int) -> Json:
    references = [{"kind": "Pod", "name": f"web-{ordinal}", "uid": f"u-{ordinal}"} for ordinal in ordinals]
    endpoints = [{"conditions": {"ready": True}, "targetRef": reference} for reference in references]
    return {"metadata": {"name": "web-x", "labels": {names.SERVICE_NAME: "web"}}, "endpoints": endpoints}


class Server(test_reading.Server):
    """An API server that takes what is written, and stays as it is."""

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: list[Json], *, dry_run: bool = False
    ) -> Json:
        return await self.get(kind, namespace, name)


class Site:
    """Three pods of a StatefulSet, of which the highest has been released and is ready on the new revision."""

    def __init__(self, readiness: Serves, prober: Prober) -> None:
        self.server = Server()
        self.server.put(STATEFUL_SETS, test_reading.sts(partition=2))
        for ordinal, revision in enumerate(("old", "old", "new")):
            self.server.put(PODS, pod(ordinal, revision))
        self.watches = Watches(self.server)
        self.activities = RolloutActivities(self.server, self.watches, prober, Events(self.server))
        witness = witness_of(readiness, self.server, self.watches, prober, namespace="default", target_digest=None)
        self._target = LiveTarget(self.server, self.watches, WEB, witness=witness)
        self._request = WaitReadiness(
            target=WEB, aim=Aim(strategy=Strategy(readiness=readiness)), template="", show_after_seconds=60
        )

    def wait(self, last: Sight | None = None) -> asyncio.Task[Sight]:
        """Begin to wait, given what was seen before."""
        known = {"known": last.observation, "ordeals": last.ordeals} if last else {}
        waiter = Waiter(self._target, self._request.model_copy(update=known))
        return asyncio.ensure_future(ActivityEnvironment().run(waiter.wait))


@asynccontextmanager
async def site(readiness: Serves) -> AsyncIterator[Site]:
    async with test_probing.asking() as prober:
        made = Site(readiness, prober)
        try:
            yield made
        finally:
            await made.watches.close()


async def sits(wait: asyncio.Task[Sight]) -> bool:
    return not (await asyncio.wait([wait], timeout=0.2))[0]


def not_serving(sight: Sight) -> dict[int, str]:
    assert sight.observation
    return {group.ordinal: group.reason for group in sight.observation.groups if group.cause is Cause.SERVING}


def planned(sight: Sight) -> Action | None:
    assert sight.observation
    verdict = Aim(strategy=Strategy()).plan(sight.observation)
    return verdict.action if isinstance(verdict, Step) else None


async def test_a_wait_sits_until_the_group_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_OTHERS_EVERY_SECONDS", 0.02)
    monkeypatch.setattr(waiting, "_LOOK_EVERY_SECONDS", 0.01)
    async with test_probing.serving() as http, site(Serves(http=http.probe(timeout=10))) as found:
        http.status = 503
        first = await found.wait()
        assert not_serving(first) == {2: f"web-2: http 503 from :{http.port}/health"}
        assert planned(first) is None
        wait = found.wait(first)
        assert await sits(wait)
        http.status = 200
        last = await wait
        assert (not_serving(last), planned(last)) == ({}, Action.LOWER_PARTITION)


async def test_a_wait_is_woken_when_the_group_comes_into_the_endpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_LOOK_EVERY_SECONDS", 60.0)
    async with site(Serves(endpoint=InEndpoints(service="web"))) as found:
        found.server.put(ENDPOINT_SLICES, slice_of(0, 1))
        first = await found.wait()
        assert not_serving(first) == {2: "web-2: not in the endpoints of service web"}
        wait = found.wait(first)
        assert await sits(wait)
        found.server.put(ENDPOINT_SLICES, slice_of(0, 1, 2))
        await found.server.tell(ENDPOINT_SLICES)
        last = await asyncio.wait_for(wait, 5)
        assert (not_serving(last), planned(last)) == ({}, Action.LOWER_PARTITION)


async def test_a_step_is_taken_only_where_the_groups_that_it_was_planned_on_serve_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also on a worker that has never looked at the target."""
    monkeypatch.setattr(steps, "_ARRIVAL_SECONDS", 0.01)
    readiness = Serves(endpoint=InEndpoints(service="web"))
    step = Step(action=Action.LOWER_PARTITION, partition=1, groups=3, readiness=readiness)
    request = TakeStep(target=WEB, template="", step=step, uid="u", generation=1, floor=2)
    async with site(readiness) as found:
        found.server.put(ENDPOINT_SLICES, slice_of(0, 1))
        assert await ActivityEnvironment().run(found.activities.lower_partition, request) is Outcome.OUTDATED
        found.server.put(ENDPOINT_SLICES, slice_of(0, 1, 2))
        assert await ActivityEnvironment().run(found.activities.lower_partition, request) is Outcome.DONE


async def test_a_wait_goes_by_the_strategy_it_is_given_and_on_the_way_back_by_the_pods() -> None:
    readiness = Serves(endpoint=InEndpoints(service="web"))
    async with site(readiness) as found:
        for course, says in ((Course.FORWARD, {2: "web-2: service web has no endpoints"}), (Course.BACK, {})):
            aim = Aim(strategy=Strategy(readiness=readiness), course=course)
            request = WaitReadiness(target=WEB, aim=aim, template="")
            assert not_serving(await ActivityEnvironment().run(found.activities.wait_readiness, request)) == says
