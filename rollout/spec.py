"""What a person asks for: target, change, strategy. Bad input is refused here, before anything is touched."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WrapSerializer,
    model_validator,
)

from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.window import Window
from rollwright.rollout.models import Input, Model, Name, ObjectName
from rollwright.rollout.quantities import MOST_GROUPS, Count, DurationSeconds, resolve

Image = Annotated[str, StringConstraints(pattern=r"^\S+$", max_length=1024)]

_MOST_BYTES = 250_000
"""Of a change, and of a strategy, as JSON. A rollout carries them along with every look it takes, and Temporal keeps
each: with megabytes it would begin its history anew for ever.
"""
_PATH = re.compile(r"/([!-.0-~][!-~]*)?")


def _check_size(found: Model) -> None:
    size = len(found.model_dump_json(by_alias=True))
    if size > _MOST_BYTES:
        raise ValueError(f"it has {size} characters as JSON, and may have {_MOST_BYTES}; leave away what isn't needed")


def _read_path(value: object) -> object:
    if isinstance(value, str) and not _PATH.fullmatch(value):
        raise ValueError(f"{value!r} is no path; begin it with one '/', without a host, and escape blanks and the like")
    return value


UrlPath = Annotated[str, Field(max_length=1024), BeforeValidator(_read_path)]
"""What follows host and port in a URL, as it is sent."""


_API_VERSION = "rollwright/v1"
_ANY_API_VERSION = re.compile(r"rollwright/v[0-9]\w*")


def _known_api_version(value: object) -> object:
    if isinstance(value, str) and value != _API_VERSION and _ANY_API_VERSION.fullmatch(value):
        raise ValueError(
            f"{value} is not known here: this version of rollwright reads {_API_VERSION}; take one that knows it"
        )
    return value


ApiVersion = Annotated[Literal["rollwright/v1"], BeforeValidator(_known_api_version)]
"""Of what people write. A file without it is of the first."""


class TargetKind(StrEnum):
    """Kinds of object that can be rolled out."""

    LEADER_WORKER_SET = "LeaderWorkerSet"
    STATEFUL_SET = "StatefulSet"

    @property
    def short(self) -> str:
        """What people write before the name of a target, as with kubectl."""
        return {TargetKind.LEADER_WORKER_SET: "lws", TargetKind.STATEFUL_SET: "sts"}[self]


class Target(Input):
    """The object to roll out."""

    kind: TargetKind = Field(default=TargetKind.LEADER_WORKER_SET, description="What sort of object it is.")
    namespace: Name = Field(default="default", description="Its namespace.")
    name: Name = Field(description="Its name.")
    cluster: Name | None = Field(
        default=None, description="The name that the workers of its cluster go by; none where there is one cluster."
    )
    replicas: int | None = Field(
        default=None, ge=0, le=MOST_GROUPS, description="Number of groups, for plans made offline."
    )

    def __str__(self) -> str:
        return f"{self.word} in namespace {self.namespace}"

    @property
    def word(self) -> str:
        """What people call it by within its namespace, as in lws/llm, or in a cluster with a name lws/llm@east."""
        return f"{self.kind.short}/{self._known_as}"

    @property
    def path(self) -> str:
        """What no other target goes by, as in lws/default/llm."""
        return f"{self.kind.short}/{self.namespace}/{self._known_as}"

    @property
    def workflow_id(self) -> str:
        """Made of the target, so that Temporal itself allows one open rollout a target."""
        return f"rollout/{self.path}"

    def of_cluster(self, cluster: str | None) -> Self:
        """The same, in a cluster of that name: a cluster itself doesn't know what it is called."""
        return self.model_copy(update={"cluster": cluster})

    @property
    def _known_as(self) -> str:
        return f"{self.name}@{self.cluster}" if self.cluster else self.name


class Change(Input):
    """What is to be different afterwards. One of its fields; none adopts the template as it stands."""

    images: dict[Name, Image] | None = Field(default=None, description="New image by container name.", min_length=1)
    patch: dict[str, Any] | None = Field(
        default=None,
        description="JSON merge patch of spec.leaderWorkerTemplate, or of a StatefulSet's spec.template.",
        min_length=1,
    )
    manifest: dict[str, Any] | None = Field(
        default=None, description="The whole object; its template, and networkConfig, are taken.", min_length=1
    )
    restart: Literal[True] | None = Field(default=None, description="Replace every group, changing nothing.")
    revision: ObjectName | None = Field(default=None, description="The name of a template kept by rollwright.")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        given = [name for name, value in self if value is not None]
        if len(given) > 1:
            raise ValueError(
                f"{' and '.join(given)} are given; give one of images, patch, manifest, restart or revision"
            )
        return self

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        _check_size(self)
        return self


class Pacing(StrEnum):
    """Whether groups are updated strictly from the highest ordinal down."""

    ORDERED = "ordered"
    EAGER = "eager"


class Reclaim(StrEnum):
    """When surge groups are given back: one by one as groups become ready, or as early as the budget allows."""

    GRADUAL = "gradual"
    PROMPT = "prompt"


class SurgeBy(StrEnum):
    """What carries the surge."""

    AUTO = "auto"
    """maxSurge where an autoscaler writes the replicas of the target, else replicas."""
    REPLICAS = "replicas"
    MAX_SURGE = "maxSurge"
    """LWS's own maxSurge: replicas stays the user's, or an autoscaler's."""


class SurgeDuringGates(StrEnum):
    """What becomes of the surge while gates are open."""

    RECLAIM = "reclaim"
    KEEP = "keep"


class GatedStep(Input):
    """A part of the rollout, and the gates at its end. Without any it waits to be promoted."""

    until: Count = Field(description="Groups, or percentage of replicas, that are on the new revision at its end.")
    gates: tuple[AnyGate, ...] = Field(
        default=(), max_length=20, description="All must pass, side by side; the first that fails decides."
    )

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        titles = [gate.title for gate in self.gates]
        if twice := next((title for title in titles if titles.count(title) > 1), None):
            raise ValueError(f"two gates of a step are called '{twice}'; give one another name")
        if sum(gate.BY_PEOPLE for gate in self.gates) > 1:
            raise ValueError("a step has two approval gates; give one of them more approvers")
        return self


class InEndpoints(Input):
    """A group serves once traffic is sent to it: its leader pod is among the ready endpoints of a Service."""

    service: Name = Field(description="Name of a Service in the namespace of the target, with or without a selector.")


class AnswersHttp(Input):
    """A group serves once its leader pod answers a GET from the worker with a status of 200 to 299."""

    port: int = Field(ge=1, le=65535, description="Port of the leader pod.")
    path: UrlPath = Field(description="Begins with '/', as in /health. Redirects are not followed.")
    scheme: Literal["http", "https"] = Field(default="http", description="By what it is asked.")
    timeout: Annotated[DurationSeconds, Field(ge=1, le=10)] = Field(
        default=2, description="How long an answer may take, 1 s to 10 s."
    )
    insecure_skip_verify: bool = Field(
        default=False,
        description="Take any certificate. Without it, with https, it must be one for the pod's IP address, by an "
        "authority that the worker trusts.",
    )


class Serves(Input):
    """What shows that a group serves, once its pods are ready. One of its fields; none leaves it at the pods."""

    endpoint: InEndpoints | None = Field(default=None, description="Its leader is in the endpoints of a Service.")
    http: AnswersHttp | None = Field(default=None, description="Its leader answers a request of the worker.")

    @model_validator(mode="after")
    def _at_most_one(self) -> Self:
        if self.endpoint and self.http:
            raise ValueError("endpoint and http are given; give one of them")
        return self


BY_PODS = Serves()
"""A group serves when its pods are ready."""


def _read_readiness(value: object) -> object:
    if value == "pod":
        return BY_PODS
    if isinstance(value, str) or (isinstance(value, dict) and not any(value.values())):
        raise ValueError(f"{value!r} is not possible; write pod, or one of endpoint and http with what belongs to it")
    return value


def _write_readiness(value: Serves, write: SerializerFunctionWrapHandler) -> Any:
    return "pod" if value == BY_PODS else {name: given for name, given in write(value).items() if given is not None}


Readiness = Annotated[
    Serves,
    BeforeValidator(_read_readiness, json_schema_input_type=Literal["pod"] | Serves),
    WrapSerializer(_write_readiness, return_type=Literal["pod"] | dict[str, Any]),
]
"""Written as `pod` where nothing but the pods is asked."""


class Strategy(Input):
    """How the rollout is paced. Field names and rounding are those of LWS and Kubernetes."""

    max_unavailable: Count = Field(default=1, description="Groups, or percentage of replicas, that may be missing.")
    max_surge: Count = Field(default=0, description="Groups, or percentage of replicas, that may be surplus.")
    partition: int = Field(default=0, ge=0, le=MOST_GROUPS, description="Ordinals below it keep their revision.")
    pacing: Pacing = Field(
        default=Pacing.ORDERED,
        description="ordered: strictly from the highest ordinal down, as LWS does it. eager: no budget is left idle; a "
        "slow group costs its own place, and delays no other.",
    )
    reclaim: Reclaim = Field(
        default=Reclaim.GRADUAL,
        description="When surge groups are given back: gradual as LWS does it, prompt as early as the budget allows. "
        "Without it gradual where the pacing is ordered, prompt where it is eager.",
    )
    unready_grace: DurationSeconds = Field(
        default=30, description="A group unready for less than this is not free to be taken down."
    )
    readiness: Readiness = Field(
        default=BY_PODS,
        json_schema_extra={"default": "pod"},
        description="When a group on the new version counts as ready, its pods being so: pod, at once; endpoint, when "
        "its leader is in the endpoints of a Service; http, when its leader answers a request of the worker. Groups on "
        "an older version, and all of them on the way back, count by their pods: they may know neither Service nor "
        "path.",
    )
    steps: tuple[GatedStep, ...] = Field(
        default=(), max_length=100, description="Stop after each of these until its gates have passed."
    )
    surge_during_gates: SurgeDuringGates = Field(
        default=SurgeDuringGates.RECLAIM, description="Whether the surge is given back while gates are open."
    )
    surge_by: SurgeBy = Field(
        default=SurgeBy.AUTO,
        description="What carries the surge: replicas, or maxSurge, which is LWS's own and leaves replicas to an "
        "autoscaler. auto: maxSurge where an autoscaler writes the replicas of the target, else replicas.",
    )
    surge_volumes: bool = Field(
        default=False, description="Whether surge pods of a StatefulSet may make volumes, which stay when they go."
    )
    surge_patience: DurationSeconds = Field(
        default=120, description="How long surge groups may look for nodes before the rollout goes on without them."
    )
    progress_deadline: DurationSeconds = Field(
        default=7200, description="A group that is not ready so long after its start has failed."
    )
    failure_grace: DurationSeconds = Field(
        default=300, description="A group that shows for so long what does not heal by waiting has failed."
    )
    max_failed_groups: int = Field(default=0, ge=0, le=MOST_GROUPS, description="Failed groups to go on with.")
    on_stall: OnFailure = Field(
        default=OnFailure.PAUSE,
        description="What follows once more groups have failed than maxFailedGroups: pause until somebody decides, "
        "rollback, or abort.",
    )

    @model_validator(mode="before")
    @classmethod
    def _usual_reclaim(cls, given: Any) -> Any:
        """Eager pacing is for whom time and nodes matter: without a word its surge is given back early too."""
        if isinstance(given, dict) and given.get("pacing") == Pacing.EAGER and "reclaim" not in given:
            return {**given, "reclaim": Reclaim.PROMPT}
        return given

    @model_validator(mode="after")
    def _some_budget(self) -> Self:
        zero = (0, "0%")
        if self.max_unavailable in zero and self.max_surge in zero:
            raise ValueError("maxUnavailable and maxSurge are both 0, so nothing may move; raise one of them")
        return self

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        _check_size(self)
        return self

    def gates_at(self, step: int) -> tuple[AnyGate, ...]:
        """The gates at the end of a step, counted from 0: its own, and a window that an earlier one has opened.

        A window holds for all that comes after it, until another one does. A step without gates is people's business.
        """
        own = self.steps[step].gates if step < len(self.steps) else ()
        if not own or any(isinstance(gate, Window) for gate in own):
            return own
        windows = ([gate for gate in earlier.gates if isinstance(gate, Window)] for earlier in self.steps[:step])
        in_force: list[Window] = next((found for found in reversed(list(windows)) if found), [])
        taken = {gate.title for gate in own}
        return (*own, *(gate for gate in in_force if gate.title not in taken))

    def least_seconds_at(self, step: int) -> float:
        """What the gates at the end of a step, counted from 0, take at least, side by side; people take no time."""
        return max((gate.least_seconds for gate in self.gates_at(step)), default=0.0)

    def paced(self, pacing: Pacing) -> Self:
        """The same with another pacing; its surge is given back as is usual there, where it is as usual here."""
        usual = {Pacing.ORDERED: Reclaim.GRADUAL, Pacing.EAGER: Reclaim.PROMPT}
        reclaim = usual[pacing] if self.reclaim is usual[self.pacing] else self.reclaim
        return self.model_copy(update={"pacing": pacing, "reclaim": reclaim})

    def check_budget(self, replicas: int) -> None:
        """Raise ValueError if nothing could ever move at so many replicas: percentages may both come out as 0."""
        if self.budget(replicas).is_empty:
            raise ValueError(
                f"maxUnavailable {self.max_unavailable} and maxSurge {self.max_surge} both come to 0 groups at "
                f"{replicas} replicas; raise one of them"
            )

    def budget(self, replicas: int, surge_limit: int | None = None) -> "Budget":
        """The numbers for so many replicas. `surge_limit`: the most surge groups that can be had, if known."""
        surge = min(resolve(self.max_surge, replicas, round_up=True), replicas)
        if surge_limit is not None:
            surge = min(surge, surge_limit)
        return Budget(
            replicas=replicas, unavailable=resolve(self.max_unavailable, replicas, round_up=False), surge=surge
        )


class Budget(Model):
    """The strategy in groups, for the replicas wanted now."""

    replicas: int
    unavailable: int
    surge: int

    def in_turn(self, failed: int) -> "Budget":
        """The same where a group starts only once all below it are ready: one may be missing, or surplus, at a time.

        A second one would wait for the first; and a surge beside it takes a start-up of its own and saves none. Those
        that have failed are gone round: they keep none below them from starting.
        """
        surge = 0 if self.unavailable else min(self.surge, 1)
        return self.model_copy(update={"unavailable": min(self.unavailable, 1 + failed), "surge": surge})

    @property
    def floor(self) -> int:
        """The fewest available groups the rollout may cause."""
        return max(0, self.replicas - self.unavailable)

    @property
    def ceiling(self) -> int:
        """The most groups the rollout may ask for."""
        return self.replicas + self.surge

    @property
    def is_empty(self) -> bool:
        """True if nothing can ever move: also by percentages that both come out as 0."""
        return self.replicas > 0 and self.unavailable == 0 and self.surge == 0


class RolloutSpec(Input):
    """One rollout, as written in a file."""

    api_version: ApiVersion = Field(default="rollwright/v1", description="Version of these fields.")
    kind: Literal["Rollout"] = Field(default="Rollout", description="What the file describes.")
    target: Target = Field(description="What is rolled out.")
    change: Change = Field(default=Change(), description="What is to be different afterwards.")
    strategy: Strategy = Field(default=Strategy(), description="How the rollout is paced.")

    @model_validator(mode="after")
    def _some_budget(self) -> Self:
        replicas = self.target.replicas
        if replicas is not None:
            self.strategy.check_budget(replicas)
        return self
