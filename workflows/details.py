"""The details of a rollout in the Temporal UI, as Markdown: where it stands, and what may be sent to it. Pure.

The UI asks for them in an address of their own, and proxies in front of it take 8 kB of that at most: details that are
longer would not be shown at all.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from urllib.parse import quote

from rollwright.activities.messages import Side
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.stages import Mark, Stage
from rollwright.rollout.timing import Cost
from rollwright.workflows import expecting
from rollwright.workflows.approving import asked
from rollwright.workflows.contract import Event, Message, Phase, RolloutState, RolloutStatus, Steering
from rollwright.workflows.steering import STANDS, Situation, Taken, answer

MARKS = {Mark.UPDATED: "✅", Mark.OUTDATED: "❎", Mark.ROLLING: "⏳"}
_LEGEND = "✅ updated, ❎ not yet, ⏳ rolling"
_MOST_IN_ADDRESS = 7500
"""Characters of the whole, as an address has them."""
_MOST_TEXT = 300
"""Characters of a reason, and of whatever else is told from outside."""
_MOST_ROWS = 60
"""More would never fit."""
_MOST_COLUMNS = 12
_MOST_RUNS = 12
_MOST_GROUPS = 5
_GAP = "\N{NO-BREAK SPACE}"
"""Columns of the UI's tables have no space between them."""
_ORDER = (
    *(Message.APPROVE, Message.REJECT, Message.PROMOTE, Message.RESUME, Message.PAUSE),
    *(Message.ROLLBACK, Message.ABORT),
)
_HOW = (
    "To steer it: More Actions, Send a Signal. "
    'Where the table has no data, send none, or `{"actor": "you", "reason": "why"}`.'
)
_NEEDS_SOMEBODY = (Phase.GATED, Phase.PAUSED, Phase.STALLED)


def details(status: RolloutStatus, state: RolloutState) -> str:
    """All of it, within bounds: older events and rows are left out, which `rollwright status` shows.

    It is made after every step, also of those that are replayed, so few pages may be tried.
    """
    cuts = _cuts(len(status.events), min(len(state.stages), _MOST_ROWS))

    def fits(cut: tuple[int, int]) -> bool:
        return len(quote(_cut(status, state, *cut), safe="")) <= _MOST_IN_ADDRESS

    first = bisect_left(cuts, 1, hi=len(cuts) - 1, key=fits)
    return _cut(status, state, *cuts[first])


def _cuts(events: int, rows: int) -> list[tuple[int, int]]:
    """How many events and rows to show, from all to the fewest: what stands now matters more than what was."""
    few_events, few_rows = min(events, 3), min(rows, 2)
    return [
        *((left, rows) for left in range(events, few_events, -1)),
        *((few_events, left) for left in range(rows, few_rows, -1)),
        *((left, few_rows) for left in range(few_events, -1, -1)),
    ]


def _cut(status: RolloutStatus, state: RolloutState, events: int, rows: int) -> str:
    """The page with that many of the newest events, and of the newest rows beside the first."""
    stages = list(state.stages)
    del stages[1 : len(stages) - rows + 1]
    return _page(status, state, status.events[len(status.events) - events :], stages)


def refused(why: str) -> str:
    """Where a rollout could not begin."""
    return f"**refused, with nothing changed**\n\n{_text(why)}\n\nMend that, and start another rollout."


def _page(status: RolloutStatus, state: RolloutState, events: Sequence[Event], stages: Sequence[Stage]) -> str:
    head, facts, messages = _head(status), _facts(status), _messages(status, state)
    rows = [table(stages), _LEGEND] if stages else []
    needed = status.phase in _NEEDS_SOMEBODY
    parts = [*head, *_gates(status), *messages, *facts, *rows] if needed else [*head, *rows, *facts, *messages]
    if events:
        parts.append("\n".join(["What happened, in UTC:", "", *(_event(event) for event in reversed(events))]))
    return "\n\n".join(parts)


def _head(status: RolloutStatus) -> list[str]:
    seen = status.observation
    done = f", {sum(group.done for group in seen.asked)} of {seen.replicas} groups done" if seen else ""
    why = [_text(status.reason)] if status.reason and not status.open_gates else []
    return [f"**{status.phase}{done}**", *why]


def _facts(status: RolloutStatus) -> list[str]:
    """What is asked for, within which budget, when it ends, what that costs, and what it waits for: one list."""
    facts, seen = [], status.observation
    if status.revision:
        back = f", from `{status.before}`" if status.before != status.revision else ""
        facts.append(f"to `{status.revision}`{back}, asked for {_by(status.by.actor, status.by.reason)}")
    if seen is not None:
        budget = status.spec.strategy.budget(seen.replicas)
        groups = f"groups {seen.groups_asked}, at most {budget.ceiling}"
        facts.append(f"available {seen.available}, at least {budget.floor}; {groups}")
    facts += _expected(status)
    starting = [group for group in seen.asked if group.reason] if seen else []
    facts += [f"group {group.ordinal}: {_text(group.reason)}" for group in starting[:_MOST_GROUPS]]
    if len(starting) > _MOST_GROUPS:
        facts.append(f"and {len(starting) - _MOST_GROUPS} more groups")
    return ["\n".join(f"- {fact}" for fact in facts)] if facts else []


def _gates(status: RolloutStatus) -> list[str]:
    if not status.open_gates:
        return []
    rows = [
        f"| {escape(gate.name)}{_GAP} | {gate.progress.finding}{_GAP} | {_text(gate.progress.message)} |"
        for gate in status.open_gates
    ]
    return ["\n".join([_heads(f"Gate {status.gate} of {status.gates}", "Finding", "What it has found"), *rows])]


def _messages(status: RolloutStatus, state: RolloutState) -> list[str]:
    """What may be sent now, and what comes of it; after the end, the commands that go on from there."""
    if status.phase.is_final:
        return [f"To go on from here: `{command}`" for command in status.next]
    strategy = status.spec.strategy
    now = Situation(status.phase, state, strategy, asked(state, strategy))
    rows = []
    for message, given in _ways(status):
        taken = answer(message, given, now)
        if isinstance(taken, Taken) and taken != STANDS:
            data = given.model_dump(mode="json", exclude_defaults=True)
            shown = f"`{json.dumps(data)}`" if data else ""
            rows.append(f"| `{message}`{_GAP} | {shown}{_GAP} | {escape(taken.effect)} |")
    head = "It waits for somebody" if status.phase in _NEEDS_SOMEBODY else "It goes on by itself"
    return [f"{head}. {_HOW}", "\n".join([_heads("Signal", "Data", "What comes of it"), *rows])]


def _ways(status: RolloutStatus) -> list[tuple[Message, Steering]]:
    disputed = bool(status.observation and status.observation.dispute)
    given: dict[Message, list[Steering]] = {
        Message.APPROVE: [Steering(actor="you", seen=status.seen)] if status.seen else [],
        Message.RESUME: [Steering(actor="you", side=side) for side in Side] if disputed else [Steering()],
    }
    return [(message, steering) for message in _ORDER for steering in given.get(message, [Steering()])]


def _expected(status: RolloutStatus) -> list[str]:
    """When it ends and which groups are slow, while it lasts; what it has cost."""
    facts = []
    made = None if status.phase.is_final else status.estimate
    if made and status.phase.goes_on:
        facts.append(f"ends {_end(made)}")
    taken = status.cost
    if taken != Cost():
        hours = taken.out_of_service_seconds / 3600, taken.surplus_seconds / 3600
        so_far = "" if status.phase.is_final else " so far"
        facts.append(f"cost{so_far}: {expecting.cost(*hours, status.gpus)}")
    return [*facts, *(_slow(made) if made else ())]


def _end(made: Estimate) -> str:
    times = (made.ends_at, made.earliest, made.latest)
    known = [expecting.moment(seconds) for seconds in times if seconds is not None]
    return expecting.end(expecting.Range(*known) if len(known) == len(times) else None, made.usual_seconds)


def _slow(made: Estimate) -> list[str]:
    told = (
        expecting.slow(group.ordinal, expecting.moment(group.since), made.at - group.since, made.usual_seconds)
        for group in made.slow[:_MOST_GROUPS]
    )
    return [f"slow: {line}" for line in told]


def _text(text: str) -> str:
    return escape(text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT - 1]}…")


def table(stages: Sequence[Stage], told: Callable[[str], str] = _text) -> str:
    """The stage table, with a column for each group where these are few. `told`: makes notes fit for where it goes."""
    columns = max(len(stage.groups) for stage in stages)
    by_group = columns <= _MOST_COLUMNS
    names = [str(ordinal) for ordinal in range(columns)] if by_group else ["Groups"]
    cells: Callable[[Stage], list[str]] = _marks if by_group else _runs
    rows = [_heads("Stage", "Partition", "Replicas", *names, "Note")]
    for stage in stages:
        shown = cells(stage)
        shown += [""] * (len(names) - len(shown))
        numbers = f"| {stage.stage} | {stage.partition} | {stage.replicas} | "
        rows.append(numbers + " | ".join(shown) + f" | {_GAP}{told(stage.note)} |")
    return "\n".join(rows)


def _heads(*names: str) -> str:
    return "| " + " | ".join(name.replace(" ", _GAP) + _GAP for name in names) + " |\n" + "|---" * len(names) + "|"


def _marks(stage: Stage) -> list[str]:
    return [MARKS[mark] for mark in stage.groups]


def _runs(stage: Stage) -> list[str]:
    """What stands side by side; where that is too much to read, how many there are of each."""
    if sum(1 for _ in groupby(stage.groups)) <= _MOST_RUNS:
        return [runs(stage.groups) + _GAP]
    counts = ((mark, stage.groups.count(kind)) for kind, mark in MARKS.items())
    return [", ".join(f"{count} {mark}" for mark, count in counts if count) + _GAP]


def runs(marks: Iterable[Mark]) -> str:
    """Ordinals in runs of equal marks: "0-17 ❎  18 ⏳"."""
    parts = []
    for mark, run in groupby(enumerate(marks), key=lambda numbered: numbered[1]):
        ordinals = [ordinal for ordinal, _ in run]
        span = str(ordinals[0]) if len(ordinals) == 1 else f"{ordinals[0]}-{ordinals[-1]}"
        parts.append(f"{span} {MARKS[mark]}")
    return "  ".join(parts)


def _event(event: Event) -> str:
    return f"- {event.at[:19].replace('T', ' ')} {_text(event.what)}, {_by(event.actor, event.reason)}"


def _by(actor: str, reason: str) -> str:
    return f"by {escape(actor)}" + (f": {_text(reason)}" if reason else "")


def escape(text: str) -> str:
    """Text from outside, harmless in Markdown, without letters that hide others or change their direction."""
    flat = " ".join("".join(letter for letter in " ".join(text.split()) if letter.isprintable()).split())
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+!|~&" else letter for letter in flat)
