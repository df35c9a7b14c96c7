"""The page of every value of the Helm chart, made of the comments in its values.yaml."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from docs.reference.markdown import code, plain, table

VALUES = Path(__file__).parents[2] / "deploy" / "chart" / "values.yaml"
_HEAD = """# Values of the chart

Every value of [deploy/chart](../../deploy/chart/values.yaml), with what it is without being given. Others are refused.

"""


class Value(NamedTuple):
    """One that may be given."""

    path: str
    default: str
    told: str


def page() -> str:
    """As Markdown."""
    rows = [(code(value.path), code(value.default), plain(value.told)) for value in values()]
    return _HEAD + table(("Value", "Default", ""), rows) + "\n"


def values() -> list[Value]:
    """In the order of the file. What is said of a mapping is shown with its first value."""
    text = VALUES.read_text(encoding="utf-8")
    root = yaml.compose(text)
    if not isinstance(root, MappingNode):
        raise TypeError(f"{VALUES} has no keys")
    return list(_of(root, text.splitlines(), "", ""))


def _of(mapping: MappingNode, lines: list[str], path: str, told: str) -> Iterator[Value]:
    for key, value in mapping.value:
        said = " ".join(part for part in (told, _comment(lines, key.start_mark.line)) if part)
        here, told = f"{path}{key.value}", ""
        if isinstance(value, MappingNode) and value.value and not value.flow_style:
            yield from _of(value, lines, f"{here}.", said)
        else:
            yield Value(here, _written(value), said)


def _comment(lines: list[str], line: int) -> str:
    """What stands right above a line."""
    said: list[str] = []
    while line and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        said.insert(0, lines[line].lstrip().removeprefix("#").strip())
    return " ".join(said)


def _written(value: Node) -> str:
    """As JSON, which is YAML on one line; words without quotes."""
    read = yaml.safe_load(yaml.serialize(value))
    is_word = isinstance(value, ScalarNode) and isinstance(read, str) and read
    return read if is_word else json.dumps(read)
