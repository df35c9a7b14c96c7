"""People are told where a rollout stands, by an activity each time, which is waited for at the end only, and not long.

What may pass within a moment, as a stall that mends itself does, is told only once it has lasted.
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from rollwright.activities.messages import News, Tell
    from rollwright.workflows import calls, describing
    from rollwright.workflows.contract import Event, Intervention, Message, Phase, RolloutInput, RolloutStatus
    from rollwright.workflows.gating import Gating

_LASTS = timedelta(seconds=2)
_LAST_WORD = timedelta(seconds=10)
"""So long the end of a rollout waits for people to be told of it."""
_MOST_TOLD = 8
"""So much is told of a rollout that doesn't go on meanwhile: reasons may change for ever."""
_ENDS = {
    Phase.COMPLETED: News.COMPLETED,
    Phase.ROLLED_BACK: News.ROLLED_BACK,
    Phase.ABORTED: News.ABORTED,
    Phase.DELETED: News.DELETED,
}
_STANDS = {Phase.GATED: News.GATED, Phase.PAUSED: News.PAUSED, Phase.STALLED: News.STALLED}
_MESSAGES = {News.PAUSED: Message.PAUSE, News.ROLLED_BACK: Message.ROLLBACK, News.ABORTED: Message.ABORT}
"""What somebody has said to bring it about."""


class Telling(Gating):
    """A rollout that people are told of. What they were told since it last went on is in the state."""

    def __init__(self, given: RolloutInput) -> None:
        super().__init__(given)
        self._tells: set[asyncio.Task[None]] = set()
        """Of which it isn't known yet what has become of them."""

    async def _telling(self, rolling: Coroutine[Any, Any, RolloutStatus]) -> RolloutStatus:
        """Await the rollout and tell people meanwhile."""
        if not workflow.patched("tells"):
            return await rolling
        if self._state.phase and not self._state.told:
            self._remember(told=(News.STARTED,))  # begun by a version that told nothing
        telling = asyncio.ensure_future(self._keep_telling())
        try:
            await rolling
        except ApplicationError:
            telling.cancel()
            self._tell(News.REFUSED)
            await self._are_told()
            raise
        finally:
            telling.cancel()
        self._tell(_ENDS[self._phase])
        await self._are_told()
        return self.status()

    async def _keep_telling(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._is_news(self._standing))
            standing = self._standing
            is_beginning = standing == News.STARTED and not self._state.told
            if is_beginning or await self._lasts(standing):
                self._take_note(standing)

    async def _lasts(self, standing: str) -> bool:
        try:
            await workflow.wait_condition(
                lambda: self._standing != standing, timeout=_LASTS, timeout_summary="people are told if this lasts"
            )
        except TimeoutError:
            return True
        return False

    @property
    def _standing(self) -> str:
        """How it stands, in as much as people are told of: what begins with the news. Empty for what they aren't.

        Numbers in a reason change all the time.
        """
        state = self._state
        match self._phase:
            case Phase.GATED:
                return f"{News.GATED} {state.waiting}"
            case Phase.PAUSED:
                return News.PAUSED
            case Phase.STALLED:
                words = "".join(letter for letter in state.reason if not letter.isdigit())
                return f"{News.STALLED} {words[:200]}"
            case phase if phase.is_final or not state.template or self._failures:
                return ""  # one that tries again and again doesn't go on in between
            case _:
                return News.STARTED

    def _is_news(self, standing: str) -> bool:
        told = self._state.told
        if standing == News.STARTED:
            return told != (News.STARTED,)
        return bool(standing) and standing not in told and len(told) < _MOST_TOLD

    def _take_note(self, standing: str) -> None:
        told = self._state.told
        if standing != self._standing:
            return  # it goes on at this very moment
        if standing != News.STARTED:
            self._remember(told=(*told, standing))
            self._tell(_STANDS[self._phase])
            return
        self._remember(told=(News.STARTED,))
        if News.STARTED not in told:
            self._tell(News.STARTED)

    def _tell(self, news: News) -> None:
        handle = calls.tell(self._given.activity_queue, self._news(news))
        self._tells.add(handle)
        handle.add_done_callback(self._note_if_in_vain)

    def _news(self, news: News) -> Tell:
        state, status = self._state, self.status()
        seen = state.observation
        lines = {
            News.STARTED: f"goes from {state.before} to {state.template}",
            News.REFUSED: f"refused, with nothing changed: {state.reason}",
        }
        by = self._brought_about(news)
        return Tell(
            target=self._given.spec.target,
            rollout=status.rollout,
            uid=seen.uid if seen else "",
            news=news,
            line=lines.get(news, describing.line(status))[:1000],
            next=status.next,
            revision=state.template,
            actor=by.actor,
            reason=by.reason,
            request_id=self._given.request_id,
            done=sum(group.done for group in seen.asked) if seen else None,
            replicas=seen.replicas if seen else None,
            at=workflow.now().isoformat(),
        )

    def _brought_about(self, news: News) -> Intervention | Event:
        """Who was the last to say what has led to it; or else who has started the rollout."""
        message = _MESSAGES.get(news)
        said = [event for event in self._state.events if message and event.what.startswith(f"{message}:")]
        return said[-1] if said else self._given.by

    def _note_if_in_vain(self, told: "asyncio.Task[None]") -> None:
        """Somebody wasn't told: that is kept among the events, once for a rollout."""
        self._tells.discard(told)
        error = None if told.cancelled() else told.exception()
        if isinstance(error, ActivityError) and not self._state.told_in_vain:
            self._remember(told_in_vain=True)
            self._keep_event(f"could not tell everybody: {describing.failure(error, self._given)}")

    async def _are_told(self) -> None:
        try:
            await workflow.wait_condition(
                lambda: not self._tells, timeout=_LAST_WORD, timeout_summary="people are told before it ends"
            )
        except TimeoutError:
            return
