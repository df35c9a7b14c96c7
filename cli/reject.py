"""`rollwright reject`: have a template refused, or say at an approval gate that a rollout may not go on."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from rollwright.cli import completing, interventions, kept, options, steering
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.text import one_line
from rollwright.cluster.ledger import Rejection
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import Message, Steering

app = typer.Typer()


@app.command()
def reject(
    target: options.TargetText,
    revision: Annotated[
        int | None,
        typer.Argument(
            metavar="REV",
            min=1,
            help="Number of a revision, from `rollwright history`.",
            show_default=False,
            autocompletion=completing.revisions,
        ),
    ] = None,
    namespace: options.Namespace = None,
    *,
    step: Annotated[
        int | None, typer.Option("--step", min=1, help="The step whose approval is waited for, in place of REV.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever asks for it next is told.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Allow it again.")] = False,
    actor: Annotated[str, typer.Option("--actor", help="Who. Without it, your login name and host.")] = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Have a template of a target refused from now on, or with --step reject what waits to be approved.

    With REV no rollout of that template starts, and `undo` passes it over.

    A rollout of it that is open goes on: `rollwright rollback` takes that back. And a rollback of an open rollout goes
    to what ran before it, even if that was rejected meanwhile.

    With --step the approval gate at which the open rollout waits has failed:
    what follows is what its onFailure says.

    Examples:
      rollwright reject lws/llm 4 -n inference --reason "breaks the tokenizer"
      rollwright reject lws/llm 4 -n inference --undo
      rollwright reject lws/llm -n inference --step 1 --reason "answers in Klingon"

    """
    named = options.read_target(target, namespace, kubeconfig, context)
    if not undo and not reason.strip():
        raise CommandError("--reason is missing; whoever asks for it next should know", code=ExitCode.BAD_INPUT)
    if undo and reason:
        raise CommandError("--reason is not kept with --undo; leave it away", code=ExitCode.BAD_INPUT)
    by = interventions.read_intervention(actor, reason)
    if (revision is None) is (step is None) or (step is not None and undo):
        raise CommandError("give either REV or --step, and --undo with REV only", code=ExitCode.BAD_INPUT)
    if revision is None:
        word = Steering(message=Message.REJECT, step=step, actor=by.actor, reason=by.reason)
        steering.show(asyncio.run(steering.steer(named, word)), output)
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rejection = None if undo else Rejection(actor=by.actor, reason=by.reason, at=now)
    said = "\n".join(map(one_line, asyncio.run(_reject(named, revision, rejection, kubeconfig, context))))
    word = Steering(message=Message.REJECT, actor=by.actor, reason=by.reason)
    steering.show(steering.steered(named.workflow_id, word, said, sent=False), output)


async def _reject(
    target: Target, number: int, rejection: Rejection | None, kubeconfig: str | None, context: str | None
) -> list[str]:
    """What to say of it."""
    async with kept.opened(target, kubeconfig, context) as ledger:
        chosen = ledger.numbered(number)
        await ledger.ledger.reject(chosen, rejection)
        what = f"revision {number} of {target} ({', '.join(chosen.images)})"
        if rejection is None:
            return [f"{what} {'may be rolled out again' if chosen.rejection else 'was not rejected'}"]
        lines = [f"{what} is refused from now on, by {rejection.actor}: {rejection.reason}"]
        if chosen == ledger.standing:
            lines.append(f"It stands on the target; to go to the one before: rollwright undo {target.workflow_id}")
        return lines
