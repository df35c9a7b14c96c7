"""`rollwright diff`: what differs between templates of a target."""

import asyncio
from typing import Annotated

import typer

from rollwright.cli import completing, formats, kept, options, render
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Diff
from rollwright.rollout.difference import differences
from rollwright.rollout.spec import Target

app = typer.Typer()


@app.command()
def diff(
    target: options.TargetText,
    revision: kept.Number,
    to: Annotated[
        int | None,
        typer.Argument(
            metavar="REV",
            min=1,
            help="Show how the first differs from this one.",
            autocompletion=completing.revisions,
        ),
    ] = None,
    namespace: options.Namespace = None,
    *,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show what a revision would change of the target as it stands, or how two revisions differ, field by field.

    With one REV: from what stands to that revision, which is what `undo --to-revision REV` changes.
    With two: from the first to the second.

    Examples:
      rollwright diff lws/llm 3 -n inference
      rollwright diff lws/llm 3 5 -n inference --json

    """
    shown = asyncio.run(
        _compare(options.read_target(target, namespace, kubeconfig, context), revision, to, kubeconfig, context)
    )
    formats.show(shown, output, lambda: render.show(lambda _: render.diff(shown)))


async def _compare(target: Target, first: int, second: int | None, kubeconfig: str | None, context: str | None) -> Diff:
    async with kept.opened(target, kubeconfig, context) as ledger:
        if second is None:
            standing, after = ledger.standing, ledger.numbered(first)
            before, number = ledger.template, standing.number if standing else None
        else:
            before, number, after = ledger.numbered(first).template, first, ledger.numbered(second)
        return Diff(before=number, after=after.number, changes=tuple(differences(before, after.template)))
