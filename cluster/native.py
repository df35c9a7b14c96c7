"""What LWS does by itself with its own maxSurge and maxUnavailable, as far as a rollout has to reckon with it. Pure.

Source: LWS v0.9.0, calculateRollingUpdateReplicas and rollingUpdateParameters of its LeaderWorkerSet controller.
"""

from rollwright.rollout.observation import Group, Observation


def own_surge(unfinished: int, max_surge: int, max_unavailable: int) -> int:
    """Surge groups that LWS keeps up while so many groups below the replicas aren't both ready and updated.

    With maxUnavailable 0 it gives one back for each group that gets ready once maxSurge covers the rest, which leaves
    as many available; with more it gives them back as much earlier.
    """
    return max_surge if unfinished > max_surge else max(0, unfinished - max_unavailable)


def unfinished(groups: tuple[Group, ...]) -> int:
    """How many of these groups aren't both ready and updated."""
    return sum(1 for group in groups if not group.done)


def max_unavailable_needed(seen: Observation, replicas: int, partition: int, *, more_to_come: bool) -> int:
    """LWS's maxUnavailable that lets its own partition come down this far, with so many groups in spec.replicas.

    LWS holds it at replicas - maxUnavailable - (groups done, from the highest ordinal down without a gap), and one
    higher for each unavailable group below; groups yet to come are the highest and aren't done.
    """
    asked = seen.asked
    run = next((count for count, group in enumerate(reversed(asked)) if not group.done), len(asked))
    unavailable = sum(1 for group in asked[:partition] if not group.available)
    return replicas - (0 if more_to_come else run) - partition + unavailable


def keeps_available(seen: Observation, partition: int, replicas: int, max_surge: int, max_unavailable: int) -> bool:
    """Whether LWS, given these for the moment of a release, leaves available what the release does.

    What it gives back of its own surge must not cost more than what is there above `replicas`, of which no strategy
    asks for more. Groups that are loading may be ready by the time it looks: it gives more back then.
    """
    below = seen.groups[:replicas]
    loading = sum(1 for group in below if group.updated and not group.available)
    least = min(seen.kept(partition, seen.groups_asked), replicas)
    return all(
        seen.kept(partition, replicas + own_surge(unfinished(below) - ready, max_surge, max_unavailable)) + ready
        >= least
        for ready in range(loading + 1)
    )
