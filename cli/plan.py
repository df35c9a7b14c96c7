"""`rollwright plan`: how a rollout would go."""

import asyncio
from typing import Annotated

import typer

from rollwright.cli import files, formats, options, render, specs
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.formats import Format
from rollwright.cli.outputs import Cost, Forecast, Forecasts, Plan, PlannedGate, PlannedStep
from rollwright.rollout.aim import Aim
from rollwright.rollout.estimate import Outlook, outlook
from rollwright.rollout.gpus import gpus_of_group
from rollwright.rollout.simulator import World, simulate_stages
from rollwright.rollout.spec import Pacing, RolloutSpec, Strategy
from rollwright.rollout.stages import Stage
from rollwright.rollout.startups import Spread, StartUps, spread
from rollwright.rollout.timing import Bound

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
    namespace: options.Namespace = None,
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
    start_up: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long a group takes to start, as in 30m; by default as earlier rollouts of the target tell.",
        ),
    ] = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = None,
    output: options.Output = Format.TABLE,
    svg: options.Svg = "",
) -> None:
    """Show how a rollout would go, stage by stage, without touching anything.

    Asks the cluster what the change would do (a dry run) and takes the number of
    groups from there; the table is for equally quick groups that are all ready.
    With --offline, the cluster isn't asked, and the number of groups is that of --replicas, else spec.replicas of
    change.manifest, else target.replicas of the file.

    Below the table: the steps, with what each waits for, and how long it takes
    until its groups serve and its gates pass. Then how long all would take by
    each pacing, and what it would cost in GPU-hours: out of service are groups
    that don't serve, surplus those above the replicas. What gates take at least
    is counted, waits for people are not.

    Examples:
      rollwright plan -f rollout.yaml
      rollwright plan -f rollout.yaml --offline --replicas 24
      rollwright plan -f rollout.yaml --offline --start-up 30m --json
      rollwright plan -f rollout.yaml --offline --svg plan.svg

    """
    where = specs.Where(namespace, kubeconfig, context)
    spec = files.to_spec(files.read_document(file)) if offline else specs.read_file(file, where)
    if replicas is not None and not offline:
        raise CommandError(
            "--replicas is for --offline; otherwise the target in the cluster says it", code=ExitCode.BAD_INPUT
        )
    given = _given(start_up) if start_up else None
    if offline:
        made = plan_for(spec, offline_replicas(spec, replicas), given, gpus_of_manifest(spec))
    else:
        made = asyncio.run(_ask_cluster(spec, given, kubeconfig, context))
    formats.show(made, output, lambda: render.show(lambda width: render.plan(made, width)), sparse=True)
    if svg:
        title = (
            f"rollwright plan -f {file}{' --offline' if offline else ''}{f' --start-up {start_up}' if start_up else ''}"
        )
        render.save_picture(svg, title, render.plan(made, render.PICTURE_WIDTH))


async def _ask_cluster(spec: RolloutSpec, given: Spread | None, kubeconfig: str | None, context: str | None) -> Plan:
    from rollwright.cli import preflight  # noqa: PLC0415 - the Kubernetes client takes longer to load than a plan

    try:
        seen = await preflight.look(spec, kubeconfig, context, timed=given is None)
    except preflight.UncheckedError as error:
        raise CommandError(
            f"the cluster can't be asked: {error}", todo="Give --kubeconfig or --context, or plan with --offline."
        ) from error
    known = given or spread(StartUps(), seen.start_ups)
    return plan_for(spec, seen.replicas, known, seen.gpus).model_copy(update={"changes": seen.differences})


def _given(start_up: str) -> Spread:
    seconds = options.read_seconds("--start-up", start_up)
    if not seconds:
        raise CommandError("--start-up: no group starts in no time", code=ExitCode.BAD_INPUT)
    return Spread([seconds], known=None)


def plan_for(spec: RolloutSpec, replicas: int, known: Spread | None, gpus: int) -> Plan:
    """From a target of which every group is ready. Raises CommandError if nothing may move at so many replicas."""
    stages = stages_for(spec, replicas)
    if known is None:
        return Plan(stages=stages, steps=steps_for(spec.strategy, replicas, None))
    start = World(replicas).observe("new")
    paced = {pacing: spec.strategy.paced(pacing) for pacing in Pacing}
    ahead = {pacing: outlook(Aim(strategy=one), start, known) for pacing, one in paced.items()}
    forecasts = Forecasts(
        start_up_seconds=known.usual,
        start_ups=known.known,
        pacings=tuple(_forecast(paced[pacing], found, gpus) for pacing, found in ahead.items() if found),
    )
    return Plan(
        stages=stages, steps=steps_for(spec.strategy, replicas, ahead[spec.strategy.pacing]), forecasts=forecasts
    )


def steps_for(strategy: Strategy, replicas: int, ahead: Outlook | None) -> tuple[PlannedStep, ...]:
    """The strategy's steps; without times if none are known."""
    bounds = Aim(strategy=strategy).bounds(replicas)
    reached = ahead.reached if ahead else (None,) * len(bounds)
    ends = {bound.step: (bound, done) for bound, done in zip(bounds, reached, strict=True)}
    return tuple(_step(strategy, replicas, step, *ends.get(step, ends[None])) for step in range(len(strategy.steps)))


def _step(strategy: Strategy, replicas: int, step: int, bound: Bound, done: float | None) -> PlannedStep:
    waits = bound.step is not None
    return PlannedStep(
        number=step + 1,
        until=max(0, replicas - bound.ordinal),
        gates=PlannedGate.at(strategy.gates_at(step)) if waits else (),
        done_seconds=None if done is None else round(done, 1),
        passed_seconds=round(done + bound.least_seconds, 1) if waits and done is not None else None,
    )


def _forecast(strategy: Strategy, ahead: Outlook, gpus: int) -> Forecast:
    return Forecast(
        pacing=strategy.pacing,
        reclaim=strategy.reclaim,
        seconds=round(ahead.middle, 1),
        seconds_low=round(ahead.low, 1),
        seconds_high=round(ahead.high, 1),
        cost=Cost.of(ahead.cost, gpus),
    )


def gpus_of_manifest(spec: RolloutSpec) -> int:
    """Accelerators of a group, by what is written; 0 if no manifest says it."""
    if not spec.change.manifest:
        return 0
    from rollwright.cluster.kinds import SNAPSHOTS  # noqa: PLC0415 - as above

    try:
        return gpus_of_group(SNAPSHOTS[spec.target.kind].OBJECT.pods_of_group(spec.change.manifest["spec"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0  # what is wrong with it the cluster tells, with the field


def stages_for(spec: RolloutSpec, replicas: int) -> tuple[Stage, ...]:
    """The stage table by the simulator. Raises CommandError if nothing may move at so many replicas."""
    try:
        spec.strategy.check_budget(replicas)
    except ValueError as error:
        raise CommandError(f"strategy: {error}", code=ExitCode.BAD_INPUT) from error
    return simulate_stages(spec.strategy, replicas, lambda _: START_UP_SECONDS, settle_seconds=SETTLE_SECONDS)


def offline_replicas(spec: RolloutSpec, given: int | None) -> int:
    """How many groups the target has, by what is written. Raises CommandError if nothing says it."""
    described = (spec.change.manifest or {}).get("spec")
    in_manifest = described.get("replicas") if isinstance(described, dict) else None
    for replicas in (given, in_manifest, spec.target.replicas):
        if isinstance(replicas, int) and 0 <= replicas <= MOST_REPLICAS:
            return replicas
    raise CommandError(
        "the file doesn't say how many groups the target has",
        todo="Give --replicas, write target.replicas into the file, or leave --offline away to ask the cluster.",
        code=ExitCode.BAD_INPUT,
    )
