"""What docs/observation.md says of metrics: the tables, and what may be asked of a Prometheus."""

from collections.abc import Iterator
from typing import NamedTuple

import yaml

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "observation.md"
_TYPES = ("counter", "gauge", "histogram")


class Documented(NamedTuple):
    """A row of the tables."""

    name: str
    type: str
    labels: frozenset[str]


def documented() -> list[Documented]:
    """All metrics that the page lists."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.read_text(encoding="utf-8").splitlines()]
    return [
        Documented(row[0].strip("`"), row[1], frozenset(label.strip("` ") for label in row[2].split(",") if label))
        for row in rows
        if len(row) == 4 and row[1] in _TYPES
    ]


def expressions() -> Iterator[str]:
    """All that the page asks of a Prometheus, by itself and in alerts."""
    for block in blocks(PAGE):
        if block.language == "promql":
            yield block.text.strip()
        elif "alert:" in block.text:
            (group,) = yaml.safe_load(block.text)["groups"]
            yield from (rule["expr"] for rule in group["rules"])
