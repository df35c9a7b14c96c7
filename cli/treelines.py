"""The view of `watch` as lines of text: no more of them than the terminal has, none longer than it is wide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from rollwright.cli.grouplist import Entry, Weight, fitting
from rollwright.cli.tree import Tree
from rollwright.workflows.contract import Phase

_MOST_FOLDED = 3
_NODES_FROM_CELLS = 80
"""On a narrower terminal there is no place for names of nodes."""
_MOST_NODE_CELLS = 32
_EXPENDABLE = ("cost", "seen", "stage", "by", "change", "ends")
"""Facts that make room for groups, the first one first."""
_STYLES = {Weight.QUIET: "", Weight.ROLLING: "yellow", Weight.SLOW: "bold yellow", Weight.FAILED: "bold red"}
_GUIDE = "dim"
_BAD, _WAITS = "bold red", "bold yellow"
_PHASES = {
    Phase.PAUSED: _WAITS,
    Phase.STALLED: _BAD,
    Phase.GATED: _WAITS,
    Phase.ROLLING_BACK: _WAITS,
    Phase.ABORTING: _WAITS,
    Phase.ROLLED_BACK: _BAD,
    Phase.ABORTED: _BAD,
    Phase.DELETED: _BAD,
}


@dataclass(frozen=True)
class Drawn:
    """The lines, and how far the list of groups can be scrolled."""

    lines: Sequence[Text]
    furthest: int = 0
    """The last offset that shows something else."""
    page: int = 1
    """How many groups are seen at once."""


@dataclass(frozen=True)
class _Section:
    """A heading and what stands under it; each item is one line or more."""

    heading: Text
    items: Sequence[Sequence[Text]]

    @property
    def height(self) -> int:
        return 1 + sum(map(len, self.items))


def draw(tree: Tree, width: int, height: int | None = None, offset: int = 0) -> Drawn:
    """The tree in so many cells and lines; without a height as many lines as it takes.

    `offset`: how many groups are scrolled away, where not all fit.
    """
    facts, events = [name for name, _ in tree.facts], list(tree.events)
    if height is not None:
        facts, events = _afforded(tree, facts, events, width, height)
    head = _head(tree, facts, width)
    before, after = _gates(tree, width), [*_events(events), *_next(tree, width)]
    room = None if height is None else height - len(head) - sum(part.height for part in (*before, *after)) - 1
    groups, furthest, page = _groups(tree, width, room, offset)
    lines = [*head, *_branches([*before, *groups, *after])]
    shown = [_cut(line, width) for line in (lines if height is None else lines[:height])]
    return Drawn(shown, furthest, page)


def _afforded(tree: Tree, facts: list[str], events: list[str], width: int, height: int) -> tuple[list[str], list[str]]:
    """What of the facts and events there is room for beside the groups, which have up to half of the lines."""
    wanted = min(height // 2, len(fitting(tree.groups, height // 2))) + 1
    steady = sum(part.height for part in (*_gates(tree, width), *_next(tree, width)))

    def is_too_high() -> bool:
        head, told = len(_head(tree, facts, width)), sum(part.height for part in _events(events))
        return head + told + steady + wanted > height

    while events and is_too_high():
        del events[0]
    for name in _EXPENDABLE:
        if is_too_high() and name in facts:
            facts.remove(name)
    return facts, events


def _head(tree: Tree, facts: Sequence[str], width: int) -> list[Text]:
    """The target and the facts."""
    lines = [Text.assemble((tree.target, "bold"), "  ", (tree.phase.value, _PHASES.get(tree.phase, "bold green")))]
    names = max((len(name) for name in facts), default=0)
    for name, value in tree.facts:
        if name in facts:
            first, *others = _folded(value, width - names - 4)
            lines.append(Text.assemble(("│ ", _GUIDE), (f"{name:{names}}", "bold"), f"  {first}"))
            lines += [Text.assemble(("│ ", _GUIDE), " " * (names + 2), other) for other in others]
    return lines


def _gates(tree: Tree, width: int) -> list[_Section]:
    if not tree.step:
        return []
    names = max((cell_len(gate[1]) for gate in tree.gates), default=0)
    items = []
    for mark, name, finding, told, since in tree.gates:
        fixed = f"{mark} {set_cell_size(name, names)}  {finding:{len('inconclusive')}}  {since}"
        if cell_len(fixed) + 2 + cell_len(told) <= width - 6:
            items.append([Text(f"{fixed}  {told}".rstrip())])
        else:
            items.append([Text(fixed), *(Text(f"   {line}") for line in _folded(told, width - 9))])
    return [_Section(Text(tree.step, "bold"), items)]


def _groups(tree: Tree, width: int, room: int | None, offset: int) -> tuple[list[_Section], int, int]:
    """As many as there is room for, and always one; how far they scroll, and how many are seen."""
    heading = Text.assemble(("groups ", "bold"), tree.counts)
    room = len(tree.groups) if room is None else max(2, room)
    found = fitting(tree.groups, room)
    furthest = max(0, len(found) - (room - 1)) if len(found) > room else 0
    offset = min(offset, furthest)
    shown = slice(offset, offset + room - 1) if furthest else slice(None)
    items = [[line] for line in _entries(found, shown, width)]
    if furthest:
        hidden = {"above": offset, "below": len(found) - offset - len(items)}
        words = ", ".join(f"{number} {where}" for where, number in hidden.items() if number)
        items.append([Text(f"… {words}", _GUIDE)])
    return [_Section(heading, items)], furthest, max(1, room - 1)


def _entries(found: Sequence[Entry], shown: slice, width: int) -> list[Text]:
    """Those shown, in columns as wide as all need: scrolling moves no column."""
    if width < _NODES_FROM_CELLS:
        found = [replace(entry, node="") for entry in found]
    widths = {
        "ordinals": min(_widest(entry.ordinals for entry in found), width // 4),
        "revision": _widest(entry.revision for entry in found),
        "state": _widest(entry.state for entry in found),
        "age": _widest(entry.age for entry in found),
        "node": min(_widest(entry.node for entry in found), _MOST_NODE_CELLS),
    }
    lines = []
    for entry in found[shown]:
        cells = [_cell(getattr(entry, name), cells) for name, cells in widths.items() if cells]
        text = "  ".join((f"{entry.mark} {cells[0]}", *cells[1:], entry.why)).rstrip()
        lines.append(Text(text, _STYLES[entry.weight]))
    return lines


def _widest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _cell(text: str, cells: int) -> str:
    return set_cell_size(text, cells) if cell_len(text) <= cells else f"{set_cell_size(text, cells - 1)}…"


def _events(events: Sequence[str]) -> list[_Section]:
    return [_Section(Text("events", "bold"), [[Text(event)] for event in events])] if events else []


def _next(tree: Tree, width: int) -> list[_Section]:
    items = [[Text(line) for line in _folded(command, width - 6)] for command in tree.next]
    return [_Section(Text("next", "bold"), items)] if items else []


def _branches(sections: Sequence[_Section]) -> list[Text]:
    """The sections as the branches of a tree."""
    lines = []
    for number, section in enumerate(sections, 1):
        is_last = number == len(sections)
        lines.append(Text.assemble(("└─ " if is_last else "├─ ", _GUIDE), section.heading))
        guide = "   " if is_last else "│  "
        for place, (first, *others) in enumerate(section.items, 1):
            ends = place == len(section.items)
            lines.append(Text.assemble((f"{guide}{'└─' if ends else '├─'} ", _GUIDE), first))
            lines += [Text.assemble((f"{guide}{'  ' if ends else '│ '} ", _GUIDE), other) for other in others]
    return lines


def _folded(text: str, cells: int) -> list[str]:
    """A few lines; what more there is shows in that the last one is cut."""
    lines = wrap(text, max(20, cells), break_on_hyphens=False, break_long_words=False) or [""]
    return lines if len(lines) <= _MOST_FOLDED else [*lines[: _MOST_FOLDED - 1], " ".join(lines[_MOST_FOLDED - 1 :])]


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line
