"""What stands under the tree of `watch`: trouble, a question or an answer, and the keys; and the help on keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from rich.text import Text

from rollwright.cli import keys
from rollwright.cli.keys import MESSAGES, OTHERS
from rollwright.cli.tree import LEGEND
from rollwright.workflows.contract import Message
from rollwright.workflows.steering import Answer, Taken

_OFF = "dim"
_MOST_LINES = 3


@dataclass(frozen=True)
class Said:
    """A line of the conversation."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Foot:
    """All of it."""

    trouble: str = ""
    said: Said = Said("")
    answers: Mapping[Message, Answer] | None = None
    """What would come of each key; None if there are no keys."""


def draw(foot: Foot, width: int) -> list[Text]:
    """The lines, each of them within the width."""
    lines = [Text(line, "yellow") for line in _few(foot.trouble, width)]
    lines += [Text(line, foot.said.style) for line in _few(foot.said.text, width)]
    for line in lines:
        line.truncate(width, overflow="ellipsis")  # letters may be wider than one cell
    return [Text(""), *lines, *_bar(foot.answers, width)]


def _few(text: str, width: int) -> list[str]:
    return wrap(text, max(20, width), max_lines=_MOST_LINES, placeholder=" …", break_on_hyphens=False)


def _bar(answers: Mapping[Message, Answer] | None, width: int) -> list[Text]:
    if answers is None:
        return [Text("Ctrl-C leaves; the rollout goes on", _OFF)]
    items = [
        _item(letter, message.value, is_open=not keys.why_not(answers[message])) for letter, message in MESSAGES.items()
    ]
    items += [_item(letter, word, is_open=True) for letter, word in OTHERS.items()]
    lines = [items[0]]
    for item in items[1:]:
        if lines[-1].cell_len + 2 + item.cell_len <= width:
            lines[-1].append("  ").append_text(item)
        else:
            lines.append(item)
    return lines


def _item(letter: str, word: str, *, is_open: bool) -> Text:
    return Text.assemble((letter, "bold"), f" {word}") if is_open else Text(f"{letter} {word}", _OFF)


def help_lines(answers: Mapping[Message, Answer], width: int) -> Sequence[Text]:
    """What each key does now, or why it does nothing."""
    lines = [Text("keys", "bold")]
    for letter, message in MESSAGES.items():
        found = answers[message]
        why = keys.why_not(found)
        told = f"not now: {why}" if why else found.effect if isinstance(found, Taken) else ""
        lines += _explained(letter, message.value, told, width, style=_OFF if why else "")
    others = {
        "q": ("leave", "as Ctrl-C does: the rollout goes on"),
        "↑ ↓": ("scroll", "the groups, where not all of them fit; Page Up and Page Down by pages"),
        "?": ("help", "any key goes back"),
    }
    for letter, (word, told) in others.items():
        lines += _explained(letter, word, told, width)
    return [*lines, Text(""), *(Text(line) for line in wrap(LEGEND, width))]


def _explained(letter: str, word: str, told: str, width: int, style: str = "") -> list[Text]:
    first, *others = wrap(told, max(20, width - 15), max_lines=_MOST_LINES, placeholder=" …") or [""]
    return [Text(f" {letter:3} {word:9} {first}", style), *(Text(f"{'':15}{other}", style) for other in others)]
