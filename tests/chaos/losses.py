"""Pods that go, or fail, by themselves: neither rollwright nor the controllers have asked for it."""

from collections.abc import Collection

from rollwright.devcluster.history import Pod, Watched
from rollwright.devcluster.watcher import Frame

_SUCCESSOR_SECONDS = 5.0
"""For so long after a pod is gone the simulated kubelet may hit the next one of its name."""


class Losses:
    """Takes the frames of a watcher in their order.

    Whoever deletes a pod gives it a grace period, unless it has no node yet. The simulated kubelet, which removes pods
    by name once their time is up, gives none, and now and then hits a successor (the API server's audit log shows it).
    So what goes without a grace period was hit, if it had a node or has just succeeded another.
    """

    def __init__(self, injected: Collection[str]) -> None:
        """`injected`: the pods that were deleted on purpose, by uid."""
        self._injected = injected
        self._gone_at: dict[str, float] = {}

    def take(self, before: Frame, frame: Frame) -> Pod | None:
        """The pod that went, or failed, by itself in this change, if one did."""
        change = frame.change
        pod = before.pods.get(change.name) if change.of is Watched.PODS else None
        if not pod:
            return None
        after = change.item if isinstance(change.item, Pod) and change.item.uid == pod.uid else None
        succeeded = change.at - self._gone_at.get(change.name, 0.0) < _SUCCESSOR_SECONDS
        if after is None:
            self._gone_at[change.name] = change.at
        goes_at_once = not pod.terminating and (after is None or after.at_once)
        hit = goes_at_once and (pod.scheduled or succeeded)
        failed = after is not None and after.restarted
        return pod if pod.uid in self._injected or hit or failed else None
