"""The object that is rolled out, as read: the little that kinds of target differ in when it is read or written to.

What belongs to such an object, and what the planner makes of it all, is a `Snapshot`; each kind has one of both, in a
file of its own, and `kinds` knows them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rollwright.cluster.api import Kind, Manifest
from rollwright.rollout.spec import Strategy, Target, TargetKind


class Settings(NamedTuple):
    """What the controller of a target is told of a rolling update; what a kind doesn't have stands at its default."""

    partition: int = 0
    max_unavailable: int | str = 1
    max_surge: int | str = 0


@dataclass(frozen=True)
class TargetObject(ABC):
    """One object, as the API server returned it."""

    manifest: Manifest

    KIND: ClassVar[TargetKind]
    RESOURCE: ClassVar[Kind]
    TEMPLATE_PARTS: ClassVar[tuple[str, ...]]
    """What of the spec makes a revision. The first is the template itself, which a change by patch is merged into."""
    OWN_BUDGET: ClassVar[bool]
    """Whether its controller paces by a maxUnavailable and a maxSurge of its own.

    Then maxSurge may carry a surge without a change of replicas, and maxUnavailable must be open for a release.
    """

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """The settings of a rolling update, as far as a rollout may set them; defaults for the rest."""

    @abstractmethod
    def pace(self, settings: Settings) -> list[Manifest]:
        """JSON patch operations that set them; those that the kind doesn't have are passed over."""

    @staticmethod
    @abstractmethod
    def pod_templates(template: Manifest) -> list[Manifest]:
        """The pod templates in a template of this kind. Not copies."""

    @staticmethod
    @abstractmethod
    def pods_of_group(template: Manifest) -> list[tuple[Manifest, int]]:
        """The pods that make a group: their templates, and how many there are of each."""

    @abstractmethod
    def check(self, strategy: Strategy) -> None:
        """Raise RefusedError if this very object can't be rolled out so, with what to change."""

    @property
    def exclusive_topology(self) -> str | None:
        """The label of nodes that makes domains of which each group has one to itself; None if they share."""
        return None

    @property
    def name(self) -> str:
        """Its name."""
        name: str = self.manifest["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        """Where it is."""
        namespace: str = self.manifest["metadata"]["namespace"]
        return namespace

    @property
    def uid(self) -> str:
        """Which object it is: one made anew under its name is another."""
        uid: str = self.manifest["metadata"]["uid"]
        return uid

    @property
    def generation(self) -> int:
        """The version of its spec."""
        generation: int = self.manifest["metadata"]["generation"]
        return generation

    @property
    def annotations(self) -> Manifest:
        """Its annotations; empty if it has none."""
        annotations: Manifest = self.manifest["metadata"].get("annotations") or {}
        return annotations

    @property
    def replicas(self) -> int:
        """Groups that its spec asks for."""
        replicas: int = self.manifest["spec"]["replicas"]
        return replicas

    @property
    def template(self) -> Manifest:
        """The part of its spec that makes a revision."""
        spec = self.manifest["spec"]
        return {part: spec[part] for part in self.TEMPLATE_PARTS if spec.get(part) is not None}

    @property
    def owner_reference(self) -> Manifest:
        """What makes another object go with it."""
        return {"apiVersion": self.RESOURCE.version, "kind": self.KIND, "name": self.name, "uid": self.uid}

    @property
    def target(self) -> Target:
        """What people call it by."""
        return Target.model_construct(kind=self.KIND, namespace=self.namespace, name=self.name)

    def __str__(self) -> str:
        return str(self.target)


def is_observed(manifest: Manifest) -> bool:
    """Whether the controller of an object has seen its spec as it stands."""
    seen: bool = manifest.get("status", {}).get("observedGeneration") == manifest["metadata"]["generation"]
    return seen


def label(manifest: Manifest, name: str) -> str:
    """A label of an object; empty if it has none of that name."""
    value: str = manifest["metadata"].get("labels", {}).get(name, "")
    return value


def controller_of(manifest: Manifest) -> Manifest | None:
    """The reference to the object that an object belongs to; None if it is nobody's."""
    owners = manifest["metadata"].get("ownerReferences", ())
    return next((owner for owner in owners if owner.get("controller")), None)


def rolling_update(statefulset: Manifest) -> Manifest:
    """What a StatefulSet says of its rolling update; empty if it says nothing."""
    found: Manifest = statefulset["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
    return found


def is_terminating(pod: Manifest) -> bool:
    """Whether a pod is being taken down."""
    return "deletionTimestamp" in pod["metadata"]
