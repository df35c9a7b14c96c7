"""When a watch of pods might hide that groups have gone, so that the pods must be listed before anything is decided.

A copy kept by a watch is late by a moment. While the partition of a StatefulSet only falls, within one revision, and
its replicas aren't raised, that does no harm: nobody but us takes groups down there, and what the partition has
released counts as gone whether it is still shown or not. Groups that fail by themselves are seen a moment later, as
after any reading. It is otherwise once the partition is raised, the revision changes, or there are to be more groups
again: what was taken down just before, by the old settings, may still be shown as serving, and would count. Pure.
"""

from collections.abc import Iterable
from typing import NamedTuple

from rollwright.cluster.api import Manifest
from rollwright.cluster.objects import is_terminating, rolling_update


class Pacing(NamedTuple):
    """What of a StatefulSet decides about its groups, and how far its controller has followed it."""

    uid: str
    generation: int
    observed: int
    revision: str
    partition: int
    replicas: int


def pacing_of(leader_set: Manifest) -> Pacing:
    """The same, read from the object."""
    metadata, spec, status = leader_set["metadata"], leader_set["spec"], leader_set.get("status", {})
    return Pacing(
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        observed=status.get("observedGeneration", 0),
        revision=status.get("updateRevision", ""),
        partition=rolling_update(leader_set).get("partition", 0),
        replicas=spec.get("replicas", 1),
    )


def may_hide_groups_gone(before: Manifest | None, after: Manifest) -> bool:
    """Whether groups that are gone by the first version could count as serving by the second."""
    if before is None:
        return True
    was, now = pacing_of(before), pacing_of(after)
    same = (was.uid, was.revision) == (now.uid, now.revision)
    return not same or now.partition > was.partition or now.replicas > was.replicas


def gone_and_there(pods: Iterable[Manifest]) -> set[tuple[str, bool]]:
    """Which pods there are, and whether they are on their way out: all that there may be a doubt about."""
    return {(pod["metadata"]["uid"], is_terminating(pod)) for pod in pods}
