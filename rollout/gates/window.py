"""window: only inside maintenance windows.

Calendars need dates and time zones; the moment itself is given, like everywhere in the core.
"""

from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from rollwright.rollout.gates.gate import Context, Finding, Gate, Progress, Reading
from rollwright.rollout.gates.questions import Answer
from rollwright.rollout.quantities import DurationSeconds

_MOST_WINDOWS = 1000
"""Windows that overlap are one; more than so many count as one without an end."""
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

    kind: Literal["window"] = "window"
    schedule: Annotated[str, AfterValidator(_read_schedule)] = Field(
        max_length=200, description="When windows open, as a cron expression of five fields."
    )
    duration: DurationSeconds = Field(ge=60, description="How long each is open.")
    timezone: Annotated[str, AfterValidator(_read_zone)] = Field(default="UTC", description="Of the schedule.")

    INTERVAL_SECONDS: ClassVar[float] = 30.0

    def judge(self, context: Context, progress: Progress, answers: tuple[Answer, ...]) -> Reading:
        """Open or not, at this moment."""
        now = datetime.fromtimestamp(context.now, ZoneInfo(self.timezone))
        if window := self._open_at(now):
            message = f"inside the window, which closes {_moment(window.closes)}"
            return Reading(Finding.PASSED, message, open_until=window.closes.timestamp())
        opens = next(CronSim(self.schedule, now))
        rest = min(_LONGEST_REST_SECONDS, max(0.0, opens.timestamp() - context.now))
        return Reading(Finding.PENDING, f"outside the window, which opens {_moment(opens)}", again_after_seconds=rest)

    def _open_at(self, now: datetime) -> "_Opening | None":
        long = timedelta(seconds=self.duration)
        opened = next(CronSim(self.schedule, now + timedelta(minutes=1), reverse=True), None)
        while opened and opened > now:
            opened = next(CronSim(self.schedule, opened, reverse=True), None)
        if opened is None or _after(opened, long) <= now:
            return None
        closes = _after(opened, long)
        for following in islice(CronSim(self.schedule, opened), _MOST_WINDOWS):
            if following > closes:
                return _Opening(closes)
            closes = _after(following, long)
        return _Opening(closes)


class _Opening(NamedTuple):
    closes: datetime


def _after(moment: datetime, long: timedelta) -> datetime:
    """Later by real time: on the clock of a zone it may be an hour more or less."""
    return datetime.fromtimestamp(moment.timestamp() + long.total_seconds(), moment.tzinfo)


def _moment(at: datetime) -> str:
    return f"{at:%a %Y-%m-%d %H:%M %Z}"
