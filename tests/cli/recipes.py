"""The scripts in deploy/ci, taken out of their files and run as their CI runs them."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cli.test_ci import GITHUB, GITLAB, JENKINS, SHA

FOLDER = Path(__file__).parents[2] / "deploy" / "ci"
WITH = {"file": "rollout.yaml", "images": " model=llm:v2\n", "reason": "$(touch injected) `touch injected`"}
"""What somebody writes into the inputs."""
SECRET = {"TEMPORAL_NAMESPACE": "default", "TEMPORAL_GRPC_META_PASSWORD": "hunter2"}
"""What the Secret of the task holds."""


class Job(NamedTuple):
    """One run of a script."""

    command: list[str]
    env: dict[str, str]


def documents(path: str) -> list[Any]:
    """What a file of YAML holds."""
    return list(yaml.safe_load_all((FOLDER / path).read_text()))


def github(folder: Path, step: int = 1, **inputs: str) -> Job:
    """A step of the action, as the runner starts it with `shell: bash`."""
    (action,) = documents("github/action.yml")
    values = {name: about["default"] for name, about in action["inputs"].items()} | inputs
    wanted = action["runs"]["steps"][step]
    env = {name: _filled(text, r"\$\{\{ inputs\.([\w-]+) \}\}", values) for name, text in wanted["env"].items()}
    env |= {"GITHUB_STEP_SUMMARY": str(folder / "rollout.md"), "GITHUB_PATH": str(folder / "path")}
    bash = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"]
    return Job([*bash, _written(folder, wanted["run"])], GITHUB | env | {"RUNNER_TEMP": str(folder)})


def gitlab(folder: Path, part: str = "script", **inputs: str) -> Job:
    """A part of the component's job, in the shell of a small image."""
    header, jobs = documents("gitlab/templates/rollout.yml")
    values = {name: about.get("default", "") for name, about in header["spec"]["inputs"].items()} | inputs
    (job,) = jobs.values()
    env = {name: _filled(text, r"\$\[\[ inputs\.([\w-]+) \]\]", values) for name, text in job["variables"].items()}
    return Job(["sh", "-e", _written(folder, "\n".join(job[part]))], GITLAB | env)


def tekton(folder: Path, **params: str) -> Job:
    """The step of the task: Tekton makes its environment, then the kubelet; its workspace is the folder."""
    (task,) = documents("tekton/task.yaml")
    values = {param["name"]: param.get("default", "") for param in task["spec"]["params"]} | params
    (step,) = task["spec"]["steps"]
    known = {f"params.{name}": value for name, value in values.items()}
    known |= {"context.taskRun.uid": "6f1c", "workspaces.source.path": str(folder), "workspaces.kubeconfig.path": ""}
    filled = {pair["name"]: _filled(pair["value"], r"\$\(([\w.-]+)\)", known) for pair in step["env"]}
    env = {name: _filled(text, r"\$\((context[\w.]+)\)", known) for name, text in filled.items()}
    script = step["script"]
    for mount in step["volumeMounts"]:
        script = script.replace(mount["mountPath"], str(_secret(folder)))
    return Job([_written(folder, script)], _by_kubelet(env, SECRET if "envFrom" in step else {}))


def _secret(folder: Path) -> Path:
    """The Secret as it is mounted."""
    mounted = folder / "secret"
    mounted.mkdir(exist_ok=True)
    for name, text in SECRET.items():
        (mounted / name).write_text(text)
    return mounted


def _by_kubelet(env: dict[str, str], beforehand: dict[str, str]) -> dict[str, str]:
    """As the kubelet makes an environment: $(NAME) is what stands before it, of whatever origin."""
    made = dict(beforehand)
    for name, text in env.items():
        made[name] = re.sub(r"\$(?:\$|\((.*?)\))", lambda found: _expanded(found, made), text)
    return made


def _expanded(found: re.Match[str], known: dict[str, str]) -> str:
    return "$" if found[0] == "$$" else known.get(found[1], found[0])


def jenkins(folder: Path, **_: str) -> Job:
    """The stage's script, by the step `sh`."""
    ((script,),) = [re.findall(r"sh '''\n(.*?)'''", (FOLDER / "jenkins/Jenkinsfile").read_text(), re.DOTALL)]
    return Job(["sh", "-xe", _written(folder, script)], JENKINS)


def argocd(folder: Path, **_: str) -> Job:
    """The hook's container, whose file is in the folder."""
    _, hook = documents("argocd/rollout-hook.yaml")
    (container,) = hook["spec"]["template"]["spec"]["containers"]
    return Job([word.replace("/rollout/", f"{folder}/") for word in container["command"]], {})


RECIPES: list[Callable[..., Job]] = [github, gitlab, tekton, jenkins, argocd]


def prepare(folder: Path, name: str) -> None:
    """The rollout of lws/NAME as a file, and rollwright on PATH."""
    (folder / "rollout.yaml").write_text(
        "apiVersion: rollwright/v1\nkind: Rollout\n"
        f"target: {{namespace: inference, name: {name}}}\nchange: {{images: {{model: 'llm:v2'}}}}\n"
        f"# {SHA}\n"
    )
    program(folder, "rollwright", f'exec {sys.executable} -m rollwright.cli.main "$@"')


def program(folder: Path, name: str, script: str) -> Path:
    """A program of this name."""
    path = folder / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def _written(folder: Path, script: str) -> str:
    path = folder / "script.sh"
    path.write_text(script)
    path.chmod(0o755)
    return str(path)


def _filled(text: str, pattern: str, values: dict[str, str]) -> str:
    return re.sub(pattern, lambda found: values[found[1]], text)
