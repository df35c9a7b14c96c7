"""The record of a rollout, made from what happened in its runs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from rollwright.cli.outputs import Cost
from rollwright.cli.reports import deeds as doing
from rollwright.cli.reports import starts
from rollwright.cli.reports.happened import Began, Ended, Entered, Happened, KeptTemplate, Said, Saw, Stepped, Waited
from rollwright.cli.reports.history import UnreadableError
from rollwright.cli.reports.phases import passages
from rollwright.cli.reports.promise import Watching
from rollwright.cli.reports.record import Forecast, Look, Passage, Report, Resolution, Stop, Taken
from rollwright.cli.reports.stages import Table
from rollwright.cli.reports.stops import Stops
from rollwright.cli.reports.timeline import Timeline
from rollwright.rollout import timing
from rollwright.rollout.aim import Course
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.observation import Observation
from rollwright.rollout.spec import Change, RolloutSpec
from rollwright.workflows.contract import EVENTS_KEPT, Event, Phase, RolloutInput


def make(runs: Sequence[Sequence[Happened]], until: datetime) -> Report:
    """The record of a rollout from its runs, first to last. `until`: how far it is known. Raises UnreadableError."""
    happened = [one for run in runs for one in run]
    if not happened or not isinstance(happened[0], Began):
        raise UnreadableError("it doesn't begin with the start of a rollout")
    noted = _noted(happened)
    said = [one for one in happened if isinstance(one, Said)]
    answered, rest = doing.answered(said, noted)
    answers = dict(zip(map(id, said), answered, strict=True))
    making = _Making(happened[0])
    for one in happened:
        making.take(answers.get(id(one), one))
    return making.report(until, answered, rest)


def _noted(happened: Iterable[Happened]) -> list[Event]:
    """What the rollout has kept among its events, each once, as far as the runs tell."""
    kept: dict[Event, None] = {}
    for one in happened:
        if isinstance(one, Began):
            kept |= dict.fromkeys(one.given.state.events)
        elif isinstance(one, Ended) and one.status:
            kept |= dict.fromkeys(one.status.events)
    return list(kept)


@dataclass
class _Making:
    """What is known so far."""

    first: Began
    run_ids: list[str] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)
    watching: Watching = field(default_factory=Watching)
    stops: Stops = field(default_factory=Stops)
    table: Table = field(default_factory=Table)
    steps: list[Taken] = field(default_factory=list)
    told: list[Estimate] = field(default_factory=list)
    """Of the course that it is on: what was told before is of another end."""
    entered: list[tuple[datetime, Phase]] = field(default_factory=list)
    waits: list[Waited] = field(default_factory=list)
    end: Ended | None = None
    given: RolloutInput | None = None
    """As it was last written down."""
    template: str = ""
    gpus: int = 0
    cost: timing.Cost = field(default_factory=timing.Cost)
    last: Observation | None = None
    looked_at: float = 0.0
    course: Course = Course.FORWARD
    """On which it was looked at last."""

    def take(self, happened: Happened) -> None:
        self.timeline.take(happened)
        self.stops.take(happened)
        self.table.take(happened)
        match happened:
            case Began(given=given):
                self._began(happened, given)
            case KeptTemplate(kept=kept):
                self.template, self.gpus, self.told = kept.template, kept.gpus, []
            case Waited(asked=asked):
                if self.waits and self.waits[-1].asked.aim.course is not asked.aim.course:
                    self.told = []
                self.waits.append(happened)
            case Saw():
                self._saw(happened)
            case Stepped():
                self._stepped(happened)
            case Entered(phase=phase):
                self.entered.append((happened.at, phase))
            case Ended():
                self.end = happened

    def _began(self, began: Began, given: RolloutInput) -> None:
        state = given.state
        self.run_ids.append(began.run_id)
        self.given, self.end = given, None
        if began is self.first and began.before:
            self.watching.goes_on(state.available_min, state.groups_max)
        self.template, self.gpus = state.template or self.template, state.gpus or self.gpus
        if self.last is None:
            self.last, self.looked_at, self.cost = state.observation, state.looked_at, state.cost

    def _saw(self, saw: Saw) -> None:
        seen, at = saw.sight.observation, saw.at.timestamp()
        if self.last:
            self.cost = self.cost.plus(self.last, at - self.looked_at if self.looked_at else 0.0)
        self.looked_at = at
        if seen is not None:
            self.last = seen
            self.course = saw.asked.aim.course
            self.watching.saw(saw, seen)
        if saw.sight.estimate and saw.sight.estimate not in self.told[-1:]:
            self.told.append(saw.sight.estimate)

    def _stepped(self, stepped: Stepped) -> None:
        self.watching.stepped(stepped)
        taken = Taken(
            start=stepped.at,
            end=stepped.end,
            action=stepped.request.step.action,
            what=stepped.summary or str(stepped.request.step.action),
            outcome=stepped.outcome,
        )
        self.steps.append(taken)

    def report(self, until: datetime, said: Sequence[Said], rest: Sequence[Event]) -> Report:
        """All of it. `said` and `rest`: messages and events, as `deeds.answered` gives them."""
        self.table.end()
        given, status = self.given or self.first.given, self.end.status if self.end else None
        over = self.end is not None and self.end.outcome != "continued"
        started_at = datetime.fromisoformat(given.state.started_at) if given.state.started_at else self.first.at
        stops = self.stops.stops(until, over=over)
        first = self.first.given.state.phase or (None if self.first.before else Phase.PREPARING)
        phases = passages(self.first.at, first, self.entered, self.waits, until)
        tracks, looks = self.timeline.tracks(until), tuple(self.watching.looks)
        found = starts.start_ups(tracks, self.timeline.reasons, looks[0].at if looks else until)
        return Report(
            rollout=given.spec.target.workflow_id,
            run_ids=tuple(self.run_ids),
            target=str(given.spec.target),
            outcome=self._outcome(),
            reason=status.reason if status else self.end.reason if self.end else "",
            by=status.by if status else given.by,
            request_id=status.request_id if status else given.request_id,
            started_at=started_at,
            finished_at=self.end.at if self.end and over else None,
            until=until,
            revisions=self.timeline.revisions(),
            replicas=looks[-1].replicas if looks else None,
            updated=self._updated(),
            course=self.course,
            promise=self.watching.promise(until),
            cost=Cost.of(self.cost, self.gpus),
            people_seconds=_people_seconds(stops, phases),
            passages=phases,
            looks=looks,
            tracks=tracks,
            stops=stops,
            deeds=doing.deeds(said, rest),
            start_ups=found,
            usual_start_up_seconds=starts.usual_seconds(found),
            forecasts=tuple(_forecasts(self.told)),
            steps=tuple(self.steps),
            stages=self.table.stages,
            spec=status.spec if status else self._spec(given.spec),
            resolution=_resolution(looks),
            notes=tuple(self._notes(said)),
        )

    def _updated(self) -> int | None:
        """While the old template isn't in place again, nothing tells who serves on it."""
        unknown = self.course is Course.BACK and self.last is not None and not self.last.on_target
        return None if unknown or not self.watching.looks else self.watching.looks[-1].done

    def _outcome(self) -> str:
        if self.end is None or self.end.outcome == "continued":
            return "running"
        return str(self.end.status.phase) if self.end.status else self.end.outcome

    def _spec(self, spec: RolloutSpec) -> RolloutSpec:
        """As the rollout itself shows it once a step is taken: a patch or a manifest may be large, and private."""
        change = spec.change
        if not self.steps or not self.template or not (change.patch or change.manifest):
            return spec
        return spec.model_copy(update={"change": Change(revision=self.template)})

    def _notes(self, said: Iterable[Said]) -> Iterator[str]:
        if self.first.before:
            state = self.first.given.state
            yield (
                f"It begins with run {self.first.run_id}, which goes on from run {self.first.before}, whose history is "
                f"not here. Until then {state.available_min} groups were available at the least and {state.groups_max} "
                "asked for at the most; the cost counts from the start of the rollout."
            )
        if unanswered := sum(1 for one in said if not one.answer):
            yield (
                f"What came of {unanswered} of the messages isn't known, and they count for no gate: of signals only "
                f"the last {EVENTS_KEPT} events tell, which a run hands on at its end."
            )
        if self.end and self.end.next_run:
            yield f"It goes on in run {self.end.next_run}, whose history is not here."


def _people_seconds(stops: Sequence[Stop], phases: Sequence[Passage]) -> float:
    """How long nothing but people was waited for, at gates or paused; what overlaps counts once."""
    waits = [(stop.people_from, stop.people_until) for stop in stops if stop.people_from and stop.people_until]
    waits += [(passage.start, passage.end) for passage in phases if passage.phase is Phase.PAUSED]
    total, reached = 0.0, None
    for start, end in sorted(waits):
        since = max(start, reached) if reached else start
        total += max(0.0, (end - since).total_seconds())
        reached = max(end, reached) if reached else end
    return total


def _forecasts(told: Sequence[Estimate]) -> Iterator[Forecast]:
    for made in told:
        times = [made.at, made.ends_at, made.earliest, made.latest]
        known = [datetime.fromtimestamp(seconds, UTC) for seconds in times if seconds is not None]
        if len(known) == len(times):
            at, ends_at, earliest, latest = known
            yield Forecast(at=at, ends_at=ends_at, earliest=earliest, latest=latest)


def _resolution(looks: Sequence[Look]) -> Resolution:
    gaps = [(after.at - before.at).total_seconds() for before, after in pairwise(looks)]
    return Resolution(
        looks=len(looks), usual_seconds=median(gaps) if gaps else None, longest_seconds=max(gaps, default=None)
    )
