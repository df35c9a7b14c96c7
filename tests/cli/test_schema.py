"""The schemas fit what is read and printed."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from rollwright.cli.main import app


def schema(*arguments: str) -> dict[str, Any]:
    shown = CliRunner().invoke(app, ["schema", *arguments])
    assert shown.exit_code == 0
    parsed: dict[str, Any] = json.loads(shown.stdout)
    return parsed


def test_the_rollout_file_has_a_schema_with_the_words_of_the_file() -> None:
    rollout = schema()
    assert rollout["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(rollout["properties"]) == {"apiVersion", "kind", "target", "change", "strategy"}
    assert "maxUnavailable" in rollout["$defs"]["Strategy"]["properties"]
    assert rollout["additionalProperties"] is False


def test_what_may_be_a_word_or_a_mapping_is_so_in_the_schema_and_by_default_the_word() -> None:
    readiness = schema()["$defs"]["Strategy"]["properties"]["readiness"]
    assert readiness["default"] == "pod"
    assert {"const": "pod", "type": "string"} in readiness["anyOf"]


@pytest.mark.parametrize(
    ("of", "fields"),
    [
        ("start", {"rollout", "run_id", "ui"}),
        ("plan", {"stages", "steps", "forecasts", "changes", "checks"}),
        ("lint", {"rollouts", "remarks"}),
        ("list", {"rollouts"}),
        ("history", {"target", "revisions"}),
        ("diff", {"before", "after", "changes"}),
        ("undo", {"rollout", "run_id", "ui"}),
        ("steering", {"rollout", "message", "actor", "reason", "sent", "answer"}),
        ("watch", {"status", "stages"}),
    ],
)
def test_every_json_output_has_a_schema(of: str, fields: set[str]) -> None:
    assert set(schema("--of", of)["properties"]) == {"format", *fields}


def test_an_unknown_subject_is_bad_input() -> None:
    assert CliRunner().invoke(app, ["schema", "--of", "weather"]).exit_code == 2
