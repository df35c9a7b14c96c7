"""The activity that tells people: Events on the target, and whoever the worker's file names."""

import asyncio
from collections.abc import Callable, Sequence

from temporalio import activity
from temporalio.exceptions import ApplicationError

from rollwright.activities import happenings, sending
from rollwright.activities.lasting import last_heard
from rollwright.activities.messages import ActivityName, Tell
from rollwright.activities.recipients import Recipient, Recipients
from rollwright.activities.rollout import origin
from rollwright.cluster.events import Events
from rollwright.rollout.models import Model


class Told(Model):
    """Who was told by earlier attempts: by their places in the file, as what else is known of them is secret."""

    places: tuple[int, ...] = ()
    of: int
    """Recipients in the file: with another number it is another file."""


class TellingActivities:
    """Tells people what becomes of rollouts in one cluster."""

    def __init__(self, events: Events, recipients: Recipients | None = None) -> None:
        self._events = events
        self._recipients = recipients

    def all(self) -> Sequence[Callable[..., object]]:
        """Everything to register with a worker."""
        return [self.tell]

    @activity.defn(name=ActivityName.TELL)
    async def tell(self, request: Tell) -> None:
        """Make an Event, and tell everybody who wants to know and isn't told yet.

        Raises ApplicationError where somebody could not be told; an attempt after it tells only them.
        """
        known = self._recipients.known() if self._recipients else ()
        telling = _Telling(request, known)
        *_, failures = await asyncio.gather(self._make_event(request), telling.tell())
        if failures:
            raise ApplicationError("; ".join(failures), type="NotToldError")

    async def _make_event(self, request: Tell) -> None:
        if happening := happenings.of_news(request):
            await self._events.make(request.target, request.uid, happening, origin())


class _Telling:
    """One message to all who want it."""

    def __init__(self, request: Tell, known: Sequence[Recipient]) -> None:
        self._request = request
        self._known = known
        self._told = _told_before(len(known))

    async def tell(self) -> list[str]:
        """Send it; why it has failed, for each that it has."""
        missing = [
            self._send(place, recipient)
            for place, recipient in enumerate(self._known)
            if place not in self._told and recipient.wants(self._request)
        ]
        return [failure for failure in await asyncio.gather(*missing) if failure]

    async def _send(self, place: int, recipient: Recipient) -> str:
        failure = await sending.send(recipient, self._request, origin().key)
        if not failure:
            self._told.add(place)
            activity.heartbeat(Told(places=tuple(sorted(self._told)), of=len(self._known)))
        return failure


def _told_before(known: int) -> set[int]:
    told = last_heard(Told)
    return set(told.places) if told and told.of == known else set()
