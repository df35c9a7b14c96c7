"""The command line as a whole: quick help, verbs that break alone, words and exit codes for failures."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rollwright.cli import main
from rollwright.cli.main import VERBS, app

runner = CliRunner()


def test_help_lists_every_verb_without_loading_what_verbs_need() -> None:
    code = (
        "import sys; from rollwright.cli.main import app\n"
        "try: app(['--help'])\n"
        "finally: print('loaded', sorted({'temporalio', 'kubernetes', 'pydantic', 'yaml'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "loaded []" in shown
    assert all(f" {verb} " in shown for verb in VERBS)


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"demo", "dev"}))
def test_the_help_of_every_verb_has_examples(verb: str) -> None:
    shown = runner.invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    assert "Examples:" in shown.stdout
    assert f"rollwright {verb}" in shown.stdout


def test_a_verb_that_can_not_be_loaded_says_so_and_breaks_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(main.VERBS, "broken", "Not there.")
    broken = runner.invoke(app, ["broken"])
    assert broken.exit_code == 1
    assert "error: `rollwright broken` can't be loaded: No module named 'rollwright.cli.broken'" in broken.stderr
    assert runner.invoke(app, ["schema"]).exit_code == 0


def test_a_mistyped_verb_is_refused_with_the_one_that_was_meant() -> None:
    shown = runner.invoke(app, ["statsu"])
    assert shown.exit_code == 2
    assert "Did you mean 'status'" in shown.stderr


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (["llm"], "'llm' names no target"),
        (["deployment/llm"], "'deployment/llm' names no target"),
        (["lws/Llm"], "'lws/Llm' in namespace 'default' names no target: Kubernetes allows lower-case letters"),
        (["rollout/lws/a/llm", "-n", "b"], "rollout/lws/a/llm is not in namespace b"),
    ],
)
@pytest.mark.parametrize("verb", ["status", "watch", "pause", "resume", "abort"])
def test_a_target_is_read_alike_everywhere(verb: str, target: list[str], says: str) -> None:
    shown = runner.invoke(app, [verb, *target], env={"KUBECONFIG": "no-such-kubeconfig"})
    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert f"error: {says}" in shown.stderr


@pytest.mark.parametrize("verb", [["list"], ["status", "lws/llm"], ["start", "--target", "lws/llm", "--no-check"]])
def test_a_server_that_is_away_is_named_with_what_to_do(verb: list[str]) -> None:
    shown = runner.invoke(app, verb, env={"TEMPORAL_ADDRESS": "127.0.0.1:1"})
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert shown.stderr.splitlines() == [
        "error: Temporal at 127.0.0.1:1 can't be reached: Connection refused",
        "Set TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY (or a profile of temporal.toml), or start a "
        "server for yourself: temporal server start-dev",
    ]
