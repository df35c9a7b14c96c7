"""window: only inside maintenance windows.

Calendars need dates and time zones; the moment itself is given, like everywhere in the core.
"""

from datetime import datetime
from itertools import islice
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from rollwright.rollout.gates.gate import Context, Finding, Gate, Progress, Reading
from rollwright.rollout.gates.questions import Answer
from rollwright.rollout.quantities import DurationSeconds

_MOST_WINDOWS = 1000
"""Windows that overlap are one; of more than so many the last one's end counts, which is far away."""
_CLOCK_CHANGE_SECONDS = 7200
_LONGEST_REST_SECONDS = 60.0


def _read_schedule(text: str) -> str:
    if len(text.split()) != 5:
        raise ValueError(f"'{text}' has not the five fields of a cron expression; write as in '0 22 * * MON-FRI'")
    try:
        next(CronSim(text, datetime(2026, 1, 1)))
    except CronSimError as error:
        raise ValueError(f"'{text}' is no cron expression ({error}); write as in '0 22 * * MON-FRI'") from error
    except StopIteration as error:
        raise ValueError(f"'{text}' never comes") from error
    return text


def _read_zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError(f"'{text}' is no time zone; write as in 'Europe/Berlin'")
    return text


class Window(Gate):
    """Passes inside a maintenance window only.

    When the window closes before the step that follows has ended, nothing further is released, what is in flight
    finishes, and the rollout waits here for the next window.
    """

    kind: Literal["window"] = Field(default="window", description="Which gate it is.")
    schedule: Annotated[str, AfterValidator(_read_schedule)] = Field(
        max_length=200, description="When windows open, as a cron expression of five fields."
    )
    duration: DurationSeconds = Field(ge=60, description="How long each is open, at least 1m.")
    timezone: Annotated[str, AfterValidator(_read_zone)] = Field(default="UTC", description="Of the schedule.")

    INTERVAL_SECONDS: ClassVar[float] = 30.0

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """Open or not, at this moment."""
        closes, opens = self._around(context.now)
        if closes is not None:
            return Reading(Finding.PASSED, f"inside the window, which closes {self._moment(closes)}", open_until=closes)
        rest = min(_LONGEST_REST_SECONDS, max(0.0, opens - context.now))
        message = f"outside the window, which opens {self._moment(opens)}"
        return Reading(Finding.PENDING, message, again_after_seconds=rest)

    def _around(self, now: float) -> tuple[float | None, float]:
        """When the window closes that is open now, if one is, and when one opens next; in seconds since the epoch.

        Moments are compared as such: on the clock of a zone an hour comes twice when it is put back.
        """
        begin = datetime.fromtimestamp(now - self.duration - _CLOCK_CHANGE_SECONDS, ZoneInfo(self.timezone))
        closes: float | None = None
        opens = now
        for opening in islice(CronSim(self.schedule, begin), _MOST_WINDOWS):
            opens = opening.timestamp()
            if opens > (now if closes is None else closes):
                break
            if opens + self.duration > now:
                closes = opens + self.duration
        return closes, opens

    def _moment(self, at: float) -> str:
        return f"{datetime.fromtimestamp(at, ZoneInfo(self.timezone)):%a %Y-%m-%d %H:%M %Z}"
