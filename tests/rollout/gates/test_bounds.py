"""Durations that a gate can't work with are refused."""

import json
import subprocess
import sys
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


@pytest.mark.parametrize("duration", ["8785h", 10**12, "99999999999999999h", 10**300])
def test_a_duration_is_a_year_at_most(duration: object) -> None:
    """What is much further away is no date; a rollout that reckons with it couldn't go on, nor be read any more."""
    gate = {"kind": "bake", "duration": duration}
    with pytest.raises(ValidationError, match="is longer than a year"):
        TypeAdapter(AnyGate).validate_python(gate)
    TypeAdapter(AnyGate).validate_python(gate | {"duration": "8784h"})


HOSTILE = [
    {"query": "{{" + " " * 9000, "condition": "< 1"},
    {"query": '"{{' + " " * 9000 + '}"', "condition": "< 1"},
    {"query": "{{ pods" + " " * 9000 + "x }", "condition": "< 1"},
    {"query": "up", "condition": "<" + "1" * 50_000 + "x"},
    {"query": "x" * 10_001, "condition": "< 1"},
]
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (60, 60))"


@pytest.mark.parametrize("gate", HOSTILE, ids=["blanks", "quoted", "word", "digits", "length"])
def test_a_query_is_looked_through_in_one_go_however_many_blanks_are_in_it(gate: dict[str, str]) -> None:
    """By a process that has a minute of CPU time for it; what shares blanks out in every way would need days."""
    given = {"kind": "prometheus", "url": "http://prometheus"} | gate
    program = (
        f"{LIMIT}; import json, sys; from pydantic import TypeAdapter; "
        "from rollwright.rollout.gates.kinds import AnyGate; TypeAdapter(AnyGate).validate_python(json.load(sys.stdin))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert "ValidationError" in ran.stderr
