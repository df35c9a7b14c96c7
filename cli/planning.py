"""Making a plan: the stages, the steps and how long all takes, by the simulator. Asks nobody."""

from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Cost, Forecast, Forecasts, Plan, PlannedGate, PlannedStep
from rollwright.rollout.aim import Aim
from rollwright.rollout.estimate import Outlook, outlook
from rollwright.rollout.gpus import gpus_of_group
from rollwright.rollout.simulator import World, simulate_stages
from rollwright.rollout.spec import Pacing, RolloutSpec, Strategy
from rollwright.rollout.stages import Stage
from rollwright.rollout.startups import Spread
from rollwright.rollout.timing import Bound

START_UP_SECONDS = 600
"""How long every group is taken to load; only that all take equally long shows in the table."""
SETTLE_SECONDS = 1
"""From a write until the controllers act on it: far less than a start-up, so that each step has its own row."""
MOST_REPLICAS = 2000
"""More than any set of groups has; the plan of more would take minutes."""


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
    from rollwright.cluster.kinds import SNAPSHOTS  # noqa: PLC0415 - it takes longer to load than a plan

    try:
        return gpus_of_group(SNAPSHOTS[spec.target.kind].OBJECT.pods_of_group(spec.change.manifest["spec"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0  # what is wrong with it the cluster tells, with the field


def stages_for(spec: RolloutSpec, replicas: int) -> tuple[Stage, ...]:
    """The stage table by the simulator. Raises CommandError if nothing may move at so many replicas."""
    check_budget(spec, replicas)
    return simulate_stages(spec.strategy, replicas, lambda _: START_UP_SECONDS, settle_seconds=SETTLE_SECONDS)


def check_budget(spec: RolloutSpec, replicas: int) -> None:
    """Raise CommandError if nothing may move at so many replicas."""
    try:
        spec.strategy.check_budget(replicas)
    except ValueError as error:
        raise CommandError(f"strategy: {error}", code=ExitCode.BAD_INPUT) from error


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
