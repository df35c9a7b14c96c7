"""What happened in rollouts, written by hand for the tests of reports. Moments are seconds after the start."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from rollwright.activities.messages import Kept, Sight, TakeStep
from rollwright.cli.reports import making
from rollwright.cli.reports.happened import Asked, Began, Ended, Happened, KeptTemplate, Saw, Stepped, Waited
from rollwright.cli.reports.record import Report
from rollwright.rollout.aim import Aim
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.ordeals import Ordeal
from rollwright.rollout.planner import Action, Step
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import Intervention, Phase, RolloutInput, RolloutStatus

START = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)
OLD, NEW = "llm-rw-old", "llm-rw-new"
SPEC = RolloutSpec(
    target=Target(namespace="inference", name="llm"),
    change=Change(images={"model": "llm:v2"}),
    strategy=Strategy(max_unavailable=1, max_surge=0),
)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def group(ordinal: int, letter: str, reason: str = "") -> Group:
    """By a letter: serving (o)ld or (n)ew; (s)tarting, (f)ailed or (l)eaving, new ones all; (d)own, an old one."""
    return Group(
        ordinal=ordinal,
        updated=letter in "nsfl",
        ready=letter in "on",
        terminating=letter == "l",
        failed=letter == "f",
        reason=reason,
    )


def seen(
    letters: str, *, replicas: int | None = None, partition: int = 0, on_target: bool = True, reason: str = ""
) -> Observation:
    """A target whose groups, from ordinal 0 on, stand so; those that don't serve give this reason."""
    groups = (group(place, letter, "" if letter in "on" else reason) for place, letter in enumerate(letters))
    return Observation(
        replicas=len(letters) if replicas is None else replicas,
        groups_asked=len(letters),
        partition=partition,
        groups=tuple(groups),
        on_target=on_target,
    )


def saw(
    seconds: float,
    observation: Observation,
    *,
    fewest: int | None = None,
    since: dict[int, float] | None = None,
    aim: Aim | None = None,
    template: str = NEW,
) -> Saw:
    """A look. `since`: when groups say that they began to start."""
    ordeals = {ordinal: Ordeal(since=at(begun).timestamp(), leader="a") for ordinal, begun in (since or {}).items()}
    asked = Asked(aim=aim or Aim(strategy=SPEC.strategy), template=template)
    return Saw(at(seconds), asked, Sight(observation=observation, available_min=fewest, ordeals=ordeals))


def lowered(seconds: float, partition: int, groups: int, took: float = 1) -> Stepped:
    """A step that releases everything from this ordinal on."""
    request = TakeStep(
        target=SPEC.target,
        template=NEW,
        step=Step(action=Action.LOWER_PARTITION, partition=partition, groups=groups),
        uid="",
        generation=1,
    )
    return Stepped(at(seconds), at(seconds + took), request, f"partition -> {partition}", "done")


def began(spec: RolloutSpec = SPEC) -> list[Happened]:
    """A rollout has begun, and its template is kept."""
    given = RolloutInput(spec=spec, by=Intervention(actor="ada", reason="nightly"))
    return [
        Began(START, given, "run-1", ""),
        KeptTemplate(at(0), Kept(template=NEW, before=OLD, standing=OLD, gpus=16)),
    ]


def ended(seconds: float, phase: Phase = Phase.COMPLETED, spec: RolloutSpec = SPEC, reason: str = "") -> Ended:
    """It has come to its end."""
    status = RolloutStatus(rollout=spec.target.workflow_id, phase=phase, spec=spec, reason=reason)
    return Ended(at(seconds), "completed", status)


def waited(seconds: float, aim: Aim | None = None, *, gated: bool = False, acting: bool = True) -> Waited:
    """A wait was begun."""
    asked = Asked(aim=aim or Aim(strategy=SPEC.strategy), template=NEW, gated=gated, acting=acting)
    return Waited(at(seconds), asked, "")


def made(happened: Iterable[Happened], until: float) -> Report:
    """The record of it."""
    return making.make([[*began(), *happened]], at(until))
