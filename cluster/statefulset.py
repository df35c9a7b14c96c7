"""A StatefulSet as a target: each pod is a group of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from rollwright.cluster import names
from rollwright.cluster.api import PODS, STATEFUL_SETS, Manifest
from rollwright.cluster.causes import STARTING, Unreadiness, condition
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.objects import Settings, TargetObject, controller_of, label, rolling_update
from rollwright.cluster.readiness import group_unreadiness
from rollwright.cluster.snapshot import Snapshot
from rollwright.rollout.spec import Strategy, TargetKind


@dataclass(frozen=True)
class StatefulSet(TargetObject):
    """The object itself, apps/v1.

    Its own maxUnavailable is left alone: without the feature gate it doesn't exist, and with it the controller only
    takes down what the partition releases.
    """

    KIND = TargetKind.STATEFUL_SET
    RESOURCE = STATEFUL_SETS
    TEMPLATE_PARTS = ("template",)
    OWN_BUDGET = False

    @property
    def template(self) -> Manifest:
        """Its pod template, without a creationTimestamp of null, which API servers before 1.34 write into it."""
        pod = super().template["template"]
        metadata = {name: value for name, value in pod.get("metadata", {}).items() if value is not None}
        rest = {name: value for name, value in pod.items() if name != "metadata"}
        return {"template": {**rest, "metadata": metadata} if metadata else rest}

    @property
    def settings(self) -> Settings:
        """Its partition."""
        return Settings(partition=rolling_update(self.manifest).get("partition", 0))

    def pace(self, settings: Settings) -> list[Manifest]:
        """Set the partition."""
        value = {
            "type": "RollingUpdate",
            "rollingUpdate": rolling_update(self.manifest) | {"partition": settings.partition},
        }
        return [{"op": "add", "path": "/spec/updateStrategy", "value": value}]

    @staticmethod
    def pod_templates(template: Manifest) -> list[Manifest]:
        """The only one."""
        return [template["template"]]

    @staticmethod
    def pods_of_group(template: Manifest) -> list[tuple[Manifest, int]]:
        """One."""
        return [(template["template"], 1)]

    def check(self, strategy: Strategy) -> None:
        """Raise RefusedError for what the partition, or a surge by replicas, can't be used on."""
        spec = self.manifest["spec"]
        if owner := controller_of(self.manifest):
            raise RefusedError(f"{self}: it belongs to the {owner['kind']} {owner['name']}; roll that out")
        if spec.get("updateStrategy", {}).get("type") == "OnDelete":
            raise RefusedError(f"{self}: its updateStrategy is OnDelete, which knows no partition; set RollingUpdate")
        if not spec.get("selector", {}).get("matchLabels"):
            raise RefusedError(f"{self}: its selector has no matchLabels, and might match what is none of its own")
        if spec.get("ordinals", {}).get("start"):
            raise RefusedError(f"{self}: its spec.ordinals.start isn't 0, which isn't supported")
        if spec.get("volumeClaimTemplates") and strategy.max_surge not in (0, "0%") and not strategy.surge_volumes:
            raise RefusedError(
                f"{self}: each surge pod would have volumes made by its volumeClaimTemplates, which stay when it goes; "
                "give maxSurge 0, or surgeVolumes true if they may be made"
            )


@dataclass(frozen=True)
class StatefulSetSnapshot(Snapshot):
    """A StatefulSet and its pods."""

    OBJECT = StatefulSet
    PARTS = (PODS,)

    @classmethod
    def selector(cls, item: TargetObject) -> str:
        """Of its own selector the labels; others may have them too, so `pods` looks at the owner."""
        wanted = item.manifest["spec"]["selector"].get("matchLabels", {})
        return ",".join([names.POD_NAME, *(f"{name}={value}" for name, value in sorted(wanted.items()))])

    @property
    def leader_set(self) -> Manifest | None:
        """It keeps the groups itself."""
        return self.item.manifest

    @property
    def target_revision(self) -> str:
        """As the controller names it, once it has seen the template."""
        revision: str = self.item.manifest.get("status", {}).get("updateRevision", "")
        return revision

    @cached_property
    def pods(self) -> Sequence[Manifest]:
        """Those of this very object."""
        return [pod for pod in self.parts[PODS] if self._owns(pod)]

    @staticmethod
    def ordinal_of(pod: Manifest) -> int:
        """The end of its name."""
        return int(pod["metadata"]["name"].rpartition("-")[2])

    @staticmethod
    def is_leader(pod: Manifest) -> bool:
        """Each is a group of its own."""
        return True

    @staticmethod
    def revision_of(leader: Manifest) -> str:
        """As the controller names it."""
        return label(leader, names.CONTROLLER_REVISION)

    @staticmethod
    def kept_by_controller(item: TargetObject, revision: str) -> str:
        """The controller gives its revisions the labels that it selects pods by."""
        wanted = item.manifest["spec"]["selector"].get("matchLabels", {})
        return ",".join(f"{name}={value}" for name, value in sorted(wanted.items()))

    @staticmethod
    def is_kept_in(kept: Manifest, revision: str) -> bool:
        """By its name."""
        return bool(kept["metadata"]["name"] == revision)

    def unreadiness(self, leader: Manifest, pods: list[Manifest], now: datetime) -> Unreadiness | None:
        """A pod serves once it has been ready for minReadySeconds."""
        if unready := group_unreadiness(leader, None, pods, now):
            return unready
        if self._is_ready_too_short(leader, now):
            return STARTING._replace(words=f"ready, not for {self.min_ready_seconds} s yet (minReadySeconds)")
        return None

    def is_blip(self, pod: Manifest, grace: timedelta, now: datetime) -> bool:
        """Also one that is ready again and has yet to be for minReadySeconds."""
        return super().is_blip(pod, grace, now) or self._is_ready_too_short(pod, now)

    @property
    def is_in_hand(self) -> bool:
        """Not while its controller has an update of its own under way, pod by pod: to it all of them are released."""
        return self.record is not None or not self._outdated_from(self.reflected_partition)

    @property
    def min_ready_seconds(self) -> int:
        """For so long a pod must be ready to count."""
        return int(self.item.manifest["spec"].get("minReadySeconds", 0))

    def _is_ready_too_short(self, pod: Manifest, now: datetime) -> bool:
        ready = condition(pod, "Ready")
        if ready.get("status") != "True" or not ready.get("lastTransitionTime"):
            return False
        return now - datetime.fromisoformat(ready["lastTransitionTime"]) < timedelta(seconds=self.min_ready_seconds)

    def is_placed(self, leader: Manifest, pods: list[Manifest]) -> bool:
        """Whether the pod has a node."""
        return bool(leader["spec"].get("nodeName"))

    @property
    def starts_in_turn(self) -> bool:
        """By podManagementPolicy OrderedReady, the default: each waits for all before it, also after a deletion."""
        return bool(self.item.manifest["spec"].get("podManagementPolicy") != "Parallel")

    def _owns(self, pod: Manifest) -> bool:
        owner = controller_of(pod)
        return owner is not None and owner["uid"] == self.item.uid
