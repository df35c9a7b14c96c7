"""-o: one way to print results, for people and for programs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from rollwright.cli import formats
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Diff, Plan
from rollwright.rollout.difference import Difference

HOSTILE = "[red]\x1b[2J\x9b2J\u202e é: {a}"
SHOWN = Diff(before=None, after=2, changes=(Difference(field="image", before="", after=HOSTILE),))
CONTENT = {"format": 1, "before": None, "after": 2, "changes": [{"field": "image", "before": "", "after": HOSTILE}]}


def unexpected() -> None:
    raise AssertionError("drawn for people")


@pytest.mark.parametrize(("output", "read"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)])
def test_programs_read_the_same_in_json_and_in_yaml(
    output: Format, read: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    formats.show(SHOWN, output, unexpected)
    assert read(capsys.readouterr().out) == CONTENT


@pytest.mark.parametrize("output", [Format.TABLE, Format.WIDE])
def test_people_get_what_is_drawn_and_nothing_else(output: Format, capsys: pytest.CaptureFixture[str]) -> None:
    formats.show(SHOWN, output, lambda: print("drawn"))
    assert capsys.readouterr().out == "drawn\n"


def test_a_stream_is_a_line_of_json_or_a_document_of_yaml_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    for output in (Format.JSON, Format.JSON, Format.YAML, Format.YAML):
        formats.emit(SHOWN, output)
    *lines, documents = capsys.readouterr().out.split("\n", 2)
    assert [json.loads(line) for line in lines] == [CONTENT] * 2
    assert documents.count("---\n") == 2
    assert list(yaml.safe_load_all(documents)) == [CONTENT] * 2


def test_yaml_escapes_what_could_move_the_cursor_or_change_the_direction_of_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    formats.emit(SHOWN, Format.YAML)
    shown = capsys.readouterr().out
    assert all(letter == "\n" or " " <= letter <= "~" for letter in shown)


@pytest.mark.parametrize("output", [Format.JSON, Format.YAML])
def test_what_is_not_known_is_left_out_of_sparse_results(output: Format, capsys: pytest.CaptureFixture[str]) -> None:
    formats.show(Plan(stages=()), output, unexpected, sparse=True)
    assert yaml.safe_load(capsys.readouterr().out) == {"format": 1, "stages": [], "steps": []}


@pytest.mark.parametrize(("output", "read"), [(Format.JSON, json.loads), (Format.YAML, yaml.safe_load)])
@pytest.mark.parametrize("words", ["\x9b2J\u202e", "so ##[error]z", "a\n\n::add-mask::b", "a\n  ::add-mask::b ##[c]"])
def test_what_programs_read_moves_no_cursor_and_is_no_command_of_a_runner(
    output: Format, read: Callable[[str], Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    formats.emit(Difference(field="image", before="", after=words), output)
    printed = capsys.readouterr().out
    assert read(printed)["after"] == words
    assert printed.isascii()
    assert "##[" not in printed
    assert not [line for line in printed.splitlines() if line.lstrip().startswith("::")]
