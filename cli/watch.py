"""`rollwright watch`: follow a rollout live."""

import asyncio

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rollwright.cli import following, options, render, temporal
from rollwright.cli.following import Look, Patience
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Snapshot
from rollwright.cli.temporal import Run
from rollwright.rollout.spec import Target

app = typer.Typer()


@app.command()
def watch(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    wait_timeout: options.WaitTimeout = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
    svg: options.Svg = "",
    ui: options.UiUrl = "",
) -> None:
    """Follow the latest rollout of a target live until it ends; in a pipe by a line a stage, and the expected end.

    It is followed however long it stands, unless --wait-timeout is given.

    Exit codes: 0 completed, 1 could not or the target was deleted, 2 bad input,
    3 rolled back, 4 aborted, 5 paused, stalled, at a gate or unanswered for
    longer than --wait-timeout. Whatever is rolled out is followed, so there is
    no 6 (superseded) as `start --wait` has it.

    Examples:
      rollwright watch lws/llm -n inference
      rollwright watch lws/llm -n inference --json | jq .status.phase
      rollwright watch rollout/lws/inference/llm --svg rollout.svg

    """
    patience = following.Patience(options.read_seconds("--wait-timeout", wait_timeout)) if wait_timeout else None
    end = asyncio.run(_watch(options.read_target(target, namespace, kubeconfig, context), ui, patience, output))
    if svg:
        render.save_picture(svg, f"rollwright watch {target}", render.snapshot(end, render.PICTURE_WIDTH))
    raise typer.Exit(following.exit_code(end))


async def _watch(target: Target, ui: str, patience: Patience | None, output: Format) -> Snapshot:
    run = await temporal.find(await temporal.connect(), target)
    return await show(run, run.ui_link(ui), patience, output)


async def show(run: Run, link: str, patience: Patience | None = None, output: Format = Format.TABLE) -> Snapshot:
    """Follow a rollout until it has ended: live on a terminal, else by lines. Raises CommandError."""
    console = render.console()
    if output.is_data or not console.is_terminal:
        return await following.print_lines(run, link, output, patience)
    with Live(console=console, auto_refresh=False) as live:
        async for look in following.follow(run, link):
            live.update(_screen(look, console), refresh=True)
            if look.ended and look.snapshot:
                return look.snapshot
            if patience:
                patience.check(run.rollout, look)
    raise AssertionError("following ends with the result")


def _screen(look: Look, console: Console) -> RenderableType:
    height = None if look.ended else console.height
    parts: list[RenderableType] = [render.snapshot(look.snapshot, console.width, height)] if look.snapshot else []
    if look.trouble:
        parts.append(Text(f"{look.trouble}; trying again", style="yellow"))
    return Group(*parts)
