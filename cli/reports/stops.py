"""Where a rollout stood at the end of a step: its gates, what they found, and who let it go on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rollwright.cli.reports.happened import Asked, AskedGate, Began, GateTold, Happened, Said, Saw, Waited
from rollwright.cli.reports.record import Approval, Ending, GateFound, Stop
from rollwright.rollout.aim import Course
from rollwright.rollout.gates import gate as gates
from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.gates.gate import Finding, Progress
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.spec import Strategy
from rollwright.workflows import describing
from rollwright.workflows.contract import Message, Steering

_DECIDED = (Finding.PASSED, Finding.FAILED, Finding.INCONCLUSIVE)


@dataclass
class _Gate:
    gate: AnyGate
    progress: Progress
    opened_at: datetime
    decided_at: datetime | None = None

    @property
    def approved_by(self) -> set[str]:
        """Each counts once."""
        return {approval.actor for approval in self.progress.approvals}

    def told(self, progress: Progress, at: datetime) -> None:
        decided = progress.finding in _DECIDED
        if decided and self.progress.finding is not progress.finding:
            self.decided_at = at
        self.decided_at = self.decided_at if decided else None
        self.progress = progress

    def found(self) -> GateFound:
        progress = self.progress
        return GateFound(
            name=self.gate.title,
            kind=self.gate.kind,
            finding=progress.finding,
            message=progress.message,
            opened_at=self.opened_at,
            decided_at=self.decided_at,
            attempt=progress.attempt,
            passes=progress.passes,
            failures=progress.failures,
            approvals=tuple(
                Approval(actor=given.actor, at=datetime.fromtimestamp(given.at, UTC), reason=given.reason)
                for given in progress.approvals
            ),
        )


@dataclass
class _Open:
    """A stop that lasts."""

    step: int
    """From 0."""
    until: str
    at: datetime
    gates: list[_Gate]
    promoted_by: str = ""

    def ended(self, at: datetime | None, ending: Ending, until: datetime) -> Stop:
        approvals = [approval.actor for gate in self.gates for approval in gate.progress.approvals]
        if ending is Ending.PASSED and (self.promoted_by or not self.gates):
            ending = Ending.PROMOTED
        people = self._people(at or until)
        by = self.promoted_by if ending is Ending.PROMOTED else ", ".join(approvals)
        return Stop(
            step=self.step + 1,
            until=self.until,
            opened_at=self.at,
            ended_at=at,
            ending=ending,
            by=by,
            people_from=people[0] if people else None,
            people_until=people[1] if people else None,
            gates=tuple(gate.found() for gate in self.gates),
        )

    def is_meant(self, message: str, given: Steering) -> bool:
        """Whether a message is of this step, not of one that has passed."""
        meant = given.gate if message == Message.PROMOTE else given.step
        return meant in (None, self.step + 1)

    def _people(self, end: datetime) -> tuple[datetime, datetime] | None:
        """From when until when nothing but people was waited for; None if never."""
        others = [gate.decided_at for gate in self.gates if not gate.gate.BY_PEOPLE]
        decided = [at for at in others if at is not None]
        asked = not self.gates or len(others) < len(self.gates) or bool(self.promoted_by)
        if not asked or len(decided) < len(others):
            return None
        said = [gate.decided_at for gate in self.gates if gate.gate.BY_PEOPLE and gate.decided_at]
        since, until = max([self.at, *decided]), min([end, *said])
        return (since, until) if since < until else None


@dataclass
class Stops:
    """Follows a rollout from stop to stop."""

    _done: list[Stop] = field(default_factory=list)
    _open: _Open | None = None
    _replicas: int = 0

    def take(self, happened: Happened) -> None:
        """Go on by what happened next."""
        match happened:
            case Began(given=given) if given.state.waiting is not None and self._open is None:
                self._begin(given.state.waiting, given.spec.strategy, happened.at, given.state.gating)
            case Saw(sight=sight) if sight.observation:
                self._replicas = sight.observation.replicas
            case AskedGate(request=request):
                self._begin(request.step - 1, request.strategy, happened.at)
                self._told(request.gate.title, request.progress, happened.at)
            case GateTold(request=request) if self._open and self._open.step == request.step - 1:
                self._told(request.gate.title, happened.progress, happened.at)
            case Waited(asked=asked):
                self._waited(asked, happened.at)
            case Said():
                self._said(happened)

    def _begin(self, step: int, strategy: Strategy, at: datetime, progresses: Sequence[Progress] = ()) -> None:
        if self._open and self._open.step == step:
            return
        self._end(at, Ending.LEFT)
        asked = strategy.gates_at(step)
        stand = progresses or [gate.opened(at.timestamp()) for gate in asked]
        until = str(strategy.steps[step].until) if step < len(strategy.steps) else ""
        self._open = _Open(step, until, at, [_Gate(*pair, at) for pair in zip(asked, stand, strict=False)])

    def _told(self, title: str, progress: Progress, at: datetime) -> None:
        for gate in self._open.gates if self._open else ():
            if gate.gate.title == title:
                gate.told(progress, at)

    def _waited(self, asked: Asked, at: datetime) -> None:
        aim = asked.aim
        if asked.gated:
            step = aim.gate_ahead(self._replicas)
            if step is not None:
                self._begin(step, aim.strategy, at)
        elif self._open:
            passed = aim.course is Course.FORWARD and aim.gate > self._open.step
            self._end(at, Ending.PASSED if passed else Ending.LEFT)

    def _end(self, at: datetime, ending: Ending) -> None:
        if self._open:
            self._done.append(self._open.ended(at, ending, at))
            self._open = None

    def _said(self, said: Said) -> None:
        """What people say of the gate that is open; what is refused, or may have been, counts for nothing."""
        given = describing.steering((said.given,))
        if self._open is None or said.refused or not said.answer or not self._open.is_meant(said.message, given):
            return
        if said.message == Message.PROMOTE:
            self._open.promoted_by = given.actor
        for gate in self._open.gates:
            approval = gate.gate
            if not isinstance(approval, ApprovalGate):
                continue
            if said.message == Message.REJECT:
                gate.told(approval.rejected(gate.progress, given.actor, given.reason), said.at)
            elif said.message == Message.APPROVE and given.actor not in gate.approved_by:
                approved = gates.Approval(actor=given.actor, at=said.at.timestamp(), reason=given.reason)
                gate.told(approval.approved(gate.progress, approved), said.at)

    def stops(self, until: datetime, *, over: bool) -> tuple[Stop, ...]:
        """All of them. `over`: the rollout has ended, and none is open any more."""
        if self._open:
            last = self._open.ended(until if over else None, Ending.LEFT if over else Ending.OPEN, until)
            return (*self._done, last)
        return tuple(self._done)
