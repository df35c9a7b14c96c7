"""Gates while they are open: asked side by side, and what follows from what they find.

A gate is asked by an activity that may last, which tells what it finds; an approval waits for messages. All that is
known of the gates is in the state, so that a new run of the workflow, or another worker, goes on where they stand.
"""

from collections.abc import Callable
from typing import NamedTuple

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from rollwright.activities.messages import CheckGate, EndGates
    from rollwright.rollout.aim import Course
    from rollwright.rollout.gates.gate import Finding, OnFailure, Progress, in_time
    from rollwright.rollout.gates.kinds import AnyGate
    from rollwright.rollout.gates.window import Window
    from rollwright.rollout.observation import Observation
    from rollwright.workflows import approving, calls, describing, steering
    from rollwright.workflows.changing import Changing
    from rollwright.workflows.contract import MOST_REASON, Message, Phase, RolloutInput

_SHOW_AFTER_SECONDS = 300.0
_CLEAN_UP_AGAIN_SECONDS = 30.0
_NOT_CLEANED_UP = "what gates have left is not cleaned up yet"
FOLLOWS = {
    OnFailure.PAUSE: Message.PAUSE,
    OnFailure.ROLLBACK: Message.ROLLBACK,
    OnFailure.ABORT: Message.ABORT,
}


class Due(NamedTuple):
    """What is to be done at a moment, if nothing else happens before."""

    what: str
    act: Callable[[], None]


class Gating(Changing):
    """A rollout that opens gates and goes by what they find."""

    def __init__(self, given: RolloutInput) -> None:
        super().__init__(given)
        self._checks: dict[int, workflow.ActivityHandle[Progress]] = {}
        """The checks that run, by the number of their gate in the step."""
        self._clean_up_again_at = 0.0

    def _open(self, step: int) -> None:
        """Begin with the gates of a step. After a window has closed the others stand as they stood."""
        self._let_checks_go()
        now, closed = workflow.time(), self._state.closed_after == step
        self._remember(
            waiting=step,
            gating=tuple(
                gate.opened(now).model_copy(update={} if isinstance(gate, Window) or not closed else _PASSED_BEFORE)
                for gate in self._given.spec.strategy.gates_at(step)
            ),
        )

    def _begin_checks(self, seen: Observation | None) -> None:
        """Have all gates asked that are not decided; those that are no longer open are let go."""
        state, step = self._state, self._state.waiting
        if step is None or seen is None or not self._gates_count:
            self._let_checks_go()
            return
        for number, (gate, progress) in enumerate(self._open_gates):
            if number in self._checks or gate.BY_PEOPLE or progress.finding is not Finding.PENDING:
                continue
            request = CheckGate(
                target=self._given.spec.target,
                template=self._wanted,
                gate=gate,
                progress=progress,
                step=step + 1,
                strategy=self._given.spec.strategy,
                surge_by=state.surge_by,
                record=state.record,
                show_after_seconds=_SHOW_AFTER_SECONDS,
            )
            self._checks[number] = calls.check_gate(self._given.activity_queue, request)
            self._remember(gates_leave=self._state.gates_leave or gate.LEAVES_THINGS)

    def _let_checks_go(self) -> None:
        """They only read, or clean up after themselves elsewhere, so nobody waits for them."""
        for check in self._checks.values():
            if not check.done():
                check.add_done_callback(lambda let_go: let_go.exception())  # nobody asks how it ended
                check.cancel()
        self._checks.clear()

    @property
    def _has_news_of_gates(self) -> bool:
        return any(check.done() for check in self._checks.values())

    @property
    def _gates_count(self) -> bool:
        """Not on another course, and not while something else stands on the target than what they are about."""
        seen = self._state.observation
        stands = seen is not None and seen.on_target and not seen.dispute and not seen.edited
        return stands and self._state.course is Course.FORWARD

    def _leave_gates(self) -> None:
        """They begin anew once their step is done again. Where people only promote there is nothing to begin."""
        if self._state.gating:
            self._let_checks_go()
            self._remember(waiting=None, gating=())

    def _take_in_checks(self) -> bool:
        """What the gates have found; whether one is decided by it."""
        decided = False
        for number, check in [item for item in self._checks.items() if item[1].done()]:
            del self._checks[number]
            progress = self._found_by(number, check)
            self._set_progress(number, progress)
            decided |= progress.finding is not Finding.PENDING
        if self._phase is Phase.GATED:
            self._remember(reason=self._reason_at_gate)
        elif self._phase is Phase.PAUSED:
            self._remember(reason=self._trouble_at_gates)
        self._show()
        return decided

    @property
    def _reason_by_will(self) -> str:
        return self._trouble_at_gates if self._state.paused else ""

    @property
    def _reason_at_gate(self) -> str:
        """What the open gate waits for."""
        found = describing.gates(self._gates_now) or "waits to be promoted"
        return f"gate {(self._state.waiting or 0) + 1} of {self._gates} {found}"

    def _found_by(self, number: int, check: workflow.ActivityHandle[Progress]) -> Progress:
        known = self._state.gating[number]
        try:
            return check.result()
        except ActivityError as error:
            message = describing.failure(error, self._given)
            finding = Finding.INCONCLUSIVE if describing.is_permanent(error) else Finding.PENDING
            return known.model_copy(update={"finding": finding, "message": message})

    def _set_progress(self, number: int, progress: Progress) -> None:
        gating = list(self._state.gating)
        gating[number] = progress
        self._remember(gating=tuple(gating))

    def _go_by_gates(self) -> None:
        """What follows from what the gates have found by now. While paused nothing does."""
        self._ask_again_for_approval()
        self._ask_again_where_time_is_over()
        state = self._state
        if state.waiting is None or not state.gating or state.paused or self._pending or not self._gates_count:
            return
        if failed := self._first(Finding.FAILED):
            gate, progress = failed
            self._take_back(FOLLOWS[gate.on_failure], f"gate {gate.title} failed: {progress.message}")
        elif unclear := self._first(Finding.INCONCLUSIVE):
            gate, progress = unclear
            self._take_back(Message.PAUSE, f"gate {gate.title} is inconclusive: {progress.message}")
        elif all(progress.finding is Finding.PASSED for progress in state.gating):
            self._pass()

    @property
    def _trouble_at_gates(self) -> str:
        """Why people must decide; empty if it isn't for a gate."""
        found = self._first(Finding.FAILED) or self._first(Finding.INCONCLUSIVE)
        return f"gate {found[0].title} {found[1].finding}: {found[1].message}" if found else ""

    def _take_back(self, message: Message, why: str) -> None:
        """Do what is to follow; where that can't be, people must decide."""
        self._let_checks_go()
        if isinstance(self._take_by_itself(message, why), steering.Refused):
            self._take_by_itself(Message.PAUSE, why)

    def _first(self, finding: Finding) -> tuple[AnyGate, Progress] | None:
        return next(((gate, progress) for gate, progress in self._open_gates if progress.finding is finding), None)

    def _pass(self) -> None:
        state = self._state
        step = state.waiting or 0
        told = "; ".join(f"{gate.title}: {progress.message}" for gate, progress in self._open_gates)
        limits = [progress.surge_limit for progress in state.gating if progress.surge_limit is not None]
        closing = [progress.open_until for progress in state.gating if progress.open_until is not None]
        surge = {"surge_limit": min(limits), "surge_again_at": self._surge_again_at} if limits else {}
        self._remember(
            gate=step + 1, waiting=None, gating=(), closes_at=min(closing, default=0.0), closed_after=None, **surge
        )
        self._looks_anew = True
        self._keep_event(f"gate {step + 1} passed: {told[:MOST_REASON]}")
        self._enter(self._phase_by_will)

    def _close_window(self) -> None:
        """The window that it goes on in has closed: nothing further is released until the next one opens."""
        seen, passed = self._state.observation, self._state.gate
        held = seen is None or not seen.on_target or seen.partition > self._aim.bounds(seen.replicas)[0].ordinal
        self._remember(closes_at=0.0)
        if held and passed and self._state.waiting is None and self._state.course is Course.FORWARD:
            self._remember(gate=passed - 1, closed_after=passed - 1)
            self._looks_anew = True
            self._keep_event("the window has closed: nothing further is released until the next one")

    def _close_window_if_over(self) -> bool:
        """Whether the window that it goes on in has closed by now: no timer may have had its turn."""
        if not self._state.closes_at or self._state.waiting is not None or self._state.closes_at > workflow.time():
            return False
        self._close_window()
        return True

    def _ask_again_for_approval(self) -> None:
        """An approval is of what was seen: of anything else it counts for nothing."""
        found = approving.asked(self._state, self._given.spec.strategy)
        if found and approving.is_of_something_else(found):
            by = ", ".join(approval.actor for approval in found.progress.approvals)
            self._set_progress(found.number, found.gate.opened(workflow.time()))
            self._keep_event(f"the approval by {by} was of something else than stands now: it is asked for again")

    def _ask_again_where_time_is_over(self) -> None:
        """A window that was open when it was asked may have closed while another gate took its time."""
        now = workflow.time()
        for number, (gate, progress) in enumerate(self._open_gates):
            if progress.finding is Finding.PASSED and progress.open_until is not None and progress.open_until <= now:
                self._set_progress(number, gate.opened(now))

    def _expire_approval(self) -> None:
        found = approving.asked(self._state, self._given.spec.strategy)
        if found:
            self._set_progress(found.number, in_time(found.gate, found.progress, workflow.time()))

    @property
    def _deadlines(self) -> dict[float, Due]:
        """What is to be done when, in seconds since the epoch."""
        due: dict[float, Due] = {}
        found = approving.asked(self._state, self._given.spec.strategy)
        if found and found.gate.timeout and found.progress.finding is Finding.PENDING:
            due[found.progress.since + found.gate.timeout] = Due(
                f"timeout of gate {found.gate.title}", self._expire_approval
            )
        if self._state.gates_leave and self._state.waiting is None:
            due[max(self._clean_up_again_at, workflow.time())] = Due(
                "until gates are cleaned up after again", _look_again
            )
        if self._state.closes_at and self._state.waiting is None:
            due[self._state.closes_at] = Due("until the window closes", self._close_window)
        return due

    async def _clean_up_after_gates(self) -> None:
        """Whether that works or not, it must not keep the rollout from going on: it is tried again by and by."""
        try:
            await calls.end_gates(self._given.activity_queue, EndGates(target=self._given.spec.target))
        except ActivityError as error:
            why = describing.failure(error, self._given)
            self._clean_up_again_at = workflow.time() + _CLEAN_UP_AGAIN_SECONDS
            if not any(event.what.startswith(_NOT_CLEANED_UP) for event in self._state.events):
                self._keep_event(f"{_NOT_CLEANED_UP}: {why}")
        else:
            self._remember(gates_leave=False)

    @property
    def _is_to_clean_up(self) -> bool:
        left = self._state.gates_leave and self._state.waiting is None
        return left and workflow.time() >= self._clean_up_again_at


_PASSED_BEFORE = {"finding": Finding.PASSED, "message": "passed before the window closed"}


def _look_again() -> None:
    """The loop goes round, which is all that is to be done."""
