"""What of a rollout can hardly be meant, though it may be asked for. Pure."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.capacity import Capacity
from rollwright.rollout.gates.prometheus import PrometheusGate
from rollwright.rollout.gates.queries import names_groups
from rollwright.rollout.quantities import in_words, resolve
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy

_LONG_SECONDS = 24 * 3600

Place = tuple[str | int, ...]
"""The way to a field, in the words of the file."""

_MAX_UNAVAILABLE: Place = ("strategy", "maxUnavailable")
_STEPS: Place = ("strategy", "steps")
_KEEP_ONE = "keep one with a lower maxUnavailable, and with maxSurge"


class Suspicion(NamedTuple):
    """Something to look at again."""

    place: Place
    what: str


def suspicions(spec: RolloutSpec) -> Iterator[Suspicion]:
    """All that there are. `target.replicas` lets more be seen."""
    yield from _of_images(spec.change)
    if spec.target.replicas:
        yield from _of_budget(spec.strategy, spec.target.replicas)
    elif spec.strategy.max_unavailable == "100%":
        yield Suspicion(_MAX_UNAVAILABLE, f"all groups may be missing at once; {_KEEP_ONE}")
    yield from _of_ends(spec.strategy, spec.target.replicas)
    yield from _of_gates(spec.strategy, spec.target.replicas)


def _of_images(change: Change) -> Iterator[Suspicion]:
    images: dict[Place, str] = {("change", "images", name): image for name, image in (change.images or {}).items()}
    for part in ("patch", "manifest"):
        images |= dict(_images_in(getattr(change, part), ("change", part)))
    for place, image in images.items():
        if why := _moves(image):
            what = f"{image} {why}, and may be another version for each group; write a tag of its own, or a digest"
            yield Suspicion(place, what)


def _images_in(content: Any, place: Place) -> Iterator[tuple[Place, str]]:
    """Those of containers, wherever they stand in a template."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        is_container = len(place) > 0 and place[-1] in ("containers", "initContainers")
        if is_container and isinstance(value, dict) and isinstance(value.get("image"), str):
            yield (*place, key, "image"), value["image"]
        yield from _images_in(value, (*place, key))


def _moves(image: str) -> str:
    """Why it isn't always the same version, in words; empty if it may be taken to be."""
    name, at, _ = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    if at or (colon and tag != "latest"):
        return ""
    return "is whatever was pushed last" if colon else "has no tag"


def _of_budget(strategy: Strategy, replicas: int) -> Iterator[Suspicion]:
    budget = strategy.budget(replicas)
    if budget.unavailable == 0 and strategy.max_unavailable not in (0, "0%"):
        what = f"{strategy.max_unavailable} comes to 0 of {replicas} groups; all depends on finding nodes for the surge"
        yield Suspicion(_MAX_UNAVAILABLE, what)
    if budget.floor == 0:
        what = f"all {replicas} groups may be missing at once" if replicas > 1 else "the only group may be missing"
        yield Suspicion(_MAX_UNAVAILABLE, f"{what}; {_KEEP_ONE}")
    if strategy.partition >= replicas:
        what = f"{strategy.partition} keeps all {replicas} groups as they are: nothing is updated"
        yield Suspicion(("strategy", "partition"), what)


def _of_ends(strategy: Strategy, replicas: int | None) -> Iterator[Suspicion]:
    """Of steps that don't end where they say."""
    for number, step in enumerate(strategy.steps):
        passed = _passed(strategy.steps[:number], step, replicas)
        if why := passed or (replicas and _out_of_reach(step, strategy.partition, replicas)):
            yield Suspicion((*_STEPS, number, "until"), f"{step.until} {why}")


def _of_gates(strategy: Strategy, replicas: int | None) -> Iterator[Suspicion]:
    for number, step in enumerate(strategy.steps):
        for index, gate in enumerate(step.gates):
            here = (*_STEPS, number, "gates", index)
            match gate:
                case Bake(duration=duration) if duration > _LONG_SECONDS:
                    what = f"bakes for {in_words(duration)}, which holds the rollout open for more than a day"
                    yield Suspicion((*here, "duration"), what)
                case Capacity(groups=None) if strategy.max_surge in (0, "0%"):
                    what = (
                        "counts nodes for the surge, and maxSurge is 0, so it always passes; give groups, or maxSurge"
                    )
                    yield Suspicion(here, what)
                case PrometheusGate() if why := _why_never(gate, step, strategy, replicas):
                    yield Suspicion(here, f"can never pass: {why}")


def _passed(earlier: Sequence[GatedStep], step: GatedStep, replicas: int | None) -> str:
    """Why it updates nothing: an earlier one goes further. Empty if none does, or if that depends on the replicas."""
    unit, end = _end(step, replicas)
    ends = [(_end(other, replicas), other.until) for other in earlier]
    comparable = [(reached, until) for (by, reached), until in ends if by == unit]
    furthest, until = max(comparable, key=itemgetter(0), default=(0, 0))
    return f"is reached before {until} of a step above: this step updates nothing" if end < furthest else ""


def _end(step: GatedStep, replicas: int | None) -> tuple[str, int]:
    """How far it goes, and by which unit that is told."""
    groups = _groups(step, replicas)
    return ("%", int(str(step.until).rstrip("%"))) if groups is None else ("groups", groups)


def _out_of_reach(step: GatedStep, partition: int, replicas: int) -> str:
    """Why it ends elsewhere; empty if it doesn't. All groups may well stand for all that are to be updated."""
    if isinstance(step.until, int) and step.until > replicas:
        return f"is more than target.replicas, {replicas}: this step ends once all groups are updated"
    reach = replicas - partition
    if 0 < reach < resolve(step.until, replicas, round_up=True) < replicas:
        return f"is never reached: partition {partition} keeps all groups but {reach} as they are"
    return ""


def _groups(step: GatedStep, replicas: int | None) -> int | None:
    """How many are on the new revision at its end; None if that depends on the replicas."""
    if replicas is None:
        return step.until if isinstance(step.until, int) else None
    return min(replicas, resolve(step.until, replicas, round_up=True))


def _why_never(gate: PrometheusGate, step: GatedStep, strategy: Strategy, replicas: int | None) -> str:
    """Why its query has nothing to ask about; empty if it may have."""
    if step.until in (0, "0%") and names_groups(gate.query):
        return "its query names the groups on the new revision, and at the end of this step there are none"
    all_new = step.until == "100%" or (replicas is not None and _groups(step, replicas) == replicas)
    if gate.compare_to_old and all_new and strategy.partition == 0:
        return "it compares with groups on the old revision, and at the end of this step there are none"
    return ""
