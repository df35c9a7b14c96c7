"""`rollwright start`: start a rollout, and wait for its end if asked to."""

import asyncio
from typing import Annotated

import typer

from rollwright.cli import completing, conflicts, following, formats, interventions, options, preflight, specs, temporal
from rollwright.cli.conflicts import OnConflict
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Started
from rollwright.rollout.spec import Pacing, Reclaim
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, RolloutInput

app = typer.Typer()

_OVER = "In place of what the file says"
_LONGEST_REQUEST_ID = 200


@app.command()
def start(
    file: Annotated[str, typer.Option("--file", "-f", help="The rollout, as YAML; - reads stdin.")] = "",
    *,
    target: Annotated[
        str,
        typer.Option(
            "--target",
            metavar="TARGET",
            help="lws/NAME or sts/NAME.",
            rich_help_panel=_OVER,
            autocompletion=completing.targets,
        ),
    ] = "",
    namespace: options.Namespace = None,
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
    request_id: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Which request this is: sent again, it takes up the rollout it has started."),
    ] = "",
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What to do if another rollout of the target is open.")
    ] = OnConflict.FAIL,
    actor: interventions.Actor = "",
    reason: interventions.Reason = "",
    wait: Annotated[bool, typer.Option("--wait", help="Print a line a stage until the rollout has ended.")] = False,
    wait_timeout: options.WaitTimeout = "1h",
    check: options.Check = True,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    task_queue: options.TaskQueue = DEFAULT_TASK_QUEUE,
    output: options.Output = Format.TABLE,
    ui: options.UiUrl = "",
) -> None:
    """Start a rollout from a file, from flags, or from a file changed by flags.

    A target can have one open rollout. The rollout goes on without this
    command: with --wait, Ctrl-C ends only the waiting.

    With --request-id, a target whose latest rollout is of the same request, and
    is open or has completed, gets no other one: what is printed and waited for
    is that rollout's. So a CI job that is run again doesn't roll out twice.

    If another rollout is open, --on-conflict says what to do: fail; retarget,
    so that the open rollout goes on towards this change (and by this strategy,
    as a whole, if any of it is given); or queue: wait here for its end, then start.

    Exit codes: 0 started (with --wait: completed), 1 could not, 2 bad input,
    3 rolled back, 4 aborted, 5 paused, stalled, at a gate or unanswered for
    longer than --wait-timeout.

    Examples:
      rollwright start -f rollout.yaml --wait
      rollwright start -f rollout.yaml --max-surge 25% --json
      rollwright start --target lws/llm -n inference --image model=registry.example.com/llm:v2 --max-surge 2
      rollwright start --target lws/llm --restart --pacing eager
      rollwright start -f rollout.yaml --request-id "$CI_JOB_ID" --on-conflict retarget --wait
      helm template . | rollwright start -f - --wait --wait-timeout 10m

    """
    if len(request_id) > _LONGEST_REQUEST_ID:
        raise CommandError(f"--request-id: at most {_LONGEST_REQUEST_ID} characters", code=ExitCode.BAD_INPUT)
    by = interventions.read_intervention(actor, reason)
    spec = specs.read_spec(
        file,
        target=target,
        where=specs.Where(namespace, kubeconfig, context),
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
    given = RolloutInput(spec=spec, task_queue=task_queue, by=by, request_id=request_id)
    if check:
        asyncio.run(preflight.check(preflight.look(spec, kubeconfig, context), todo=preflight.WRONG_CLUSTER))
    code = asyncio.run(launch(given, on_conflict, ui, patience, output))
    raise typer.Exit(code)


async def launch(
    given: RolloutInput, on_conflict: OnConflict, ui: str, patience: following.Patience | None, output: Format
) -> ExitCode:
    """Start it, say so, and with `patience` wait for its end; what to tell the shell. Raises CommandError."""
    run = await conflicts.start(await temporal.connect(), given, on_conflict)
    link = run.ui_link(ui)
    started = Started(rollout=run.rollout, run_id=run.first_run_id, ui=link)
    formats.show(started, output, lambda: typer.echo("\n".join(filter(None, (f"started {run.rollout}", link)))))
    if patience is None:
        return ExitCode.DONE
    try:
        end = await following.print_lines(run, link, output, patience)
    except asyncio.CancelledError:
        typer.echo(f"the rollout goes on; follow it: rollwright watch {run.rollout}", err=True)
        raise
    return following.exit_code(end)
