"""The check of a gate: asks it again and again, until it is decided or there is something to show."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from temporalio import activity

from rollwright.activities.lasting import last_heard, lasting
from rollwright.activities.messages import CheckGate
from rollwright.cluster.errors import TemporaryError
from rollwright.cluster.snapshot import Snapshot, now
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import digest_of_kept
from rollwright.rollout.aim import Aim
from rollwright.rollout.gates.gate import Context, Finding, Progress, follow
from rollwright.rollout.gates.questions import Answer, Question

Answering = Callable[[LiveTarget, CheckGate, Question], Awaitable[Answer]]
"""Answers a question of a gate; what can't be had is part of an answer, so it raises for a cancellation only."""

_HEARTBEAT_SECONDS = 1.0
_SHARE = 20
"""So many times as long as it took to look at the groups is rested before the next look: there may be thousands."""
_LONGEST_REST_SECONDS = 30.0
_REMEMBER_AFTER_SECONDS = 10.0
"""What a gate is to remember is told before long: a check that is let go takes along what it hasn't told."""


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
        self._progress = last_heard(Progress) or self._request.progress
        return await lasting(
            self._ask_on(),
            told=lambda: self._progress,
            early=lambda: self._progress if self._is_worth_telling else None,
            every=_HEARTBEAT_SECONDS,
        )

    async def _ask_on(self) -> Progress:
        while not self._is_worth_telling:
            await asyncio.sleep(self._rest)
            self._progress = await self._ask(self._progress)
        return self._progress

    async def _ask(self, known: Progress) -> Progress:
        """One reading. What is decided by the groups is decided on what is read anew: watches may be behind."""
        gate, context = self._request.gate, await self._context()
        questions = gate.ask(context, known)
        answers = tuple([await self._answer(self._target, self._request, question) for question in questions])
        progress = follow(gate, known, gate.judge(context, known, answers), context.now)
        if gate.JUDGES_GROUPS and progress.finding is not Finding.PENDING:
            context = await self._context(anew=True)
            progress = follow(gate, known, gate.judge(context, known, answers), context.now)
        return progress

    @property
    def _rest(self) -> float:
        """Until it is to be asked again, as an earlier attempt or activity has begun to wait; or is out of time."""
        moment, timeout = now().timestamp(), self._request.gate.timeout
        rest = max(self._progress.ask_at - moment, min(_SHARE * self._took, _LONGEST_REST_SECONDS))
        if timeout is not None:
            rest = min(rest, self._progress.since + timeout - moment)
        return max(0.0, rest)

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
        passed = time.monotonic() - self._began
        remembers = told.memory != known.memory and passed >= _REMEMBER_AFTER_SECONDS
        return remembers or (told.message != known.message and passed >= self._request.show_after_seconds)

    async def _context(self, *, anew: bool = False) -> Context:
        snapshot = await self._snapshot(anew=anew)
        request, moment, began = self._request, now(), time.thread_time()
        digest = digest_of_kept(request.template) if request.template else None
        seen = snapshot.observe(digest, request.strategy.unready_grace, moment, request.surge_by)
        groups = snapshot.groups_seen(seen)
        self._took = time.thread_time() - began
        return Context(
            kind=request.target.kind,
            namespace=request.target.namespace,
            name=request.target.name,
            rollout=str(activity.info().workflow_id),
            revision=request.template,
            step=request.step,
            newly=tuple(Aim(strategy=request.strategy).range_of(request.step - 1, seen.replicas)),
            groups=groups,
            surge=seen.budget(request.strategy).surge,
            now=moment.timestamp(),
        )

    async def _snapshot(self, *, anew: bool) -> Snapshot:
        while True:
            try:
                return (None if anew else await self._target.last_seen()) or await self._target.read()
            except TemporaryError:
                await asyncio.sleep(_HEARTBEAT_SECONDS)
