"""`rollwright start`: start a rollout, and wait for its end if asked to."""

import asyncio
import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from rollwright.cli import ci, completing, following, interventions, options, overrides, preflight, specs
from rollwright.cli.annotations import Annotations, GitHub
from rollwright.cli.cancelling import OnCancel
from rollwright.cli.conflicts import OnConflict
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.launching import Waiting, launch
from rollwright.cli.reporting import Report, Witness
from rollwright.cli.summary import Summary
from rollwright.rollout.spec import Pacing, Reclaim, RolloutSpec, Target
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, RolloutInput

app = typer.Typer()

_OVER = "In place of what the file says"
_IN_CI = "In CI"


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
    cluster: options.Cluster = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            "--image", metavar="CONTAINER=IMAGE", help="The change: a new image; repeatable.", rich_help_panel=_OVER
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="The change: replace every group.", rich_help_panel=_OVER)
    ] = False,
    max_surge: Annotated[str | None, overrides.count(_OVER)] = None,
    max_unavailable: Annotated[str | None, overrides.count(_OVER)] = None,
    pacing: Annotated[Pacing | None, overrides.pacing(_OVER)] = None,
    reclaim: Annotated[Reclaim | None, overrides.reclaim(_OVER)] = None,
    partition: Annotated[int | None, overrides.partition(_OVER)] = None,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What to do if another rollout of the target is open.")
    ] = OnConflict.FAIL,
    actor: interventions.Actor = "",
    reason: interventions.Reason = "",
    wait: options.Wait = False,
    wait_timeout: options.WaitTimeout = "1h",
    check: options.Check = True,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    task_queue: options.TaskQueue = DEFAULT_TASK_QUEUE,
    output: options.Output = Format.TABLE,
    ui: options.UiUrl = "",
    request_id: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Which request this is: sent again, it takes up the rollout it has started. Without it, in a CI job: "
            "the commit, the job and what is asked for; '' for none.",
            rich_help_panel=_IN_CI,
        ),
    ] = None,
    on_cancel: Annotated[
        OnCancel,
        typer.Option(
            help="What to say to the rollout when the job that waits for it is cancelled (SIGINT, SIGTERM).",
            rich_help_panel=_IN_CI,
        ),
    ] = OnCancel.LEAVE,
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Append what became of it to this file, as Markdown; on GitHub: $GITHUB_STEP_SUMMARY.",
            rich_help_panel=_IN_CI,
        ),
    ] = None,
    annotations: Annotated[
        Annotations | None,
        typer.Option(help="Annotate the run with stalls, gates and the end.", rich_help_panel=_IN_CI),
    ] = None,
) -> None:
    """Start a rollout from a file, from flags, or from a file changed by flags.

    A target can have one open rollout. The rollout goes on without this
    command: with --wait, Ctrl-C ends only the waiting.

    A target whose latest rollout is of the same request (--request-id), and is
    open or has completed, gets no other one: what is printed and waited for is
    that rollout's. So a CI job that is run again doesn't roll out twice. GitHub
    Actions, GitLab, Buildkite, CircleCI and Jenkins say by themselves which
    request it is, and who has asked for it.

    If another rollout is open, --on-conflict says what to do: fail; retarget,
    so that the open rollout goes on towards this change (and by this strategy,
    as a whole, if any of it is given); or queue: wait here for its end, then start,
    unless one that was asked for later has started before.

    Exit codes: 0 started (with --wait: completed), 1 could not, 2 bad input,
    3 rolled back, 4 aborted, 5 paused, stalled, at a gate or unanswered for
    longer than --wait-timeout, 6 superseded: another change was put in the place
    of this one; 130 or 143 after SIGINT or SIGTERM.

    Examples:
      rollwright start -f rollout.yaml --wait
      rollwright start -f rollout.yaml --max-surge 25% --json
      rollwright start --target lws/llm -n inference --image model=registry.example.com/llm:v2 --max-surge 2
      rollwright start --target lws/llm --restart --pacing eager
      rollwright start -f rollout.yaml --request-id release-7 --on-conflict retarget --wait
      rollwright start -f rollout.yaml --wait --summary "$GITHUB_STEP_SUMMARY" --annotations github
      rollwright start -f rollout.yaml --wait --on-cancel pause
      helm template . | rollwright start -f - --wait --wait-timeout 10m

    """
    if len(request_id or "") > ci.LONGEST_REQUEST_ID:
        raise CommandError(f"--request-id: at most {ci.LONGEST_REQUEST_ID} characters", code=ExitCode.BAD_INPUT)
    if not wait and (summary or annotations or on_cancel is not OnCancel.LEAVE):
        raise CommandError(
            "--summary, --annotations and --on-cancel are about the wait for the end: give --wait too",
            code=ExitCode.BAD_INPUT,
        )
    by = interventions.read_intervention(actor, reason)
    spec = specs.read_spec(
        file,
        target=target,
        where=specs.Where(namespace, kubeconfig, context, cluster),
        images=image or [],
        restart=restart,
        strategy=overrides.strategy(
            max_surge=max_surge,
            max_unavailable=max_unavailable,
            pacing=pacing,
            reclaim=reclaim,
            partition=partition,
        ),
    )
    patience = following.Patience(options.read_seconds("--wait-timeout", wait_timeout))
    request = ci.request_id(os.environ, spec) if request_id is None else request_id
    given = RolloutInput(spec=spec, task_queue=task_queue, by=by, request_id=request)
    report = Report(_witnesses(spec.target, summary, annotations, output))
    waiting = Waiting(patience, on_cancel, report) if wait else None
    with report.of_failures():
        checked = partial(_checked, spec, kubeconfig, context) if check else None
        code = asyncio.run(launch(given, on_conflict, ui, waiting, output=output, checked=checked))
    raise typer.Exit(code)


async def _checked(spec: RolloutSpec, kubeconfig: str | None, context: str | None) -> None:
    await preflight.check(preflight.look(spec, kubeconfig, context), todo=preflight.WRONG_CLUSTER)


def _witnesses(target: Target, summary: Path | None, annotations: Annotations | None, output: Format) -> list[Witness]:
    """Who tells CI. Whoever has no line taken for a command ends last."""
    told: list[Witness] = [Summary(summary, target)] if summary and summary != Path() else []  # '' is none
    return [*told, GitHub(target, data_on_stdout=output.is_data)] if annotations else told
