"""How a target at the end of a rollout differs from what there should be. Pure.

The user's settings are back, or, where groups are held back, they are written down and nothing moves by itself: LWS
neither surges nor has more of a budget than the user gives it, and the partition is where the versions part.
"""

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any, NamedTuple

from rollwright.devcluster.watcher import Frame
from rollwright.workflows.contract import Phase
from tests.chaos.arithmetic import down
from tests.chaos.expectation import End
from tests.chaos.plan import Plan
from tests.chaos.promise import RECORD, wanted, written
from tests.devcluster.standin.namespace import Json, is_ready, is_terminating
from tests.e2e.scene import USERS

_GROUP = "leaderworkerset.sigs.k8s.io/group-index"


class Past(NamedTuple):
    """What a rollout went through that its end depends on."""

    images: tuple[str, ...]
    """That were asked for, one after another; the first is the original."""
    wishes: tuple[int, ...]
    """The replicas that were wanted when it was decided on the end, and then; the last still are."""
    groups_max: int
    """The most that there were, or that were asked for."""


def gone_through(frames: Iterable[Frame], since: float) -> Past:
    """Of a rollout on whose end it was decided on what held at this moment or later."""
    images, wishes, most = list[str](), list[tuple[float, int]](), list[int]()
    for frame in frames:
        if frame.spec:
            images.append(frame.spec.image)
            wishes.append((frame.change.at, wanted(frame.spec)))
            most.append(max([written(frame.spec).groups, *(ordinal + 1 for ordinal in frame.leaders)]))
    before = [wish for at, wish in wishes if at < since]
    after = [wish for at, wish in wishes if at >= since]
    return Past(
        images=tuple(image for image, _ in groupby(images)),
        wishes=tuple(wish for wish, _ in groupby([*before[-1:], *after])),
        groups_max=max(most),
    )


def differences(plan: Plan, end: End, past: Past, lws: Json, pods: list[Json]) -> list[str]:
    """In words."""
    found = []
    wish = past.wishes[-1]
    if lws["spec"]["replicas"] != wish:
        found.append(f"spec.replicas is {lws['spec']['replicas']}, where {wish} are wanted")
    groups = _by_group(pods)
    found += [f"group {ordinal} is there, where {wish} are wanted" for ordinal in sorted(groups) if ordinal >= wish]
    for ordinal in range(wish):
        found += _wrong_group(plan, ordinal, groups.get(ordinal, []), _right_images(plan, end, past, lws, ordinal))
    return found + (_badly_held(plan, end, past, lws) if _is_held(plan, end, lws) else _not_put_back(lws))


def _wrong_group(plan: Plan, ordinal: int, pods: list[Json], right: set[str]) -> list[str]:
    """What is wrong about it; one that crashes may be about to be made anew, all of it, at any moment."""
    images = {_image_of(pod["spec"]) for pod in pods} or right
    failures = _failures(plan, images, ordinal)
    found = []
    if (len(images) > 1 and pods) or not images <= right:
        found.append(f"group {ordinal} runs {sorted(images)}, not {' or '.join(sorted(right))}")
    if len(pods) != plan.size and "crash-loop" not in failures:
        found.append(f"group {ordinal} is of {len(pods)} pods, not {plan.size}")
    if not failures and not all(is_ready(pod) and not is_terminating(pod) for pod in pods):
        found.append(f"group {ordinal} does not serve")
    return found


def _by_group(pods: list[Json]) -> dict[int, list[Json]]:
    groups: dict[int, list[Json]] = {}
    for pod in pods:
        groups.setdefault(int(pod["metadata"]["labels"][_GROUP]), []).append(pod)
    return groups


def _image_of(pod_spec: Json) -> str:
    image: str = pod_spec["containers"][0]["image"]
    return image


def _failures(plan: Plan, images: set[str], ordinal: int) -> set[str]:
    """How these fail on a group."""
    versions = [version for version in plan.versions if version.image in images]
    return {version.fails for version in versions if version.fails and (not version.on or ordinal in version.on)}


def _right_images(plan: Plan, end: End, past: Past, lws: Json, ordinal: int) -> set[str]:
    return _after_an_abort(past, lws, ordinal) if end.phase is Phase.ABORTED else {_image(plan, end, ordinal)}


def _image(plan: Plan, end: End, ordinal: int) -> str:
    held_back = end.phase is Phase.COMPLETED and ordinal < plan.strategy.partition
    return plan.versions[0 if held_back else end.version].image


def _after_an_abort(past: Past, lws: Json, ordinal: int) -> set[str]:
    """The split: from the partition on all groups are on the template that stands, and below it none is.

    But for those that were on it all along, where it was rolled out, or back to, a second time.
    """
    standing = _image_of(lws["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"])
    if ordinal >= _settings(lws).get("partition", 0):
        return {standing}
    return set(past.images[:-1])


def _settings(lws: Json) -> dict[str, Any]:
    settings: dict[str, Any] = lws["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]
    return settings


def _is_held(plan: Plan, end: End, lws: Json) -> bool:
    if end.phase is Phase.ABORTED:
        return bool(_settings(lws).get("partition", 0) > 0)  # where all groups are released nothing is left to hold
    return end.phase is Phase.COMPLETED and plan.strategy.partition > 0


def _not_put_back(lws: Json) -> list[str]:
    settings = _settings(lws)
    found = [] if settings == USERS else [f"the settings are {settings}, not the user's {USERS}"]
    if RECORD in lws["metadata"].get("annotations", {}):
        found.append(f"the annotation {RECORD} is left")
    return found


def _badly_held(plan: Plan, end: End, past: Past, lws: Json) -> list[str]:
    partition, max_unavailable = _settings(lws).get("partition", 0), _settings(lws).get("maxUnavailable")
    found = []
    if end.phase is Phase.COMPLETED and partition != plan.strategy.partition:
        found.append(f"held at partition {partition}, not at {plan.strategy.partition} as configured")
    if partition > max(past.groups_max, plan.strategy.partition):
        found.append(f"held at partition {partition}, where there never were more than {past.groups_max} groups")
    narrow = {max(1, down(str(USERS["maxUnavailable"]), wish)) for wish in past.wishes}
    if max_unavailable not in narrow:
        found.append(f"held, and maxUnavailable is {max_unavailable}, where the user's comes to {sorted(narrow)}")
    if _settings(lws).get("maxSurge", 0) != 0:
        found.append(f"held, and maxSurge is {_settings(lws)['maxSurge']}")
    return found + _badly_recorded(past, lws)


def _badly_recorded(past: Past, lws: Json) -> list[str]:
    text = lws["metadata"].get("annotations", {}).get(RECORD)
    if not text:
        return [f"held, and no annotation {RECORD} tells the user's settings"]
    record = json.loads(text)
    told = {name: record.get(name) for name in USERS}
    # Replicas other than the rollout asked for are a later wish.
    replicas = record["replicas"] if record["groups"] == lws["spec"]["replicas"] else lws["spec"]["replicas"]
    if (told, replicas) == (USERS, past.wishes[-1]):
        return []
    return [f"the annotation {RECORD} tells {told} and replicas {replicas}, not {USERS} and {past.wishes[-1]}"]
