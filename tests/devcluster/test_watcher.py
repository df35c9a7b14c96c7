"""The watcher misses nothing and makes nothing up, whichever of its watches is late."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence

import pytest
import pytest_asyncio
from kubernetes.aio.config import new_client_from_config

from rollwright.devcluster.cluster import DevCluster
from rollwright.devcluster.history import Change, GroupSet, History, Pod, Spec, Watched
from rollwright.devcluster.parts import Part
from rollwright.devcluster.watcher import Watcher
from tests.devcluster.standin.namespace import Namespace, until
from tests.support.restarts import restart_clients

NAME = "m"
READY = Pod(uid="", owner="", ordinal=0, is_leader=True, revision="old", size=1, serves=True)


def spec(version: int, partition: int = 0, replicas: int = 2) -> Change:
    return Change(version, version, Watched.TARGET, NAME, Spec(partition, replicas))


def leader(version: int, ordinal: int, *, uid: str = "", serves: bool = True, size: int = 1) -> Change:
    pod = READY._replace(uid=uid or f"leader-{ordinal}", ordinal=ordinal, serves=serves, size=size)
    return Change(version, version, Watched.PODS, f"{NAME}-{ordinal}", pod)


def workers(version: int, ordinal: int, *, owner: str) -> Change:
    return Change(version, version, Watched.SETS, f"{NAME}-{ordinal}", GroupSet(f"set-of-{owner}", owner, 1))


def worker(version: int, ordinal: int, *, of: str) -> Change:
    pod = READY._replace(uid=f"worker-of-{of}", owner=f"set-of-{of}", ordinal=ordinal, is_leader=False, size=2)
    return Change(version, version, Watched.PODS, f"{NAME}-{ordinal}-1", pod)


def watcher(changes: Iterable[Change], *, complete: int = 1000, missed: Sequence[tuple[int, int]] = ()) -> Watcher:
    """A watcher to which these changes came, in this order, the watch of pods being complete up to a version."""
    watching = Watcher("", "default", NAME)
    for of in Watched:
        history = History(of, lambda: None, lambda item: item, asyncio.Event())
        history.changes = [change for change in changes if change.of is of]
        history.complete = complete if of is Watched.PODS else 1000
        history._missed = [*missed] if of is Watched.PODS else []
        watching._histories.append(history)
    return watching


def available(watching: Watcher) -> list[int]:
    return [moment.available for moment in watching.moments]


def test_news_that_come_late_take_their_place_by_version() -> None:
    seen = watcher([leader(1, 0), leader(2, 1), spec(3), leader(5, 0, serves=False), leader(4, 2), spec(6, replicas=3)])
    assert available(seen) == [2, 3, 2, 2]
    assert seen.available_min == 2


def test_what_a_late_watch_may_yet_change_does_not_count() -> None:
    changes = [leader(1, 0), leader(2, 1), spec(3), spec(9, partition=2), leader(12, 0, serves=False), spec(14)]
    assert available(watcher(changes, complete=8)) == [2]
    assert available(watcher(changes, complete=13)) == [2, 2, 1]


def test_what_was_missed_while_the_api_server_was_away_does_not_count() -> None:
    changes = [leader(1, 0), leader(2, 1), spec(3), leader(7, 1, serves=False), leader(8, 0), spec(20)]
    moments = watcher(changes, missed=[(4, 10)]).moments
    assert [(moment.at, moment.available) for moment in moments] == [(3, 2), (8, 1)]


def test_workers_of_an_earlier_leader_make_no_group() -> None:
    group = [spec(1, replicas=1), leader(2, 0, uid="a", size=2), workers(3, 0, owner="a"), worker(4, 0, of="a")]
    assert available(watcher(group)) == [0, 1]
    assert available(watcher([*group, leader(5, 0, uid="b", size=2)])) == [0, 1, 0]


def test_groups_are_also_asked_for_by_the_leader_stateful_set() -> None:
    leaders = Change(2, 2, Watched.SETS, NAME, GroupSet("leaders", "", 3))
    assert watcher([spec(1), leaders]).groups_max == 3


def test_each_leader_is_listed_once_in_the_order_in_which_they_came() -> None:
    changes = [leader(1, 0, uid="a"), leader(2, 0, uid="a", serves=False), leader(3, 0, uid="b"), leader(4, 0, uid="b")]
    assert [found.uid for found in watcher(changes).leaders[0]] == ["a", "b"]


@pytest_asyncio.fixture(loop_scope="session")
async def three_groups(devcluster: DevCluster) -> AsyncIterator[Namespace]:
    """Three groups of two pods that serve."""
    async with await new_client_from_config(str(devcluster.kubeconfig), persist_config=False) as api:
        namespace = Namespace(api, f"watcher-{uuid.uuid4().hex[:8]}")
        await namespace.create()
        pod = {
            "metadata": {"annotations": {"devcluster.rollwright.io/ready-after": "1s"}},
            "spec": {"containers": [{"name": "m", "image": "m:1"}]},
        }
        await namespace.create_set(
            {
                "apiVersion": "leaderworkerset.x-k8s.io/v1",
                "kind": "LeaderWorkerSet",
                "metadata": {"name": NAME},
                "spec": {"replicas": 3, "leaderWorkerTemplate": {"size": 2, "workerTemplate": pod}},
            }
        )
        await until(lambda: namespace.set(NAME), lambda lws: lws.get("status", {}).get("readyReplicas") == 3)
        yield namespace
        await devcluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


@pytest.mark.real
async def test_groups_that_are_gone_for_a_moment_are_missed(devcluster: DevCluster, three_groups: Namespace) -> None:
    async with Watcher(devcluster.kubeconfig, three_groups.name, NAME) as seen:
        assert (seen.available_min, seen.groups_max, seen.partition_replicas) == (3, 3, [(0, 3)])
        await asyncio.gather(three_groups.delete_pod(f"{NAME}-0"), three_groups.delete_pod(f"{NAME}-2-1"))
        await seen.until(lambda: seen.available_min == 1)
        await seen.until(lambda: seen.moments[-1].available == 3)
    assert seen.available_min == 1
    assert {ordinal: len(leaders) for ordinal, leaders in seen.leaders.items()} == {0: 2, 1: 1, 2: 2}


@pytest.mark.real
async def test_it_goes_on_after_the_api_server_was_away(devcluster: DevCluster, three_groups: Namespace) -> None:
    try:
        async with Watcher(devcluster.kubeconfig, three_groups.name, NAME) as seen:
            await devcluster.stop_part(Part.API_SERVER)
            await devcluster.start_part(Part.API_SERVER)
            await three_groups.patch_set(NAME, [{"op": "replace", "path": "/spec/replicas", "value": 4}])
            await seen.until(lambda: seen.partition_replicas == [(0, 3), (0, 4)])
    finally:
        await restart_clients(devcluster)
    assert seen.available_min == 3
