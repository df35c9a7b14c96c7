"""Text from elsewhere (names, messages of a cluster, files), made fit for a terminal, or for Markdown."""

import re
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"[\\`*_{}\[\]<>()#+!|&~$@]")
_LINKS = re.compile(r"(?<=:)//|(?<=www)\.", re.IGNORECASE)
_MENTIONS = re.compile(r"(?<!\w)@(?=\w)")
_NO_WIDTH = "\N{ZERO WIDTH SPACE}"


def plain(text: str) -> str:
    """Without control characters, which could move the cursor, hide text or change its direction; lines stay lines."""
    return "".join(letter for letter in text if letter.isprintable() or letter == "\n")


def one_line(text: str) -> str:
    """As `plain`, on one line."""
    return " ".join(plain(" ".join(text.split())).split())


def markdown(text: str) -> str:
    """Text from elsewhere on one line, which shows as it is: neither Markdown, HTML, a link nor a mention.

    Mentions are looked for in what shows, where a backslash is gone already.
    """
    apart = _MENTIONS.sub(f"@{_NO_WIDTH}", one_line(text))
    return _LINKS.sub(lambda found: f"\\{found[0]}", _MARKS.sub(r"\\\g<0>", apart))


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown. Its cells are Markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
