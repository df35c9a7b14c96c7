"""In which phase a rollout was when: by its search attribute, or, where it has none, as people had steered it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from rollwright.cli.reports.happened import Waited
from rollwright.cli.reports.record import Passage
from rollwright.rollout.aim import Course
from rollwright.workflows.contract import Phase

Change = tuple[datetime, Phase]
_COURSES = {Course.FORWARD: Phase.PROGRESSING, Course.BACK: Phase.ROLLING_BACK, Course.STOP: Phase.ABORTING}


def passages(
    start: datetime, first: Phase | None, entered: Sequence[Change], waits: Iterable[Waited], end: datetime
) -> tuple[Passage, ...]:
    """One after another without a gap, up to the end; a final phase takes no time.

    `first`: None where the run goes on from another that didn't say; then its first waits tell.
    """
    changes = _changes(entered, list(_of_waits(waits)), told=first is not None)
    begun = first or next((phase for _, phase in changes), Phase.PROGRESSING)
    moments = [(start, begun), *changes, (end, None)]
    found: list[Passage] = []
    for (since, phase), (until, _) in pairwise(moments):
        if phase is None or phase.is_final or until <= since:
            continue
        if found and found[-1].phase is phase and found[-1].end == since:
            found[-1] = found[-1].model_copy(update={"end": until})
        else:
            found.append(Passage(phase=phase, start=since, end=until))
    return tuple(found)


def _changes(entered: Sequence[Change], steered: Sequence[Change], *, told: bool) -> list[Change]:
    if told and entered:
        return list(entered)
    return [*(change for change in steered if not entered or change[0] < entered[0][0]), *entered]


def _of_waits(waits: Iterable[Waited]) -> Iterator[Change]:
    for wait in waits:
        asked = wait.asked
        if not asked.acting:
            yield wait.at, Phase.PAUSED
        elif asked.gated:
            yield wait.at, Phase.GATED
        else:
            yield wait.at, _COURSES[asked.aim.course]
