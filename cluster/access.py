"""What whoever is connected may do, as the API server has it; and what a rollout takes."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from rollwright.cluster.api import (
    CONTROLLER_REVISIONS,
    ENDPOINT_SLICES,
    JOBS,
    NODES,
    PODS,
    STATEFUL_SETS,
    Api,
    Kind,
)
from rollwright.cluster.kinds import SNAPSHOTS
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.spec import RolloutSpec

_REVIEWS = Kind("/apis/authorization.k8s.io/v1", "selfsubjectaccessreviews")
_WRITING = ("get", "list", "watch", "patch")


class Right(NamedTuple):
    """To do something with objects of a kind."""

    kind: Kind
    verb: str
    everywhere: bool = False
    """In all namespaces, and not in the target's alone."""
    name: str = ""
    """Of the only object that it is for; empty: for all."""


def rights_to_start(spec: RolloutSpec) -> tuple[Right, ...]:
    """What `plan` and `start` ask of the cluster."""
    target = SNAPSHOTS[spec.target.kind].OBJECT.RESOURCE
    return (Right(target, "get"), Right(target, "patch"), Right(CONTROLLER_REVISIONS, "list"))


def rights_to_roll_out(spec: RolloutSpec) -> tuple[Right, ...]:
    """What a worker can't do without in this very rollout; a part of deploy/rbac.yaml."""
    target = SNAPSHOTS[spec.target.kind].OBJECT.RESOURCE
    gates = [gate for step in spec.strategy.steps for gate in step.gates]
    kinds = {
        target: _WRITING,
        PODS: ("list", "watch", "patch", "delete"),
        CONTROLLER_REVISIONS: ("get", "list", "create", "patch", "delete"),
    }
    kinds.setdefault(STATEFUL_SETS, ("get", "list", "watch"))
    if any(isinstance(gate, JobGate) for gate in gates):
        kinds[JOBS] = ("get", "list", "create", "delete")
    if spec.strategy.readiness.endpoint:
        kinds[ENDPOINT_SLICES] = ("list", "watch")
    rights = [Right(kind, verb) for kind, verbs in kinds.items() for verb in verbs]
    if any(isinstance(gate, Capacity) for gate in gates):
        rights += [Right(NODES, "list", everywhere=True), Right(PODS, "list", everywhere=True)]
    return tuple(rights)


async def missing(api: Api, namespace: str, rights: Sequence[Right]) -> tuple[Right, ...]:
    """Those of them that whoever is connected doesn't have in a namespace, or, if that is empty, in all of them.

    Raises ClusterError.
    """
    allowed = await asyncio.gather(*(_is_allowed(api, namespace, right) for right in rights))
    return tuple(right for right, has in zip(rights, allowed, strict=True) if not has)


async def _is_allowed(api: Api, namespace: str, right: Right) -> bool:
    group = right.kind.version.rpartition("/")[0]
    resource, _, subresource = right.kind.plural.partition("/")
    asked = {"group": group, "resource": resource, "subresource": subresource, "verb": right.verb, "name": right.name}
    if not right.everywhere:
        asked["namespace"] = namespace
    review = {
        "apiVersion": _REVIEWS.version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = await api.create(_REVIEWS, "", review)
    return bool(answer["status"]["allowed"])


def in_words(rights: Iterable[Right]) -> str:
    """As in "get, patch leaderworkersets; list nodes (in all namespaces)"."""
    parts = []
    for (kind, everywhere), alike in groupby(rights, key=lambda right: (right.kind, right.everywhere)):
        verbs = ", ".join(right.verb for right in alike)
        parts.append(f"{verbs} {kind.plural}{' (in all namespaces)' if everywhere else ''}")
    return "; ".join(parts)
