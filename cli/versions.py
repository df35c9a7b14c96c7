"""`rollwright versions`: the builds of the workers, and which one is current."""

import asyncio
from typing import Annotated

import typer
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion

from rollwright.cli import formats, options, render, temporal
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import ListedBuild, Versions
from rollwright.cli.text import one_line
from rollwright.cli.views import UNKNOWN, Table, moment
from rollwright.worker import deployments
from rollwright.worker.builds import Build, Standing
from rollwright.workflows.contract import WORKFLOW_TYPE

app = typer.Typer()

_VERSION, _OPEN = "TemporalWorkerDeploymentVersion", f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'"


@app.command()
def versions(
    *,
    deployment: options.Deployment = None,
    make_current: Annotated[
        str,
        typer.Option(
            "--make-current",
            metavar="ID",
            help="Have rollouts go to this build from now on; those on others move to it, a step that is under way "
            "being finished first.",
        ),
    ] = "",
    force: Annotated[
        bool,
        typer.Option("--force", help="Also without workers on a task queue of the build before, as of a cluster."),
    ] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the builds of the workers: which is current, and how many open rollouts each still has.

    A build that has drained has none left: its workers can go. Rollouts that
    are on no build are carried out by workers that were told of none.

    Examples:
      rollwright versions --deployment gpu
      rollwright versions --deployment gpu --make-current v2
      rollwright versions --deployment gpu --json

    """
    if not deployment:
        raise CommandError(
            "it isn't said of which deployment",
            todo="Give --deployment, or set ROLLWRIGHT_DEPLOYMENT, as for the workers.",
            code=ExitCode.BAD_INPUT,
        )
    options.check_deployment(deployment)
    if force and not make_current:
        raise CommandError("--force is for --make-current; give that too", code=ExitCode.BAD_INPUT)
    shown = asyncio.run(_versions(deployment, make_current, force=force))
    formats.show(shown, output, lambda: render.show_table(_table(shown)))


async def _versions(name: str, make_current: str, *, force: bool) -> Versions:
    client = await temporal.connect()
    if make_current:
        with temporal.explained(f"build {one_line(make_current)} can't be made current"):
            await _make_current(client, WorkerDeploymentVersion(name, make_current), force=force)
    with temporal.explained(f"the builds of {name} can't be told"):
        known = await deployments.describe(client, name)
        if known is None:
            raise CommandError(
                f"there is no worker deployment {name}",
                todo="It is made by its first worker: rollwright worker --deployment NAME --build-id ID",
            )
        counts = await asyncio.gather(*(_open_on(client, name, build) for build in known.builds))
        without = (await client.count_workflows(f"{_OPEN} AND {_VERSION} IS NULL")).count
    listed = tuple(_listed(build, count) for build, count in zip(known.builds, counts, strict=True))
    return Versions(deployment=name, current=known.current, builds=listed, rollouts_without=without)


async def _make_current(client: Client, version: WorkerDeploymentVersion, *, force: bool) -> None:
    known = None if force else await deployments.describe(client, version.deployment_name)
    if missing := await deployments.unserved(client, version, known):
        raise CommandError(
            f"build {one_line(version.build_id)} has no workers on {', '.join(map(one_line, missing))}, "
            "where the current one has, or had",
            todo="Start them there first: rollouts would stand there without. If there are to be none: --force.",
        )
    await deployments.make_current(client, version)


async def _open_on(client: Client, name: str, build: Build) -> int:
    version = f"{name}:{build.build_id}".replace("'", "''")
    return (await client.count_workflows(f"{_OPEN} AND {_VERSION} = '{version}'")).count


def _listed(build: Build, rollouts: int) -> ListedBuild:
    since = build.since.isoformat(timespec="seconds") if build.since else ""
    return ListedBuild(build_id=build.build_id, standing=build.standing, since=since, rollouts=rollouts)


def _table(shown: Versions) -> Table:
    rows = [
        (one_line(build.build_id), str(build.standing), str(build.rollouts), moment(build.since) or UNKNOWN)
        for build in shown.builds
    ]
    if shown.rollouts_without:
        standing = UNKNOWN if shown.current else str(Standing.CURRENT)
        rows.append(("(none)", standing, str(shown.rollouts_without), UNKNOWN))
    return Table(("BUILD", "STANDING", "OPEN ROLLOUTS", "SINCE"), tuple(rows))
