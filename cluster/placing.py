"""How many more groups find nodes: what is free is counted, and whole groups are placed in it, first fit. Pure."""

from collections.abc import Iterable, Iterator, Sequence, Set
from decimal import Decimal
from typing import NamedTuple

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.nodes import has_labels, labels_of, takes
from rollwright.cluster.objects import label
from rollwright.cluster.resources import Amounts, amounts, requests_of
from rollwright.rollout.gates.questions import CountPlaces, Places


class Usage:
    """What is taken of the nodes, added up pod by pod: the pods themselves needn't be kept."""

    def __init__(self, nodes: Iterable[Manifest], *, namespace: str, passing_over: Set[str] = frozenset()) -> None:
        """`namespace`: of the target; `passing_over`: uids of pods whose place counts as free."""
        self.nodes = tuple(sorted(nodes, key=lambda node: str(node["metadata"]["name"])))
        self.holding_groups: set[str] = set()
        """Names of the nodes that run pods of LWS groups in the namespace of the target."""
        self._namespace = namespace
        self._passing_over = passing_over
        self._taken: dict[str, dict[str, Decimal]] = {}

    def add(self, pods: Iterable[Manifest]) -> None:
        """Count pods that are bound to nodes and have not ended."""
        for pod in pods:
            metadata, node = pod["metadata"], pod["spec"]["nodeName"]
            if metadata["uid"] in self._passing_over:
                continue
            taken = self._taken.setdefault(node, {})
            for name, amount in requests_of(pod["spec"]).items():
                taken[name] = taken.get(name, Decimal()) + amount
            if metadata["namespace"] == self._namespace and label(pod, names.GROUP_KEY):
                self.holding_groups.add(node)

    def free_of(self, node: Manifest) -> dict[str, Decimal]:
        """What is left of a node; below 0 where it is overfull."""
        taken = self._taken.get(node["metadata"]["name"], {})
        allocatable = amounts(node.get("status", {}).get("allocatable"))
        return {name: amount - taken.get(name, 0) for name, amount in allocatable.items()}


def places(
    group: Sequence[tuple[Manifest, int]], usage: Usage, question: CountPlaces, *, exclusive: str | None = None
) -> Places:
    """How many more groups of these pods find nodes, up to the most that is asked for.

    Never more than there is room for; fewer, maybe, where pods of several sizes could be fitted together better.
    `group`: the pod templates, and how many pods there are of each; `exclusive`: the label of nodes whose domains LWS
    gives to one group each (its annotation exclusive-topology).
    """
    topology = question.topology or exclusive
    nodes = [node for node in usage.nodes if has_labels(node, question.node_selector)]
    parts = [_Part.of(template, count, nodes) for template, count in group if count]
    if any(not part.takers for part in parts):
        return Places(short_of="nodes that take its pods")
    domains: dict[str, list[_Room]] = {}
    for node in nodes:
        domain = labels_of(node).get(topology) if topology else ""
        if domain is not None:
            name = node["metadata"]["name"]
            domains.setdefault(domain, []).append(_Room(name, usage.free_of(node)))
    if not domains:
        return Places(short_of=f"nodes with the label {topology}")
    alone = exclusive if topology == exclusive else None
    if alone:
        held = _domains_of_groups(usage, alone)
        domains = {domain: rooms for domain, rooms in domains.items() if domain not in held}
    if not domains:
        return Places(short_of=f"a {topology} without another group")
    return _fill(parts, domains, question.most, topology, at_most=1 if alone else question.most)


class _Room(NamedTuple):
    """What is left of one node."""

    node: str
    free: dict[str, Decimal]

    def lacks(self, asked: Amounts) -> set[str]:
        """The resources that there isn't enough of."""
        return {name for name, amount in asked.items() if self.free.get(name, 0) < amount}

    def take(self, asked: Amounts) -> None:
        for name, amount in asked.items():
            self.free[name] -= amount


class _Part(NamedTuple):
    """Pods of a group that are alike."""

    asked: Amounts
    pods: int
    takers: frozenset[str]
    """Names of the nodes that take them, however full."""

    @classmethod
    def of(cls, template: Manifest, count: int, nodes: Iterable[Manifest]) -> "_Part":
        """Of a pod template."""
        spec = template.get("spec") or {}
        takers = frozenset(node["metadata"]["name"] for node in nodes if takes(node, spec))
        return cls(requests_of(spec), count, takers)

    def rooms(self, domain: Iterable[_Room]) -> Iterator[_Room]:
        """Nodes for such a pod, as they stand."""
        return (room for room in domain if room.node in self.takers and not room.lacks(self.asked))


class _Search:
    """Where pods of a part find room in a domain, first fit.

    Nodes that have been passed over are looked at no more: there only ever is less room. Else each pod of thousands
    would pass over those that all before it have filled.
    """

    def __init__(self, part: _Part, domain: Iterable[_Room]) -> None:
        self.part = part
        self._rooms = part.rooms(domain)
        self._last: _Room | None = None

    def find(self) -> _Room | None:
        """The first node with room for one more; None if there is none."""
        if self._last is None or self._last.lacks(self.part.asked):
            self._last = next(self._rooms, None)
        return self._last


class _Missed(NamedTuple):
    """A group that doesn't fit."""

    placed: int
    """Its pods that had found a node."""
    lacks: str
    """What there was too little of for the next one, in words."""


def _fill(
    parts: list[_Part], domains: dict[str, list[_Room]], most: int, topology: str | None, *, at_most: int
) -> Places:
    """`at_most`: groups in a domain."""
    groups, missed = 0, []
    for _, domain in sorted(domains.items()):
        hardest_first = sorted(parts, key=lambda part: sum(1 for _ in part.rooms(domain)))
        searches = [_Search(part, domain) for part in hardest_first]
        for _ in range(min(at_most, most - groups)):
            if miss := _place(searches, domain):
                missed.append(miss)
                break
            groups += 1
    if groups >= most:
        return Places(groups=groups)
    if not missed:
        return Places(groups=groups, short_of=f"a {topology} without another group")
    lacks = max(missed, key=lambda miss: miss.placed).lacks
    return Places(groups=groups, short_of=f"{lacks} in one {topology}" if topology else lacks)


def _place(searches: Iterable[_Search], domain: Iterable[_Room]) -> _Missed | None:
    """Take the room that a group needs; if there is too little, the domain can't be used any further."""
    placed = 0
    for search in searches:
        for _ in range(search.part.pods):
            room = search.find()
            if room is None:
                return _Missed(placed, _lacking(search.part, domain))
            room.take(search.part.asked)
            placed += 1
    return None


def _lacking(part: _Part, domain: Iterable[_Room]) -> str:
    """What no node has enough of for such a pod; or what they lack one here and another there."""
    lacking = [room.lacks(part.asked) for room in domain if room.node in part.takers]
    if not lacking:
        return "nodes that take its pods"
    if everywhere := set.intersection(*lacking):
        return ", ".join(sorted(everywhere))
    return ", ".join(sorted(set.union(*lacking))) + " on one node"


def _domains_of_groups(usage: Usage, topology: str) -> set[str | None]:
    """Those with groups on any of their nodes, also on those that the gate doesn't select."""
    return {labels_of(node).get(topology) for node in usage.nodes if node["metadata"]["name"] in usage.holding_groups}
