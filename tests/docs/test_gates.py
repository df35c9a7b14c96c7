"""What the pages about gates show can be written as it stands there."""

import re
from collections.abc import Mapping
from pathlib import Path
from runpy import run_path
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

from rollwright.cli.files import read_document, to_spec
from rollwright.rollout.gates.gate import Finding, Gate, Progress
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.gates.questions import Fetch, Fetched
from rollwright.rollout.spec import RolloutSpec
from tests.docs.examples import Example, examples, pages, text_of
from tests.rollout.gates.seen import context

_FIELD_TABLE = re.compile(r"^\| field \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OVERVIEW = "README.md"


@pytest.mark.parametrize("example", examples(), ids=str)
def test_an_example_is_a_rollout(example: Example) -> None:
    RolloutSpec.model_validate(example.document)


def kinds() -> dict[str, type[Gate]]:
    """Of gates, by how they are written."""
    union, _ = get_args(AnyGate)
    return {gate.model_fields["kind"].default: gate for gate in get_args(union)}


@pytest.mark.parametrize("kind", kinds())
def test_each_kind_has_a_page_that_shows_a_gate_of_it(kind: str) -> None:
    assert f"{kind}.md" in pages()
    shown = [RolloutSpec.model_validate(example.document) for example in examples() if example.page == f"{kind}.md"]
    assert kind in {gate.kind for spec in shown for step in spec.strategy.steps for gate in step.gates}


@pytest.mark.parametrize("kind", kinds())
def test_the_page_of_a_kind_names_all_its_fields_and_no_others(kind: str) -> None:
    """Its own in the table; those that all gates have may stand elsewhere."""
    page, gate = text_of(f"{kind}.md"), kinds()[kind]
    (table,) = _FIELD_TABLE.findall(page)
    named = {field for row in table.splitlines() for field in re.findall(r"`(\w+)`", row.split("|")[1])}
    elsewhere = {field for field in _fields(Gate.model_fields) if f"`{field}`" in page}
    assert named | elsewhere == _fields(gate.model_fields)


def _fields(given: Mapping[str, FieldInfo]) -> set[str]:
    """As people write them, but for the kind, which the examples show."""
    return {field.alias or name for name, field in given.items() if name != "kind"}


@pytest.mark.parametrize("kind", kinds())
def test_the_overview_has_a_link_to_each_kind(kind: str) -> None:
    assert f"| [{kind}]({kind}.md) |" in text_of(OVERVIEW)


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (Fetched(status=200, body="llm-rw-0\nllm-rw-2"), Finding.PASSED),
        (Fetched(status=200, body="llm-rw-0\nllm-rw-1"), Finding.FAILED),
        (Fetched(status=503, body="llm-rw-1"), Finding.INCONCLUSIVE),
        (Fetched(error="no answer"), Finding.INCONCLUSIVE),
    ],
)
def test_the_kind_of_ones_own_that_the_overview_shows_works(tmp_path: Path, answer: Fetched, finding: Finding) -> None:
    (code,) = _PYTHON.findall(text_of(OVERVIEW))
    module = tmp_path / "banned.py"
    module.write_text(code, encoding="utf-8")
    made: dict[str, Any] = run_path(str(module))
    gate, progress = made["Banned"](url="http://lists.internal/banned"), Progress(since=0.0)
    now = context(revision="llm-rw-1")
    assert gate.ask(now, progress) == (Fetch(url="http://lists.internal/banned"),)
    assert gate.judge(now, progress, (answer,)).finding is finding


def test_the_gated_example_lets_a_canary_bake_and_has_it_approved() -> None:
    strategy = to_spec(read_document(str(Path(__file__).parents[2] / "examples" / "gated.yaml"))).strategy
    assert [step.until for step in strategy.steps] == [1]
    assert [(gate.kind, gate.on_failure) for gate in strategy.gates_at(0)] == [
        ("bake", "rollback"),
        ("approval", "rollback"),
    ]
