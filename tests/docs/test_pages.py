"""What pages show is so: files can be read, JSON parsed, and messages are those of the program."""

import ast
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from rollwright.rollout.spec import RolloutSpec
from rollwright.workflows.starting import REGISTER
from tests.docs.pages import ROOT, Block, all_blocks, pages

_FLAT = re.compile(r"^ {1,3}[-*] ", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_MESSAGE = re.compile(r"^### `(.+)`$", re.MULTILINE)
_REGISTERS = re.compile(r"search-attribute create (?:[^\n]*\\\n)*[^\n]*")
_PROGRAM = ("cli", "worker", "workflows", "activities", "cluster", "rollout")


def rollouts() -> list[Block]:
    return [block for block in all_blocks("yaml") if "kind: Rollout" in block.text]


@pytest.mark.parametrize("block", rollouts(), ids=str)
def test_a_rollout_file_can_be_read(block: Block) -> None:
    RolloutSpec.model_validate(yaml.safe_load(block.text))


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_yaml_is_yaml(block: Block) -> None:
    assert all(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("block", all_blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    assert json.loads(block.text)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_lists_inside_of_lists_are_so_on_the_site_too(page: Path) -> None:
    """GitHub takes two blanks for it, the site four."""
    assert _FLAT.findall(_FENCED.sub("", page.read_text(encoding="utf-8"))) == []


def registered(command: str) -> set[tuple[str, str]]:
    """The search attributes that a command registers, each with its type."""
    words = command.replace("\\\n", " ").split()
    names, types = ([word for before, word in pairwise(words) if before == f"--{what}"] for what in ("name", "type"))
    return set(zip(names, types, strict=True))


def test_whoever_is_told_to_register_search_attributes_is_told_to_register_all() -> None:
    files = [*pages(), *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    found = {(path, command) for path in files for command in _REGISTERS.findall(path.read_text(encoding="utf-8"))}
    assert {path.name for path, _ in found} >= {"README.md", "quickstart.md"}
    for path, command in found:
        assert registered(command) == registered(REGISTER), path


def messages() -> list[str]:
    return _MESSAGE.findall((ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"))


def texts() -> Iterator[str]:
    """All that the program may say, with an ellipsis for what is put in."""
    for package in _PROGRAM:
        for module in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
                match node:
                    case ast.JoinedStr(values=values):
                        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in values)
                    case ast.Constant(value=str() as value):
                        yield value


def test_the_messages_of_the_troubleshooting_page_are_those_of_the_program() -> None:
    said, shown = set(texts()), messages()
    assert len(shown) > 30
    assert [message for message in shown if not any(message in text for text in said)] == []
    assert [message for message in set(shown) if shown.count(message) > 1] == []
