"""Whether a rollout has ended in the state that was asked for, and the user's settings are back."""

import asyncio
import time
from collections.abc import Iterable

from rollwright.workflows.contract import Phase, RolloutStatus
from tests.chaos.expectation import Answer, End, Told, ends
from tests.chaos.plan import MOST_REPLICAS, Plan
from tests.chaos.round import Round
from tests.devcluster.standin.namespace import Json, is_ready, is_terminating
from tests.e2e.scene import USERS

_SETTLED_SECONDS = 45.0
_QUIET_SECONDS = 1.5
_AGAIN_AFTER_SECONDS = 0.3
_GROUP = "leaderworkerset.sigs.k8s.io/group-index"
_RECORD = "rollwright.io/record"


async def wrong_end(played: Round, result: RolloutStatus) -> list[str]:
    """What is wrong about the end, in words. Pods deleted last have a while to be back, and then it must stay so."""
    told = [_answered(message, result) for message in played.told]
    right = ends(played.plan, told, 2 * MOST_REPLICAS)
    candidates = [end for end in right if end.phase is result.phase]
    if not candidates:
        return [f"ended {result.phase} ({result.reason}), where {_words(right)} was asked for"]
    deadline = time.time() + _SETTLED_SECONDS
    while True:
        found = await _differences(played, candidates)
        if not found:
            await asyncio.sleep(_QUIET_SECONDS)
            found = await _differences(played, candidates)
        if not found or time.time() > deadline:
            return found
        await asyncio.sleep(_AGAIN_AFTER_SECONDS)


def _answered(message: Told, result: RolloutStatus) -> Told:
    """A signal is answered among the events, by the name of whoever sent it."""
    if message.answer is not Answer.UNANSWERED:
        return message
    what = next((event.what for event in result.events if event.actor == message.words), "")
    if not what:
        return message
    refused = what.startswith(f"{message.what.kind} refused")
    return message._replace(answer=Answer.REFUSED if refused else Answer.ACCEPTED)


def _words(right: Iterable[End]) -> str:
    return " or ".join(sorted(f"{end.phase} with version {end.version}" for end in right))


async def _differences(played: Round, candidates: list[End]) -> list[str]:
    """How what there is differs from the candidate that comes nearest."""
    lws, pods = await played.target.lws(), await played.target.pods()
    found = [differences(played.plan, end, played.target.wish, lws, pods) for end in candidates]
    return min(found, key=len)


def differences(plan: Plan, end: End, wish: int, lws: Json, pods: list[Json]) -> list[str]:
    """How what there is differs from what there should be. Pure."""
    found = []
    if lws["spec"]["replicas"] != wish:
        found.append(f"spec.replicas is {lws['spec']['replicas']}, where {wish} are wanted")
    groups = _by_group(pods)
    if sorted(groups) != list(range(wish)) or any(len(group) != plan.size for group in groups.values()):
        found.append(f"groups of so many pods: { {ordinal: len(group) for ordinal, group in sorted(groups.items())} }")
    for ordinal, group in sorted(groups.items()):
        images = {pod["spec"]["containers"][0]["image"] for pod in group}
        if end.phase is not Phase.ABORTED and images != {_image(plan, end, ordinal)}:
            found.append(f"group {ordinal} runs {sorted(images)}, not {_image(plan, end, ordinal)}")
        if not all(is_ready(pod) and not is_terminating(pod) for pod in group) and _works(plan, images, ordinal):
            found.append(f"group {ordinal} does not serve")
    return found + _unsettled(plan, end, lws)


def _unsettled(plan: Plan, end: End, lws: Json) -> list[str]:
    """Whether the user's settings are back; where groups are held back, LWS must not surge by itself instead."""
    settings = lws["spec"]["rolloutStrategy"]["rollingUpdateConfiguration"]
    held = end.phase is Phase.ABORTED or (end.phase is Phase.COMPLETED and plan.strategy.partition > 0)
    if held and settings.get("partition", 0) > 0:
        return [] if settings.get("maxSurge", 0) == 0 else [f"held, and maxSurge is {settings['maxSurge']}"]
    found = [] if settings == USERS else [f"the settings are {settings}, not the user's {USERS}"]
    if _RECORD in lws["metadata"].get("annotations", {}):
        found.append(f"the annotation {_RECORD} is left")
    return found


def _by_group(pods: list[Json]) -> dict[int, list[Json]]:
    groups: dict[int, list[Json]] = {}
    for pod in pods:
        groups.setdefault(int(pod["metadata"]["labels"][_GROUP]), []).append(pod)
    return groups


def _image(plan: Plan, end: End, ordinal: int) -> str:
    held_back = end.phase is Phase.COMPLETED and ordinal < plan.strategy.partition
    return plan.versions[0 if held_back else end.version].image


def _works(plan: Plan, images: set[str], ordinal: int) -> bool:
    versions = [version for version in plan.versions if version.image in images]
    return all(not version.fails or (version.on and ordinal not in version.on) for version in versions)
