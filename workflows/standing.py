"""Where a rollout stands: what it remembers, and how that shows. The loop and the messages both work on it."""

import asyncio
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from rollwright.rollout.aim import Aim, Course
    from rollwright.rollout.gates.gate import Finding, Progress
    from rollwright.rollout.gates.kinds import AnyGate
    from rollwright.rollout.spec import SurgeBy
    from rollwright.workflows import approving, describing, details
    from rollwright.workflows.contract import (
        EVENTS_KEPT,
        MEMO,
        PHASE_ATTRIBUTE,
        TARGET_ATTRIBUTE,
        WAITS_MEMO,
        Event,
        Intervention,
        OpenGate,
        Phase,
        RolloutInput,
        RolloutState,
        RolloutStatus,
        StageTable,
    )

_SURGE_AGAIN = 5
"""After so many times its patience a rollout that goes on without its surge asks for it again."""
_SURGE_AGAIN_SECONDS = 60.0
"""And not before this, where it has no patience at all."""


class Standing:
    """The memory of a rollout. All that must last is in `_given` and `_state`, which a new run of it takes over."""

    def __init__(self, given: RolloutInput) -> None:
        self._given = given
        self._state: RolloutState = given.state
        self._finished_at = ""
        self._steered = False
        """Somebody has steered since the loop last looked."""
        self._acting = False
        """A step is being carried out."""
        self._details_due = False
        self._failures = 0
        self._looks_anew = True
        """What stands in the way is to be told again: in a new run, and after somebody has steered."""
        self._phase = given.state.phase or self._phase_by_will

    @workflow.query(description="Where the rollout stands, whole. Takes no data.")
    def status(self) -> RolloutStatus:
        """Where the rollout stands."""
        state, given = self._state, self._given
        status = RolloutStatus(
            rollout=workflow.info().workflow_id,
            phase=self._phase,
            reason=state.reason,
            spec=given.spec,
            observation=state.observation,
            revision=state.template,
            stage=state.stages[-1] if state.stages else None,
            steps=state.steps,
            available_min=state.available_min,
            groups_max=state.groups_max,
            estimate=state.estimate,
            cost=state.cost,
            gpus=state.gpus,
            course=state.course,
            before=state.before,
            gate=None if state.waiting is None else state.waiting + 1,
            gates=self._gates,
            open_gates=self._gates_now,
            seen=self._to_approve,
            unconfirmed=self._acting,
            request_id=given.request_id,
            by=given.by,
            started_at=state.started_at,
            finished_at=self._finished_at,
            events=state.events,
        )
        return status.model_copy(update={"next": describing.next_commands(status, state)})

    @workflow.query(description="The stage table so far, whole. Takes no data.")
    def stages(self) -> StageTable:
        """The stage table so far."""
        return StageTable(stages=self._state.stages)

    @property
    def _gates_now(self) -> tuple[OpenGate, ...]:
        return tuple(
            OpenGate(name=gate.title, kind=gate.kind, progress=progress) for gate, progress in self._open_gates
        )

    @property
    def _open_gates(self) -> list[tuple[AnyGate, Progress]]:
        return approving.open_gates(self._state, self._given.spec.strategy)

    @property
    def _to_approve(self) -> str:
        found = approving.asked(self._state, self._given.spec.strategy)
        return found.seen if found and found.progress.finding is Finding.PENDING else ""

    @property
    def _phase_by_will(self) -> Phase:
        """The phase as people have steered it, whatever stands in the way."""
        state = self._state
        if state.paused:
            return Phase.PAUSED
        if state.course is Course.STOP:
            return Phase.ABORTING
        if state.course is Course.BACK:
            return Phase.ROLLING_BACK
        if state.waiting is not None:
            return Phase.GATED
        return Phase.PROGRESSING if state.prepared else Phase.PREPARING

    @property
    def _aim(self) -> Aim:
        state = self._state
        return Aim(
            strategy=self._given.spec.strategy,
            course=state.course,
            fast=state.fast
            and state.surge_by is SurgeBy.REPLICAS,  # LWS gives its own surge back by an order of its own
            gate=state.gate,
            surge_limit=state.surge_limit,
            paused=state.paused,
        )

    @property
    def _surge_again_at(self) -> float:
        """When to ask for more surge again where less of it found nodes now, in seconds since the epoch."""
        patience = self._given.spec.strategy.surge_patience
        return workflow.time() + max(_SURGE_AGAIN * patience, _SURGE_AGAIN_SECONDS)

    @property
    def _wanted(self) -> str:
        """The name of the template to have; empty to leave the one that stands."""
        templates = {Course.FORWARD: self._state.template, Course.BACK: self._state.before, Course.STOP: ""}
        return templates[self._state.course]

    def _enter(self, phase: Phase) -> None:
        if phase is not self._phase:
            why = f": {self._state.reason}" if self._state.reason else ""
            workflow.logger.info("%s, no longer %s%s", phase, self._phase, why)
        self._phase = phase
        self._show()

    def _show(self) -> None:
        """What the Temporal UI shows. Attributes only where they were set at the start, so they are registered."""
        self._show_details_soon()
        if self._has_attributes and workflow.info().typed_search_attributes.get(PHASE_ATTRIBUTE) != self._phase:
            workflow.upsert_search_attributes([PHASE_ATTRIBUTE.value_set(self._phase)])
            workflow.upsert_memo({MEMO: describing.line(self.status())})
        self._note_what_it_waits_for()

    def _show_details_soon(self) -> None:
        """Once for all that came together: for each of a flood of messages it would take longer than a task may."""
        if not self._details_due:
            self._details_due = True
            asyncio.get_running_loop().call_soon(self._show_details)

    def _show_details(self) -> None:
        self._details_due = False
        workflow.set_current_details(details.details(self.status(), self._state))

    def _note_what_it_waits_for(self) -> None:
        """And since when, for metrics: a memo can be listed, and stays over new runs."""
        waits = approving.waits_for(self._phase, self._open_gates) or ""
        known = workflow.memo_value(WAITS_MEMO, "", type_hint=str)
        if known.partition(" ")[0] != waits and workflow.patched("waits"):
            workflow.upsert_memo({WAITS_MEMO: f"{waits} {workflow.now().isoformat()}"})

    @property
    def _has_attributes(self) -> bool:
        return workflow.info().typed_search_attributes.get(TARGET_ATTRIBUTE) is not None

    @property
    def _gates(self) -> int:
        return len(self._given.spec.strategy.steps)

    def _remember(self, **changes: Any) -> None:
        self._state = self._state.model_copy(update=changes)

    def _respecify(self, **changes: Any) -> None:
        spec = self._given.spec.model_copy(update=changes)
        self._given = self._given.model_copy(update={"spec": spec})

    def _keep_event(self, what: str, by: Intervention | None = None) -> None:
        by = by or Intervention(actor="rollwright")
        event = Event(at=workflow.now().isoformat(), what=what, actor=by.actor, reason=by.reason)
        self._remember(events=(*self._state.events, event)[-EVENTS_KEPT:])
        self._show()
