"""`rollwright dev` where no cluster is needed."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rollwright.cli.dev import app, parse_feature_gates

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.mark.parametrize("verb", ["up", "down", "status", "logs", "kubeconfig"])
def test_the_help_of_each_verb_has_examples(verb: str) -> None:
    result = run(app, [verb, "--help"])

    assert result.exit_code == 0
    assert "Examples" in result.output
    assert f"rollwright dev {verb}" in result.output


@pytest.mark.parametrize("verb", ["kubeconfig", "logs"])
def test_a_verb_that_needs_a_cluster_says_how_to_get_one(verb: str) -> None:
    result = run(app, [verb, "--name", "nowhere"])

    assert result.exit_code == 1
    assert "rollwright dev up --name nowhere" in result.output


def test_down_of_no_cluster_is_no_error() -> None:
    result = run(app, ["down", "--name", "nowhere"])

    assert result.exit_code == 0
    assert "there was no cluster nowhere" in result.output


def test_status_of_no_cluster_exits_1_and_says_so_to_machines() -> None:
    result = run(app, ["status", "--name", "nowhere", "--json"])

    view = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (view["up"], view["kubeconfig"]) == (False, None)
    assert {"stopped"} == {part["state"] for part in view["parts"]}


def test_a_bad_name_is_refused_with_what_is_allowed() -> None:
    result = run(app, ["up", "--name", "Bad_Name"])

    assert result.exit_code == 1
    assert "lower-case letters" in result.output


def test_feature_gates_are_read_as_kubernetes_writes_them() -> None:
    assert parse_feature_gates("") == {}
    assert parse_feature_gates("A=true,B=false") == {"A": True, "B": False}


@pytest.mark.parametrize("text", ["A", "A=yes", "=true", "A=true;B=false"])
def test_feature_gates_that_nobody_can_read_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="NAME=true or NAME=false"):
        parse_feature_gates(text)
