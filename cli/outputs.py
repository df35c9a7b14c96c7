"""What -o json and yaml print: one model each. `rollwright schema --of` prints their JSON Schemas."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from rollwright.cluster.left import Left
from rollwright.rollout import timing
from rollwright.rollout.aim import Course
from rollwright.rollout.difference import Difference
from rollwright.rollout.estimate import Estimate
from rollwright.rollout.gates.gate import Finding as Found
from rollwright.rollout.gates.kinds import AnyGate
from rollwright.rollout.observation import Group
from rollwright.rollout.spec import Pacing, Reclaim, RolloutSpec
from rollwright.rollout.stages import Stage
from rollwright.worker.builds import Standing
from rollwright.workflows.contract import Event, Intervention, OpenGate, Phase, RolloutStatus


class Output(BaseModel):
    """Frozen; snake_case outside too."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Printed(Output):
    """What a verb prints, whole."""

    format: Literal[1] = Field(
        default=1, description="Of these fields: it goes up when one goes, or means something else; others may come."
    )


class Started(Printed):
    """What `start` has started; also the first line of `start --wait`."""

    rollout: str = Field(description="The workflow id, made of the target.")
    run_id: str = Field(description="Of the workflow's first run.")
    ui: str = Field(description="The run in the Temporal UI; empty if its address isn't known.")


class Cost(Output):
    """What a rollout takes of the fleet."""

    out_of_service_group_hours: float = Field(description="Of the groups that the user wants, while they don't serve.")
    surplus_group_hours: float = Field(description="Of the groups asked for above them.")
    gpus: int = Field(description="Accelerators of a group, as its template asks for them; 0 if it asks for none.")
    gpu_hours: float | None = Field(description="Both, times the accelerators of a group; null without any.")

    @classmethod
    def of(cls, taken: timing.Cost, gpus: int) -> Self:
        """From group-seconds."""
        missing, surplus = taken.out_of_service_seconds / 3600, taken.surplus_seconds / 3600
        return cls(
            out_of_service_group_hours=round(missing, 4),
            surplus_group_hours=round(surplus, 4),
            gpus=gpus,
            gpu_hours=round((missing + surplus) * gpus, 4) if gpus else None,
        )


class Expected(Output):
    """When a rollout will end, as last reckoned, if nobody steers it.

    What gates take at least is counted, waits for people are not.
    """

    at: str = Field(description="When it was reckoned.")
    ends_at: str = Field(description="Empty if no start-up time is known, or it can't end by itself.")
    earliest: str = Field(description="With latest the range that 4 of 5 rollouts should end in.")
    latest: str
    start_up_seconds: float | None = Field(description="What groups usually take to start: the median of those known.")
    start_ups: int = Field(description="How many start-ups that goes by: of this rollout, or of earlier ones.")
    cost: Cost = Field(description="What is yet to come.")

    @classmethod
    def of(cls, made: Estimate, gpus: int) -> Self:
        """From the workflow's own."""
        return cls(
            at=_iso(made.at),
            ends_at=_iso(made.ends_at),
            earliest=_iso(made.earliest),
            latest=_iso(made.latest),
            start_up_seconds=made.usual_seconds,
            start_ups=made.known,
            cost=Cost.of(made.cost, gpus),
        )


class Slow(Output):
    """A group that has been starting for more than twice the usual time."""

    ordinal: int
    since: str
    seconds: float = Field(description="For how long, when it was last looked at.")
    usual_seconds: float | None = Field(description="What groups usually take.")

    @classmethod
    def all_of(cls, made: Estimate) -> tuple[Self, ...]:
        """From the workflow's own."""
        return tuple(
            cls(
                ordinal=group.ordinal,
                since=_iso(group.since),
                seconds=made.at - group.since,
                usual_seconds=made.usual_seconds,
            )
            for group in made.slow
        )


def _iso(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


class Forecast(Output):
    """How long a rollout would take by one pacing, and what it would cost.

    What gates take at least is counted, waits for people are not.
    """

    pacing: Pacing
    reclaim: Reclaim
    seconds: float
    seconds_low: float = Field(description="With seconds_high the range for 4 of 5 rollouts.")
    seconds_high: float
    cost: Cost


class Forecasts(Output):
    """The pacings side by side."""

    start_up_seconds: float = Field(description="What a group usually takes to start.")
    start_ups: int | None = Field(
        description="How many start-ups say so, kept or told by its pods; null if it was given."
    )
    pacings: tuple[Forecast, ...]


class PlannedGate(Output):
    """What a step would wait for."""

    name: str = Field(description="What people call it; promote where the step has no gates of its own.")
    kind: str = Field(description="The gate's kind; promote where the step has none.")
    by_people: bool = Field(description="Whether it waits for people, which may take any time.")

    @classmethod
    def at(cls, gates: Sequence[AnyGate]) -> tuple[Self, ...]:
        """Those at the end of a step, in order."""
        own = tuple(cls(name=gate.title, kind=gate.kind, by_people=gate.BY_PEOPLE) for gate in gates)
        return own or (cls(name="promote", kind="promote", by_people=True),)


class PlannedStep(Output):
    """One of the strategy's steps; seconds are from the start, left out if no start-up time is known."""

    number: int = Field(description="From 1.")
    until: int = Field(description="Groups on the new revision at its end.")
    gates: tuple[PlannedGate, ...] = Field(
        description="All must pass; empty if nothing is left to update after it, so that nothing is waited for."
    )
    done_seconds: float | None = Field(default=None, description="Until its groups serve.")
    passed_seconds: float | None = Field(
        default=None, description="Until its gates have passed, at the earliest; left out without gates."
    )


class Verdict(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARNING = "warning"
    """It would go, and not as one may think."""
    FAILED = "failed"
    """It would not go so."""
    NOT_CHECKED = "not checked"


class Checked(Output):
    """Something that `plan` or `setup` has looked at."""

    about: str = Field(description="Of a gate, its name.")
    verdict: Verdict
    what: str = Field(description="What was found, or why it was not looked at, in words.")
    todo: str = Field(default="", description="What to do about it; empty if nothing is to be done.")


class Plan(Printed):
    """How a rollout would go."""

    stages: tuple[Stage, ...]
    steps: tuple[PlannedStep, ...] = Field(default=(), description="Those of the strategy, by its own pacing.")
    forecasts: Forecasts | None = Field(default=None, description="Left out if no start-up time is known.")
    changes: tuple[Difference, ...] | None = Field(
        default=None,
        description="What changes in the target's template; left out of plans made offline, and if the "
        "cluster does not say it.",
    )
    checks: tuple[Checked, ...] | None = Field(
        default=None, description="What was looked at beforehand; left out of plans made offline."
    )


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """It can't be rolled out so."""
    WARNING = "warning"
    """It can hardly be meant."""


class Remark(Output):
    """Something that `lint` has found."""

    file: str
    line: int = Field(description="From 1; 0 if it has no place in the file.")
    column: int = Field(description="From 1; 0 if it has no place in the file.")
    severity: Severity
    message: str


class Linted(Printed):
    """What `lint` prints."""

    rollouts: int = Field(description="How many were looked at.")
    remarks: tuple[Remark, ...] = Field(description="File by file, by line.")


class Gate(Output):
    """A gate that is open."""

    name: str
    kind: str
    finding: Found
    message: str = Field(description="What it waits for, or has found, in words.")
    since: str = Field(description="When its present attempt began.")
    attempt: int
    passes: int = Field(description="Good readings so far.")
    failures: int
    inconclusives: int
    approvals: tuple[str, ...] = Field(description="Who has approved.")

    @classmethod
    def of(cls, gate: OpenGate) -> Self:
        """From the workflow's own."""
        progress = gate.progress
        return cls(
            name=gate.name,
            kind=gate.kind,
            finding=progress.finding,
            message=progress.message,
            since=_iso(progress.since),
            attempt=progress.attempt,
            passes=progress.passes,
            failures=progress.failures,
            inconclusives=progress.inconclusives,
            approvals=tuple(approval.actor for approval in progress.approvals),
        )


class Status(Printed):
    """Where a rollout stands; counts are groups, times are ISO 8601 in UTC and empty until then."""

    rollout: str = Field(description="The workflow id, made of the target.")
    ui: str = Field(description="The run in the Temporal UI; empty if its address isn't known.")
    phase: Phase
    reason: str = Field(description="Why it waits or stalls, in words.")
    uid: str = Field(description="Of the target in its cluster; empty until it was seen.")
    started_at: str
    finished_at: str
    steps: int = Field(description="Steps taken so far.")
    replicas: int | None = Field(description="Groups the user wants; null until the target was seen.")
    available: int | None = Field(description="Groups that serve now, on whichever revision.")
    available_least: int | None = Field(description="The fewest that the strategy allows.")
    available_min: int | None = Field(description="The fewest that were seen.")
    groups_asked: int | None = Field(description="Groups asked for now: replicas and surge.")
    groups_most: int | None = Field(description="The most that the strategy allows.")
    groups_max: int | None = Field(description="The most that were asked for.")
    groups: tuple[Group, ...] = Field(description="By ordinal.")
    expected: Expected | None = Field(description="Its end; null while it stands, and if it was not reckoned yet.")
    slow: tuple[Slow, ...] = Field(description="Groups that take much longer to start than usual.")
    cost: Cost = Field(description="So far, counted from one look to the next.")
    stage: Stage | None = Field(description="The last row of the stage table.")
    revision: str = Field(description="Name of the kept template that is rolled out.")
    course: Course = Field(description="Whether it goes forward, back, or only stops.")
    before: str = Field(description="Name of the kept template that a rollback goes to.")
    gate: int | None = Field(description="Number, from 1, of the gate that is open.")
    gates: int = Field(description="Gates in all.")
    open_gates: tuple[Gate, ...] = Field(description="Those of the step that waits; none if it waits for a promotion.")
    seen: str = Field(description="What is there to be approved, for `approve --seen`; empty if nothing is.")
    dispute: str = Field(description="What somebody else has changed of the target, in words: it asks whose holds.")
    unconfirmed: bool = Field(description="A step is being carried out: it may still take effect.")
    next: tuple[str, ...] = Field(description="Commands that go on from here, once it has ended or needs somebody.")
    request_id: str = Field(description="Of the request that it answers; empty if none was given.")
    by: Intervention = Field(description="Who started it, and why.")
    events: tuple[Event, ...] = Field(description="Interventions and refused messages, the last ones.")
    spec: RolloutSpec

    @classmethod
    def of(cls, status: RolloutStatus, ui: str = "") -> Self:
        """From the workflow's own answer."""
        seen = status.observation
        budget = status.spec.strategy.budget(seen.replicas) if seen else None
        made = None if status.phase.is_final else status.estimate
        return cls(
            rollout=status.rollout,
            ui=ui,
            phase=status.phase,
            reason=status.reason,
            uid=seen.uid if seen else "",
            started_at=status.started_at,
            finished_at=status.finished_at,
            steps=status.steps,
            replicas=seen.replicas if seen else None,
            available=seen.available if seen else None,
            available_least=budget.floor if budget else None,
            available_min=status.available_min,
            groups_asked=seen.groups_asked if seen else None,
            groups_most=budget.ceiling if budget else None,
            groups_max=status.groups_max,
            groups=seen.asked if seen else (),
            expected=Expected.of(made, status.gpus) if made and status.phase.goes_on else None,
            slow=Slow.all_of(made) if made else (),
            cost=Cost.of(status.cost, status.gpus),
            stage=status.stage,
            revision=status.revision,
            course=status.course,
            before=status.before,
            gate=status.gate,
            gates=status.gates,
            open_gates=tuple(map(Gate.of, status.open_gates)),
            seen=status.seen,
            dispute=seen.dispute if seen else "",
            unconfirmed=status.unconfirmed,
            next=status.next,
            request_id=status.request_id,
            by=status.by,
            events=status.events,
            spec=status.spec,
        )


class Snapshot(Printed):
    """A line of `watch` and `start --wait`: printed whenever something changed; the last one has a final phase."""

    status: Status
    stages: tuple[Stage, ...]


class Listed(Output):
    """A rollout in `list`. What only the rollout itself knows is left at its default if no worker answers."""

    rollout: str = Field(description="The workflow id, made of the target.")
    target: str = Field(description="lws/NAMESPACE/NAME, or sts/...")
    phase: str = Field(description="A rollout's phase; or failed, terminated, cancelled, timed out.")
    course: Course | None = Field(default=None, description="Whether it goes forward, back, or only stops.")
    gate: int | None = Field(default=None, description="Number, from 1, of the gate that is open.")
    gates: int = Field(default=0, description="Gates in all.")
    failed: int = Field(default=0, description="Groups that have failed.")
    dispute: str = Field(default="", description="What somebody else has changed of the target, in words.")
    unconfirmed: bool = Field(default=False, description="A step is being carried out: it may still take effect.")
    by: Intervention | None = Field(default=None, description="Who started it, and why.")
    next: tuple[str, ...] = Field(default=(), description="Commands that go on from here, if it needs somebody.")
    stage: str = Field(default="", description="The last stage's number and note, or that no worker answers.")
    available: int | None = Field(default=None, description="Groups that serve now, on whichever revision.")
    replicas: int | None = Field(default=None, description="Groups the user wants; null until the target was seen.")
    done: int | None = Field(default=None, description="Those of them that serve on the revision it goes to.")
    waits_for: str = Field(default="", description="What it waits for, or why it stands, in words.")
    ends_at: str = Field(default="", description="When it will end, as last reckoned; empty if that isn't known.")
    revision: str = Field(default="", description="Name of the kept template that is rolled out.")
    request_id: str = Field(default="", description="Of the request that it answers; empty if none was given.")
    started_at: str

    def told_by(self, status: RolloutStatus, waits_for: str) -> Self:
        """The same with what the rollout says of itself."""
        seen, stage = status.observation, status.stage
        made = status.estimate if status.phase.goes_on else None
        return self.model_copy(
            update={
                "phase": status.phase.value,
                "course": status.course,
                "gate": status.gate,
                "gates": status.gates,
                "failed": len(seen.failed) if seen else 0,
                "dispute": seen.dispute if seen else "",
                "unconfirmed": status.unconfirmed,
                "by": status.by,
                "next": status.next,
                "stage": f"{stage.stage} {stage.note}".rstrip() if stage else "",
                "available": seen.available if seen else None,
                "replicas": seen.replicas if seen else None,
                "done": sum(group.done for group in seen.groups[: seen.replicas]) if seen else None,
                "waits_for": waits_for,
                "ends_at": _iso(made.ends_at) if made else "",
                "revision": status.revision,
                "request_id": status.request_id,
            }
        )


class Listing(Printed):
    """What `list` prints."""

    rollouts: tuple[Listed, ...]


class ListedBuild(Output):
    """One build of the workers."""

    build_id: str
    standing: Standing = Field(description="Drained: it has no rollouts left, and its workers can go.")
    since: str = Field(description="When that last changed, ISO 8601 in UTC; empty if it isn't known.")
    rollouts: int = Field(description="Open ones that are carried out by it.")


class Versions(Printed):
    """What `versions` prints."""

    deployment: str
    current: str = Field(description="Id of the build that rollouts go to; empty: to workers without a build.")
    builds: tuple[ListedBuild, ...] = Field(description="Those that Temporal knows, the newest first.")
    rollouts_without: int = Field(description="Open rollouts on no build, of this deployment or any other.")


class Steered(Printed):
    """What the verbs that steer a rollout print, and `reject`."""

    rollout: str = Field(description="The workflow id, made of the target.")
    message: str = Field(description="pause, resume, promote, approve, reject, abort or rollback.")
    actor: str
    reason: str
    sent: bool = Field(description="Whether the open rollout was told; else the answer says what was done.")
    answer: str = Field(description="What comes of it, in words.")


class Rejected(Output):
    """That a kept template is refused."""

    actor: str
    reason: str
    at: str = Field(description="ISO 8601, UTC.")


class Revision(Output):
    """A kept template in `history`."""

    revision: int = Field(description="Its number; the template asked for last has the highest.")
    name: str = Field(description="Of the ControllerRevision that keeps it; what change.revision takes.")
    kept_at: str = Field(description="When it was last asked for, or found on the target; ISO 8601, UTC.")
    actor: str = Field(description="Who asked for it; empty if it was found on the target.")
    reason: str
    images: tuple[str, ...] = Field(description="CONTAINER=IMAGE")
    outcome: str = Field(description="How its last rollout ended, and when; empty if it hasn't.")
    stands: bool = Field(description="Whether it is the target's template now.")
    rejected: Rejected | None


class History(Printed):
    """What `history` prints."""

    target: str = Field(description="lws/NAMESPACE/NAME, or sts/...")
    revisions: tuple[Revision, ...] = Field(description="By number.")


class Diff(Printed):
    """What `diff` prints."""

    before: int | None = Field(description="Number of a revision; null for what stands, if that is not kept.")
    after: int = Field(description="Number of a revision.")
    changes: tuple[Difference, ...]


class Trouble(StrEnum):
    """What `doctor` looks for."""

    LEFT = "left half way"
    """A rollout has left its record on the target, and none is open."""
    GONE = "target gone"
    """The rollout is open, and the cluster has no such target."""
    FAILING = "workflow task fails"
    """The rollout is open and can't go on: its workflow code fails."""
    UNSERVED = "no worker"
    """The rollout is open, and no worker takes tasks from its queue."""


class Finding(Output):
    """One thing that `doctor` has found."""

    trouble: Trouble
    rollout: str = Field(description="The workflow id, made of the target.")
    what: str = Field(description="In words.")
    left: Left | None = Field(default=None, description="How the target was left, if its record can be read.")
    next: tuple[str, ...] = Field(description="Commands that mend it.")


class Diagnosis(Printed):
    """What `doctor` prints."""

    where: str = Field(description="Where it has looked, in words.")
    findings: tuple[Finding, ...]
    mended: bool = Field(default=False, description="Whether --repair has mended it, or started a rollout that will.")
    repaired: str = Field(default="", description="What --repair has done, in words.")


class SetUp(Output):
    """What `setup` prints."""

    address: str = Field(description="Of Temporal.")
    namespace: str = Field(description="Of Temporal.")
    created: tuple[str, ...] = Field(description="Search attributes that were registered now; empty if none was.")
    checks: tuple[Checked, ...] = Field(description="What was looked at, as it is now.")


class Story(StrEnum):
    """What `demo` shows."""

    NEW_IMAGE = "new-image"
    """The example of the LWS documentation: four groups get a new image."""
    BAD_CANARY = "bad-canary"
    """A bad version is tried by one group of 24, and taken back."""


class Canary(Output):
    """What became of the group that tried a bad version."""

    ordinal: int
    why: str = Field(description="Why it was taken back, as the rollout tells it; empty if it wasn't.")
    replicas: int = Field(description="Groups in all.")
    missing_most: int = Field(description="Measured: the most of them that were missing at once.")
    missing_seconds: float = Field(description="Measured: for how long the canary was missing, in all.")
    never_touched: int = Field(description="Measured: groups that served all the time, by one and the same leader.")
    same_bake: bool | None = Field(
        description="Whether another worker was seen to go on with the bake of the one killed; null if none was to be."
    )


class Demonstrated(Printed):
    """What `demo` prints. Counts are groups; what is measured is so at the API server, by an independent watcher."""

    story: Story
    result: Phase = Field(description="How the rollout ended.")
    workflow_id: str
    ui: str = Field(description="The run in the Temporal UI; empty if its address isn't known.")
    duration_seconds: float = Field(description="Of the rollout, without what was set up for it.")
    stages: tuple[Stage, ...] = Field(description="The stage table, as the rollout tells it.")
    available_min: int = Field(description="Measured: the fewest groups that served at once.")
    available_least: int = Field(description="The fewest that the strategy allows.")
    groups_max: int = Field(description="Measured: the most groups that were asked for.")
    groups_most: int = Field(description="The most that the strategy allows.")
    promise_held: bool = Field(description="Whether what was measured is what the strategy allows.")
    partition_replicas: tuple[tuple[int, int], ...] = Field(description="Measured: every change of the two.")
    as_planned: bool | None = Field(
        description="Whether those are the simulator's; null where it can't know them: in a cluster of your own groups "
        "start otherwise, and no canary is foreseen to crash."
    )
    leaders: dict[int, int] = Field(description="Measured: how many leader pods each group had.")
    replaced_once: bool = Field(description="Whether those are 2 for each group and 1 for each surge group.")
    worker_killed: bool
    canary: Canary | None = Field(description="Null in a story without one.")
    differences: tuple[str, ...] = Field(
        default=(), description="What went otherwise than the story is told, in words; none if it exits with 0."
    )
