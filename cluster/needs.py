"""What a worker must be allowed for what it does, and what is lost without it.

The same as deploy/chart grants, by what it is for. What one rollout takes of it is in access.py.
"""

from typing import NamedTuple

from rollwright.cluster.access import Right
from rollwright.cluster.api import (
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    ENDPOINT_SLICES,
    EVENTS,
    JOBS,
    LEADER_WORKER_SETS,
    NODES,
    PODS,
    STATEFUL_SETS,
    Kind,
)
from rollwright.cluster.scalers import HORIZONTAL_POD_AUTOSCALERS

_POD_LOGS = Kind(PODS.path, "pods/log")
_KUEUE = "/apis/kueue.x-k8s.io/v1beta1"  # RBAC knows groups, and no versions of them
_LOCAL_QUEUES, _CLUSTER_QUEUES = Kind(_KUEUE, "localqueues"), Kind(_KUEUE, "clusterqueues")


class Need(NamedTuple):
    """What something takes."""

    rights: tuple[Right, ...]
    lost: str
    """What is so without them, as the end of a sentence."""
    optional: bool = True


def _to(kind: Kind, *verbs: str, everywhere: bool = False) -> tuple[Right, ...]:
    return tuple(Right(kind, verb, everywhere=everywhere) for verb in verbs)


IN_TARGETS = (
    Need(
        _to(PODS, "list", "watch", "patch", "delete")
        + _to(STATEFUL_SETS, "get", "list", "watch")
        + _to(CONTROLLER_REVISIONS, "get", "list", "create", "patch", "delete"),
        "nothing there can be rolled out",
        optional=False,
    ),
    Need(
        _to(LEADER_WORKER_SETS, "get", "list", "watch", "patch"),
        "LeaderWorkerSets there can't be rolled out",
        optional=False,
    ),
    Need(_to(STATEFUL_SETS, "patch"), "StatefulSets there can't be rolled out", optional=False),
    Need(_to(HORIZONTAL_POD_AUTOSCALERS, "list"), "rollouts there do as if an autoscaler had the target"),
    Need(_to(JOBS, "get", "list", "create", "delete"), "rollouts with job gates are refused there"),
    Need(_to(_POD_LOGS, "get"), "job gates there don't show what their pods have written"),
    Need(_to(ENDPOINT_SLICES, "list", "watch"), "rollouts with readiness by endpoints are refused there"),
    Need(
        _to(_LOCAL_QUEUES, "list") + _to(_CLUSTER_QUEUES, "get", everywhere=True),
        "capacity gates of targets with a queue of Kueue are inconclusive there",
    ),
    Need(_to(EVENTS, "create"), "kubectl describe tells nothing of rollouts there"),
)
"""In a namespace with targets."""
IN_CLUSTER = (
    Need(_to(NODES, "list", everywhere=True) + _to(PODS, "list", everywhere=True), "capacity gates are inconclusive"),
)
"""In the cluster as a whole."""


def to_read_policies(name: str) -> Need:
    """In the namespace of the ConfigMap with the policies that is followed by."""
    rights = (Right(CONFIG_MAPS, verb, name=name) for verb in ("list", "watch"))
    return Need(tuple(rights), "nothing is followed by it", optional=False)
