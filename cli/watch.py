"""`rollwright watch`: follow a rollout live."""

import asyncio
import sys

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from rollwright.cli import following, interventions, options, render, temporal
from rollwright.cli.failure import ExitCode
from rollwright.cli.following import Look, Patience
from rollwright.cli.formats import Format
from rollwright.cli.live import Watching
from rollwright.cli.nodes import Nodes
from rollwright.cli.outputs import Snapshot
from rollwright.cli.screen import Ended
from rollwright.cli.temporal import Run
from rollwright.workflows.contract import Intervention

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
    actor: interventions.Actor = "",
) -> None:
    """Follow the latest rollout of a target live until it ends; in a pipe by a line a stage, and the expected end.

    On a terminal keys steer it, each after a question: p pause, r resume,
    n promote, a abort, b rollback, A approve. ? explains them, q leaves. Nodes
    and ages of groups are shown if the kubeconfig leads to their cluster.

    It is followed however long it stands, unless --wait-timeout is given.

    Exit codes: 0 completed, 1 could not or the target was deleted, 2 bad input,
    3 rolled back, 4 aborted, 5 paused, stalled, at a gate or unanswered for
    longer than --wait-timeout, 130 left before its end. Whatever is rolled out is
    followed, so there is no 6 (superseded) as `start --wait` has it.

    Examples:
      rollwright watch lws/llm -n inference
      rollwright watch lws/llm -n inference --json | jq .status.phase
      rollwright watch rollout/lws/inference/llm --svg rollout.svg

    """
    patience = following.Patience(options.read_seconds("--wait-timeout", wait_timeout)) if wait_timeout else None
    named, by = options.read_target(target, namespace, kubeconfig, context), interventions.read_intervention(actor, "")
    end = asyncio.run(_watch(Nodes(named, kubeconfig, context), by, ui, patience, output))
    if svg:
        render.save_picture(svg, f"rollwright watch {target}", render.snapshot(end, render.PICTURE_WIDTH))
    raise typer.Exit(following.exit_code(end))


async def _watch(nodes: Nodes, by: Intervention, ui: str, patience: Patience | None, output: Format) -> Snapshot:
    run = await temporal.find(await temporal.connect(), nodes.target)
    console, link = render.console(), run.ui_link(ui)
    if output.is_data or not sys.stdout.isatty() or console.is_dumb_terminal:
        return await following.print_lines(run, link, output, patience)
    watching = Watching(run, by, nodes, console)
    try:
        end = await watching.watch(link, patience)
    except asyncio.CancelledError:
        _say_it_goes_on(watching, console, run)
        raise
    except Ended as ended:
        raise typer.Exit(128 + ended.number) from ended
    if end is None:
        _say_it_goes_on(watching, console, run)
        raise typer.Exit(ExitCode.INTERRUPTED)
    console.print(render.snapshot(end, console.width))
    return end


def _say_it_goes_on(watching: Watching, console: Console, run: Run) -> None:
    """What was seen last stays on the terminal."""
    console.print(watching.last())
    typer.echo(f"the rollout goes on; follow it: rollwright watch {run.rollout}", err=True)


async def show(run: Run, link: str) -> Snapshot:
    """Show the stages of a rollout until it has ended: live on a terminal, else by lines. Raises CommandError."""
    console = render.console()
    if not console.is_terminal:
        return await following.print_lines(run, link, Format.TABLE)
    with Live(console=console, auto_refresh=False) as shown:
        async for look in following.follow(run, link):
            shown.update(_screen(look, console), refresh=True)
            if look.ended and look.snapshot:
                return look.snapshot
    raise AssertionError("following ends with the result")


def _screen(look: Look, console: Console) -> RenderableType:
    height = None if look.ended else console.height
    parts: list[RenderableType] = [render.snapshot(look.snapshot, console.width, height)] if look.snapshot else []
    if look.trouble:
        parts.append(Text(f"{look.trouble}; trying again", style="yellow"))
    return Group(*parts)
