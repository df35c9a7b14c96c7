"""`rollwright versions` against a real Temporal server, with workers of two builds."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.rollout.spec import RolloutSpec, Target
from rollwright.worker import deployments
from rollwright.worker.builds import Standing
from rollwright.worker.versions import Versioned
from rollwright.workflows.contract import WORKFLOW_TYPE, RolloutInput
from tests.cli.played import FakeRollout
from tests.devcluster.standin.namespace import until

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.real


@pytest_asyncio.fixture(loop_scope="session")
async def deployment(server: Client) -> AsyncIterator[str]:
    """One whose workers of the builds v1 and v2 take tasks from the queue of its name."""
    name = f"gpu-{uuid.uuid4().hex[:8]}"
    async with AsyncExitStack() as stack:
        for build in ("v1", "v2"):
            worker = Worker(
                server,
                task_queue=name,
                workflows=[FakeRollout],
                workflow_runner=UnsandboxedWorkflowRunner(),
                deployment_config=Versioned(name, build).config,
            )
            await stack.enter_async_context(worker)
        await until(lambda: deployments.describe(server, name), lambda known: known and len(known.builds) == 2)
        yield name


async def test_a_build_is_made_current_and_its_rollouts_are_counted(
    server: Client, run: "Run", deployment: str
) -> None:
    async def made_current() -> bool:
        return (await run("versions", "--deployment", deployment, "--make-current", "v1")).code == 0

    await until(made_current, bool)
    handle = await server.start_workflow(
        WORKFLOW_TYPE,
        RolloutInput(spec=RolloutSpec(target=Target(name="counted")), task_queue=deployment),
        id=f"rollout/lws/default/{deployment}",
        task_queue=deployment,
    )

    async def told() -> tuple[str | None, dict[str, tuple[str, int]]]:
        shown = json.loads((await run("versions", "--json", ROLLWRIGHT_DEPLOYMENT=deployment)).stdout)
        assert (shown["format"], shown["deployment"]) == (1, deployment)
        builds = {build["build_id"]: (build["standing"], build["rollouts"]) for build in shown["builds"]}
        return shown["current"], builds

    await until(told, lambda seen: seen == ("v1", {"v1": ("current", 1), "v2": ("inactive", 0)}))
    lines = (await run("versions", "--deployment", deployment)).stdout.splitlines()
    assert lines[0].split() == ["BUILD", "STANDING", "OPEN", "ROLLOUTS", "SINCE"]
    assert ["v1", "current", "1"] in [line.split()[:3] for line in lines]
    await handle.terminate()


async def test_a_build_that_was_never_there_is_refused_and_nothing_changes(
    server: Client, run: "Run", deployment: str
) -> None:
    ran = await run("versions", "--deployment", deployment, "--make-current", "\x1b[2Jv3")
    assert (ran.code, ran.stdout) == (1, "")
    assert "can't be made current" in ran.stderr
    assert "\x1b" not in ran.stderr
    known = await deployments.describe(server, deployment)
    assert known
    assert {build.standing for build in known.builds} == {Standing.INACTIVE}


async def test_a_deployment_that_has_no_workers_is_told_to_need_some(run: "Run") -> None:
    ran = await run("versions", "--deployment", "nobody")
    assert (ran.code, ran.stdout) == (1, "")
    assert ran.stderr.splitlines() == [
        "error: there is no worker deployment nobody",
        "It is made by its first worker: rollwright worker --deployment NAME --build-id ID",
    ]


async def test_it_must_be_said_of_which_deployment(run: "Run") -> None:
    assert (await run("versions")).code == 2
    assert "names none" in (await run("versions", "--deployment", "a.b")).stderr
