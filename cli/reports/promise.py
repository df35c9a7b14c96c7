"""Whether a rollout kept its promise: what served and what was asked for, look by look, against what was allowed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from rollwright.activities.messages import Outcome
from rollwright.cli.reports.happened import Saw, Stepped
from rollwright.cli.reports.record import Look, Promise, Shortfall
from rollwright.rollout.observation import Group, Observation


class Earlier(NamedTuple):
    """What a rollout has noted of runs whose looks aren't known."""

    available_min: int | None
    groups_max: int | None


@dataclass
class Watching:
    """Follows the looks of a rollout."""

    looks: list[Look] = field(default_factory=list)
    _shortfalls: list[Shortfall] = field(default_factory=list)
    _above: list[datetime] = field(default_factory=list)
    _served: dict[int, str] = field(default_factory=dict)
    """Groups that served when last looked at: the target revision that each was on, empty if it was on another."""
    _released: set[int] = field(default_factory=set)
    """Groups that the rollout has let go to the revision that was in place last, and that didn't serve on it then."""
    _known: set[int] = field(default_factory=set)
    _by_themselves: set[int] = field(default_factory=set)
    """Groups that have become unready without having been released."""
    _earlier: Earlier | None = None

    def goes_on(self, available_min: int | None, groups_max: int | None) -> None:
        """What was noted in runs before, whose looks aren't known."""
        self._earlier = Earlier(available_min, groups_max)

    def stepped(self, stepped: Stepped) -> None:
        """Go on by a step, which may release groups."""
        if stepped.outcome == Outcome.DONE:
            template = stepped.request.template
            self._released |= {ordinal for ordinal in stepped.released if self._served.get(ordinal) != template}

    def saw(self, saw: Saw, seen: Observation) -> None:
        """Go on by one more look."""
        strategy = saw.asked.aim.strategy
        budget, before = strategy.budget(seen.replicas), self.looks[-1] if self.looks else None
        lowest = [count for count in (saw.sight.available_min, seen.available) if count is not None]
        look = Look(
            at=saw.at,
            replicas=seen.replicas,
            groups_asked=seen.groups_asked,
            partition=seen.partition,
            available=seen.available,
            done=sum(group.done for group in seen.asked),
            failed=len(seen.failed),
            fewest=min(lowest),
            available_least=budget.floor,
            groups_most=budget.ceiling,
        )
        self._tell_apart(seen, saw.asked.template)
        self._compare(look, before)
        self.looks.append(look)

    def _tell_apart(self, seen: Observation, target: str) -> None:
        """Which groups that don't serve have been released, and which not."""
        served = {}
        let_go = self._let_go(seen, target)
        for group in seen.asked:
            if group.available:
                served[group.ordinal] = target if group.updated and seen.on_target else ""
                self._by_themselves.discard(group.ordinal)
            elif self._is_by_itself(group, seen, self._released | let_go):
                self._by_themselves.add(group.ordinal)
        if seen.on_target:
            self._released = {ordinal for ordinal in let_go if served.get(ordinal) != target}
        self._served, self._known = served, {group.ordinal for group in seen.asked}
        self._by_themselves &= self._known

    def _let_go(self, seen: Observation, target: str) -> set[int]:
        """By the partition, which releases to the target only once that is in place."""
        ordinals = {group.ordinal for group in seen.asked if seen.on_target and group.ordinal >= seen.partition}
        return {ordinal for ordinal in ordinals if not target or self._served.get(ordinal) != target}

    def _is_by_itself(self, group: Group, seen: Observation, released: set[int]) -> bool:
        if group.ordinal in self._served:
            return group.ordinal not in released
        # Found unready, or new because somebody has scaled up: the rollout's own are the surge alone.
        return group.ordinal not in self._known and group.ordinal < seen.replicas

    def _compare(self, look: Look, before: Look | None) -> None:
        if before and before.groups_asked < look.groups_asked > look.groups_most:
            self._above.append(look.at)
        if look.fewest >= look.available_least:
            return
        lasts = look.available < look.available_least
        excused = look.fewest + len(self._by_themselves) >= look.available_least
        start = look.at if lasts or before is None else before.at
        self._shortfalls.append(
            Shortfall(
                start=start,
                end=look.at,
                fewest=look.fewest,
                available_least=look.available_least,
                ordinals=tuple(sorted(self._by_themselves)),
                by_rollout=False if excused else True if lasts and look.fewest == look.available else None,
            )
        )

    def promise(self, until: datetime) -> Promise:
        """What has come of it."""
        below = tuple(_episodes(self._shortfalls, self.looks, until))
        fewest = min(self.looks, key=lambda look: look.fewest, default=None)
        most = max(self.looks, key=lambda look: look.groups_asked, default=None)
        promise = Promise(
            kept=_is_kept(below, self._above) if self.looks else None,
            fewest=fewest.fewest if fewest else None,
            fewest_at=fewest.at if fewest else None,
            available_least=fewest.available_least if fewest else None,
            most=most.groups_asked if most else None,
            groups_most=most.groups_most if most else None,
            below=below,
            above=tuple(self._above),
        )
        return self._with_earlier(promise)

    def _with_earlier(self, promise: Promise) -> Promise:
        """With what went before the first look: against what was promised then isn't known."""
        if self._earlier is None or not self.looks:
            return promise
        first, (fewest, most) = self.looks[0], self._earlier
        update: dict[str, object] = {"kept": None if promise.kept else promise.kept}
        if fewest is not None and promise.fewest is not None and fewest < promise.fewest:
            update |= {"fewest": fewest, "fewest_at": None, "available_least": first.available_least}
        if most is not None and promise.most is not None and most > promise.most:
            update |= {"most": most, "groups_most": first.groups_most}
        return promise.model_copy(update=update)


def _is_kept(below: Sequence[Shortfall], above: Sequence[datetime]) -> bool | None:
    if above or any(shortfall.by_rollout for shortfall in below):
        return False
    return None if any(shortfall.by_rollout is None for shortfall in below) else True


def _episodes(shortfalls: Iterable[Shortfall], looks: Sequence[Look], until: datetime) -> Iterable[Shortfall]:
    """Those of looks that follow each other are one; each lasts until the next look that is otherwise."""
    moments = [look.at for look in looks]
    following = dict(pairwise([*moments, until]))
    last: Shortfall | None = None
    for one in shortfalls:
        lasting = one if one.start < one.end else one.model_copy(update={"end": following[one.end]})
        if last and last.end >= lasting.start and last.by_rollout == lasting.by_rollout:
            last = lasting.model_copy(
                update={
                    "start": last.start,
                    "fewest": min(last.fewest, lasting.fewest),
                    "ordinals": tuple(sorted({*last.ordinals, *lasting.ordinals})),
                }
            )
            continue
        if last:
            yield last
        last = lasting
    if last:
        yield last
