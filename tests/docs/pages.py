"""The pages of the documentation, and their blocks."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SHELL = ("", "sh", "shell", "bash", "console")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<said>(?:not )?run(?: by)?: ?[^\n]*)-->\n)?^```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """What stands between fences."""

    page: str
    line: int
    """Where it begins, from 1."""
    language: str
    title: str
    """Name of the file that it shows; empty if it shows none."""
    said: str
    """What the comment above it says of how it is run; empty without one."""
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """All that people read; the first page first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Of one page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        title = _TITLE.search(found["info"])
        line = text.count("\n", 0, found.start("language")) + 1
        name = page.relative_to(ROOT).as_posix()
        said = " ".join((found["said"] or "").split())
        yield Block(name, line, found["language"], title[1] if title else "", said, found["text"])


def all_blocks(*languages: str) -> list[Block]:
    """Of all pages, in these languages."""
    return [block for page in pages() for block in blocks(page) if block.language in languages]
