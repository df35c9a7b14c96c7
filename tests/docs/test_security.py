"""What the threat model says is shown by a test, is: each that it names is there."""

import ast
import re

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
ROW = re.compile(r"^\| .* \|$", re.MULTILINE)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_is_there(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_threat_names_what_shows_it() -> None:
    """Rows of the tables whose last column is that."""
    tables = re.findall(r"\| shown by \|\n\|[-|]+\|\n((?:\|.*\|\n)+)", PAGE)
    rows = [row for table in tables for row in ROW.findall(table)]
    assert len(rows) > 30
    assert [row for row in rows if not re.search(r"`[\w/]+\.py(::\w+)?`[^|]*\|$", row)] == []
