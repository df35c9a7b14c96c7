"""What each group did when: from looks at the target, what groups in them tell of their own starts, and steps.

Between two looks a group is taken to stay as it was, but for what is known better: when it was taken down by a step,
when it was first seen to start, and when it was first seen to serve.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rollwright.activities.messages import Outcome
from rollwright.cli.reports.happened import Began, Happened, KeptTemplate, Saw, Stepped
from rollwright.cli.reports.record import Revision, Role, Span, State, Track
from rollwright.rollout.aim import Course
from rollwright.rollout.observation import Cause, Group, Observation
from rollwright.rollout.ordeals import Ordeal


@dataclass
class _Now:
    """How a group stands at the moment."""

    state: State
    template: str
    """Name of the kept template that it is on; empty if it isn't known."""
    since: datetime
    spans: list[tuple[datetime, datetime, State, str]] = field(default_factory=list)

    def turn(self, at: datetime, state: State, template: str) -> None:
        """It stands otherwise from now on."""
        if (state, template) != (self.state, self.template):
            self.end(at)
            self.state, self.template = state, template

    def end(self, at: datetime) -> None:
        """It stood like this until now."""
        if at > self.since:
            self.spans.append((self.since, at, self.state, self.template))
        self.since = max(at, self.since)


@dataclass
class Timeline:
    """Follows the groups of a rollout through what happened."""

    before: str = ""
    """Name of the kept template that it started from."""
    wanted: list[str] = field(default_factory=list)
    """Those that it went to, the last one last."""
    reasons: dict[int, list[tuple[datetime, str]]] = field(default_factory=dict)
    """Why groups were not ready, as they showed it, by ordinal."""
    _there: dict[int, _Now] = field(default_factory=dict)
    _gone: dict[int, list[tuple[datetime, datetime, State, str]]] = field(default_factory=dict)
    _placed: str = ""
    """The template that was last seen in place."""
    _taken_down: dict[int, datetime] = field(default_factory=dict)
    _looked_at: datetime | None = None

    def take(self, happened: Happened) -> None:
        """Go on by what happened next."""
        match happened:
            case Began(given=given) if given.state.template:
                self._know(given.state.before, given.state.template)
            case KeptTemplate(kept=kept):
                self._know(self.before or kept.before, kept.template)
            case Stepped(outcome=Outcome.DONE):
                self._stepped(happened)
            case Saw(sight=sight) if sight.observation is not None:
                self._saw(happened, sight.observation, sight.ordeals)

    def _know(self, before: str, wanted: str) -> None:
        self.before, self._placed = before, self._placed or before
        if wanted not in self.wanted[-1:]:
            self.wanted.append(wanted)

    def _stepped(self, step: Stepped) -> None:
        """A step that releases groups takes them down."""
        for ordinal in step.released:
            now = self._there.get(ordinal)
            if now and now.state is State.SERVING and now.template != step.request.template:
                self._taken_down[ordinal] = step.end
        for ordinal in [ordinal for ordinal in self._there if ordinal >= step.request.step.groups]:
            self._taken_down[ordinal] = step.end

    def _saw(self, saw: Saw, seen: Observation, ordeals: Mapping[int, Ordeal]) -> None:
        target = saw.asked.template if saw.asked.aim.course is not Course.STOP else self._placed
        if seen.on_target:
            self._placed = target or self._placed
        for group in seen.groups:
            if group.reason and not group.terminating:
                self.reasons.setdefault(group.ordinal, []).append((saw.at, group.reason))
            self._saw_group(saw.at, group, self._template(group, seen, target), ordeals.get(group.ordinal))
        for ordinal in [ordinal for ordinal in self._there if ordinal >= len(seen.groups)]:
            self._leave(ordinal, saw.at)
        self._taken_down.clear()
        self._looked_at = saw.at

    def _template(self, group: Group, seen: Observation, target: str) -> str:
        now = self._there.get(group.ordinal)
        if seen.on_target and group.updated:
            return target
        known = now.template if now else self.before
        return known if known != target or not seen.on_target else ""

    def _saw_group(self, at: datetime, group: Group, template: str, ordeal: Ordeal | None) -> None:
        now = self._there.get(group.ordinal)
        begun = self._since_the_last_look(ordeal.since, at) if ordeal else None
        if now is None and self._looked_at is None:
            self._there[group.ordinal] = _Now(_state(group, None, template), template, at)
            return
        now = now or self._there.setdefault(group.ordinal, _Now(State.STARTING, template, begun or at))
        state = _state(group, now, template)
        if now.state is State.SERVING and template == now.template and state in (State.SERVING, State.DOWN):
            now.turn(begun or at, state, template)
            return
        if now.state is State.SERVING:
            now.turn(self._taken_down.get(group.ordinal) or begun or at, State.LEAVING, now.template)
        if now.state is State.LEAVING and state is not State.LEAVING and begun:
            now.turn(begun, State.STARTING, template)
        ready = ordeal.ready_since if ordeal and state is State.SERVING else None
        now.turn((ready and self._since_the_last_look(ready, at)) or at, state, template)

    def _since_the_last_look(self, seconds: float, at: datetime) -> datetime | None:
        """A time that a look tells, where it is no older than the look before."""
        told = datetime.fromtimestamp(seconds, UTC)
        return min(at, told) if self._looked_at is None or told >= self._looked_at else None

    def _leave(self, ordinal: int, at: datetime) -> None:
        now = self._there.pop(ordinal)
        if down_at := self._taken_down.get(ordinal):
            now.turn(down_at, State.LEAVING, now.template)
        now.end(at)
        self._gone.setdefault(ordinal, []).extend(now.spans)

    def revisions(self) -> tuple[Revision, ...]:
        """The templates that groups were on, as far as they are known."""
        last = self.wanted[-1:]
        names = {self.before: Role.OLD, **dict.fromkeys(self.wanted, Role.REPLACED), **dict.fromkeys(last, Role.NEW)}
        return tuple(Revision(name=name, role=role) for name, role in names.items() if name)

    def tracks(self, until: datetime) -> tuple[Track, ...]:
        """Every group's own, as far as is known."""
        roles = {revision.name: revision.role for revision in self.revisions()}
        spans = {ordinal: list(gone) for ordinal, gone in self._gone.items()}
        for ordinal, now in self._there.items():
            last = (now.since, until, now.state, now.template)
            spans.setdefault(ordinal, []).extend([*now.spans, last] if until > now.since else now.spans)
        return tuple(Track(ordinal=ordinal, spans=tuple(_spans(spans[ordinal], roles))) for ordinal in sorted(spans))


def _spans(spans: Iterable[tuple[datetime, datetime, State, str]], roles: Mapping[str, Role]) -> Iterable[Span]:
    for start, end, state, template in spans:
        yield Span(start=start, end=end, state=state, role=roles.get(template, Role.OLD))


def _state(group: Group, before: _Now | None, template: str) -> State:
    """How a group stands; `before`: how it stood."""
    if group.terminating:
        return State.LEAVING
    if group.ready:
        return State.SERVING
    if group.failed:
        return State.FAILED
    if group.cause in (Cause.UNSCHEDULABLE, Cause.GATED):
        return State.UNPLACED
    if before and template in ("", before.template) and before.state in (State.SERVING, State.DOWN):
        return State.DOWN
    return State.DOWN if before is None and not group.updated else State.STARTING
