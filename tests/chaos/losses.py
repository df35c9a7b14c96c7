"""Pods that go, or fail, by themselves: neither rollwright nor the controllers have asked for it."""

from collections.abc import Collection

from rollwright.devcluster.history import Pod
from rollwright.devcluster.watcher import Frame

_SUCCESSOR_SECONDS = 5.0
"""For so long after a pod is gone the simulated kubelet may hit the next one of its name."""


class Losses:
    """Takes the frames of a watcher in their order.

    Whoever deletes a pod gives it a grace period, so that it is seen leaving, unless it has no node yet. The simulated
    kubelet, which removes pods by name once their time is up, gives none, and now and then hits a successor: so what
    goes without being seen to leave was hit, if it had a node or has just succeeded another.
    """

    def __init__(self, injected: Collection[str]) -> None:
        """`injected`: the pods that were deleted on purpose, by uid."""
        self._injected = injected
        self._gone_at: dict[str, float] = {}

    def take(self, before: Frame, frame: Frame) -> Pod | None:
        """The pod that went, or failed, by itself in this change, if one did."""
        change = frame.change
        pod = before.pods.get(change.name) if change.kind == "Pod" else None
        if not pod:
            return None
        after = change.item if isinstance(change.item, Pod) and change.item.uid == pod.uid else None
        by_itself = pod.uid in self._injected
        if after:
            by_itself = by_itself or after.restarted
        else:
            succeeded = change.at - self._gone_at.get(change.name, 0.0) < _SUCCESSOR_SECONDS
            by_itself = by_itself or (not pod.terminating and (pod.scheduled or succeeded))
            self._gone_at[change.name] = change.at
        return pod if by_itself else None
