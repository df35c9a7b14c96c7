"""What is shown in the pages about gates."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_PAGES = Path(__file__).parents[2] / "docs" / "gates"
_BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """One block of YAML: a whole rollout."""

    page: str
    line: int
    """Where the block begins, from 1."""
    document: Any

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> list[Example]:
    """All of them, page by page."""
    found = []
    for page in sorted(_PAGES.glob("*.md")):
        text = page.read_text()
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start()) + 1
            found.append(Example(page.name, line, yaml.safe_load(block[1])))
    return found


def text_of(page: str) -> str:
    """All of a page."""
    return (_PAGES / page).read_text(encoding="utf-8")


def pages() -> list[str]:
    """Their names."""
    return sorted(page.name for page in _PAGES.glob("*.md"))
