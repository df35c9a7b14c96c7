"""`rollwright demo`: a rollout from nothing, on real parts, with its promise measured."""

import asyncio
import shlex
import signal
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack, redirect_stdout, suppress
from typing import Annotated

import typer
from temporalio.service import RPCError

from rollwright.cli import demo_report, demo_stories, demo_target, formats, options, render, starting, watch
from rollwright.cli.demo_parts import DOWN, Parts, rollwright, say
from rollwright.cli.demo_stories import Telling
from rollwright.cli.failure import CommandError
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Demonstrated, Snapshot, Story
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.devcluster.watcher import Watcher
from rollwright.workflows.contract import RolloutInput

app = typer.Typer()

_LONGEST_SECONDS = 600.0
_ATTEND_EVERY_SECONDS = 0.2


@app.command()
def demo(
    *,
    story: Annotated[
        Story,
        typer.Option("--story", help="A new image for 4 groups, or a bad version that one group of 24 tries first."),
    ] = Story.NEW_IMAGE,
    kill_worker: Annotated[
        bool, typer.Option("--kill-worker", help="Kill the worker on the way (SIGKILL) and start another.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end.")] = False,
    kubeconfig: Annotated[
        str | None,
        typer.Option(envvar="KUBECONFIG", metavar="PATH", help="A cluster of your own, with LWS; else one is made."),
    ] = None,
    temporal: Annotated[
        str | None,
        typer.Option(envvar="TEMPORAL_ADDRESS", metavar="HOST:PORT", help="A server of your own; else one is started."),
    ] = None,
    output: options.Output = Format.TABLE,
    svg: options.Svg = "",
    ui: options.UiUrl = "",
) -> None:
    """See a LeaderWorkerSet rolled out, stage by stage.

    By default its 4 groups get a new image. With --story bad-canary one group
    of 24 tries a version that serves and then crashes: its gate takes it back.

    Brings everything along: a Kubernetes with played nodes and pods (built
    once, about 10 minutes; then it starts in seconds), a Temporal server, a
    worker. At the end it says what an independent watcher has measured, and
    cleans up, also on Ctrl-C.

    In a cluster of your own it makes lws/demo in the namespace default, of
    pause containers without GPUs, and removes it; not for the bad canary,
    whose pods crash in the embedded Kubernetes only.

    Exit codes: 0 the story went as told: the rollout completed, within its
    budget, each group replaced once, or the bad canary was taken back and no
    other group touched; 1 anything else; 2 bad input.

    Examples:
      rollwright demo
      rollwright demo --kill-worker
      rollwright demo --story bad-canary
      rollwright demo --keep
      rollwright demo --json | jq .available_min

    """
    # stdout is for the one object: what is shown on the way goes to stderr.
    with redirect_stdout(sys.stderr if output.is_data else sys.stdout):
        told = demo_stories.tell(story)
        told.check_cluster(kubeconfig)
        shown = _run(_demo(told, kubeconfig, temporal, ui, kill=kill_worker, keep=keep))
        if svg:
            chosen = "" if story is Story.NEW_IMAGE else f" --story {story}"
            title = f"rollwright demo{chosen}" + (" --kill-worker" if kill_worker else "")
            lasting = shown.model_copy(update={"ui": ""})
            render.save_picture(svg, title, demo_report.screen(lasting, render.PICTURE_WIDTH))
    if output.is_data:
        formats.emit(shown, output)
    raise typer.Exit(demo_report.exit_code(shown))


def _run(work: Coroutine[None, None, Demonstrated]) -> Demonstrated:
    """Run to the end, or until a signal ends it; then everything is cleaned up first, however often it comes."""
    caught: list[signal.Signals] = []

    async def until_signal() -> Demonstrated:
        task = asyncio.ensure_future(work)

        def stop(number: signal.Signals) -> None:
            if not caught:
                task.cancel()
            caught.append(number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await task

    try:
        return asyncio.run(until_signal())
    except asyncio.CancelledError:
        raise typer.Exit(128 + caught[0]) from None


async def _demo(
    told: Telling, kubeconfig: str | None, address: str | None, ui: str, *, kill: bool, keep: bool
) -> Demonstrated:
    parts, target = Parts(), told.spec.target
    async with parts.alone(), AsyncExitStack() as leftovers:
        given = await parts.use_temporal(address) if address else None
        await parts.start_cluster(leftovers, kubeconfig, nodes=told.fleet.nodes(told.spec.strategy))
        await demo_target.create(leftovers, parts.kubeconfig, told.fleet, own_cluster=parts.own_cluster)
        client = given or await parts.start_temporal()
        parts.start_worker()
        await demo_target.ready(parts.kubeconfig, told.fleet)
        async with Watcher(parts.kubeconfig, target.namespace, target.name) as watcher:
            asked = RolloutInput(spec=told.spec, task_queue=parts.task_queue)
            run = await starting.start_rollout(client, asked)
            leftovers.push_async_callback(_terminate, run)
            link = run.ui_link(parts.ui or ui)
            say(f"started {run.rollout}: {told.begun()}\n{link}\n")
            end = await _follow(parts, told, watcher, run, link, kill=kill)
            stages = await run.stages()
        shown = demo_report.report(told, end, stages, watcher, parts, kill=kill)
        _print(shown)
        if keep:
            leftovers.pop_all()
            _say_how_to_go_on(parts, told)
        else:
            say("\n--keep would leave it all running, the Temporal UI too")
    return shown


async def _follow(parts: Parts, told: Telling, watcher: Watcher, run: Run, link: str, *, kill: bool) -> Snapshot:
    """Show the rollout until it has ended. Raises CommandError if it takes too long, or the worker is gone."""
    showing = asyncio.ensure_future(watch.show(run, link))
    attending = asyncio.ensure_future(_attend(parts, told, watcher, run, kill=kill))
    tasks = (showing, attending)
    try:
        await asyncio.wait(tasks, timeout=_LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if attending.done():
            attending.result()
        if not showing.done():
            raise CommandError(f"the rollout has not ended within {_LONGEST_SECONDS:.0f} s", todo=f"Look at it: {link}")
        return showing.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _attend(parts: Parts, told: Telling, watcher: Watcher, run: Run, *, kill: bool) -> None:
    """See to it that there is a worker; at the story's moment, kill it if asked to."""
    while True:
        parts.check_worker()
        is_moment = await told.look(run, watcher, killed=parts.worker_killed)
        if kill and is_moment and not parts.worker_killed:
            say("killing the worker (SIGKILL)")
            await parts.kill_worker()
            parts.start_worker()
            say("started another")
        await asyncio.sleep(_ATTEND_EVERY_SECONDS)


async def _terminate(run: Run) -> None:
    """A rollout that is still open when the demo ends has nothing to work on any more."""
    with suppress(NoAnswerError, CommandError, RPCError):
        if await run.is_open():
            await run.client.get_workflow_handle(run.rollout).terminate("the demo has ended")


def _print(shown: Demonstrated) -> None:
    console = render.console()
    # On a terminal the table of the last look is still there.
    console.print("", demo_report.summary(shown) if console.is_terminal else demo_report.screen(shown, console.width))


def _say_how_to_go_on(parts: Parts, told: Telling) -> None:
    target = told.spec.target
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in parts.exports().items())
    named = f"lws/{target.name} -n {target.namespace}"
    lines = [
        "",
        "It all goes on running. In a shell:",
        f"  export {exports}",
        f"  {rollwright()} status {named}",
        f"  {rollwright()} start --target {named} --image model={told.IMAGE_AFTERWARDS} --max-surge 2 --wait",
        f"  {rollwright()} watch {named}",
        f"  {parts.kubectl()} get leaderworkersets,statefulsets,pods",
        "End it:",
    ]
    if not parts.own_cluster:
        lines.append(f"  {parts.kubectl()} delete leaderworkerset {target.name} --namespace {target.namespace}")
    say("\n".join([*lines, f"  {rollwright()} {DOWN}"]))
