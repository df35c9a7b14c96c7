"""The planner: from what is wanted and what is seen to the next step. Pure and without memory.

Because it works from the observation alone, a crash, a retry, a scale-up, a second change or a rollback in the middle
need no code of their own. Its promise: no step lowers the number of groups that stay available (`Observation.kept`)
below the floor (replicas - maxUnavailable), or below what it was if that was less; and it never asks for more than
replicas + maxSurge groups, except where a user who scales down leaves more for a moment.
"""

from collections.abc import Sequence
from enum import StrEnum

from rollwright.rollout.models import Model
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.spec import BY_PODS, Budget, Pacing, Readiness, Reclaim, Strategy


class Action(StrEnum):
    """What a step does to the target."""

    FREEZE = "freeze"
    """Stop what somebody else's change of the target has set going: the partition is the present number of groups."""
    PREPARE = "prepare"
    """Put the target's template in place, frozen: the partition is the present number of groups."""
    LOWER_PARTITION = "lower partition"
    SCALE_SURGE = "scale surge"
    RECLAIM_REPLICAS = "reclaim replicas"
    REPLACE = "replace groups"
    """Delete leaders that the partition has released and that still run an older revision; close what was opened for
    the release, also what of it LWS holds back by itself."""
    UNBLOCK = "unblock groups"
    """Delete broken leaders below the partition; they return on the current revision."""


class Step(Model):
    """One thing to do now: what the partition and the number of groups shall be, and which leaders to delete."""

    action: Action
    partition: int
    groups: int
    delete: tuple[int, ...] = ()
    readiness: Readiness = BY_PODS
    """By what groups counted as ready when it was planned: who looks again before acting goes by the same."""


class Wait(Model):
    """Nothing to do until the observation changes."""

    reason: str


class Done(Model):
    """Everything that may be updated is updated and ready, and the surge is given back."""


class Blocked(Model):
    """Nothing to do, and nothing under way that could change that by itself."""

    reason: str


class Failed(Model):
    """More groups have failed than the strategy tolerates."""

    reason: str


Verdict = Step | Wait | Done | Blocked | Failed

LAST_NOT_READY = "Since the last replica is not ready, partition does not change"


def plan(
    strategy: Strategy,
    observation: Observation,
    *,
    hold: int = 0,
    keep_surge: bool = False,
    stopping: bool = False,
    surge_limit: int | None = None,
) -> Verdict:
    """The next step, from any state.

    Ordinals below `hold`, an open gate, or below strategy.partition, are held back; with `keep_surge` the surge is
    asked for and kept for those that only the gate holds back, too. `stopping`: all are; an abort gives
    the surge back and updates nothing further, also not what is scaled up later. `surge_limit` is the most surge
    groups that the scheduler can place, if that is known.
    """
    budget = observation.budget(strategy, surge_limit)
    bound = max(strategy.partition, hold, *((observation.replicas, observation.partition) if stopping else ()))
    surge_bound = strategy.partition if keep_surge and not stopping else bound
    if first := _before_anything_else(strategy, budget, observation, bound, surge_bound, stopping=stopping):
        return first
    if not stopping and len(observation.failed) > strategy.max_failed_groups:
        return take_back(observation) or Failed(reason=_why_failed(observation.failed))
    partition = _partition(strategy, budget, observation, bound)
    groups = _groups(strategy, budget, observation, partition, surge_bound, stopping=stopping)
    if partition < observation.partition:
        return _step(Action.LOWER_PARTITION, observation, partition=partition, groups=groups)
    if groups != observation.groups_asked:
        action = Action.SCALE_SURGE if groups > observation.groups_asked else Action.RECLAIM_REPLICAS
        return _step(action, observation, groups=groups)
    if back := take_back(observation):
        return back
    if stuck := stuck_below(observation):
        return _step(Action.UNBLOCK, observation, delete=stuck)
    if (groups == observation.replicas or surge_bound < bound) and _is_finished(observation, bound):
        return Done()
    if budget.is_empty:
        return Blocked(reason=_why_empty(strategy, observation.replicas, surge_limit))
    return _wait_or_blocked(strategy, budget, observation, bound)


def _unwanted(observation: Observation, *, stopping: bool) -> Step | Blocked | None:
    """Somebody else's change of what a rollout holds: frozen at once, as LWS acts on it, and then asked about."""
    if observation.edited:
        return _step(Action.FREEZE, observation, partition=max(observation.partition, observation.groups_asked))
    if observation.dispute and not stopping:
        if observation.unheld:
            return _step(Action.REPLACE, observation)  # another wish of replicas would be forgotten with the next
        return Blocked(
            reason=f"frozen, since somebody else has changed {observation.dispute}: whose version shall hold?"
        )
    return None


def take_back(observation: Observation) -> Step | None:
    """Have LWS not go on by itself with a release that it holds back, where nothing further shall be released now."""
    return _step(Action.REPLACE, observation) if observation.loose else None


def _is_finished(observation: Observation, bound: int) -> bool:
    ours = observation.groups[bound : observation.replicas]
    return all(group.done or group.failed for group in ours)


def _before_anything_else(
    strategy: Strategy, budget: Budget, observation: Observation, bound: int, surge_bound: int, *, stopping: bool
) -> Step | Wait | Blocked | None:
    """Get hold of the target, wait until it is settled (rule 2), and finish what was begun."""
    if unwanted := _unwanted(observation, stopping=stopping):
        return unwanted
    if not observation.on_target:
        return _prepare(strategy, budget, observation, bound, surge_bound)
    if observation.unheld:
        return _step(Action.REPLACE, observation)
    if not observation.settled:
        return Wait(reason="The controllers have not taken up the last change yet")
    late = _released_but_old(observation)
    if late or observation.widened:
        return _step(Action.REPLACE, observation, delete=late)
    if observation.partition > max(bound, observation.groups_asked):
        # Groups that come between would start on the old revision. Alone, before any surge: they need it in force.
        return _step(Action.LOWER_PARTITION, observation, partition=max(bound, observation.groups_asked))
    return None


def _step(
    action: Action,
    observation: Observation,
    *,
    partition: int | None = None,
    groups: int | None = None,
    delete: tuple[int, ...] = (),
) -> Step:
    """A step that leaves alone what it does not name."""
    return Step(
        action=action,
        partition=observation.partition if partition is None else partition,
        groups=observation.groups_asked if groups is None else groups,
        delete=delete,
    )


def _prepare(strategy: Strategy, budget: Budget, observation: Observation, bound: int, surge_bound: int) -> Step:
    """New target (rule 1). Frozen at the groups there are, not at the replicas: an ordinal between would be released.

    Those that are to go and still stand count too: somebody may scale up before they are gone. It releases nothing, so
    it may be written in any state.
    """
    asked = observation.groups_asked
    outdated = [group for group in observation.groups[surge_bound : observation.replicas] if not group.updated]
    helps = not _spares_surge(strategy) or not _may_go_at_once(budget, observation, outdated)
    return Step(
        action=Action.PREPARE,
        partition=max(asked, len(observation.groups), bound),
        groups=max(asked, observation.replicas + (min(budget.surge, len(outdated)) if helps else 0)),
    )


def _spares_surge(strategy: Strategy) -> bool:
    """Whether surge stands exactly as long as it can shorten the rest: while groups wait to be released.

    Ordered pacing, and whoever asks for gradual, gets what LWS does, which is more at the start and less near the end.
    """
    return strategy.pacing is Pacing.EAGER and strategy.reclaim is Reclaim.PROMPT


def _may_go_at_once(budget: Budget, observation: Observation, outdated: Sequence[Group]) -> bool:
    """Whether the budget without any surge allows to release all of these together."""
    costly = sum(1 for group in outdated if group.available or group.blip)
    return not costly or observation.kept(observation.groups_asked, observation.groups_asked) - costly >= budget.floor


def _released_but_old(observation: Observation) -> tuple[int, ...]:
    """Released groups on an older revision: the StatefulSet controller may be slow to replace them, or never do."""
    return tuple(
        group.ordinal
        for group in observation.asked[observation.partition :]
        if not group.updated and not group.terminating
    )


def _lowest_safe_partition(observation: Observation, floor: int) -> int:
    """The lowest partition that keeps enough groups available (rule 3).

    A group in a blip isn't available, but may be in a moment, so taking it costs as much as an available one.
    """
    partition = min(observation.partition, observation.groups_asked)
    kept = observation.kept(partition, observation.groups_asked)
    floor = min(floor, kept)
    while partition > 0:
        group = observation.groups[partition - 1]
        if not group.updated and (group.available or group.blip):
            kept -= 1
        if kept < floor:
            break
        partition -= 1
    return partition


def _last_done(observation: Observation) -> int:
    """Groups done, counted without a gap from the highest ordinal down. Nobody waits for those that have failed."""
    run = 0
    for group in reversed(observation.asked):
        if not group.done and not group.failed:
            break
        run += 1
    return run


def _releases_nothing(budget: Budget, observation: Observation) -> bool:
    """A surge group that finds no node would share out the nodes of a released group, and both would hang for ever."""
    return any(group.unscheduled for group in observation.asked[budget.replicas :])


def _partition(strategy: Strategy, budget: Budget, observation: Observation, bound: int) -> int:
    if _releases_nothing(budget, observation):
        return observation.partition
    lowest = max(_lowest_safe_partition(observation, budget.floor), bound)
    if strategy.pacing is Pacing.ORDERED:
        lowest = max(lowest, budget.floor - _last_done(observation))
    return min(observation.partition, lowest)


def _groups(
    strategy: Strategy, budget: Budget, observation: Observation, partition: int, bound: int, *, stopping: bool
) -> int:
    """Surge (rule 4): how many groups to ask for, given the new partition."""
    ours = observation.groups[bound : budget.replicas]
    failed = sum(1 for group in ours if group.failed)
    unfinished = sum(1 for group in ours if not group.done) - failed
    unreleased = sum(1 for group in ours if not group.updated and group.ordinal < partition)
    surge = observation.groups_asked - budget.replicas
    if unreleased:
        wanted = unfinished + failed  # what stands in for a failed group is needed to go on
        wanted = min(budget.surge, max(wanted, surge) if _spares_surge(strategy) else wanted)
    elif _spares_surge(strategy):
        wanted = 0
    elif unfinished > budget.surge:
        wanted = min(budget.surge, surge)
    elif strategy.reclaim is Reclaim.GRADUAL:
        wanted = min(max(0, unfinished - 1), surge)
    else:
        wanted = min(max(0, unfinished - budget.unavailable), surge)
    if wanted >= surge:
        return budget.replicas + wanted
    at_least = budget.replicas + wanted
    return _lowest_safe_groups(observation, partition, budget.floor, at_least=at_least, stopping=stopping)


def _lowest_safe_groups(observation: Observation, partition: int, floor: int, *, at_least: int, stopping: bool) -> int:
    """Reclaim only what isn't needed: simply dropping to `at_least` may take down a ready surge group that is.

    Too few may be available already: what is still loading is kept, as it will be needed then. What finds no node will
    not be, and would hold everything up for ever; and once all is to stop nobody waits for more.
    """
    lowest = groups = observation.groups_asked
    kept = observation.kept(partition, groups)
    while groups > at_least:
        groups -= 1
        group = observation.groups[groups]
        if (group.available and (group.updated or group.ordinal < partition)) or group.blip:
            kept -= 1
        idle = not group.available and not group.blip and (stopping or group.unscheduled)
        if kept >= floor or (idle and lowest == groups + 1):
            lowest = groups
    return lowest


def stuck_below(observation: Observation) -> tuple[int, ...]:
    """Broken groups that the partition alone can't bring back (rule 5): they must be restarted by hand."""
    return tuple(
        group.ordinal
        for group in observation.asked[: observation.partition]
        if not group.ready and not group.updated and group.misplaced and not group.terminating and not group.blip
    )


def _why_failed(failed: Sequence[Group]) -> str:
    first = failed[0]
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"group {first.ordinal} has failed ({first.reason}){more}"


def _why_empty(strategy: Strategy, replicas: int, surge_limit: int | None) -> str:
    if surge_limit is None or strategy.budget(replicas).is_empty:
        both = f"maxUnavailable {strategy.max_unavailable} and maxSurge {strategy.max_surge}"
        return f"{both} both come to 0 groups at {replicas} replicas; raise one of them"
    return f"no surge group finds a node and maxUnavailable comes to 0 at {replicas} replicas; free nodes, or raise it"


def _wait_or_blocked(
    strategy: Strategy, budget: Budget, observation: Observation, bound: int
) -> Wait | Blocked | Failed:
    if _releases_nothing(budget, observation):
        waiting = next(group for group in observation.asked[budget.replicas :] if group.unscheduled)
        return Wait(reason=f"Surge group {waiting.ordinal} has no nodes yet: {waiting.reason}")
    if _only_order_holds_back(strategy, budget, observation, bound):
        return Wait(reason=LAST_NOT_READY)
    if any(_is_under_way(group, observation.partition) for group in observation.asked):
        return Wait(reason="")
    if observation.failed:
        return Failed(reason=f"{_why_failed(observation.failed)}; the rest can't go on without it")
    broken = [group for group in observation.groups[: observation.partition] if not group.available]
    if observation.starts_in_turn:
        return Blocked(reason=f"{_names(broken)} not ready, and those above would not start again before; repair them")
    return Blocked(
        reason=f"{_names(broken)} not ready, which uses up the budget "
        f"(at least {budget.floor} of {budget.replicas} must stay available); repair them or raise maxUnavailable"
    )


def _only_order_holds_back(strategy: Strategy, budget: Budget, observation: Observation, bound: int) -> bool:
    safe = max(_lowest_safe_partition(observation, budget.floor), bound)
    return strategy.pacing is Pacing.ORDERED and safe < observation.partition


def _is_under_way(group: Group, partition: int) -> bool:
    started = group.updated or group.ordinal >= partition
    return not group.failed and (group.terminating or group.blip or (started and not group.done))


def _names(groups: list[Group]) -> str:
    ordinals = ", ".join(str(group.ordinal) for group in groups)
    return f"group {ordinals} is" if len(groups) == 1 else f"groups {ordinals} are"
