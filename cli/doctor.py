"""`rollwright doctor`: what rollouts have left behind, and mending it."""

import asyncio
from typing import Annotated

import typer

from rollwright.cli import completing, diagnosis, formats, interventions, options, render, repairing, temporal
from rollwright.cli.diagnosis import Scope
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.kubeconfig import namespace_in_use
from rollwright.cli.outputs import Diagnosis
from rollwright.cli.reaching import reached
from rollwright.cli.repairing import Order, Repair
from rollwright.cli.text import plain
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE

app = typer.Typer()


@app.command()
def doctor(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="As for every verb; all targets in the namespace without it.",
            autocompletion=completing.targets,
        ),
    ] = "",
    namespace: options.Namespace = None,
    cluster: options.Cluster = None,
    *,
    everywhere: Annotated[bool, typer.Option("--all-namespaces", "-A", help="Look in all namespaces.")] = False,
    repair: Annotated[Repair | None, typer.Option(help="Mend the target, if it was left half way.")] = None,
    reason: interventions.Reason = "",
    actor: interventions.Actor = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    task_queue: options.LastTaskQueue = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Find what rollouts have left behind and what keeps them from going on; mend a target with --repair.

    It looks in one namespace, without -n that of the kubeconfig's context, or with -A in all.
    Found are targets that a rollout has left half way and that no rollout is
    open on (it was aborted, or somebody has terminated its workflow), and open
    rollouts whose target is gone, whose workflow code fails, or whose queue no
    worker takes tasks from. Rollouts of other clusters are those of another
    --cluster, or on other queues.

    --repair settings puts the user's own settings back, if no group is replaced, started or taken down by
    that: all groups run the template that stands, and there is no surge.
    Otherwise it has LWS stand still, says why the settings wait, and exits 1.
    --repair resume starts a rollout to the template that stands, --repair rollback one to the template before it;
    both by the strategy of the last rollout (for all groups: its partition is not taken over) and on its task queue,
    if Temporal still knows them, else the default ones.

    Exit codes: 0 nothing found, or mended; 1 something found, or not mended; 2 bad input.

    Examples:
      rollwright doctor -A
      rollwright doctor lws/llm -n inference
      rollwright doctor lws/llm -n inference --repair settings
      rollwright doctor lws/llm -n inference --repair rollback --reason "the rollout was terminated"

    """
    by = interventions.read_intervention(actor, reason)
    queue = task_queue or DEFAULT_TASK_QUEUE
    if target and everywhere:
        raise CommandError(f"{target} is one target: leave -A away", code=ExitCode.BAD_INPUT)
    if target and cluster:
        raise CommandError(f"{target} is one target: name its cluster as NAME@CLUSTER", code=ExitCode.BAD_INPUT)
    if target:
        named = options.read_target(target, namespace, kubeconfig, context)
        scope = Scope(named.namespace, named, queue, named.cluster)
    else:
        scope = Scope("" if everywhere else namespace or namespace_in_use(kubeconfig, context), None, queue, cluster)
    if repair and not scope.target:
        raise CommandError("--repair mends one target: name it", code=ExitCode.BAD_INPUT)
    order = Order(repair, by, task_queue) if repair else None
    seen = asyncio.run(_visit(scope, order, kubeconfig, context))
    formats.show(seen, output, lambda: _draw(seen))
    raise typer.Exit(ExitCode.DONE if seen.mended or not seen.findings else ExitCode.COULD_NOT)


def _draw(seen: Diagnosis) -> None:
    if seen.repaired:
        typer.echo(plain(seen.repaired))
    else:
        render.show(lambda _: render.diagnosis(seen))


async def _visit(scope: Scope, order: Order | None, kubeconfig: str | None, context: str | None) -> Diagnosis:
    client = await temporal.connect()
    async with reached(kubeconfig, context) as api:
        findings = await diagnosis.examine(client, api, scope)
        if order is None or scope.target is None:
            return Diagnosis(where=str(scope), findings=findings)
        mended, words = await repairing.mend(client, api, scope.target, findings, order)
        return Diagnosis(where=str(scope), findings=findings, mended=mended, repaired=words)
