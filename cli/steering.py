"""What all steering verbs share: a message to the open rollout of a target, by whom and why, and what comes of it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial

import typer

from rollwright.cli import formats, interventions, options, temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Steered
from rollwright.cli.temporal import NoAnswerError, RefusedError, Run
from rollwright.cli.text import plain
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import Message, Steering

IfEnded = Callable[..., Awaitable[str]]
"""What a verb does with a rollout that has ended, given the run, the message and the verb's own options; its words.

Raises CommandError.
"""


async def _refuse_ended(run: Run, steering: Steering, **_own: object) -> str:
    raise CommandError(
        f"{run.rollout} has ended: there is nothing to {steering.message}",
        todo=f"`rollwright status {run.rollout}` shows how the last one ended.",
    )


def verb(message: Callable[..., Steering], if_ended: IfEnded = _refuse_ended) -> typer.Typer:
    """Make a verb of a function that makes the message of the verb's own options, and whose docstring is its help.

    The target, who it is and why, the cluster, and how to print the answer are options of every such verb.
    `if_ended` is given the cluster's and the verb's own options too.
    """

    def send(
        target: options.TargetText,
        namespace: options.Namespace = None,
        *,
        reason: interventions.Reason = "",
        actor: interventions.Actor = "",
        kubeconfig: options.Kubeconfig = None,
        context: options.Context = None,
        output: options.Output = Format.TABLE,
        **own: object,
    ) -> None:
        named = options.read_target(target, namespace, kubeconfig, context)
        by = interventions.read_intervention(actor, reason)
        steering = message(**own).model_copy(update={"actor": by.actor, "reason": by.reason})
        then = partial(if_ended, kubeconfig=kubeconfig, context=context, **own)
        show(asyncio.run(steer(named, steering, then)), output)

    app = typer.Typer()
    app.command(help=inspect.getdoc(message))(_with_options_of(message, send))
    return app


def _with_options_of(message: Callable[..., Steering], send: Callable[..., None]) -> Callable[..., None]:
    """Show typer, which reads signatures, the options of both in place of `send`'s open ones."""
    shared = list(inspect.signature(send).parameters.values())[:-1]
    parameters = [*shared, *inspect.signature(message).parameters.values()]
    send.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # where `inspect` looks first
    send.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return send


def show(steered: Steered, output: Format) -> None:
    """Print what came of a message."""
    formats.show(steered, output, lambda: typer.echo(plain(told(steered))))


def told(steered: Steered) -> str:
    """What came of a message, in words: what was sent, if it was, and the answer."""
    sent = f"sent {steered.message} to {steered.rollout}, by {steered.actor}\n" if steered.sent else ""
    return f"{sent}{steered.answer}"


def steered(rollout: str, steering: Steering, answer: str, *, sent: bool) -> Steered:
    """What came of a message, or of what was done in its place."""
    return Steered(
        rollout=rollout,
        message=str(steering.message),
        actor=steering.actor,
        reason=steering.reason,
        sent=sent,
        answer=answer,
    )


async def steer(target: Target, steering: Steering, if_ended: IfEnded = _refuse_ended) -> Steered:
    """Send a message to the open rollout of a target; what comes of it. Raises CommandError."""
    return await send(await temporal.find(await temporal.connect(), target), steering, if_ended)


async def send(run: Run, steering: Steering, if_ended: IfEnded = _refuse_ended) -> Steered:
    """As `steer`, to a rollout that is found already."""
    try:
        steering = await _as_seen(run, steering)
        answer = await run.steer(steering)
    except NoAnswerError as error:
        # The update may have arrived all the same: every message is safe to take twice.
        left = await run.signal(steering)
        answer = f"accepted; it takes effect once a worker is there ({error})" if left else ""
    except RefusedError as refused:
        raise CommandError(f"{run.rollout} does not {steering.message}: {refused}") from refused
    if not answer:
        return steered(run.rollout, steering, await if_ended(run, steering), sent=False)
    return steered(run.rollout, steering, answer, sent=True)


async def _as_seen(run: Run, steering: Steering) -> Steering:
    """With the gate that is seen waiting: sent twice, it doesn't pass the one behind it too."""
    if steering.message is Message.PROMOTE and steering.gate is None:
        return steering.model_copy(update={"gate": (await run.answer()).gate})
    if steering.message is Message.APPROVE and not steering.seen:
        try:
            stands = await run.answer()
        except NoAnswerError as error:
            raise CommandError(
                f"what {run.rollout} shows can't be seen, so it can't be approved: {error}",
                todo="Give --seen, as a notification or an earlier `rollwright status` has it.",
            ) from error
        return steering.model_copy(update={"step": steering.step or stands.gate, "seen": stands.seen})
    return steering
