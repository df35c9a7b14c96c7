"""Whether an abort is kept to: once it is taken nothing more is released, until somebody sets another course. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from math import inf
from typing import NamedTuple

from rollwright.devcluster.watcher import Frame
from rollwright.workflows.contract import Event
from tests.chaos.promise import scheduled

_ABORT = "abort:"
_COURSES = (_ABORT, "rollback:", "retarget:")


class Abort(NamedTuple):
    """From when on nothing was to be released, and until when."""

    taken: float
    ended: float


def released_while_aborting(frames: Iterable[Frame], events: Sequence[Event]) -> list[str]:
    """Writes that lower the partition though the rollout was being aborted, in words.

    The step that was being carried out when the abort was taken may still take effect. It is told apart by its fence,
    which says when it was scheduled: the clock is the one by which the abort was taken.
    """
    aborts = list(_aborts(events))
    return [
        f"{frame.change.at:.2f} the partition is lowered to {frame.spec.partition} by a step scheduled "
        f"{scheduled(frame.spec) - abort.taken:.2f} s after an abort was taken"
        for frame in _lowered(frames)
        for abort in aborts
        if frame.spec and abort.taken <= scheduled(frame.spec) < abort.ended
    ]


def _lowered(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Writes that release groups: under another template a lower partition may release nothing."""
    for before, frame in pairwise(frames):
        if not (before.spec and frame.spec and frame.known):
            continue
        if frame.spec.image == before.spec.image and frame.spec.partition < before.spec.partition:
            yield frame


def _aborts(events: Sequence[Event]) -> Iterator[Abort]:
    courses = [event for event in events if event.what.startswith(_COURSES)]
    moments = [*(datetime.fromisoformat(event.at).timestamp() for event in courses), inf]
    for event, (taken, ended) in zip(courses, pairwise(moments), strict=True):
        if event.what.startswith(_ABORT):
            yield Abort(taken, ended)
