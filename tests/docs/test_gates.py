"""What the pages about gates show can be written as it stands there."""

from typing import get_args

import pytest

from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.spec import RolloutSpec
from tests.docs.examples import Example, examples, pages


@pytest.mark.parametrize("example", examples(), ids=str)
def test_an_example_is_a_rollout(example: Example) -> None:
    RolloutSpec.model_validate(example.document)


def kinds() -> set[str]:
    """Of gates, as they are written."""
    union, _ = get_args(AnyGate)
    return {gate.model_fields["kind"].default for gate in get_args(union)}


@pytest.mark.parametrize("kind", sorted(kinds() & {page.removesuffix(".md") for page in pages()}))
def test_the_page_of_a_kind_shows_a_gate_of_it(kind: str) -> None:
    shown = [RolloutSpec.model_validate(example.document) for example in examples() if example.page == f"{kind}.md"]
    assert kind in {gate.kind for spec in shown for step in spec.strategy.steps for gate in step.gates}


def test_prometheus_and_http_have_a_page() -> None:
    assert {"prometheus", "http"} <= kinds()
    assert {"prometheus.md", "http.md"} <= set(pages())
