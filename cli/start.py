"""`rollwright start`: start a rollout, and wait for its end if asked to."""

import asyncio
from typing import Annotated

import typer

from rollwright.cli import following, options, preflight, specs, starting, temporal
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Started
from rollwright.cli.text import plain
from rollwright.rollout.spec import Pacing, Reclaim, RolloutSpec
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE

app = typer.Typer()

_OVER = "In place of what the file says"


@app.command()
def start(
    file: Annotated[str, typer.Option("--file", "-f", help="The rollout, as YAML; - reads stdin.")] = "",
    *,
    target: Annotated[str, typer.Option("--target", metavar="TARGET", help="lws/NAME.", rich_help_panel=_OVER)] = "",
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Of the target.", rich_help_panel=_OVER)
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image", metavar="CONTAINER=IMAGE", help="The change: a new image; repeatable.", rich_help_panel=_OVER
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="The change: replace every group.", rich_help_panel=_OVER)
    ] = False,
    max_surge: Annotated[
        str | None, typer.Option(help="Groups, or a percentage of replicas.", rich_help_panel=_OVER)
    ] = None,
    max_unavailable: Annotated[
        str | None, typer.Option(help="Groups, or a percentage of replicas.", rich_help_panel=_OVER)
    ] = None,
    pacing: Annotated[Pacing | None, typer.Option(rich_help_panel=_OVER)] = None,
    reclaim: Annotated[Reclaim | None, typer.Option(rich_help_panel=_OVER)] = None,
    partition: Annotated[
        int | None, typer.Option(help="Ordinals below it keep their revision.", rich_help_panel=_OVER)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Print a line a stage until the rollout has ended.")] = False,
    wait_timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="With --wait: how long it may stand paused, stalled or unanswered.")
    ] = "1h",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Have the cluster check the change first, by a dry run.")
    ] = True,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    task_queue: options.TaskQueue = DEFAULT_TASK_QUEUE,
    as_json: options.AsJson = False,
    ui: options.UiUrl = "",
) -> None:
    """Start a rollout from a file, from flags, or from a file changed by flags.

    A target can have one open rollout. The rollout goes on without this
    command: with --wait, Ctrl-C ends only the waiting.

    Exit codes: 0 started (with --wait: completed), 1 could not, 2 bad input,
    4 aborted, 5 paused, stalled or unanswered for longer than --wait-timeout.

    Examples:
      rollwright start -f rollout.yaml --wait
      rollwright start -f rollout.yaml --max-surge 25% --json
      rollwright start --target lws/llm -n inference --image model=registry.example.com/llm:v2 --max-surge 2
      rollwright start --target lws/llm --restart --pacing eager
      helm template . | rollwright start -f - --wait --wait-timeout 10m

    """
    spec = specs.read_spec(
        file,
        target=target,
        namespace=namespace,
        images=image or [],
        restart=restart,
        strategy={
            "maxSurge": max_surge,
            "maxUnavailable": max_unavailable,
            "pacing": pacing,
            "reclaim": reclaim,
            "partition": partition,
        },
    )
    patience = following.Patience(options.read_seconds("--wait-timeout", wait_timeout)) if wait else None
    if check:
        asyncio.run(_check(spec, kubeconfig, context))
    code = asyncio.run(_start(spec, task_queue, ui, patience, as_json=as_json))
    raise typer.Exit(code)


async def _check(spec: RolloutSpec, kubeconfig: str | None, context: str | None) -> None:
    """Refuse what can't work; what can't be looked at from here is left to the worker."""
    try:
        await preflight.look(spec, kubeconfig, context)
    except preflight.UncheckedError as error:
        typer.echo(f"note: not checked beforehand, the worker will: {plain(str(error))}", err=True)
    except CommandError as error:
        raise CommandError(
            error.what, todo="If this is the wrong cluster: --kubeconfig, --context, or --no-check.", code=error.code
        ) from error


async def _start(
    spec: RolloutSpec, task_queue: str, ui: str, patience: following.Patience | None, *, as_json: bool
) -> ExitCode:
    run = await starting.start_rollout(await temporal.connect(), spec, task_queue)
    link = run.ui_link(ui)
    if as_json:
        typer.echo(Started(rollout=run.rollout, run_id=run.first_run_id, ui=link).model_dump_json())
    else:
        typer.echo("\n".join(filter(None, (f"started {run.rollout}", link))))
    if patience is None:
        return ExitCode.DONE
    try:
        end = await following.print_lines(run, link, as_json=as_json, patience=patience)
    except asyncio.CancelledError:
        typer.echo(f"the rollout goes on; follow it: rollwright watch {run.rollout}", err=True)
        raise
    return following.exit_code(end)
