"""What the demo has shown: the rollout's own account beside that of an independent watcher."""

from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from rollwright.cli import render
from rollwright.cli.demo_target import REPLICAS, SPEC
from rollwright.cli.failure import ExitCode
from rollwright.cli.outputs import Demonstrated, Snapshot
from rollwright.devcluster.watcher import Watcher
from rollwright.rollout.stages import Stage
from rollwright.workflows.contract import Phase


def report(
    end: Snapshot, stages: tuple[Stage, ...], seen: Watcher, planned: list[tuple[int, int]] | None, *, killed: bool
) -> Demonstrated:
    """Put both accounts together. `planned`: the steps to expect, if start-up times are known."""
    budget = SPEC.strategy.budget(REPLICAS)
    status = end.status
    leaders = {ordinal: len(pods) for ordinal, pods in seen.leaders.items()}
    return Demonstrated(
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
        replaced_once=all(pods == (2 if ordinal < REPLICAS else 1) for ordinal, pods in leaders.items()),
        worker_killed=killed,
    )


def exit_code(shown: Demonstrated) -> ExitCode:
    """What the shell gets: success only if the demo has shown what it is to show."""
    succeeded = shown.result is Phase.COMPLETED and shown.promise_held and shown.replaced_once
    return ExitCode.DONE if succeeded else ExitCode.COULD_NOT


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
    once = "each replaced once, no surge group ever" if shown.replaced_once else f"leader pods: {shown.leaders}"
    rows = [
        ("result", shown.result.value),
        (
            "promise",
            f"{'kept' if shown.promise_held else 'BROKEN'}: fewest available {shown.available_min} "
            f"(at least {shown.available_least}), most groups {shown.groups_max} (at most {shown.groups_most})",
        ),
        ("steps", f"partition/replicas {steps}{plan}"),
        ("groups", once),
        ("worker", "killed by SIGKILL on the way; another one went on" if shown.worker_killed else ""),
        ("took", f"{shown.duration_seconds:.1f} s"),
        ("ui", shown.ui),
    ]
    return [(name, value) for name, value in rows if value]


def _seconds(started_at: str, finished_at: str) -> float:
    return round((datetime.fromisoformat(finished_at) - datetime.fromisoformat(started_at)).total_seconds(), 3)
