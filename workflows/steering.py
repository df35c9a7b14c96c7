"""Which message can be taken in which phase, and what comes of it: one table, which the documentation shows. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from rollwright.workflows.contract import RETARGET, Message, Phase


class Taken(NamedTuple):
    """The message is taken; what comes of it."""

    effect: str


class Refused(NamedTuple):
    """The message is not taken; why, and what to do instead."""

    why: str


Answer = Taken | Refused

_ENDED = Refused("the rollout has ended")
_STANDS = Taken("stays as it is")

_PAUSE = Taken("no new step; groups already released go on loading")
_ABORT = Taken("updates nothing further, and gives the surge back")
_BACK = Taken("goes back to the revision it started from")
_ELSEWHERE = Taken("goes on towards the new change; what is updated by now counts as outdated")
_PAUSED_ELSEWHERE = Taken("takes the new change, and stays paused")
_NO_GATE = Refused("no gate waits now; --full passes all later gates")
_PROMOTED = Taken("passes the gate")
_NOTHING_CHANGED = Refused("nothing is changed yet; abort it")
_RESTORING = Refused("everything is done and the settings are being put back; start another rollout after it")

ANSWERS: Mapping[str, Mapping[Phase, Answer]] = {
    Message.PAUSE: {
        Phase.PREPARING: _PAUSE,
        Phase.PROGRESSING: _PAUSE,
        Phase.PAUSED: _STANDS,
        Phase.STALLED: _PAUSE,
        Phase.GATED: _PAUSE,
        Phase.ROLLING_BACK: _PAUSE,
        Phase.ABORTING: Taken("gives no more of the surge back until resumed"),
        Phase.RESTORING: _STANDS,
    },
    Message.RESUME: {
        Phase.PREPARING: _STANDS,
        Phase.PROGRESSING: _STANDS,
        Phase.PAUSED: Taken("goes on"),
        Phase.STALLED: Taken("tries again: failed groups and the surge have all their time anew"),
        Phase.GATED: Refused("a gate waits: promote it"),
        Phase.ROLLING_BACK: _STANDS,
        Phase.ABORTING: _STANDS,
        Phase.RESTORING: _STANDS,
    },
    Message.ABORT: {
        Phase.PREPARING: Taken("ends, with nothing changed"),
        Phase.PROGRESSING: _ABORT,
        Phase.PAUSED: _ABORT,
        Phase.STALLED: _ABORT,
        Phase.GATED: _ABORT,
        Phase.ROLLING_BACK: _ABORT,
        Phase.ABORTING: _STANDS,
        Phase.RESTORING: _RESTORING,
    },
    Message.ROLLBACK: {
        Phase.PREPARING: _NOTHING_CHANGED,
        Phase.PROGRESSING: _BACK,
        Phase.PAUSED: _BACK,
        Phase.STALLED: _BACK,
        Phase.GATED: _BACK,
        Phase.ROLLING_BACK: Taken("goes on; with --fast from now on as fast as the promise allows"),
        Phase.ABORTING: _BACK,
        Phase.RESTORING: _RESTORING,
    },
    Message.PROMOTE: {
        Phase.PREPARING: _NO_GATE,
        Phase.PROGRESSING: _NO_GATE,
        Phase.PAUSED: _NO_GATE,
        Phase.STALLED: _NO_GATE,
        Phase.GATED: _PROMOTED,
        Phase.ROLLING_BACK: Refused("it is on its way back"),
        Phase.ABORTING: Refused("it is being aborted"),
        Phase.RESTORING: _NO_GATE,
    },
    RETARGET: {
        Phase.PREPARING: _ELSEWHERE,
        Phase.PROGRESSING: _ELSEWHERE,
        Phase.PAUSED: _PAUSED_ELSEWHERE,
        Phase.STALLED: _ELSEWHERE,
        Phase.GATED: _ELSEWHERE,
        Phase.ROLLING_BACK: _ELSEWHERE,
        Phase.ABORTING: _ELSEWHERE,
        Phase.RESTORING: _RESTORING,
    },
}


def answer(message: str, phase: Phase) -> Answer:
    """What comes of a message."""
    return _ENDED if phase.is_final else ANSWERS[message][phase]
