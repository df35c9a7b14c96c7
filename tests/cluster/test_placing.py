"""How many more groups find nodes, counted over nodes and pods as the API server returns them."""

from collections.abc import Sequence
from typing import Any

import pytest

from rollwright.cluster import placing
from rollwright.cluster.leaderworkerset import LeaderWorkerSet
from rollwright.cluster.nodes import takes
from rollwright.cluster.placing import Usage, places
from rollwright.cluster.resources import Amounts, requests_of
from rollwright.cluster.statefulset import StatefulSet
from rollwright.rollout.gates.questions import CountPlaces, Places

Json = dict[str, Any]
GPU = "nvidia.com/gpu"
RACK = "example.com/rack"
GROUP_KEY = "leaderworkerset.sigs.k8s.io/group-key"


def node(name: str = "n", *, gpus: int = 8, labels: Json | None = None, ready: str = "True", **spec: Any) -> Json:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {
            "allocatable": {"cpu": "64", "memory": "512Gi", "pods": "110", GPU: str(gpus)},
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}],
        },
    }


def nodes(*gpus: int, **more: Any) -> list[Json]:
    return [node(f"n{number}", gpus=free, **more) for number, free in enumerate(gpus)]


def container(requests: Json, **more: Any) -> Json:
    return {"name": "c", "resources": {"requests": requests}, **more}


def template(gpus: int = 8, **spec: Any) -> Json:
    return {"spec": {"containers": [container({GPU: gpus})], **spec}}


def pod(on: str, gpus: int = 0, *, namespace: str = "other", uid: str = "u", labels: Json | None = None) -> Json:
    metadata = {"name": "p", "namespace": namespace, "uid": uid, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"nodeName": on, "containers": [container({GPU: gpus, "cpu": "1"})]}}


def group(size: int = 1, worker: Json | None = None, leader: Json | None = None) -> list[tuple[Json, int]]:
    both = {"size": size, "workerTemplate": worker or template(), **({"leaderTemplate": leader} if leader else {})}
    return LeaderWorkerSet.pods_of_group({"leaderWorkerTemplate": both})


def count(
    of: Sequence[tuple[Json, int]],
    among: Sequence[Json],
    pods: Sequence[Json] = (),
    *,
    most: int = 100,
    exclusive: str | None = None,
    passing_over: frozenset[str] = frozenset(),
    **question: Any,
) -> Places:
    usage = Usage(among, namespace="ours", passing_over=passing_over)
    usage.add(pods)
    return places(of, usage, CountPlaces(most=most, **question), exclusive=exclusive)


@pytest.mark.parametrize(
    ("free", "of", "expected"),
    [
        pytest.param([8, 8, 8], group(), 3, id="a node each"),
        pytest.param([8, 8, 8], group(size=2), 1, id="two nodes each, one is left over"),
        pytest.param([8, 8], group(worker=template(4)), 4, id="two on a node"),
        pytest.param([4, 4, 4, 4], group(), 0, id="fragmented: enough in all, on no node"),
        pytest.param([6, 6, 6], group(size=2, worker=template(4)), 1, id="fragmented: what is left of nodes is lost"),
        pytest.param([8, 8, 8], group(size=3, leader=template(1), worker=template(8)), 1, id="leader and workers"),
        pytest.param([8, 1], group(size=2, leader=template(1), worker=template(8)), 1, id="the larger pods go first"),
        pytest.param([9, 9], group(size=2, leader=template(1), worker=template(8)), 2, id="side by side"),
        pytest.param([0, 0], group(worker={"spec": {"containers": [container({"cpu": "32"})]}}), 4, id="no GPUs"),
        pytest.param([], group(), 0, id="no nodes at all"),
    ],
)
def test_only_whole_groups_count(free: list[int], of: list[tuple[Json, int]], expected: int) -> None:
    assert count(of, nodes(*free)).groups == expected


def test_a_group_of_a_statefulset_is_one_pod() -> None:
    assert count(StatefulSet.pods_of_group({"template": template(4)}), nodes(8, 4)).groups == 3


def test_no_more_is_counted_than_is_asked_for() -> None:
    assert count(group(), nodes(8, 8, 8), most=2) == Places(groups=2)


def test_a_group_that_does_not_fit_leaves_its_room_to_the_pods_of_others() -> None:
    """The first rack has room for half a group, which must not be missing there, nor be counted with the second's."""
    racks = [node(f"n{number}", labels={RACK: rack}) for number, rack in enumerate(["a", "b", "b"])]
    assert count(group(size=2), racks, topology=RACK).groups == 1


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([pod("n0", 8)], 1, id="a node in use"),
        pytest.param([pod("n0", 1)], 1, id="a node in use in part"),
        pytest.param([pod("n0", 1), pod("n1", 1)], 0, id="both"),
        pytest.param([pod("n0", 0)], 2, id="a pod without GPUs"),
        pytest.param([pod("n0", 0)] * 65, 1, id="more CPU asked for than there is"),
        pytest.param([pod("gone", 8)], 2, id="on a node that is gone"),
    ],
)
def test_what_pods_on_a_node_ask_for_is_taken(pods: list[Json], expected: int) -> None:
    tiny = {"spec": {"containers": [container({GPU: 8, "cpu": "1"})]}}
    assert count(group(worker=tiny), nodes(8, 8), pods).groups == expected


def test_pods_that_are_passed_over_leave_their_place() -> None:
    pods = [pod("n0", 8, uid="surge"), pod("n1", 8, uid="other")]
    assert count(group(), nodes(8, 8), pods, passing_over=frozenset({"surge"})).groups == 1


def test_a_node_takes_so_many_pods_and_no_more() -> None:
    small = node("n0")
    small["status"]["allocatable"]["pods"] = "3"
    none = {"spec": {"containers": [container({})]}}
    assert count(group(worker=none), [small], [pod("n0")]).groups == 2


def test_racks() -> None:
    racks = [node(f"n{number}", labels={RACK: rack}) for number, rack in enumerate(["a", "b", "b", "c", "c", "c"])]
    assert count(group(size=2), racks).groups == 3
    assert count(group(size=2), racks, topology=RACK).groups == 2
    assert count(group(size=3), racks, topology=RACK).groups == 1
    assert count(group(size=2), [*racks, *nodes(8, 8)], topology=RACK).groups == 2, "nodes without the label"


def test_domains_that_lws_gives_to_one_group_each() -> None:
    racks = [node(f"n{number}", labels={RACK: rack}) for number, rack in enumerate(["a", "a", "b", "b", "c", "c"])]
    ours = pod("n0", namespace="ours", labels={GROUP_KEY: "k"})
    assert count(group(), racks, exclusive=RACK).groups == 3
    assert count(group(), racks, [ours], exclusive=RACK).groups == 2
    assert count(group(), racks, [ours], exclusive=RACK, passing_over=frozenset({"u"})).groups == 3
    assert count(group(), racks, [pod("n0", labels={GROUP_KEY: "k"})], exclusive=RACK).groups == 3, "another namespace"
    assert count(group(), racks, [pod("n0", namespace="ours")], exclusive=RACK).groups == 3, "no pod of a group"
    assert count(group(), racks, [ours], exclusive=RACK, topology="kubernetes.io/hostname").groups == 0
    assert count(group(), racks, [ours], exclusive="kubernetes.io/hostname", topology=RACK).groups == 6


def test_a_domain_is_taken_also_by_a_group_on_a_node_that_the_gate_does_not_select() -> None:
    racks = [
        node("n0", labels={RACK: "a", "pool": "x"}),
        node("n1", labels={RACK: "a"}),
        node("n2", labels={RACK: "b", "pool": "x"}),
    ]
    ours = pod("n1", namespace="ours", labels={GROUP_KEY: "k"})
    assert count(group(), racks, [ours], exclusive=RACK, node_selector={"pool": "x"}).groups == 1
    assert count(group(), racks, [], exclusive=RACK, node_selector={"pool": "x"}).groups == 2


def test_full_nodes_are_passed_over_once_and_not_for_each_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0
    lacks = placing._Room.lacks

    def counted(room: placing._Room, asked: Amounts) -> set[str]:
        nonlocal looks
        looks += 1
        return lacks(room, asked)

    monkeypatch.setattr(placing._Room, "lacks", counted)
    many = [node(f"n{number:03}", gpus=9) for number in range(200)]
    of = group(size=5, leader=template(1), worker=template(2))
    assert count(of, many).groups == 100
    pods = 100 * 5
    assert looks < 3 * (pods + 2 * len(many))


def test_nodes_are_selected_by_the_gate_and_by_the_template() -> None:
    pools = [node("n0", labels={"pool": "a", "disk": "x"}), node("n1", labels={"pool": "b", "disk": "x"}), node("n2")]
    assert count(group(), pools, node_selector={"disk": "x"}).groups == 2
    selecting = group(worker=template(8, nodeSelector={"pool": "a"}))
    assert count(selecting, pools).groups == 1
    assert count(selecting, pools, node_selector={"disk": "x"}).groups == 1
    assert count(selecting, pools, node_selector={"pool": "b"}).groups == 0


def test_leaders_and_workers_may_be_for_other_nodes() -> None:
    pools = [node("n0", labels={"pool": "a"}), node("n1", labels={"pool": "b"}), node("n2", labels={"pool": "b"})]
    leader, worker = template(1, nodeSelector={"pool": "a"}), template(8, nodeSelector={"pool": "b"})
    assert count(group(size=2, leader=leader, worker=worker), pools).groups == 2


@pytest.mark.parametrize(
    ("of", "question", "expected"),
    [
        pytest.param(group(), {}, GPU, id="one resource"),
        pytest.param(group(size=2), {"topology": RACK}, f"{GPU} in one {RACK}", id="in a rack"),
        pytest.param(
            group(worker={"spec": {"containers": [container({GPU: 8, "cpu": "9"})]}}),
            {"node_selector": {"pool": "c"}},
            f"cpu, {GPU} on one node",
            id="on each node another",
        ),
        pytest.param(group(), {"node_selector": {"pool": "none"}}, "nodes that take its pods", id="no such nodes"),
        pytest.param(group(), {"topology": "rack"}, "nodes with the label rack", id="no such label"),
        pytest.param(
            group(worker={"spec": {"containers": [container({"example.com/tpu": 1})]}}),
            {},
            "example.com/tpu",
            id="a resource that no node has",
        ),
    ],
)
def test_it_is_said_what_there_is_too_little_of(of: list[tuple[Json, int]], question: Json, expected: str) -> None:
    among = [
        node("n0", labels={"pool": "c", RACK: "a"}),
        node("n1", labels={"pool": "c", RACK: "b"}),
    ]
    pods = [pod("n0", 1), *([pod("n1")] * 60)]
    assert count(of, among, pods, **question).short_of == expected


def test_every_domain_taken_by_a_group_is_said() -> None:
    racks = [node("n0", labels={RACK: "a"}), node("n1", labels={RACK: "b"})]
    ours = [pod(on, namespace="ours", labels={GROUP_KEY: "k"}) for on in ("n0", "n1")]
    expected = f"a {RACK} without another group"
    assert count(group(), racks, exclusive=RACK) == Places(groups=2, short_of=expected)
    assert count(group(), racks, ours, exclusive=RACK) == Places(groups=0, short_of=expected)


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("found", "spec", "expected"),
    [
        pytest.param(node(), {}, True, id="a plain node"),
        pytest.param(node(ready="False"), {}, False, id="not ready"),
        pytest.param(node(ready="Unknown"), {}, False, id="not heard of"),
        pytest.param(node(unschedulable=True), {"tolerations": [{"operator": "Exists"}]}, False, id="cordoned"),
        pytest.param(node(taints=[TAINT]), {}, False, id="tainted"),
        pytest.param(node(taints=[{**TAINT, "effect": "NoExecute"}]), {}, False, id="tainted, even for what runs"),
        pytest.param(node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), {}, True, id="rather not"),
        *(
            pytest.param(node(taints=[TAINT]), {"tolerations": [toleration]}, expected, id=f"tolerates {toleration}")
            for toleration, expected in [
                ({"operator": "Exists"}, True),
                ({"key": "gpu", "operator": "Exists"}, True),
                ({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}, True),
                ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
                ({"key": "gpu", "value": "yes"}, True),
                ({"key": "gpu", "operator": "Equal", "value": "yes"}, True),
                ({"key": "gpu", "operator": "Equal", "value": "no"}, False),
                ({"key": "gpu"}, False),
                ({"key": "cpu", "operator": "Exists"}, False),
            ]
        ),
        pytest.param(
            node(taints=[TAINT, {"key": "x", "effect": "NoExecute"}]),
            {"tolerations": [{"key": "gpu", "operator": "Exists"}]},
            False,
            id="of two taints one is tolerated",
        ),
        pytest.param(node(taints=[{"key": "x", "effect": "NoExecute"}]), {"tolerations": [{"key": "x"}]}, True, id="x"),
    ],
)
def test_a_node_takes_pods_that_may_be_there(found: Json, spec: Json, expected: bool) -> None:
    assert takes(found, spec) is expected


def required(*terms: Json) -> Json:
    return {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    }


def term(*expressions: tuple[str, str, list[str]], field: str = "matchExpressions") -> Json:
    return {field: [{"key": key, "operator": operator, "values": values} for key, operator, values in expressions]}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        pytest.param([term(("pool", "In", ["a", "b"]))], True, id="In"),
        pytest.param([term(("pool", "In", ["b"]))], False, id="not In"),
        pytest.param([term(("pool", "NotIn", ["b"]))], True, id="NotIn"),
        pytest.param([term(("pool", "NotIn", ["a"]))], False, id="not NotIn"),
        pytest.param([term(("other", "NotIn", ["a"]))], True, id="NotIn, and not there"),
        pytest.param([term(("other", "In", ["a"]))], False, id="In, and not there"),
        pytest.param([term(("pool", "Exists", []))], True, id="Exists"),
        pytest.param([term(("other", "Exists", []))], False, id="not Exists"),
        pytest.param([term(("other", "DoesNotExist", []))], True, id="DoesNotExist"),
        pytest.param([term(("pool", "DoesNotExist", []))], False, id="not DoesNotExist"),
        pytest.param([term(("number", "Gt", ["6"]))], True, id="Gt"),
        pytest.param([term(("number", "Gt", ["7"]))], False, id="not Gt"),
        pytest.param([term(("number", "Lt", ["10"]))], True, id="Lt, as numbers"),
        pytest.param([term(("pool", "Lt", ["10"]))], False, id="no number"),
        pytest.param([term(("pool", "In", ["a"]), ("other", "Exists", []))], False, id="all of a term"),
        pytest.param([term(("other", "Exists", [])), term(("pool", "In", ["a"]))], True, id="one of the terms"),
        pytest.param([{}], False, id="a term that asks for nothing"),
        pytest.param([term(("metadata.name", "In", ["n"]), field="matchFields")], True, id="by name"),
        pytest.param([term(("metadata.name", "NotIn", ["n"]), field="matchFields")], False, id="not by name"),
    ],
)
def test_required_node_affinity(terms: list[Json], expected: bool) -> None:
    assert takes(node(labels={"pool": "a", "number": "7"}), required(*terms)) is expected


def test_what_is_only_preferred_keeps_no_pod_away() -> None:
    preferred = [{"weight": 1, "preference": term(("pool", "In", ["b"]))}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert takes(node(), {"affinity": affinity})


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"containers": [container({"cpu": "500m"}), container({"cpu": 1})]}, {"cpu": 1.5}, id="sum"),
        pytest.param({"containers": [container({"memory": "1Gi"})]}, {"memory": 2**30}, id="bytes"),
        pytest.param({"containers": [{"resources": {"limits": {GPU: "8"}}}]}, {GPU: 8}, id="limits without requests"),
        pytest.param(
            {"containers": [{"resources": {"limits": {"cpu": 4, GPU: 1}, "requests": {"cpu": 2}}}]},
            {"cpu": 2, GPU: 1},
            id="a request beside its limit",
        ),
        pytest.param({"containers": [container({GPU: "0"})]}, {}, id="nothing of it"),
        pytest.param(
            {"containers": [container({"cpu": 2})], "initContainers": [container({"cpu": 3}), container({"cpu": 1})]},
            {"cpu": 3},
            id="an init container that needs more",
        ),
        pytest.param(
            {"containers": [container({"cpu": 2})], "initContainers": [container({"cpu": 1}, restartPolicy="Always")]},
            {"cpu": 3},
            id="a sidecar",
        ),
        pytest.param(
            {
                "containers": [container({"cpu": 2})],
                "initContainers": [container({"cpu": 1}, restartPolicy="Always"), container({"cpu": 4})],
            },
            {"cpu": 5},
            id="an init container beside a sidecar",
        ),
        pytest.param(
            {
                "containers": [container({"cpu": 2})],
                "initContainers": [container({"cpu": 4}), container({"cpu": 1}, restartPolicy="Always")],
            },
            {"cpu": 4},
            id="an init container before a sidecar",
        ),
        pytest.param(
            {"containers": [container({"cpu": 2})], "overhead": {"cpu": "250m", "memory": "1k"}},
            {"cpu": 2.25, "memory": 1000},
            id="overhead",
        ),
        pytest.param(
            {"containers": [container({"cpu": 2, GPU: 1})], "resources": {"requests": {"cpu": 5}}},
            {"cpu": 5, GPU: 1},
            id="of the pod as a whole",
        ),
        pytest.param({}, {}, id="no containers"),
    ],
)
def test_what_a_pod_asks_for(spec: Json, expected: Json) -> None:
    assert requests_of(spec) == {**expected, "pods": 1}
