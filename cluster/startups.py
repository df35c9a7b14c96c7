"""Start-up times, as the pods of a target tell them: nothing needs to be remembered. Pure.

From the creation of the leader until the last pod of the group was ready. A pod that was unready for a moment since
then tells a later time: such times are left out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from rollwright.cluster import names
from rollwright.cluster.api import Manifest
from rollwright.cluster.causes import condition
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.startups import MOST_KEPT, StartUps, quantiles

_MOST_GROUPS = 200
"""So many, evenly spread over the ordinals, stand for any number: reading a time takes longer than all the rest."""
_FAR = 3.0
_ENOUGH = 5
_INCREDIBLE = 6.0
"""So many times the usual is no straggler any more. What has served for days is taken at less."""


def start_ups(
    pods: Mapping[int, Sequence[Manifest]], seen: Observation, now: datetime, *, least: float = 0.0
) -> StartUps:
    """What is known by now. `pods`: of each group, by ordinal, of which `seen` is made.

    `least`: for so many seconds a pod must have been ready to count.
    """
    if not seen.on_target:
        return StartUps()
    done = [group for group in seen.asked if group.done]
    some = done[:: -(-len(done) // _MOST_GROUPS) or 1]
    took = (_seconds(pods.get(group.ordinal, ())) for group in some)
    ages = {group.ordinal: _age(pods.get(group.ordinal, ()), now) for group in seen.asked if _is_starting(group)}
    return StartUps(
        seconds=_credible([seconds + least for seconds in took if seconds is not None]),
        ages={ordinal: age for ordinal, age in ages.items() if age is not None},
    )


def written(seconds: Sequence[float]) -> str:
    """Start-up times as they are kept with a template: whole seconds, a few that stand for all."""
    return ",".join(str(round(value)) for value in quantiles(seconds))


def read(entries: Sequence[Manifest]) -> tuple[float, ...]:
    """What is kept with these templates, the newest of them last: of the newest as many as are of use."""
    found: list[float] = []
    for item in reversed(entries):
        text = item["metadata"].get("annotations", {}).get(names.START_UPS, "")
        found += [float(part) for part in text.split(",") if part.isdecimal()][:MOST_KEPT]
        if len(found) >= MOST_KEPT:
            break
    return quantiles(found)


def standing(told: StartUps) -> tuple[float, ...]:
    """What the groups tell that have served for long: for the first rollout of a target, of which nothing is kept.

    A pod that was unready for a moment after days tells of days: what is far from usual is left out.
    """
    return quantiles(_within(_FAR, told.seconds))


def _is_starting(group: Group) -> bool:
    return group.updated and not group.ready and not group.terminating and not group.blip


def _credible(took: Sequence[float]) -> tuple[float, ...]:
    """Without those far from usual, once that is known: a pod that was unready for a moment later on tells too much."""
    return tuple(took) if len(took) < _ENOUGH else _within(_INCREDIBLE, took)


def _within(times: float, took: Sequence[float]) -> tuple[float, ...]:
    """Those of at most so many times the usual."""
    usual = sorted(took)[len(took) // 2] if took else 0.0
    return tuple(seconds for seconds in took if seconds <= times * usual)


def _seconds(pods: Sequence[Manifest]) -> float | None:
    """How long a group that serves took to do so; None if its pods don't tell."""
    begun = [_created(pod) for pod in pods if _is_leader(pod)]
    ready = [condition(pod, "Ready").get("lastTransitionTime") for pod in pods]
    if not begun or not all(ready):
        return None
    served = max(datetime.fromisoformat(at) for at in ready if at)
    return max(0.0, (served - begun[0]).total_seconds())


def _age(pods: Sequence[Manifest], now: datetime) -> float | None:
    begun = [_created(pod) for pod in pods if _is_leader(pod)]
    return max(0.0, (now - begun[0]).total_seconds()) if begun else None


def _is_leader(pod: Manifest) -> bool:
    return bool(pod["metadata"]["labels"].get(names.WORKER_INDEX, "0") == "0")


def _created(pod: Manifest) -> datetime:
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
