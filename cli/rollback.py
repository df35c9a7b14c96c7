"""`rollwright rollback`: go back to the revision a rollout started from."""

from typing import Annotated

import typer

from rollwright.cli import conflicts, options, starting, steering
from rollwright.cli.failure import CommandError
from rollwright.cli.last import last_rollout
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.spec import Change
from rollwright.workflows.contract import Intervention, Message, Phase, RolloutInput, Steering


def rollback(
    *,
    fast: Annotated[
        bool, typer.Option("--fast", help="In any order of ordinals, as far as the budget allows (pacing eager).")
    ] = False,
    check: options.Check = True,
) -> Steering:
    """Take the rollout of a target back to the revision it started from, with the same budget.

    Broken groups go first; groups that never were updated are not touched. Of a
    rollout that was aborted, another one is started that goes back; for that alone
    the cluster is asked, and only if it can be from here.

    Examples:
      rollwright rollback lws/llm -n inference --reason "answers are wrong"
      rollwright rollback lws/llm -n inference --fast

    """
    return Steering(message=Message.ROLLBACK, fast=fast)


async def _start_back(
    run: Run, steering: Steering, *, check: bool, kubeconfig: str | None, context: str | None, **_own: object
) -> str:
    """Go back by another rollout, if the one that has ended was aborted half way."""
    await conflicts.end_of(run)  # it may be telling people still
    try:
        ended = await run.result()
    except NoAnswerError as error:
        raise CommandError(f"{run.rollout} has ended; how is not known now: {error}") from error
    target = ended.spec.target
    if ended.phase is not Phase.ABORTED or not ended.before:
        again = f"To go back all the same: rollwright undo {target.word} -n {target.namespace}"
        todo = again if ended.phase in (Phase.COMPLETED, Phase.ROLLED_BACK) else ""
        raise CommandError(f"{run.rollout} has ended: {ended.phase}", todo=todo)
    last = await last_rollout(run.client, target)
    back = Aim(strategy=last.strategy, course=Course.BACK, fast=steering.fast).effective
    spec = ended.spec.model_copy(update={"change": Change(revision=ended.before), "strategy": back})
    if check:
        from rollwright.cli import preflight  # noqa: PLC0415 - the Kubernetes client takes longer to load than the rest

        await preflight.check(preflight.look(spec, kubeconfig, context), todo=preflight.WRONG_CLUSTER)
    by = Intervention(actor=steering.actor, reason=steering.reason)
    given = RolloutInput(spec=spec, task_queue=last.task_queue, by=by)
    started = await starting.start_rollout(run.client, given, handed_on=last.strategy)
    return f"{run.rollout} was aborted; started another one, back to {ended.before}\n{started.ui_link('')}".rstrip()


app = steering.verb(rollback, if_ended=_start_back)
