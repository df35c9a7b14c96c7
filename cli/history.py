"""`rollwright history`: the templates a target had."""

import asyncio

import typer

from rollwright.cli import formats, kept, options, render
from rollwright.cli.formats import Format
from rollwright.cli.outputs import History
from rollwright.rollout.spec import Target

app = typer.Typer()


@app.command()
def history(
    target: options.TargetText,
    namespace: options.Namespace = None,
    *,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Show the templates that are kept of a target, the newest last: who asked for each and why, and what came of it.

    They are kept in the cluster, beside the target, and outlive what Temporal knows of its rollouts: the last 10, or
    as many as the target's annotation rollwright.io/history-limit says; those that are in use, and rejected ones,
    besides. A template that is rolled out again gets a new number.

    Examples:
      rollwright history lws/llm -n inference
      rollwright history lws/llm -n inference --json | jq '.revisions[] | select(.stands)'

    """
    named = options.read_target(target, namespace, kubeconfig, context)
    shown = asyncio.run(_read(named, kubeconfig, context))
    formats.show(shown, output, lambda: _draw(shown, named))


def _draw(shown: History, target: Target) -> None:
    if shown.revisions:
        render.show(lambda _: render.history(shown))
    else:
        typer.echo(
            f"nothing is kept of {target} yet: its first rollout keeps what it finds, and what it brings", err=True
        )


async def _read(target: Target, kubeconfig: str | None, context: str | None) -> History:
    async with kept.opened(target, kubeconfig, context) as ledger:
        return History(target=target.workflow_id.removeprefix("rollout/"), revisions=ledger.revisions())
