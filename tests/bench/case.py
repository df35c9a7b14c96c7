"""What is measured: a target with so many groups, how long each takes to start, and the budget of its update."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from rollwright.cluster.api import LEADER_WORKER_SETS, STATEFUL_SETS, Kind, Manifest
from rollwright.rollout.simulator import World, simulate
from rollwright.rollout.spec import Budget, Pacing, Strategy

OLD, NEW = "model:1", "model:2"
APP = "app"
"""Label of every pod of a target: the target's name."""
_PLAYED = "devcluster.rollwright.io"
_GONE_AFTER = "20ms"
"""Start-up times are played a thousand times shorter than those of real models, and so is this."""


@dataclass(frozen=True)
class Case:
    """One target and its update. Groups are of one pod, so that a group is ready when its pod is."""

    name: str
    replicas: int
    max_unavailable: int | str
    max_surge: int | str
    start_up_seconds: Mapping[int, float] = field(default_factory=dict)
    """By ordinal; the others take the default."""
    default_seconds: float = 2.0
    drawn: str = ""
    """A range such as `1s-5s` from which every start-up time is drawn, in place of all the others."""

    def start_up(self, ordinal: int) -> float:
        return self.start_up_seconds.get(ordinal, self.default_seconds)

    def strategy(self, pacing: Pacing = Pacing.ORDERED) -> Strategy:
        return Strategy(max_unavailable=self.max_unavailable, max_surge=self.max_surge, pacing=pacing)

    @property
    def budget(self) -> Budget:
        return self.strategy().budget(self.replicas)

    @property
    def lower_bound(self) -> float:
        """Seconds that no update within the budget can beat, in whatever order: all start-up work over the slots.

        Surge groups are slots, and have to be started too.
        """
        budget = self.budget
        work = [self.start_up(ordinal) for ordinal in range(budget.ceiling)]
        totals = [
            sum(work[: self.replicas + surge]) / (budget.unavailable + surge)
            for surge in range(budget.surge + 1)
            if budget.unavailable + surge > 0
        ]
        return max(*work[: self.replicas], min(totals))

    def planned(self, pacing: Pacing) -> float:
        """Seconds that the planner's steps take where everybody else reacts at once."""
        *_, last = simulate(self.strategy(pacing), World(self.replicas), self.start_up)
        return last.seconds

    @property
    def pod_template(self) -> Manifest:
        if self.drawn:
            start_up = {"ready-after": self.drawn}
        else:
            seconds = {str(ordinal): f"{self.start_up(ordinal):.2f}s" for ordinal in range(self.budget.ceiling)}
            start_up = {"ready-after-by-group": json.dumps(seconds)}
        played = {"gone-after": _GONE_AFTER, **start_up}
        return {
            "metadata": {"annotations": {f"{_PLAYED}/{name}": value for name, value in played.items()}},
            "spec": {"containers": [{"name": "model", "image": OLD}]},
        }


def equal(replicas: int, max_unavailable: int | str, max_surge: int | str) -> Case:
    return Case("equal start-up times", replicas, max_unavailable, max_surge)


def stragglers(replicas: int, max_unavailable: int, max_surge: int, slow: tuple[int, ...]) -> Case:
    """Some groups take five times as long as the others."""
    name = f"groups {', '.join(map(str, slow))} take 5 times as long"
    return Case(name, replicas, max_unavailable, max_surge, dict.fromkeys(slow, 10.0))


def long_tail(replicas: int, max_unavailable: int | str, max_surge: int | str) -> Case:
    """Most are quick, some slow, a few very slow; the same ones each time."""
    random = Random(1)
    seconds = {ordinal: min(15.0, 1.2 * random.paretovariate(1.7)) for ordinal in range(2 * replicas)}
    return Case("long tail of start-up times", replicas, max_unavailable, max_surge, seconds)


@dataclass(frozen=True)
class TargetKind:
    """A kind of target: how one is made, and how its own controller is told to update it."""

    name: str
    """As in the spec of a rollout."""
    api: Kind

    def manifest(self, name: str, case: Case, *, native: bool = False) -> Manifest:
        """`native`: its own controller is to keep to the case's budget."""
        template = case.pod_template
        template["metadata"]["labels"] = {APP: name}
        if self is LWS:
            spec: Manifest = {"leaderWorkerTemplate": {"size": 1, "workerTemplate": template}}
            if native:
                settings = {"maxUnavailable": case.max_unavailable, "maxSurge": case.max_surge}
                spec["rolloutStrategy"] = {"type": "RollingUpdate", "rollingUpdateConfiguration": settings}
            version = "leaderworkerset.x-k8s.io/v1"
        else:
            spec = {
                "serviceName": name,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {APP: name}},
                "template": template,
            }
            if native:
                rolling = {"maxUnavailable": case.max_unavailable}
                spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
            version = "apps/v1"
        return {
            "apiVersion": version,
            "kind": self.name,
            "metadata": {"name": name},
            "spec": {"replicas": case.replicas, **spec},
        }

    @property
    def update(self) -> list[Manifest]:
        """The patch by which its own controller is told to update it."""
        template = "leaderWorkerTemplate/workerTemplate" if self is LWS else "template"
        return [{"op": "replace", "path": f"/spec/{template}/spec/containers/0/image", "value": NEW}]


LWS = TargetKind("LeaderWorkerSet", LEADER_WORKER_SETS)
STATEFUL_SET = TargetKind("StatefulSet", STATEFUL_SETS)
