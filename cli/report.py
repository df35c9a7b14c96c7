"""`rollwright report`: what became of a rollout, from its workflow's history alone."""

import asyncio
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rollwright.cli import completing, formats, options, render, temporal
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.reports import history, making, sources
from rollwright.cli.reports.happened import Ended
from rollwright.cli.reports.opening import open_all
from rollwright.cli.reports.record import Report
from rollwright.cli.reports.sources import Events
from rollwright.rollout.spec import Target

app = typer.Typer()


@app.command()
def report(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="lws/NAME, sts/NAME, or a rollout's id; not with --history.",
            show_default=False,
            autocompletion=completing.targets,
        ),
    ] = "",
    namespace: options.Namespace = None,
    *,
    run_id: Annotated[
        str, typer.Option("--run-id", metavar="ID", help="Any run of an earlier rollout; the latest one without it.")
    ] = "",
    from_history: Annotated[
        Path | None,
        typer.Option(
            "--history", metavar="FILE", help="A history as the Temporal CLI or UI writes it, in place of a server."
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page there.")
    ] = None,
    as_markdown: Annotated[bool, typer.Option("--md", help="Print Markdown.")] = False,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Tell what became of a rollout: its promise, its time, its cost, who did what.

    Made from the workflow's history alone, while it runs or after it; of past
    rollouts for as long as Temporal keeps them. Without --html, --md and -o
    a summary is printed.

    Examples:
      rollwright report lws/llm -n inference --html report.html
      rollwright report lws/llm -n inference --run-id 01a21574-97fa-7c4a-b44e-8d7ad216dd4e
      rollwright report --history events.json --md

    """
    if bool(target) is bool(from_history):
        raise CommandError("say which rollout: either TARGET or --history FILE", code=ExitCode.BAD_INPUT)
    if from_history and (run_id or namespace):
        raise CommandError("a file holds one run: leave --run-id and -n away", code=ExitCode.BAD_INPUT)
    if output.is_data and as_markdown:
        raise CommandError(f"-o {output} and --md both print; give one of them", code=ExitCode.BAD_INPUT)
    if from_history:
        made = _made(sources.from_file(from_history), str(from_history))
    else:
        made = asyncio.run(_fetched(options.read_target(target, namespace, kubeconfig, context), run_id))
    if html:
        _write_page(html, made)
    if output.is_data:
        formats.emit(made, output)
    elif as_markdown:
        from rollwright.cli.reports.markdown import markdown  # noqa: PLC0415 - one of several, and none loads quickly

        typer.echo(markdown(made), nl=False)
    elif not html:
        from rollwright.cli.reports.screen import screen  # noqa: PLC0415

        render.show(lambda width: screen(made, width))


async def _fetched(target: Target, run_id: str) -> Report:
    runs = await sources.from_server(await temporal.connect(), target, run_id)
    return _made(runs, target.workflow_id, datetime.now(UTC))


def _made(runs: list[Events], of: str, now: datetime | None = None) -> Report:
    """`now`: if the runs are all there is up to now."""
    for run in runs:
        open_all(run)
    until = history.moment(runs[-1][-1].event_time)
    try:
        happened = [history.read(run) for run in runs]
        if now and not isinstance(happened[-1][-1], Ended):
            until = max(until, now)
        return making.make(happened, until)
    except history.UnreadableError as error:
        raise CommandError(f"{of} can't be told of: {error}", code=ExitCode.BAD_INPUT) from error


def _write_page(path: Path, made: Report) -> None:
    from rollwright.cli.reports.page import page  # noqa: PLC0415

    try:
        _write(path, page(made))
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    """All of it or nothing: whoever reads the file meanwhile has the one before."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")  # a pipe, or a terminal, whose link leads to no path
        return
    file = path.resolve()
    # Made anew under a name that nobody can foresee: others may write in the folder, and have put a link there.
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with beside.open("x", encoding="utf-8") as made:
            made.write(text)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
