"""What the demo has shown: the rollout's own account beside that of an independent watcher."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from rollwright.cli import render
from rollwright.cli.demo_parts import Parts
from rollwright.cli.demo_stories import Telling
from rollwright.cli.failure import ExitCode
from rollwright.cli.outputs import Canary, Demonstrated, Snapshot
from rollwright.devcluster.watcher import Watcher
from rollwright.rollout.stages import Stage


def report(
    told: Telling, end: Snapshot, stages: tuple[Stage, ...], seen: Watcher, parts: Parts, *, kill: bool
) -> Demonstrated:
    """Put both accounts together. `kill`: a worker was to be killed."""
    replicas = told.fleet.replicas
    budget = told.spec.strategy.budget(replicas)
    status = end.status
    leaders = {ordinal: len(pods) for ordinal, pods in seen.leaders.items()}
    planned = told.planned_steps() if parts.own_cluster else None
    shown = Demonstrated(
        story=told.STORY,
        result=status.phase,
        workflow_id=status.rollout,
        ui=status.ui,
        duration_seconds=_seconds(status.started_at, status.finished_at),
        stages=stages,
        available_min=seen.available_min,
        available_least=budget.floor,
        groups_max=seen.groups_max,
        groups_most=budget.ceiling,
        promise_held=seen.available_min >= budget.floor and seen.groups_max <= budget.ceiling,
        partition_replicas=tuple(seen.partition_replicas),
        as_planned=None if planned is None else seen.partition_replicas == planned,
        leaders=leaders,
        replaced_once=all(pods == (2 if ordinal < replicas else 1) for ordinal, pods in leaders.items()),
        worker_killed=parts.worker_killed,
        canary=told.canary(end, seen, kill=kill),
    )
    return shown.model_copy(update={"differences": tuple(told.differences(shown))})


def exit_code(shown: Demonstrated) -> ExitCode:
    """What the shell gets: success only if the story went as it is told."""
    return ExitCode.COULD_NOT if shown.differences else ExitCode.DONE


def summary(shown: Demonstrated) -> RenderableType:
    """What is said below the stage table."""
    grid = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, value in _facts(shown):
        grid.add_row(Text(name, style="bold"), value)
    return grid


def screen(shown: Demonstrated, width: int) -> RenderableType:
    """All of it."""
    return Group(render.stages(shown.stages, width), "", summary(shown))


def _facts(shown: Demonstrated) -> list[tuple[str, str]]:
    steps = ", ".join(f"{partition}/{replicas}" for partition, replicas in shown.partition_replicas)
    plan = {True: ": as planned", False: ": not as planned", None: ""}[shown.as_planned]
    rows = [
        ("result", shown.result.value),
        (
            "promise",
            f"{'kept' if shown.promise_held else 'BROKEN'}: fewest available {shown.available_min} "
            f"(at least {shown.available_least}), most groups {shown.groups_max} (at most {shown.groups_most})",
        ),
        ("steps", f"partition/replicas {steps}{plan}"),
        *(_canary_facts(shown.canary) if shown.canary else [("groups", _replaced(shown))]),
        ("worker", _killed(shown)),
        ("took", f"{shown.duration_seconds:.1f} s"),
        ("ui", shown.ui),
        *(("different", what) for what in shown.differences),
    ]
    return [(name, value) for name, value in rows if value]


def _canary_facts(canary: Canary) -> list[tuple[str, str]]:
    return [
        ("why", canary.why),
        (
            "canary",
            f"group {canary.ordinal}, missing for {canary.missing_seconds:.1f} s in all; "
            f"never more than {canary.missing_most} of {canary.replicas} missing at once",
        ),
        ("others", f"{canary.never_touched} of {canary.replicas} groups never touched"),
    ]


def _replaced(shown: Demonstrated) -> str:
    return "each replaced once, no surge group ever" if shown.replaced_once else f"leader pods: {shown.leaders}"


def _killed(shown: Demonstrated) -> str:
    if not shown.worker_killed:
        return ""
    if shown.canary and shown.canary.same_bake:
        return "killed by SIGKILL during the bake; another one went on with it, not anew"
    return "killed by SIGKILL on the way; another one went on"


def _seconds(started_at: str, finished_at: str) -> float:
    return round((datetime.fromisoformat(finished_at) - datetime.fromisoformat(started_at)).total_seconds(), 3)
