"""The check of a gate: asks it again and again, until it is decided or there is something to show."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from pydantic import ValidationError
from temporalio import activity
from temporalio.exceptions import ApplicationError

from rollwright.activities.messages import CheckGate
from rollwright.activities.waiting import MOVING_ON
from rollwright.cluster.errors import TemporaryError
from rollwright.cluster.snapshot import now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.gates.gate import Context, Finding, Progress, follow, in_time
from rollwright.rollout.gates.questions import Answer, Question

Answering = Callable[[LiveTarget, CheckGate, Question], Awaitable[Answer]]
"""Answers a question of a gate; what can't be had is part of an answer, so it raises for a cancellation only."""

_HEARTBEAT_SECONDS = 1.0
_SHARE = 20
"""So many times as long as it took to look at the groups is rested before the next look: there may be thousands."""


class GateCheck:
    """One gate of one step, checked by one attempt of an activity."""

    def __init__(self, target: LiveTarget, request: CheckGate, answer: Answering) -> None:
        self._target = target
        self._request = request
        self._answer = answer
        self._progress = request.progress
        self._began = time.monotonic()
        self._took = 0.0

    async def check(self) -> Progress:
        """How far it is, once that is worth telling. Raises ClusterError; moves on when the worker stops."""
        self._progress = _progress_so_far(self._request)
        asking = asyncio.ensure_future(self._ask_on())
        stopping = asyncio.ensure_future(activity.wait_for_worker_shutdown())
        try:
            while not asking.done():
                activity.heartbeat(self._progress)
                await asyncio.wait([asking, stopping], timeout=_HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if stopping.done() and not asking.done():
                    raise ApplicationError(MOVING_ON, next_retry_delay=timedelta(milliseconds=1))
                if self._is_worth_telling:
                    return self._progress
            return asking.result()
        finally:
            asking.cancel()
            stopping.cancel()
            await asyncio.gather(asking, stopping, return_exceptions=True)

    async def _ask_on(self) -> Progress:
        gate, rest = self._request.gate, self._rest_so_far()
        while True:
            await asyncio.sleep(self._until_out_of_time(max(rest, _SHARE * self._took)))
            began = time.monotonic()
            moment = now().timestamp()
            self._progress = in_time(gate, self._progress, moment)
            if self._is_worth_telling:
                return self._progress
            context = await self._context()
            self._took = time.monotonic() - began
            questions = gate.ask(context, self._progress)
            answers = tuple([await self._answer(self._target, self._request, question) for question in questions])
            reading = gate.judge(context, self._progress, answers)
            self._progress = follow(gate, self._progress, reading, context.now)
            if self._is_worth_telling:
                return self._progress
            rest = gate.interval_seconds if reading.again_after_seconds is None else reading.again_after_seconds

    def _rest_so_far(self) -> float:
        """What is left of the interval that an earlier attempt, or activity, has begun."""
        asked_at = self._progress.asked_at
        return max(0.0, asked_at + self._request.gate.interval_seconds - now().timestamp()) if asked_at else 0.0

    def _until_out_of_time(self, rest: float) -> float:
        timeout = self._request.gate.timeout
        if timeout is None:
            return rest
        return max(0.0, min(rest, self._progress.since + timeout - now().timestamp()))

    @property
    def _is_worth_telling(self) -> bool:
        """The first word, decided, begun anew or counted against it: at once. Another message: by and by."""
        told, known = self._progress, self._request.progress
        if told.asked_at and not known.asked_at:
            return True
        if told.finding is not Finding.PENDING or told.attempt != known.attempt:
            return True
        if (told.failures, told.inconclusives) != (known.failures, known.inconclusives):
            return True
        return told.message != known.message and time.monotonic() - self._began >= self._request.show_after_seconds

    async def _context(self) -> Context:
        request = self._request
        while True:
            try:
                snapshot = await self._target.last_seen() or await self._target.read()
                break
            except TemporaryError:
                await asyncio.sleep(_HEARTBEAT_SECONDS)
        moment = now()
        digest = digest_of_kept(request.template) if request.template else None
        seen = snapshot.observe(digest, request.strategy.unready_grace, moment, request.surge_by)
        groups = snapshot.groups_seen(seen)
        return Context(
            kind=request.target.kind,
            namespace=request.target.namespace,
            name=request.target.name,
            rollout=str(activity.info().workflow_id),
            revision=request.template,
            step=request.step,
            newly=tuple(group.ordinal for group in groups if request.newly_from <= group.ordinal < request.newly_below),
            groups=groups,
            surge=seen.budget(request.strategy).surge,
            now=moment.timestamp(),
        )


def _progress_so_far(request: CheckGate) -> Progress:
    """What an earlier attempt of this check knew when it was last heard of, or else what the check was begun with."""
    heard = activity.info().heartbeat_details
    if not heard:
        return request.progress
    try:
        return Progress.model_validate(heard[0])
    except ValidationError:
        return request.progress  # of a worker of another version
