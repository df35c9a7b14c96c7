"""`rollwright status`: where a rollout stands."""

import asyncio

import typer

from rollwright.cli import formats, options, render, temporal
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

    Examples:
      rollwright status lws/llm -n inference
      rollwright status rollout/lws/inference/llm --json

    """
    seen = asyncio.run(_look(options.read_target(target, namespace, kubeconfig, context), ui))
    formats.show(seen, output, lambda: _draw(seen))


def _draw(seen: Status) -> None:
    render.show(lambda width: render.status(seen, width))
    if seen.ui:
        typer.echo(f"\n{seen.ui}")


async def _look(target: Target, ui: str) -> Status:
    run = await temporal.find(await temporal.connect(), target)
    try:
        answer = await run.answer()
    except NoAnswerError as error:
        raise CommandError(f"{run.rollout}: {error}", todo=run.ui_link(ui)) from error
    return Status.of(answer, run.ui_link(ui))
