"""`rollwright undo`: a rollout to a template that a target had."""

import asyncio
from typing import Annotated, Any

import typer

from rollwright.cli import (
    completing,
    files,
    following,
    interventions,
    kept,
    options,
    overrides,
    preflight,
    temporal,
    views,
)
from rollwright.cli.conflicts import OnConflict
from rollwright.cli.failure import CommandError
from rollwright.cli.formats import Format
from rollwright.cli.last import last_rollout
from rollwright.cli.launching import Waiting, launch
from rollwright.cli.starting import OpenRolloutError
from rollwright.cli.text import one_line
from rollwright.cluster.ledger import KeptTemplate
from rollwright.rollout.spec import Pacing, Reclaim, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import RolloutInput

app = typer.Typer()

_OVER = "In place of the last rollout's"


@app.command()
def undo(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    to_revision: Annotated[
        int | None,
        typer.Option(
            metavar="REV",
            min=1,
            help="Number of a revision, from `rollwright history`.",
            autocompletion=completing.revisions,
        ),
    ] = None,
    max_surge: Annotated[str | None, overrides.count(_OVER)] = None,
    max_unavailable: Annotated[str | None, overrides.count(_OVER)] = None,
    pacing: Annotated[Pacing | None, overrides.pacing(_OVER)] = None,
    reclaim: Annotated[Reclaim | None, overrides.reclaim(_OVER)] = None,
    partition: Annotated[int | None, overrides.partition(_OVER)] = None,
    actor: interventions.Actor = "",
    reason: interventions.Reason = "",
    wait: options.Wait = False,
    wait_timeout: options.WaitTimeout = "1h",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    task_queue: options.LastTaskQueue = None,
    output: options.Output = Format.TABLE,
    ui: options.UiUrl = "",
) -> None:
    """Start a rollout, with all its stages, to a template that the target had.

    Without --to-revision: to the newest one before the one that stands that wasn't rejected, nor replaced by another
    change while it was rolled out. Strategy and task queue are those of the target's last rollout, if Temporal still
    knows them, else the default ones; what is given by flags is put over them. A partition is not taken over: an undo
    is for all groups, unless --partition is given.
    To take back a rollout that is open, `rollwright rollback` it.

    Exit codes: 0 started (with --wait: completed), 1 could not, 2 bad input,
    3 rolled back, 4 aborted, 5 paused, stalled, at a gate or unanswered for
    longer than --wait-timeout, 6 superseded by another change.

    Examples:
      rollwright undo lws/llm -n inference --reason "error rate is up" --wait
      rollwright undo lws/llm -n inference --to-revision 3 --max-unavailable 2 --pacing eager

    """
    named = options.read_target(target, namespace, kubeconfig, context)
    by = interventions.read_intervention(actor, reason)
    patience = following.Patience(options.read_seconds("--wait-timeout", wait_timeout))
    flags = overrides.strategy(
        max_surge=max_surge,
        max_unavailable=max_unavailable,
        pacing=pacing,
        reclaim=reclaim,
        partition=partition,
    )
    spec, last_queue = asyncio.run(_spec(named, to_revision, flags, kubeconfig, context))
    given = RolloutInput(spec=spec, task_queue=task_queue or last_queue, by=by)
    try:
        code = asyncio.run(launch(given, OnConflict.FAIL, ui, Waiting(patience) if wait else None, output=output))
    except OpenRolloutError as error:
        raise CommandError(
            error.what,
            todo=f"Follow it: rollwright watch {named.workflow_id}\n"
            f"Take it back to where it started from: rollwright rollback {named.workflow_id} --reason ...",
        ) from error
    raise typer.Exit(code)


async def _spec(
    target: Target, number: int | None, flags: dict[str, Any], kubeconfig: str | None, context: str | None
) -> tuple[RolloutSpec, str]:
    """What to roll out, checked against the cluster as far as that can be done from here; the last one's task queue.

    Raises CommandError.
    """
    async with kept.opened(target, kubeconfig, context) as ledger:
        chosen = ledger.before_standing() if number is None else ledger.numbered(number)
    last = await last_rollout(await temporal.connect(), target)
    spec = _made_of(target, chosen, last.strategy, flags)
    typer.echo(one_line(f"to revision {chosen.number} ({', '.join(chosen.images)})"), err=True)
    typer.echo(f"strategy {last.source}: {views.strategy(spec.strategy)}", err=True)
    await preflight.check(preflight.look(spec, kubeconfig, context))
    return spec, last.task_queue


def _made_of(target: Target, chosen: KeptTemplate, strategy: Strategy, flags: dict[str, Any]) -> RolloutSpec:
    content = {
        "target": target.model_dump(mode="json", by_alias=True),
        "change": {"revision": chosen.name},
        "strategy": {**strategy.model_dump(mode="json", by_alias=True), **overrides.given(flags)},
    }
    return files.to_spec(files.Document("flags", content))
