"""Whether a round went as it must: wrong and stuck are different verdicts."""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from rollwright.devcluster.watcher import Frame
from rollwright.rollout.spec import Strategy
from rollwright.workflows.contract import RolloutStatus
from tests.chaos.aborting import released_while_aborting
from tests.chaos.arithmetic import down, up
from tests.chaos.ending import wrong_end
from tests.chaos.expectation import Answer
from tests.chaos.losses import Losses
from tests.chaos.plan import Happening, Kind, Plan
from tests.chaos.promise import Judge, Limits
from tests.chaos.restarts import Cause, Restart, history, needless, restarts
from tests.chaos.round import BrokenError, Round, StuckError
from tests.chaos.site import Outage, Site
from tests.devcluster.standin.namespace import Json, is_ready, is_terminating

_SERVED_SECONDS = 60.0
_LOOK_SECONDS = 10.0
_MOST_MOMENTS = 80
_BEGINS_ANEW = (Kind.ABORT, Kind.RESUME, Kind.PROMOTE)
"""After these a surge may be asked for again under the same template."""


class Outcome(StrEnum):
    """How a round went."""

    FINE = "fine"
    WRONG = "wrong"
    STUCK = "stuck"
    CRASHED = "crashed"
    """The round itself: nothing is known of how the rollout would have ended."""


class Over(NamedTuple):
    """What has become of a rollout."""

    outcome: Outcome
    end: str = ""
    findings: tuple[str, ...] = ()


class Verdict(BaseModel):
    """On one round."""

    plan: Plan
    """As it happened: also with what other rounds took away."""
    outcome: Outcome
    end: str
    """The phase it ended in, or stands in."""
    findings: list[str]
    """What is wrong, or what it waits for."""
    seconds: float
    losses: int
    """Groups lost by themselves."""
    excused: int
    """Steps decided on just before such a loss."""
    spare_min: int
    """The fewest groups certain beyond those that must be."""
    taken_down: dict[Cause, int]
    """Leaders, by cause."""
    kinds: dict[Kind, int]
    """What happened to it by its own plan."""
    happened: list[str]
    seen: list[str]
    """The moments."""


async def hold(plan: Plan, site: Site, folder: Path) -> Verdict:
    """Play a round and judge it: whatever happens in it, there is a verdict with its plan."""
    folder.mkdir(parents=True)
    async with AsyncExitStack() as cleanup:
        played = Round(plan, site, folder, cleanup)
        cleanup.push_async_callback(_remove, played)
        over = await concluded(lambda: _play(played), lambda: _waits_for(played))
    return _verdict(played, over)


async def concluded(play: Callable[[], Awaitable[Over]], waits_for: Callable[[], Awaitable[list[str]]]) -> Over:
    """What a round comes to, also where something in it is never answered, or fails."""
    try:
        return await play()
    except BrokenError as error:
        return Over(Outcome.WRONG, findings=(str(error),))
    except (StuckError, TimeoutError) as error:
        return Over(Outcome.STUCK, findings=(str(error) or repr(error), *await waits_for()))
    except Exception as error:  # noqa: BLE001 - whatever it is, the plan is to be told
        return Over(Outcome.CRASHED, findings=(*traceback.format_exception(error), *await waits_for()))


async def _play(played: Round) -> Over:
    await played.target.set_up()
    await _until_served(played)
    async with played.seen:
        result = await played.play()
        played.events = result.events
        findings = await wrong_end(played, result)
    return Over(Outcome.WRONG if findings else Outcome.FINE, result.phase.value, tuple(findings))


async def _remove(played: Round) -> None:
    with suppress(TimeoutError):  # what it stands on is away for good: that is told of the round already
        await played.target.remove()


def _verdict(played: Round, over: Over) -> Verdict:
    frames = list(played.seen.frames())
    judge = Judge(
        lambda replicas: limits(played.plan.strategy, replicas),
        Losses(played.target.injected),
        played.looked_since,
    )
    for frame in frames:
        judge.take(frame)
    begun_anew = [
        told.at for told in played.told if told.what.kind in _BEGINS_ANEW and told.answer is not Answer.REFUSED
    ]
    taken_down = restarts(frames, played.target.injected, begun_anew)
    wrong = list(judge.broken)
    for restart in needless(taken_down):
        wrong += [f"not needed: {restart}", *history(frames, restart)]
    wrong += released_while_aborting(frames, played.events)
    wrong += [f"after the end: {restart}" for restart in taken_down if _is_late(restart, played.ended_at)]
    outages = [outage for outage in played.site.outages if outage.ended > played.began and _is_foreign(outage, played)]
    return Verdict(
        plan=_as_it_happened(played, outages),
        outcome=Outcome.WRONG if wrong else over.outcome,
        end=over.end,
        findings=[*wrong, *over.findings],
        seconds=round(played.over_at - played.began, 1),
        losses=judge.losses,
        excused=judge.excused,
        spare_min=judge.spare_min,
        taken_down={cause: sum(restart.cause is cause for restart in taken_down) for cause in Cause},
        kinds=Counter(happened.kind for happened in played.happened),
        happened=[*map(str, played.happened), *(_foreign(outage, played.began) for outage in outages)],
        seen=_moments(frames, played.began),
    )


def limits(strategy: Strategy, replicas: int) -> Limits:
    """What a strategy allows."""
    return Limits(
        floor=max(0, replicas - down(strategy.max_unavailable, replicas)),
        ceiling=replicas + min(up(strategy.max_surge, replicas), replicas),
    )


def _is_late(restart: Restart, ended_at: float) -> bool:
    return bool(ended_at) and restart.at > ended_at and restart.cause in (Cause.RELEASED, Cause.UNBLOCKED)


def _is_foreign(outage: Outage, played: Round) -> bool:
    return outage.seed != played.plan.seed and (not played.ended_at or outage.began < played.ended_at)


def _foreign(outage: Outage, began: float) -> str:
    seconds = f"{outage.began - began:.2f} to {outage.ended - began:.2f} s"
    return f"{seconds}: {outage.kind}, by the plan of seed {outage.seed}"


def _as_it_happened(played: Round, outages: list[Outage]) -> Plan:
    more = [
        Happening(at=round(max(0.0, outage.began - played.began), 2), kind=outage.kind, seconds=outage.seconds)
        for outage in outages
    ]
    happenings = sorted([*played.plan.happenings, *more], key=lambda happening: happening.at)
    return played.plan.model_copy(update={"happenings": tuple(happenings)})


def _moments(frames: list[Frame], began: float) -> list[str]:
    """What held from when on: replicas + maxSurge (those of the leader StatefulSet) - maxUnavailable, and the groups.

    Of each group its image and whether it serves.
    """
    lines: list[str] = []
    last = ""
    for frame in frames:
        if frame.spec:
            groups = " ".join(
                f"{ordinal}:{leader.image.removeprefix('model:')}{'+' if ordinal in frame.serving else '-'}"
                for ordinal, leader in sorted(frame.leaders.items())
            )
            spec, standing = frame.spec, frame.leader_set.replicas if frame.leader_set else 0
            now = (
                f"partition {spec.partition}, replicas {spec.replicas} + {spec.max_surge} (now {standing}) "
                f"- {spec.max_unavailable}, {spec.image}; {groups}"
            )
            if now != last:
                lines.append(f"{frame.change.at - began:.2f} s ({frame.change.at:.2f}): {now}")
            last = now
    return lines if len(lines) <= _MOST_MOMENTS else ["...", *lines[-_MOST_MOMENTS:]]


async def _until_served(played: Round) -> None:
    """Wait until all groups serve: not long, but for what other rounds have taken away meanwhile."""
    began = time.time()
    async with asyncio.timeout(_SERVED_SECONDS) as patience:
        while True:
            ready = [pod for pod in await played.target.pods() if is_ready(pod) and not is_terminating(pod)]
            if len(ready) == played.plan.replicas * played.plan.size:
                return
            waited = time.time() - max([began, *(outage.ended for outage in played.site.outages)])
            patience.reschedule(asyncio.get_running_loop().time() + max(0.0, _SERVED_SECONDS - waited))
            await asyncio.sleep(0.2)


async def _waits_for(played: Round) -> list[str]:
    """What a rollout that doesn't end says of itself, and what there is. The rollout is ended."""
    said = []
    for look in (_its_status, _its_target, _its_history):
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                said += await look(played)
        except Exception as error:  # noqa: BLE001 - whatever keeps it from answering is part of the finding
            said.append(f"{look.__name__.strip('_')}: no answer: {error!r}")
    with suppress(Exception):
        async with asyncio.timeout(_LOOK_SECONDS):
            await played.handle.terminate("stuck")
    return said


async def _its_status(played: Round) -> list[str]:
    status = await played.handle.query("status", result_type=RolloutStatus)
    played.events = status.events
    return [f"it says: {status.model_dump(mode='json', exclude_defaults=True)}"]


async def _its_target(played: Round) -> list[str]:
    lws = await played.target.lws()
    pods = sorted(await played.target.pods(), key=lambda pod: str(pod["metadata"]["name"]))
    target = f"target: {lws['metadata']['annotations']} {lws['spec']['rolloutStrategy']} {lws['status']}"
    return [target, *(_line(pod) for pod in pods)]


async def _its_history(played: Round) -> list[str]:
    return [await played.scene._told(played.handle)]


def _line(pod: Json) -> str:
    image = pod["spec"]["containers"][0]["image"]
    leaving = " leaving" if is_terminating(pod) else ""
    return f"{pod['metadata']['name']} {image}{' ready' if is_ready(pod) else ''}{leaving} {pod['metadata']['labels']}"
