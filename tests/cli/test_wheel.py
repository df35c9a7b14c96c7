"""The wheel works where nothing else is installed than what it asks for."""

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    ran = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment with the wheel and its dependencies, as pinned, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, PROJECT)
    run(sys.executable, *build, cwd=folder)
    (wheel,) = folder.glob("rollwright-*.whl")
    # pip takes no hashes in constraints; the versions are what matters here.
    pins = [line.split(";")[0].split("\\")[0].strip() for line in _lock_lines()]
    (folder / "constraints.txt").write_text("\n".join(pins))
    venv.create(folder / "venv", with_pip=True)
    bin_folder = folder / "venv" / "bin"
    run(bin_folder / "python", "-m", "pip", "install", "--quiet", "-c", folder / "constraints.txt", wheel, cwd=folder)
    return bin_folder


def _lock_lines() -> list[str]:
    lock = (PROJECT / "requirements.lock").read_text().splitlines()
    return [line for line in lock if line and line[0].isalnum()]


def test_help_runs(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "rollwright", "--help", cwd=tmp_path)
    assert "Durable rollouts of GPU-bound workloads on Kubernetes" in shown


def test_kubectl_finds_the_plugin_and_what_completes_its_words(installed: Path, tmp_path: Path) -> None:
    assert "Usage: kubectl rollwright" in run(installed / "kubectl-rollwright", "--help", cwd=tmp_path)
    assert "promote" in run(installed / "kubectl_complete-rollwright", "pro", cwd=tmp_path)


def test_the_example_is_planned(installed: Path, tmp_path: Path) -> None:
    example = PROJECT / "examples" / "rollout.yaml"
    shown = run(installed / "rollwright", "plan", "-f", example, "--offline", "--json", cwd=tmp_path)
    assert [stage["partition"] for stage in json.loads(shown)["stages"]] == [0, 4, 2, 0, 0, 0]


def test_the_file_of_the_story_that_the_demo_tells_comes_along(installed: Path, tmp_path: Path) -> None:
    (example,) = installed.parent.glob("lib/python*/site-packages/rollwright/examples/bad-canary.yaml")
    shown = run(installed / "rollwright", "plan", "-f", example, "--offline", "--json", cwd=tmp_path)
    assert len(json.loads(shown)["stages"][0]["groups"]) == 24


def test_the_page_of_a_report_comes_along(installed: Path, tmp_path: Path) -> None:
    stored = PROJECT / "tests" / "data" / "histories" / "completed.json"
    run(installed / "rollwright", "report", "--history", stored, "--html", "report.html", cwd=tmp_path)
    assert "Rollout of lws/llm" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("verb", ["start", "status", "watch", "list", "pause", "worker", "schema"])
def test_every_verb_loads_without_the_extras(installed: Path, tmp_path: Path, verb: str) -> None:
    assert f"rollwright {verb}" in run(installed / "rollwright", verb, "--help", cwd=tmp_path)
