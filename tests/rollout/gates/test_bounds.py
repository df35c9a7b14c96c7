"""Durations that a gate can't work with are refused."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from rollwright.rollout.gates.kinds import AnyGate


@pytest.mark.parametrize(
    ("gate", "field"),
    [
        ({"kind": "bake", "duration": 0}, "duration"),
        ({"kind": "bake", "duration": "1m", "timeout": "0s"}, "timeout"),
        ({"kind": "window", "schedule": "0 2 * * *", "duration": "59s"}, "duration"),
        ({"kind": "http", "url": "http://smoke", "interval": 0}, "interval"),
        ({"kind": "http", "url": "http://smoke", "requestTimeout": "0s"}, "requestTimeout"),
        ({"kind": "http", "url": "http://smoke", "requestTimeout": "301s"}, "requestTimeout"),
    ],
)
def test_a_duration_out_of_bounds_is_refused(gate: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(AnyGate).validate_python(gate)
    assert [error["loc"][-1] for error in refused.value.errors()] == [field]
