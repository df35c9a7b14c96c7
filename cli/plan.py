"""`rollwright plan`: how a rollout would go."""

from typing import Annotated

import typer

from rollwright.cli import files, options, render
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.rollout.simulator import simulate_stages
from rollwright.rollout.spec import RolloutSpec
from rollwright.rollout.stages import Stage
from rollwright.workflows.contract import StageTable

app = typer.Typer()

START_UP_SECONDS = 600
"""How long every group is taken to load; only that all take equally long shows in the table."""
SETTLE_SECONDS = 1
"""From a write until the controllers act on it: far less than a start-up, so that each step has its own row."""
MOST_REPLICAS = 2000
"""More than any set of groups has; the plan of more would take minutes."""


@app.command()
def plan(
    file: options.File,
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="From the file alone: all groups ready before, all equally quick to load.")
    ] = False,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=0, max=MOST_REPLICAS, help="With --offline: the number of groups, if the file doesn't say it."
        ),
    ] = None,
    as_json: options.AsJson = False,
    svg: options.Svg = "",
) -> None:
    """Show how a rollout would go, stage by stage, without touching anything.

    Offline, the number of groups is that of --replicas, else spec.replicas of
    change.manifest, else target.replicas of the file.

    Examples:
      rollwright plan -f rollout.yaml
      rollwright plan -f rollout.yaml --offline --replicas 24
      rollwright plan -f rollout.yaml --offline --json
      rollwright plan -f rollout.yaml --offline --svg plan.svg

    """
    spec = files.to_spec(files.read_document(file))
    if replicas is not None and not offline:
        raise CommandError(
            "--replicas is for --offline; otherwise the target in the cluster says it", code=ExitCode.BAD_INPUT
        )
    stages = offline_stages(spec, replicas)
    if as_json:
        typer.echo(StageTable(stages=stages).model_dump_json())
    else:
        console = render.console()
        console.print(render.stages(stages, console.width))
    if svg:
        render.save_picture(svg, f"rollwright plan -f {file} --offline", render.stages(stages, render.PICTURE_WIDTH))


def offline_stages(spec: RolloutSpec, replicas: int | None) -> tuple[Stage, ...]:
    """The stage table by the simulator. Raises CommandError if the number of groups isn't known or nothing may move."""
    known = _known_replicas(spec) if replicas is None else replicas
    if known is None:
        raise CommandError(
            "the file doesn't say how many groups the target has",
            todo="Give --replicas, write target.replicas into the file, or leave --offline away to ask the cluster.",
            code=ExitCode.BAD_INPUT,
        )
    try:
        spec.strategy.check_budget(known)
    except ValueError as error:
        raise CommandError(f"strategy: {error}", code=ExitCode.BAD_INPUT) from error
    return simulate_stages(spec.strategy, known, lambda _: START_UP_SECONDS, settle_seconds=SETTLE_SECONDS)


def _known_replicas(spec: RolloutSpec) -> int | None:
    described = (spec.change.manifest or {}).get("spec")
    replicas = described.get("replicas") if isinstance(described, dict) else None
    return replicas if isinstance(replicas, int) and 0 <= replicas <= MOST_REPLICAS else spec.target.replicas
