"""What is measured: a target with so many groups, how long each takes to start, and the budget of its update."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from statistics import median

from rollwright.cluster.api import LEADER_WORKER_SETS, STATEFUL_SETS, Kind, Manifest
from rollwright.rollout.simulator import World, simulate
from rollwright.rollout.spec import Budget, Change, Pacing, Strategy

OLD, NEW = "model:1", "model:2"
APP = "app"
"""Label of every pod of a target: the target's name."""
_PLAYED = "devcluster.rollwright.io"
_GONE_AFTER = "20ms"
"""Start-up times are played hundreds of times shorter than those of real models, and so is this."""
_MADE_IN = "100ms"
"""How long groups take to start on the old version, which nobody measures."""


@dataclass(frozen=True)
class Case:
    """One target and its update. Groups are of one pod, so that a group is ready when its pod is.

    The start-up times are those of the new version.
    """

    name: str
    replicas: int
    max_unavailable: int | str
    max_surge: int | str
    start_up_seconds: Mapping[int, float] = field(default_factory=dict)
    """By ordinal; the others take the default."""
    default_seconds: float = 5.0
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
        """Seconds that no update within the budget can beat, in whatever order.

        All start-up work over the slots, or as many of the shortest as one slot must take, or the longest. Surge groups
        are slots, and have to be started too.
        """
        budget = self.budget
        work = [self.start_up(ordinal) for ordinal in range(budget.ceiling)]
        totals = []
        for surge in range(budget.surge + 1):
            if slots := budget.unavailable + surge:
                started = work[: self.replicas + surge]
                totals.append(max(sum(started) / slots, -(-len(started) // slots) * min(started)))
        return max(*work[: self.replicas], min(totals))

    def planned(self, pacing: Pacing) -> float:
        """Seconds that the planner's steps take where everybody else reacts at once."""
        *_, last = simulate(self.strategy(pacing), World(self.replicas), self.start_up)
        return last.seconds

    @property
    def start_up_told(self) -> dict[str, float]:
        """The least, the median and the longest start-up time."""
        seconds = sorted(self.start_up(ordinal) for ordinal in range(self.replicas))
        return {"least": round(seconds[0], 2), "median": round(median(seconds), 2), "most": round(seconds[-1], 2)}

    @property
    def rounds(self) -> int:
        """How many times, one after another, a slot is used: surge groups are started, too."""
        budget = self.budget
        return -(-budget.ceiling // (budget.unavailable + budget.surge))

    @property
    def old_template(self) -> Manifest:
        return _pod_template(OLD, {"ready-after": _MADE_IN})

    @property
    def new_template(self) -> Manifest:
        if self.drawn:
            return _pod_template(NEW, {"ready-after": self.drawn})
        seconds = {str(ordinal): f"{self.start_up(ordinal):.2f}s" for ordinal in range(self.budget.ceiling)}
        return _pod_template(NEW, {"ready-after": _MADE_IN, "ready-after-by-group": json.dumps(seconds)})


def _pod_template(image: str, start_up: Mapping[str, str]) -> Manifest:
    played = {"gone-after": _GONE_AFTER, **start_up}
    return {
        "metadata": {"annotations": {f"{_PLAYED}/{name}": value for name, value in played.items()}},
        "spec": {"containers": [{"name": "model", "image": image}]},
    }


def equal(replicas: int, max_unavailable: int | str, max_surge: int | str) -> Case:
    return Case("equal start-up times", replicas, max_unavailable, max_surge)


def stragglers(
    replicas: int, max_unavailable: int, max_surge: int, slow: tuple[int, ...], *, seconds: float = 5.0
) -> Case:
    """Some groups take five times as long as the others."""
    name = f"groups {', '.join(map(str, slow))} take 5 times as long"
    return Case(name, replicas, max_unavailable, max_surge, dict.fromkeys(slow, 5 * seconds), seconds)


def long_tail(replicas: int, max_unavailable: int | str, max_surge: int | str) -> Case:
    """Most are quick, some slow, a few very slow; the same ones each time."""
    random = Random(1)
    seconds = {ordinal: min(40.0, 3.0 * random.paretovariate(1.7)) for ordinal in range(2 * replicas)}
    return Case("long tail of start-up times", replicas, max_unavailable, max_surge, seconds)


@dataclass(frozen=True)
class TargetKind:
    """A kind of target: how one is made, and how its own controller is told to update it."""

    name: str
    """As in the spec of a rollout."""
    api: Kind

    def manifest(self, name: str, case: Case, *, native: bool = False) -> Manifest:
        """`native`: its own controller is to keep to the case's budget."""
        template = case.old_template
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

    def update(self, case: Case) -> list[Manifest]:
        """The patch by which its own controller is told to update it."""
        template, new = "leaderWorkerTemplate/workerTemplate" if self is LWS else "template", case.new_template
        return [
            {
                "op": "replace",
                "path": f"/spec/{template}/metadata/annotations",
                "value": new["metadata"]["annotations"],
            },
            {"op": "replace", "path": f"/spec/{template}/spec/containers", "value": new["spec"]["containers"]},
        ]

    def change(self, case: Case) -> Change:
        """The same, as a rollout is told."""
        return Change(patch={"workerTemplate": case.new_template} if self is LWS else case.new_template)


LWS = TargetKind("LeaderWorkerSet", LEADER_WORKER_SETS)
STATEFUL_SET = TargetKind("StatefulSet", STATEFUL_SETS)
