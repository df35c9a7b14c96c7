"""A template is kept: what to go back to must be known first where somebody has put it in place. All is played."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from rollwright.activities import rollout
from rollwright.activities.messages import KeepTemplate, Kept
from rollwright.activities.rollout import RolloutActivities
from rollwright.cluster.api import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Kind
from rollwright.cluster.errors import UnreachableError
from rollwright.cluster.events import Events
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Change, Strategy
from tests.activities.test_serving import WEB, pod
from tests.cluster import test_probing, test_reading
from tests.cluster.test_reading import Json

REQUEST = KeepTemplate(target=WEB, change=Change(), strategy=Strategy(), restarted_at="")
OLD, NEW = ({"spec": {"containers": [{"name": "model", "image": image}]}} for image in ("m:1", "m:2"))


class Server(test_reading.Server):
    """An API server that keeps templates, and tries others."""

    async def create(self, kind: Kind, namespace: str, body: Json, *, dry_run: bool = False) -> Json:
        self.put(kind, body, "ADDED")
        return body

    async def patch(
        self, kind: Kind, namespace: str, name: str, operations: list[Json], *, dry_run: bool = False
    ) -> Json:
        item = await self.get(kind, namespace, name)
        for operation in operations:
            if operation["path"] == "/spec/template":
                item["spec"]["template"] = operation["value"]
        return item


def sts(*, partition: int, observed: int = 2) -> Json:
    """One whose template was changed."""
    found = test_reading.sts(partition=partition, generation=2)
    found["spec"] |= {"selector": {"matchLabels": {"app": "web"}}, "template": NEW}
    found["status"] = {"observedGeneration": observed, "updateRevision": "new" if observed == 2 else "old"}
    return found


class Site:
    """Three pods that run the template before."""

    def __init__(self, activities: RolloutActivities, server: Server) -> None:
        self.activities, self.server = activities, server
        owner = test_reading.pod(0)["metadata"]["ownerReferences"]
        old = {
            "metadata": {"name": "old", "ownerReferences": owner},
            "revision": 1,
            "data": {"spec": {"template": OLD}},
        }
        server.put(CONTROLLER_REVISIONS, old)
        for ordinal in range(3):
            server.put(PODS, pod(ordinal, "old"))

    async def keep(self) -> Kept:
        return await ActivityEnvironment().run(self.activities.keep_template, REQUEST)


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    server = Server()
    watches = Watches(server)
    async with test_probing.asking() as prober:
        yield Site(RolloutActivities(server, watches, prober, Events(server)), server)
        await watches.close()


async def test_a_template_that_no_controller_has_seen_yet_waits_for_them(site: Site) -> None:
    site.server.put(STATEFUL_SETS, sts(partition=3, observed=1))
    keeping = asyncio.ensure_future(site.keep())
    assert not (await asyncio.wait([keeping], timeout=0.2))[0]
    site.server.put(STATEFUL_SETS, sts(partition=3))
    await site.server.tell(STATEFUL_SETS)
    kept = await asyncio.wait_for(keeping, 5)
    assert kept.before != kept.template == kept.standing


async def test_it_is_tried_again_where_they_do_not_see_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollout, "_PATIENCE_SECONDS", 0.05)
    site.server.put(STATEFUL_SETS, sts(partition=3, observed=1))
    with pytest.raises(ApplicationError, match="have not seen yet how it stands") as told:
        await site.keep()
    assert not told.value.non_retryable


async def unreachable(target: LiveTarget) -> None:
    raise UnreachableError(str(target))


async def test_it_is_tried_again_where_the_groups_cannot_be_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveTarget, "read", unreachable)
    site.server.put(STATEFUL_SETS, sts(partition=3))
    with pytest.raises(ApplicationError, match="web") as told:
        await site.keep()
    assert told.value.type == "UnreachableError"


@pytest.mark.parametrize("is_read", [True, False])
async def test_no_other_rollout_waits_for_it(site: Site, is_read: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_read:
        monkeypatch.setattr(LiveTarget, "read", unreachable)
    site.server.put(STATEFUL_SETS, sts(partition=0, observed=1))
    kept = await asyncio.wait_for(site.keep(), 5)
    assert kept.before == kept.template == kept.standing
