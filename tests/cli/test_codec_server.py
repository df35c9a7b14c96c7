"""`rollwright codec-server`: what it refuses before it listens, and that keys that can't be used are told of by all."""

import base64
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollwright.cli.main import app

UI = "--origin=https://temporal.example"
KEY = base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "keys.yaml"
    path.write_text(f"active: a\nkeys: {{a: {KEY}}}\n")
    return str(path)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([UI, "--listen=0.0.0.0:8888"], "whoever reaches 0.0.0.0:8888 could read all rollouts"),
        ([UI, "--listen=[::]:8888"], "whoever reaches [::]:8888 could read all rollouts"),
        ([UI, "--listen=localhost:8888"], "'localhost:8888' is no address to listen on"),
        ([UI, "--listen=127.0.0.1:99999"], "'127.0.0.1:99999' is no address to listen on"),
        ([UI, "--listen=127.0.0.300:80"], "'127.0.0.300:80' is no address to listen on"),
        (["--origin=*"], "'*' is no origin"),
        (["--origin=https://temporal.example/"], "'https://temporal.example/' is no origin"),
        (["--origin=null"], "'null' is no origin"),
        ([], "Missing option '--origin'"),
        ([UI, "--token-file=/no/such/token"], "the token in /no/such/token can't be read: No such file or directory"),
        ([UI, "--token-file=/dev/null"], "/dev/null holds no token of at least 16 visible characters"),
    ],
)
def test_what_would_let_anybody_in_is_refused(keys: str, options: list[str], says: str) -> None:
    shown = CliRunner().invoke(app, ["codec-server", *options], env={"ROLLWRIGHT_KEYS": keys})
    assert shown.exit_code == 2
    assert says in shown.stderr


def test_it_takes_keys(tmp_path: Path) -> None:
    without = CliRunner().invoke(app, ["codec-server", UI], env={"ROLLWRIGHT_KEYS": None})
    assert without.exit_code == 2
    assert "Set ROLLWRIGHT_KEYS to the file of the workers' keys." in without.stderr


@pytest.mark.parametrize("verb", [["codec-server", UI], ["list"], ["worker"], ["report", "lws/llm"]])
def test_keys_that_can_not_be_used_are_told_of_without_them(verb: list[str], tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(f"active: b\nkeys: {{a: {KEY}}}\n")
    shown = CliRunner().invoke(app, verb, env={"ROLLWRIGHT_KEYS": str(path)})
    assert shown.exit_code == 1
    assert f"error: the keys in {path} (ROLLWRIGHT_KEYS) can't be used: the active key is none" in shown.stderr
    assert "docs/temporal.md" in shown.stderr
    assert KEY not in shown.stderr
