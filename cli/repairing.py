"""Mending a target that a rollout has left half way."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from temporalio.client import Client

from rollwright.cli import diagnosis, doctor_views, preflight, starting, views
from rollwright.cli.failure import CommandError
from rollwright.cli.last import last_rollout
from rollwright.cli.outputs import Finding, Trouble
from rollwright.cluster import doctor
from rollwright.cluster.api import Api
from rollwright.cluster.left import Left
from rollwright.cluster.record import Fence
from rollwright.cluster.snapshot import now
from rollwright.rollout.aim import Aim, Course
from rollwright.rollout.spec import Change, RolloutSpec, Target
from rollwright.workflows.contract import Intervention, RolloutInput


class Repair(StrEnum):
    """How to mend it."""

    SETTINGS = "settings"
    RESUME = "resume"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Order:
    """What somebody asks for."""

    repair: Repair
    by: Intervention
    task_queue: str | None
    """Of the rollout that is started; that of the last one without it."""


async def mend(client: Client, api: Api, target: Target, findings: Iterable[Finding], order: Order) -> tuple[bool, str]:
    """Whether it is mended, or will be by a rollout; and what was done. Raises CommandError, ClusterError."""
    left = _left(target, findings)
    if order.repair is Repair.SETTINGS:
        return await _put_settings_back(api, target)
    change, course = Change(), Course.FORWARD
    if order.repair is Repair.ROLLBACK:
        if not left.before:
            raise CommandError(
                f"the record of {target} doesn't say which template it had before",
                todo=f"`rollwright history {target.workflow_id}` shows which it had; `rollwright undo` goes to one.",
            )
        change, course = Change(revision=left.before), Course.BACK
    last = await last_rollout(client, target)
    strategy = Aim(strategy=last.strategy, course=course).effective
    spec = RolloutSpec(target=target, change=change, strategy=strategy)
    await preflight.check(preflight.look_by(api, spec))
    given = RolloutInput(spec=spec, task_queue=order.task_queue or last.task_queue, by=order.by)
    run = await starting.start_rollout(client, given, handed_on=last.strategy)
    return True, f"started {run.rollout}: {views.change(change)}\nstrategy {last.source}: {views.strategy(strategy)}"


def _left(target: Target, findings: Iterable[Finding]) -> Left:
    for finding in findings:
        if finding.trouble is Trouble.LEFT:
            if finding.left:
                return finding.left
            raise CommandError(f"{target}: {finding.what}", todo="\n".join(finding.next))
    raise CommandError(
        f"{target} was not left half way: it has no record of a rollout, or its rollout is open",
        todo=f"`rollwright status {target.workflow_id}` shows where the rollout stands.",
    )


async def _put_settings_back(api: Api, target: Target) -> tuple[bool, str]:
    fence = Fence(now(), "rollwright doctor")
    repaired = await doctor.put_settings_back(diagnosis.live(api, target), fence)
    if repaired is None:
        raise CommandError(f"{target} has no record any more: somebody else has mended it")
    found = repaired.found
    settings = doctor_views.settings(found.settings)
    if not found.obstacles:
        return True, f"put back on {target}: {settings}" + (f"; but {repaired.note}" if repaired.note else "")
    why = "; ".join(found.obstacles)
    stands = (
        f"what somebody else has set since is left alone ({found.edited})"
        if found.edited
        else "LWS stands still until then"
    )
    return False, f"{settings} go on waiting to be put back on {target}: {why}; {stands}"
