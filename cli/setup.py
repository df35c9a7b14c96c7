"""`rollwright setup`: have a Temporal namespace ready for rollouts."""

import asyncio
from typing import Annotated

import typer
from rich.console import Group

from rollwright.cli import formats, options, render, setting_up, temporal
from rollwright.cli.failure import ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import SetUp, Verdict

app = typer.Typer()


@app.command()
def setup(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look; exit with 1 if something is missing.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Have a Temporal namespace ready for rollouts: register search attributes, check what else is needed.

    Which one is said by Temporal's environment configuration, as for every verb.
    Nothing but search attributes is changed, and those only if they are missing,
    so it can be run at any time. Where you may not, it says what somebody who may
    has to run. It also tells for how long rollouts that have ended are kept, and
    what you yourself may do in this namespace: nothing is started to find out.

    Exit codes: 0 ready; 1 something is missing; 2 bad input.

    Examples:
      rollwright setup
      rollwright setup --dry-run
      TEMPORAL_PROFILE=production rollwright setup -o json

    """
    made = asyncio.run(_set_up(dry_run=dry_run))
    formats.show(made, output, lambda: _draw(made))
    failed = any(check.verdict is Verdict.FAILED for check in made.checks)
    raise typer.Exit(ExitCode.COULD_NOT if failed else ExitCode.DONE)


async def _set_up(*, dry_run: bool) -> SetUp:
    return await setting_up.set_up(await temporal.connect(), dry_run=dry_run)


def _draw(made: SetUp) -> None:
    done = f"registered: {', '.join(made.created)}" if made.created else "nothing was changed"
    render.show(lambda _: Group(f"namespace {made.namespace} at {made.address}: {done}", *render.checks(made.checks)))
