"""What the screens say, as plain strings. Pure: no terminal, no clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from rollwright.cli.outputs import Cost, Diff, Forecasts, PlannedGate, PlannedStep, Revision, Slow, Status
from rollwright.cli.text import one_line
from rollwright.rollout.aim import Course
from rollwright.rollout.difference import Difference
from rollwright.rollout.observation import Group
from rollwright.rollout.spec import Change, Strategy
from rollwright.rollout.stages import Stage
from rollwright.workflows import expecting
from rollwright.workflows.contract import Intervention
from rollwright.workflows.details import MARKS, runs

LEGEND = "✅ updated  ❎ not yet  ⏳ rolling"
UNKNOWN = "-"
"""In a table, where there is nothing to say."""
_FIXED_CELLS = 50
"""What Stage, Partition, Replicas and a short Note take."""
_GROUP_CELLS = 4
_MOST_UNREADY = 4
_REASON_CELLS = 50


@dataclass(frozen=True)
class Table:
    """Headings and rows of one length."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def stage_table(stages: Sequence[Stage], width: int) -> Table:
    """The stage table as in the LWS documentation; runs of equal marks where a column a group would not fit."""
    most = max((len(stage.groups) for stage in stages), default=0)
    if _FIXED_CELLS + most * _GROUP_CELLS > width:
        rows = tuple((*_numbers(stage), runs(stage.groups), one_line(stage.note)) for stage in stages)
        return Table(("Stage", "Partition", "Replicas", "Groups", "Note"), rows)
    columns = ("Stage", "Partition", "Replicas", *(f"R-{ordinal}" for ordinal in range(most)), "Note")
    return Table(
        columns,
        tuple(
            (
                *_numbers(stage),
                *(MARKS[mark] for mark in stage.groups),
                *("" for _ in range(most - len(stage.groups))),
                one_line(stage.note),
            )
            for stage in stages
        ),
    )


def stage_line(stage: Stage) -> str:
    """One row on one line, for logs."""
    partition, replicas = f"partition {stage.partition}", f"replicas {stage.replicas}"
    marks = "".join(MARKS[mark] for mark in stage.groups) if len(stage.groups) <= 40 else runs(stage.groups)
    return f"stage {stage.stage:<3} {partition:<13} {replicas:<12} {marks}  {one_line(stage.note)}".rstrip()


def _numbers(stage: Stage) -> tuple[str, str, str]:
    return str(stage.stage), str(stage.partition), str(stage.replicas)


def now(status: Status) -> str:
    """What it is doing, or waiting for."""
    parts = [one_line(status.reason), "" if status.phase.is_final else unready(status.groups)]
    why = "; ".join(filter(None, parts))
    return f"{status.phase.value}: {why}" if why else status.phase.value


def unready(groups: Sequence[Group]) -> str:
    """Which groups are waited for, and why; empty if none are."""
    waited_for = [group for group in groups if not group.available and not group.failed]
    shown = [
        f"{group.ordinal} ({'leaving' if group.terminating else _short(group.reason) or 'not ready'})"
        for group in waited_for[:_MOST_UNREADY]
    ]
    if more := len(waited_for) - len(shown):
        shown.append(f"{more} more")
    return f"waiting for {'group' if len(waited_for) == 1 else 'groups'} {', '.join(shown)}" if waited_for else ""


def facts_now(status: Status) -> list[tuple[str, str]]:
    """Where it stands, and what somebody should know or do about it: names and values."""
    rows = [
        ("now", now(status)),
        ("course", _course(status)),
        *(("gate", line) for line in gates(status)),
        *(("failed", line) for line in _failed(status.groups)),
        *(("slow", line) for line in _slow(status.slow)),
        ("dispute", one_line(status.dispute)),
        ("step", "one step unconfirmed: it may still take effect" if status.unconfirmed else ""),
        *(("next", one_line(command)) for command in status.next),
        ("budget", budget(status)),
        ("seen", extremes(status)),
        ("ends", end(status)),
        ("cost", cost(status.cost)),
    ]
    return [(name, value) for name, value in rows if value]


def gates(status: Status) -> list[str]:
    """The gates that are open, a line each."""
    if not status.gate:
        return []
    if not status.open_gates:
        return [f"{status.gate} of {status.gates} waits to be promoted"]
    return [
        f"{status.gate} of {status.gates}: {one_line(gate.name)} {gate.finding}"
        + (f": {one_line(gate.message)}" if gate.message else "")
        for gate in status.open_gates
    ]


def _course(status: Status) -> str:
    if status.phase.is_final:
        return ""
    back = f"back to {one_line(status.before)}" if status.before else "back"
    return {Course.FORWARD: "", Course.BACK: back, Course.STOP: "to a stop: nothing further is updated"}[status.course]


def _failed(groups: Sequence[Group]) -> list[str]:
    failed = [group for group in groups if group.failed]
    lines = [
        f"group {group.ordinal}: {one_line(f'{group.cause}: {group.reason}' if group.cause else group.reason)}"
        for group in failed[:_MOST_UNREADY]
    ]
    more = len(failed) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def _slow(groups: Sequence[Slow]) -> list[str]:
    """As the failed ones, those that take long; in the zone of whoever looks."""
    lines = [
        expecting.slow(group.ordinal, _local(group.since), group.seconds, group.usual_seconds)
        for group in groups[:_MOST_UNREADY]
    ]
    more = len(groups) - len(lines)
    return [*lines, f"and {more} more"] if more else lines


def end(status: Status) -> str:
    """When it is expected to end, in the zone of whoever looks; empty while that isn't reckoned."""
    expected = status.expected
    if expected is None:
        return ""
    times = [_local(text) for text in (expected.ends_at, expected.earliest, expected.latest) if text]
    return expecting.end(expecting.Range(*times) if times else None, expected.start_up_seconds)


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


def cost(taken: Cost) -> str:
    """What a rollout takes of the fleet; empty if nothing."""
    hours = taken.out_of_service_group_hours, taken.surplus_group_hours
    return expecting.cost(*hours, taken.gpus) if any(hours) else ""


def _short(reason: str) -> str:
    """What matters of a scheduler's or a kubelet's message comes first."""
    line = one_line(reason)
    return line if len(line) <= _REASON_CELLS else f"{line[: _REASON_CELLS - 1].rstrip()}…"


def moment(text: str) -> str:
    """A time given as ISO 8601, in the zone of whoever looks; unchanged if it is none."""
    try:
        return _local(text).strftime("%Y-%m-%d %H:%M:%S %Z")
    except (ValueError, OverflowError):
        return one_line(text)


def budget(status: Status) -> str:
    """The budget in use: what serves against what must, what is asked for against what may be."""
    if status.replicas is None:
        return "the target was not looked at yet"
    return (
        f"{status.available} available (at least {status.available_least}), "
        f"{status.groups_asked} groups (at most {status.groups_most})"
    )


def extremes(status: Status) -> str:
    """The budget as it was used so far."""
    if status.available_min is None or status.groups_max is None:
        return ""
    return f"fewest available {status.available_min}, most groups {status.groups_max}"


def change(wanted: Change) -> str:
    """A change on one line."""
    if wanted.images:
        return one_line(", ".join(f"{container}={image}" for container, image in wanted.images.items()))
    if wanted.patch:
        return f"patch of {one_line(', '.join(wanted.patch))}"
    if wanted.manifest:
        return "the template of a manifest"
    if wanted.revision:
        return f"kept template {wanted.revision}"
    return "restart of every group" if wanted.restart else "the template as it stands"


def facts(status: Status) -> list[tuple[str, str]]:
    """What `status` says above the stage: names and values."""
    rows = [
        ("rollout", one_line(status.rollout)),
        ("target", str(status.spec.target)),
        ("change", change(status.spec.change)),
        ("by", by(status.by)),
        ("request", one_line(status.request_id)),
        *facts_now(status),
        ("started", moment(status.started_at)),
        ("finished", moment(status.finished_at)),
    ]
    return [(name, value) for name, value in rows if value]


def by(who: Intervention) -> str:
    """Who asked for something, and why."""
    return one_line(f"{who.actor}: {who.reason}" if who.reason else who.actor)


def events(status: Status) -> list[str]:
    """What people did, a line each."""
    lines = []
    for event in status.events:
        who = f", by {event.actor}" if event.actor else ""
        why = f": {event.reason}" if event.reason else ""
        lines.append(one_line(f"{moment(event.at)} {event.what}{who}{why}"))
    return lines


def changes(found: Iterable[Difference]) -> list[str]:
    """What a change makes of a template, a line each."""
    lines = []
    for difference in found:
        lines.append(one_line(difference.field))
        lines += [f"  - {one_line(difference.before)}"] if difference.before else []
        lines += [f"  + {one_line(difference.after)}"] if difference.after else []
    return lines


def revision(kept: Revision) -> str:
    """The heading of a revision in `history`."""
    marks = ("stands" if kept.stands else "", "rejected" if kept.rejected else "")
    return "  ".join(filter(None, (f"revision {kept.revision}", *marks)))


def revision_facts(kept: Revision) -> list[tuple[str, str]]:
    """What `history` says of a revision: names and values."""
    no = kept.rejected
    ending, _, at = kept.outcome.rpartition(" ")
    rows = [
        ("images", ", ".join(kept.images)),
        ("kept", _signed(kept.kept_at, kept.actor, kept.reason)),
        ("outcome", f"{ending} {moment(at)}"),
        ("rejected", _signed(no.at, no.actor, no.reason) if no else ""),
    ]
    return [(name, one_line(value)) for name, value in rows if value.strip()]


def _signed(at: str, actor: str, reason: str) -> str:
    signed = f"{moment(at)} by {actor}" if actor else moment(at)
    return f"{signed}: {reason}" if reason else signed


def difference_of(shown: Diff) -> str:
    """What a diff is of."""
    before = "what stands" if shown.before is None else f"revision {shown.before}"
    return f"from {before} to revision {shown.after}"


def steps(planned: Sequence[PlannedStep], replicas: int) -> Table:
    """The steps of a plan; the times only where they are known."""
    timed = any(step.done_seconds is not None for step in planned)
    times = ("Done in", "Passes in at least") if timed else ()
    return Table(
        ("Step", "Until", *times, "Gates"),
        tuple(
            (
                str(step.number),
                f"{step.until} of {replicas}",
                *(("" if time is None else expecting.roughly(time)) for time in _times(step) if timed),
                ", ".join(map(_planned_gate, step.gates)) or "none, as nothing is left to update",
            )
            for step in planned
        ),
    )


def _times(step: PlannedStep) -> tuple[float | None, float | None]:
    return step.done_seconds, step.passed_seconds


def _planned_gate(gate: PlannedGate) -> str:
    return one_line(gate.name) + (" (waits for people)" if gate.by_people else "")


def forecasts(made: Forecasts) -> Table:
    """The pacings side by side."""
    return Table(
        ("Pacing", "Time", "Cost"),
        tuple(
            (
                f"{one.pacing}, {one.reclaim}",
                f"{expecting.roughly(one.seconds)}{_range(one.seconds_low, one.seconds_high)}",
                cost(one.cost) or "nothing",
            )
            for one in made.pacings
        ),
    )


def _range(low: float, high: float) -> str:
    return f" ({expecting.roughly(low)} to {expecting.roughly(high)})" if low < high else ""


def forecasts_by(made: Forecasts | None) -> str:
    """What the forecasts go by."""
    if made is None:
        return "How long it takes isn't known: no start-up time is. --start-up 30m gives one."
    usual = expecting.roughly(made.start_up_seconds)
    by = "as given" if made.start_ups is None else f"by {made.start_ups} start-ups of the target's groups"
    return f"If groups start in {usual}, {by}; gates take their least, people no time:"


def strategy(wanted: Strategy) -> str:
    """A strategy on one line, as far as it shows."""
    parts = [
        f"at most {wanted.max_unavailable} missing, at most {wanted.max_surge} surplus",
        wanted.pacing.value,
        wanted.reclaim.value,
        f"ordinals below {wanted.partition} stay" if wanted.partition else "",
        f"{len(wanted.steps)} gates" if wanted.steps else "",
    ]
    return ", ".join(filter(None, parts))


def ui_link(base: str, namespace: str, workflow_id: str, run_id: str) -> str:
    """The page of a run in the Temporal UI; empty without a base address."""
    if not base:
        return ""
    return f"{base.rstrip('/')}/namespaces/{quote(namespace, '')}/workflows/{quote(workflow_id, '')}/{run_id}"
