"""Who did what, when and why: messages as they came, with what came of them as the rollout has noted it."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from rollwright.cli import views
from rollwright.cli.reports.happened import Said
from rollwright.cli.reports.record import Deed
from rollwright.workflows import describing
from rollwright.workflows.contract import RETARGET, Event, Message, Retarget

ITSELF = "rollwright"
_STEERS = (*map(str, Message), RETARGET)
_CLOCKS = timedelta(seconds=1)
"""A message comes at the time of the server, and is noted at that of the worker, or, of an update, before."""


def answered(said: Sequence[Said], noted: Sequence[Event]) -> tuple[list[Said], list[Event]]:
    """The messages with what came of them, and the events that are of none: the rollout's own doing.

    `noted`: what the rollout has kept among its events, which are the last ones only. So the last event is of the last
    message that it can be of, and so on backwards: of two alike within the slack of the clocks each gets its own.
    """
    found, unnoted, rest = list(said), set(range(len(said))), []
    for event in reversed(noted):
        message, effect, refused = _read(event.what)
        at = datetime.fromisoformat(event.at)
        known = [place for place in unnoted if _is_of(event, message, said[place]) and said[place].at <= at + _CLOCKS]
        if not known:
            rest.append(event)
            continue
        place = max(known)
        unnoted.discard(place)
        one = found[place]
        # That an update was accepted is written down after what followed from it.
        found[place] = replace(one, at=min(at, one.at), answer=one.answer or effect, refused=refused)
    return found, rest[::-1]


def _is_of(event: Event, message: str, said: Said) -> bool:
    by = describing.steering((said.given,))
    return (said.message, by.actor, by.reason) == (message, event.actor, event.reason)


def deeds(said: Iterable[Said], rest: Iterable[Event]) -> tuple[Deed, ...]:
    """All that was done, in order, from what `answered` gives."""
    found = [*map(_deed, said), *map(_noted, rest)]
    return tuple(sorted(found, key=lambda deed: deed.at))


def _deed(said: Said) -> Deed:
    by = describing.steering((said.given,))
    return Deed(
        at=said.at,
        actor=by.actor,
        what=_words(said),
        reason=by.reason,
        came_of_it=said.answer,
        refused=said.refused,
        by_itself=by.actor == ITSELF,
    )


def _words(said: Said) -> str:
    given = describing.steering((said.given,))
    flags = [("fast", given.fast), ("full", given.full), (f"{given.side}", given.side)]
    if said.message == RETARGET:
        try:
            return f"{RETARGET} to {views.change(Retarget.model_validate(said.given).change)}"
        except ValidationError:
            return RETARGET
    return " ".join([said.message, *(f"--{flag}" for flag, is_set in flags if is_set)])


def _read(what: str) -> tuple[str, str, bool]:
    """Of an event: the message, what came of it, and whether it was refused. Without message it is the event's own."""
    for message in _STEERS:
        for said, refused in ((f"{message} refused: ", True), (f"{message}: ", False)):
            if what.startswith(said):
                return message, what.removeprefix(said), refused
    return "", "", False


def _noted(event: Event) -> Deed:
    message, effect, refused = _read(event.what)
    own, _, more = event.what.partition(": ")
    return Deed(
        at=datetime.fromisoformat(event.at),
        actor=event.actor,
        what=message or own,
        reason=event.reason,
        came_of_it=effect or more,
        refused=refused,
        by_itself=event.actor == ITSELF,
    )
