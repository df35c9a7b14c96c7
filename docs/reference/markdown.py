"""Pieces of Markdown that the generated pages are made of."""

import re
from collections.abc import Sequence


def code(text: object) -> str:
    """As it is typed."""
    return f"`{text}`"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """With what would break a cell made harmless."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def anchor(text: str) -> str:
    """The end of a link to a heading, as in `strategy-steps`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def plain(text: str) -> str:
    """Words that are not Markdown: what looks like it is shown as it stands, but for code in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]{}\\])", r"\\\1", part) for part in parts)


def _cell(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text).replace("|", "\\|")
