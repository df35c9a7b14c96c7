"""The files in deploy/ci: they are what their CI reads, and their scripts roll out. The rollouts are played."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from temporalio.client import Client

from rollwright.rollout.spec import RolloutSpec
from rollwright.workflows.contract import STATUS, Phase, RolloutStatus
from tests.cli.played import go_on, rollout
from tests.cli.recipes import FOLDER, RECIPES, SECRET, WITH, Job, documents, github, gitlab, prepare, program, tekton
from tests.cli.test_annotations import runner

if TYPE_CHECKING:
    from tests.cli.conftest import Run

real = pytest.mark.real
recipes = pytest.mark.parametrize("recipe", RECIPES)
Recipe = Callable[..., Job]


def check(schema: str, path: Path) -> None:
    """Against the schema of those whose format it is."""
    checked = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    ran = subprocess.run(checked, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_action_is_one_of_github() -> None:
    check("github-actions", FOLDER / "github/action.yml")


@pytest.mark.parametrize("part", [0, 1])
def test_the_component_is_one_of_gitlab(tmp_path: Path, part: int) -> None:
    wanted = documents("gitlab/templates/rollout.yml")[part]
    (tmp_path / "part.yml").write_text(yaml.safe_dump(wanted))
    check("gitlab-ci", tmp_path / "part.yml")


def test_the_rollout_beside_an_application_is_one() -> None:
    config, _ = documents("argocd/rollout-hook.yaml")
    spec = RolloutSpec.model_validate(yaml.safe_load(config["data"]["rollout.yaml"]))
    assert spec.target.workflow_id == "rollout/lws/inference/llm"


@asynccontextmanager
async def running(job: Job, server: Client, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A job in a folder of its own, ended at the end."""
    env = {
        **os.environ,
        **job.env,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TEMPORAL_ADDRESS": server.service_client.config.target_host,
        "KUBECONFIG": "no-such-kubeconfig",
    }
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *job.command,
        cwd=folder,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_it_waits(process: asyncio.subprocess.Process) -> str:
    """Its log so far."""
    assert process.stdout
    log = ""
    async with asyncio.timeout(60):
        while "stage 2" not in log:
            line = await process.stdout.readline()
            assert line, log
            log += line.decode()
    return log


async def end(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """Its exit code, and the rest of its log."""
    log, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, log.decode()


async def status(server: Client, name: str) -> RolloutStatus:
    answer: RolloutStatus = await server.get_workflow_handle(rollout(name)).query(STATUS, result_type=RolloutStatus)
    return answer


@real
@recipes
async def test_a_job_rolls_out_and_waits_and_takes_up_its_rollout_when_it_is_run_again(
    server: Client, tmp_path: Path, recipe: Recipe
) -> None:
    name = f"recipe-{recipe.__name__}"
    prepare(tmp_path, name)
    job = recipe(tmp_path, **WITH)
    async with running(job, server, tmp_path) as process:
        await until_it_waits(process)
        async with running(job, server, tmp_path) as again:
            assert f"{rollout(name)} answers the request" in await until_it_waits(again)
            begun = (await server.get_workflow_handle(rollout(name)).describe()).run_id
            await go_on(server, name)
            code, log = await end(again)
        assert (code, "completed" in log.splitlines()) == (0, True)
        code, log = await end(process)
    assert (code, "completed" in log.splitlines()) == (0, True)
    async with running(job, server, tmp_path) as later:
        assert (await end(later))[0] == 0
    assert (await server.get_workflow_handle(rollout(name)).describe()).run_id == begun
    assert not (tmp_path / "injected").exists()
    seen = await status(server, name)
    assert seen.by.actor == {"github": "octocat", "gitlab": "ann", "jenkins": "ann"}.get(
        recipe.__name__, recipe.__name__
    )


@real
@recipes
async def test_cancelling_a_job_leaves_the_rollout_and_says_how_to_follow_it(
    server: Client, tmp_path: Path, recipe: Recipe
) -> None:
    name = f"left-{recipe.__name__}"
    prepare(tmp_path, name)
    async with running(recipe(tmp_path, **WITH), server, tmp_path) as process:
        await until_it_waits(process)
        if recipe is gitlab:  # it signals every process of the container
            for child in children(process.pid):
                os.kill(child, signal.SIGTERM)
        else:
            process.send_signal(signal.SIGTERM)
        code, log = await end(process)
    assert code == 143
    assert f"the rollout goes on; follow it: rollwright watch {rollout(name)}" in log
    assert (await status(server, name)).phase is Phase.PROGRESSING


def children(pid: int) -> list[int]:
    """The processes that one has started."""
    return [int(found) for found in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@real
async def test_the_action_pauses_when_it_is_told_to_and_tells_the_run(server: Client, tmp_path: Path) -> None:
    prepare(tmp_path, "paused-by-action")
    inputs = {**WITH, "on-cancel": "pause"}
    async with running(github(tmp_path, 1, **inputs), server, tmp_path) as process:
        log = await until_it_waits(process)
        process.send_signal(signal.SIGTERM)
        log += (await end(process))[1]
    assert (await status(server, "paused-by-action")).phase is Phase.PAUSED
    (told,), goes_on = runner(log)
    assert goes_on
    assert (told.name, told.title) == ("error", "lws/paused-by-action in namespace inference")
    assert "no longer waited for: the job was cancelled\nsent pause to" in told.text
    assert (tmp_path / "rollout.md").read_text().startswith("### lws/paused-by-action in namespace inference")


@real
async def test_a_job_without_a_file_says_what_to_roll_out_by_its_inputs(
    server: Client, run: "Run", tmp_path: Path
) -> None:
    prepare(tmp_path, "unused")
    inputs = {"target": "lws/by-inputs", "namespace": "inference", "images": "model=llm:v2\nproxy=envoy:v3"}
    async with running(gitlab(tmp_path, **inputs), server, tmp_path) as process:
        await until_it_waits(process)
        seen = await status(server, "by-inputs")
        await run("abort", "lws/by-inputs", "-n", "inference")
        code, _ = await end(process)
    assert seen.spec.change.images == {"model": "llm:v2", "proxy": "envoy:v3"}
    assert code == 4
    assert "aborted" in (tmp_path / "rollout.md").read_text()


def test_the_action_installs_into_an_environment_of_its_own(tmp_path: Path) -> None:
    pip = tmp_path / "rollwright/bin/pip"
    program(
        tmp_path,
        "python3",
        f"mkdir -p {pip.parent}; printf '#!/bin/sh\\necho \"$@\" > {tmp_path}/told\\n' > {pip}\nchmod +x {pip}",
    )
    job = github(tmp_path, step=0, install="rollwright @ git+https://git.example.com/rollwright@v1")
    env = {**os.environ, **job.env, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(job.command, env=env, check=True)
    assert (tmp_path / "told").read_text() == "install --quiet rollwright @ git+https://git.example.com/rollwright@v1\n"
    assert (tmp_path / "path").read_text() == f"{pip.parent}\n"


@pytest.mark.parametrize(
    ("install", "told"), [("", ""), ("rollwright==0.1", "-m pip install --quiet rollwright==0.1\n")]
)
def test_the_component_installs_if_it_is_asked_to(tmp_path: Path, install: str, told: str) -> None:
    (tmp_path / "told").touch()
    program(tmp_path, "python3", f'echo "$@" > {tmp_path}/told')
    job = gitlab(tmp_path, part="before_script", install=install)
    env = {**os.environ, **job.env, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    subprocess.run(job.command, env=env, check=True)
    assert (tmp_path / "told").read_text() == told


@pytest.mark.parametrize("name", SECRET)
def test_the_task_has_its_secret_and_a_parameter_that_names_it_stays_as_it_is(tmp_path: Path, name: str) -> None:
    program(tmp_path, "rollwright", f'printf "%s\\n" "${name}" "$@" > {tmp_path}/told')
    job = tekton(tmp_path, reason=f"fix $({name})", images="model=llm:v2 *")
    env = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", **job.env}
    subprocess.run(job.command, cwd=tmp_path, env=env, check=True)
    secret, *told = (tmp_path / "told").read_text().splitlines()
    assert secret == SECRET[name]
    assert told[told.index("--reason") + 1] == f"fix $({name})"
    assert told[told.index("--image") + 3] == "*"
