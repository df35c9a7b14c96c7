"""The view of `watch`: what it says of a rollout, in sections, whatever the size of the terminal. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rollwright.cli import grouplist, views
from rollwright.cli.grouplist import FAILED_MARK, Entry
from rollwright.cli.outputs import Gate, Status
from rollwright.cli.text import one_line
from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import Finding
from rollwright.rollout.quantities import resolve
from rollwright.workflows.contract import Event, Phase
from rollwright.workflows.expecting import roughly

if TYPE_CHECKING:
    from rollwright.cluster.places import Place  # loads the Kubernetes client, which whoever looks need not have

_MOST_EVENTS = 4
_FINDINGS = {Finding.PENDING: "⏳", Finding.PASSED: "✅", Finding.FAILED: FAILED_MARK, Finding.INCONCLUSIVE: "❓"}
LEGEND = f"{views.LEGEND}  {FAILED_MARK} failed  ❓ can't be told"


@dataclass(frozen=True)
class Tree:
    """What there is to say."""

    target: str
    phase: Phase
    facts: Sequence[tuple[str, str]]
    step: str
    gates: Sequence[Sequence[str]]
    """Mark, name, finding, words, since when."""
    counts: str
    events: Sequence[str]
    next: Sequence[str]
    groups: Sequence[Entry]
    """Each by itself."""


def tree(status: Status, places: "Mapping[int, Place]", now: datetime) -> Tree:
    """The view of a rollout; `places` of the groups as far as they are known, `now` in the zone of whoever looks."""
    return Tree(
        target=str(status.spec.target),
        phase=status.phase,
        facts=_facts(status),
        step=_step(status),
        gates=[_gate(gate, now) for gate in status.open_gates],
        counts=grouplist.counts(status),
        events=[_event(event, now) for event in status.events[-_MOST_EVENTS:]],
        next=[one_line(command) for command in status.next],
        groups=grouplist.singles(status, places, now),
    )


def _facts(status: Status) -> list[tuple[str, str]]:
    shown = {"course", "dispute", "step", "budget", "seen", "ends", "cost"}
    revision = f" ({one_line(status.revision)})" if status.revision else ""
    rows = [
        ("change", views.change(status.spec.change) + revision),
        ("by", views.by(status.by)),
        ("now", "" if status.open_gates and status.phase is Phase.GATED else one_line(status.reason)),
        ("stage", _stage(status)),
        *(row for row in views.facts_now(status) if row[0] in shown),
    ]
    return [(name, value) for name, value in rows if value]


def _stage(status: Status) -> str:
    stage = status.stage
    if stage is None:
        return ""
    note = f": {one_line(stage.note)}" if stage.note else ""
    return f"{stage.stage}, partition {stage.partition}, replicas {stage.replicas}{note}"


def _step(status: Status) -> str:
    """Which of the strategy's steps it is at: as in "step 1 of 2, up to 1 of 4 groups: its gates are open"."""
    steps, replicas = status.spec.strategy.steps, status.replicas
    if not steps or replicas is None or status.course is not Course.FORWARD or status.phase.is_final:
        return ""
    untils = [resolve(step.until, replicas, round_up=True) for step in steps]
    done = sum(group.done for group in status.groups if group.ordinal < replicas)
    ahead = next((number for number, until in enumerate(untils, 1) if done < until), None)
    number = status.gate or ahead
    if number is None:
        return f"step {len(steps)} of {len(steps)} is done; the rest of the {replicas} groups follows"
    waits = "" if not status.gate else ": its gates are open" if status.open_gates else ": waits to be promoted"
    return f"step {number} of {len(steps)}, up to {untils[number - 1]} of {replicas} groups{waits}"


def _gate(gate: Gate, now: datetime) -> tuple[str, ...]:
    told = one_line(gate.message)
    approvals = [name for name in map(one_line, gate.approvals) if name not in told]
    parts = (
        told,
        f"approved by {', '.join(approvals)}" if approvals else "",
        f"attempt {gate.attempt}" if gate.attempt > 1 else "",
    )
    return (
        _FINDINGS[gate.finding],
        one_line(gate.name),
        gate.finding.value,
        "; ".join(filter(None, parts)),
        _since(gate.since, now),
    )


def _since(text: str, now: datetime) -> str:
    if not text:
        return ""
    ago = (now - datetime.fromisoformat(text)).total_seconds()
    return f"since {_clock(text, now, '%H:%M')}, {roughly(max(0.0, ago))}"


def _event(event: Event, now: datetime) -> str:
    who = f", by {event.actor}" if event.actor else ""
    why = f": {event.reason}" if event.reason else ""
    return one_line(f"{_clock(event.at, now, '%H:%M:%S')} {event.what}{who}{why}")


def _clock(text: str, now: datetime, form: str) -> str:
    """A time of today; with the date if it is of another day. What is no time stays as it is."""
    try:
        at = datetime.fromisoformat(text).astimezone(now.tzinfo)
    except ValueError:
        return text
    return f"{at:{form}}" if at.date() == now.date() else f"{at:%Y-%m-%d {form}}"
