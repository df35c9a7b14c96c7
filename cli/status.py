"""`rollwright status`: where a rollout stands."""

import asyncio
from collections.abc import Set
from datetime import UTC, datetime
from typing import Annotated

import typer

from rollwright.cli import awaiting, formats, groups, options, render, temporal, views
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Status
from rollwright.cli.temporal import NoAnswerError
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import Phase

app = typer.Typer()

_PATIENCE_SECONDS = 3600


@app.command()
def status(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    wait_for: Annotated[
        str, typer.Option(metavar="phase=NAME[,NAME...]", help="Wait until it is in one of these phases, then show it.")
    ] = "",
    wait_timeout: Annotated[
        str, typer.Option(metavar="DURATION", help="How long to wait at most; an hour without it.")
    ] = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
    ui: options.UiUrl = "",
) -> None:
    """Show where the latest rollout of a target stands, or how it ended.

    -o wide shows each group, too; on which node it is, and since when, the
    cluster is asked, if it can be from here.

    With --wait-for, that is shown once it is in one of the phases; it is looked
    at each second, so one that it leaves at once may be missed.

    Exit codes: 0 shown, 1 there is none, it does not answer, or it has ended in
    another phase than one waited for, 2 bad input, 5 --wait-timeout is over.

    Examples:
      rollwright status lws/llm -n inference
      rollwright status lws/llm -n inference -o wide
      rollwright status rollout/lws/inference/llm --json
      rollwright status lws/llm --wait-for phase=gated,paused,stalled --wait-timeout 30m
      rollwright status lws/llm --wait-for phase=completed

    """
    named = options.read_target(target, namespace, kubeconfig, context)
    if wait_timeout and not wait_for:
        raise CommandError("--wait-timeout is for --wait-for", code=ExitCode.BAD_INPUT)
    if wait_for:
        phases = awaiting.read_condition("--wait-for", wait_for)
        seconds = options.read_seconds("--wait-timeout", wait_timeout) if wait_timeout else _PATIENCE_SECONDS
        seen = asyncio.run(_wait(named, ui, phases, seconds))
    else:
        seen = asyncio.run(_look(named, ui))
    rows = None
    if output is Format.WIDE:
        places = asyncio.run(groups.ask_cluster(seen.spec.target, seen.uid, kubeconfig, context))
        rows = groups.table(seen, places, datetime.now(UTC))
    formats.show(seen, output, lambda: _draw(seen, rows))


def _draw(seen: Status, rows: views.Table | None) -> None:
    render.show(lambda width: render.status(seen, width, rows))
    if seen.ui:
        typer.echo(f"\n{seen.ui}")


async def _look(target: Target, ui: str) -> Status:
    run = await temporal.find(await temporal.connect(), target)
    try:
        answer = await run.answer()
    except NoAnswerError as error:
        raise CommandError(f"{run.rollout}: {error}", todo=run.ui_link(ui)) from error
    return Status.of(answer, run.ui_link(ui))


async def _wait(target: Target, ui: str, phases: Set[Phase], seconds: float) -> Status:
    run = await temporal.find(await temporal.connect(), target)
    return await awaiting.until_phase(run, run.ui_link(ui), phases, seconds)
