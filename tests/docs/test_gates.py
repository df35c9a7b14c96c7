"""What the pages about gates show can be written as it stands there."""

import re
from collections.abc import Mapping
from typing import get_args

import pytest
from pydantic.fields import FieldInfo

from rollwright.rollout.gates.gate import Gate
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.spec import RolloutSpec
from tests.docs.examples import Example, examples, pages, text_of

_FIELD_TABLE = re.compile(r"^\| field \|.*\n\|[-|]+\n((?:\|.*\n)+)", re.MULTILINE)


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
