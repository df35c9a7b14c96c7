"""`rollwright status`: where a rollout stands."""

import asyncio

import typer

from rollwright.cli import formats, groups, options, render, temporal, views
from rollwright.cli.failure import CommandError
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Status
from rollwright.cli.temporal import NoAnswerError
from rollwright.rollout.spec import Target

app = typer.Typer()


@app.command()
def status(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
    ui: options.UiUrl = "",
) -> None:
    """Show where the latest rollout of a target stands, or how it ended.

    -o wide shows each group, too; on which node it is, and since when, the
    cluster is asked, if it can be from here.

    Examples:
      rollwright status lws/llm -n inference
      rollwright status lws/llm -n inference -o wide
      rollwright status rollout/lws/inference/llm --json

    """
    seen = asyncio.run(_look(options.read_target(target, namespace, kubeconfig, context), ui))
    rows = None
    if output is Format.WIDE:
        rows = groups.table(seen, asyncio.run(groups.ask_cluster(seen.spec.target, kubeconfig, context)))
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
