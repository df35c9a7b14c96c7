"""`rollwright plan`: how a rollout would go."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from rollwright.cli import files, formats, options, render, specs
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Plan, Verdict
from rollwright.cli.planning import MOST_REPLICAS, gpus_of_manifest, offline_replicas, plan_for
from rollwright.rollout.spec import RolloutSpec
from rollwright.rollout.startups import Spread, StartUps, spread
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE

app = typer.Typer()

_TYPED = "COMMANDLINE"
_OF_THE_CLUSTER = ("namespace", "cluster", "kubeconfig", "context", "connections", "task_queue")


@app.command()
def plan(
    command: typer.Context,
    file: options.File,
    namespace: options.Namespace = None,
    cluster: options.Cluster = None,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="From the file alone: all groups ready before, all equally quick to load.")
    ] = False,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=0, max=MOST_REPLICAS, help="With --offline: the number of groups, if the file doesn't say it."
        ),
    ] = None,
    start_up: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long a group takes to start, as in 30m; by default as earlier rollouts of the target tell.",
        ),
    ] = "",
    connections: options.Connections = None,
    task_queue: options.TaskQueue = DEFAULT_TASK_QUEUE,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
    svg: options.Svg = "",
) -> None:
    """Show how a rollout would go, stage by stage, without touching anything.

    Asks the cluster what the change would do (a dry run) and takes the number of
    groups from there; the table is for equally quick groups that are all ready.
    With --offline, the cluster isn't asked, and the number of groups is that of --replicas, else spec.replicas of
    change.manifest, else target.replicas of the file; what says which cluster it is, is refused.

    Below the table: the steps, with what each waits for, and how long it takes
    until its groups serve and its gates pass. Then how long all would take by
    each pacing, and what it would cost in GPU-hours: out of service are groups
    that don't serve, surplus those above the replicas. What gates take at least
    is counted, waits for people are not.

    Last comes what was checked beforehand, unless --offline: whether the cluster
    takes the change, your rights, an autoscaler, free nodes for the surge, what
    gates ask (with --connections), another open rollout, and a worker.

    Exit codes: 0 no check has failed, 1 one has, or there is no plan, 2 bad input.

    Examples:
      rollwright plan -f rollout.yaml
      rollwright plan -f rollout.yaml --connections /etc/rollwright/connections --json | jq .checks
      rollwright plan -f rollout.yaml --offline --replicas 24
      rollwright plan -f rollout.yaml --offline --start-up 30m --json
      rollwright plan -f rollout.yaml --offline --svg plan.svg

    """
    _check_together(command, replicas, offline=offline)
    where = specs.Where(namespace, kubeconfig, context, cluster)
    spec = files.to_spec(files.read_document(file)) if offline else specs.read_file(file, where)
    given = _given(start_up) if start_up else None
    if offline:
        made = plan_for(spec, offline_replicas(spec, replicas), given, gpus_of_manifest(spec))
    else:
        asking = _ask_cluster(spec, given, kubeconfig, context, task_queue=task_queue, connections=connections)
        made = asyncio.run(asking)
    formats.show(made, output, lambda: render.show(lambda width: render.plan(made, width)), sparse=True)
    if svg:
        title = (
            f"rollwright plan -f {file}{' --offline' if offline else ''}{f' --start-up {start_up}' if start_up else ''}"
        )
        render.save_picture(svg, title, render.plan(made, render.PICTURE_WIDTH))
    if any(check.verdict is Verdict.FAILED for check in made.checks or ()):
        raise typer.Exit(ExitCode.COULD_NOT)


def _check_together(command: typer.Context, replicas: int | None, *, offline: bool) -> None:
    """Refuse what would be ignored. What the environment says of a cluster is said to other commands, too."""
    if not offline:
        if replicas is not None:
            raise CommandError(
                "--replicas is for --offline; otherwise the target in the cluster says it", code=ExitCode.BAD_INPUT
            )
        return
    sources = {name: command.get_parameter_source(name) for name in _OF_THE_CLUSTER}
    given = [f"--{name.replace('_', '-')}" for name, source in sources.items() if source and source.name == _TYPED]
    if given:
        raise CommandError(f"--offline asks no cluster: leave {', '.join(given)} away", code=ExitCode.BAD_INPUT)


async def _ask_cluster(
    spec: RolloutSpec,
    given: Spread | None,
    kubeconfig: str | None,
    context: str | None,
    *,
    task_queue: str,
    connections: Path | None,
) -> Plan:
    from rollwright.cli import checkup, preflight  # noqa: PLC0415 - the Kubernetes client takes longer to load than a plan

    try:
        seen = await checkup.examine(spec, kubeconfig, context, task_queue=task_queue, connections=connections)
    except preflight.UncheckedError as error:
        raise CommandError(
            f"the cluster can't be asked: {error}", todo="Give --kubeconfig or --context, or plan with --offline."
        ) from error
    known = given or spread(StartUps(), seen.start_ups)
    made = plan_for(spec, seen.replicas, known, seen.gpus)
    return made.model_copy(update={"changes": seen.differences, "checks": seen.checks})


def _given(start_up: str) -> Spread:
    seconds = options.read_seconds("--start-up", start_up)
    if not seconds:
        raise CommandError("--start-up: no group starts in no time", code=ExitCode.BAD_INPUT)
    return Spread([seconds], known=None)
