"""A workflow that answers as a rollout does, and how tests start and end it."""

from temporalio import workflow
from temporalio.client import Client
from temporalio.exceptions import ApplicationError

from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Done, Step
from rollwright.rollout.spec import Target
from rollwright.rollout.stages import extend, first_stage
from rollwright.workflows.contract import (
    OVER,
    REQUEST_MEMO,
    RETARGET,
    STAGES,
    STATUS,
    STEER,
    WORKFLOW_TYPE,
    Event,
    Message,
    Phase,
    Retarget,
    RolloutInput,
    RolloutStatus,
    StageTable,
    Steering,
)

BEFORE = Observation(
    replicas=4,
    groups_asked=4,
    partition=0,
    groups=tuple(Group(ordinal=i, updated=False, ready=True) for i in range(4)),
    on_target=False,
)
SURGED = Observation(
    replicas=4,
    groups_asked=6,
    partition=4,
    groups=(
        *BEFORE.groups,
        Group(ordinal=4, updated=True, ready=False, reason="pulling the image"),
        Group(ordinal=5, updated=True, ready=False, reason="pulling the image"),
    ),
)
AFTER = Observation(
    replicas=4,
    groups_asked=4,
    partition=0,
    groups=tuple(Group(ordinal=i, updated=True, ready=True) for i in range(4)),
)
PREPARED = extend((first_stage(BEFORE),), BEFORE, Step(action=Action.PREPARE, partition=4, groups=6))
COMPLETED = extend(PREPARED, AFTER, Done())


PHASES = {
    Message.PAUSE: Phase.PAUSED,
    Message.RESUME: Phase.PROGRESSING,
    Message.ABORT: Phase.ABORTED,
    Message.ROLLBACK: Phase.ROLLED_BACK,
    Message.PROMOTE: Phase.PROGRESSING,
}


@workflow.defn(name=WORKFLOW_TYPE)
class FakeRollout:
    """Stands at stage 2 until it is told to `go_on`, which completes it, or is aborted or rolled back.

    With gates, the first waits; promoting it leads to the second. What was answered is among the events. Once it was
    told to `hold`, it takes no new change up; once to `be_over`, it is only about to be closed, which `go_on` does.
    """

    @workflow.init
    def __init__(self, started: RolloutInput) -> None:
        gates = len(started.spec.strategy.steps)
        self._status = RolloutStatus(
            rollout=workflow.info().workflow_id,
            phase=Phase.GATED if gates else Phase.PROGRESSING,
            spec=started.spec,
            observation=SURGED,
            stage=PREPARED[-1],
            steps=1,
            available_min=4,
            groups_max=6,
            gate=1 if gates else None,
            gates=gates,
            next=(f"rollwright promote lws/{started.spec.target.name} -n inference",) if gates else (),
            before=started.state.before or "llm-rw-before",
            by=started.by,
            request_id=started.request_id,
            started_at="2026-01-02T03:04:05Z",
        )
        self._stages = PREPARED
        self._renewed = False
        self._holds = False
        self._is_over = False

    @workflow.run
    async def run(self, started: RolloutInput) -> RolloutStatus:
        await workflow.wait_condition(lambda: self._status.phase.is_final or self._renewed)
        if self._renewed:
            workflow.continue_as_new(started)
        return self._status

    @workflow.signal
    def pause(self, by: Steering) -> None:
        self._take(Message.PAUSE, by)

    @workflow.signal
    def resume(self, by: Steering) -> None:
        self._take(Message.RESUME, by)

    @workflow.signal
    def abort(self, by: Steering) -> None:
        self._take(Message.ABORT, by)

    @workflow.signal
    def rollback(self, by: Steering) -> None:
        self._take(Message.ROLLBACK, by)

    @workflow.signal
    def promote(self, by: Steering) -> None:
        self._take(Message.PROMOTE, by)

    @workflow.update(name=STEER)
    def steer(self, given: Steering) -> str:
        assert given.message
        self._take(given.message, given)
        return f"played {given.message}"

    @steer.validator
    def _check(self, given: Steering) -> None:
        self._check_not_over()
        if given.message is Message.PROMOTE and self._status.gate is None:
            raise ApplicationError("no gate waits now", type="Refused", non_retryable=True)

    @workflow.update(name=RETARGET)
    async def retarget(self, given: Retarget) -> str:
        event = Event(
            at=workflow.now().isoformat(), what=f"{RETARGET}: goes on", actor=given.actor, reason=given.reason
        )
        self._set(events=(*self._status.events, event))
        await workflow.wait_condition(lambda: not self._holds)
        spec = self._status.spec.model_copy(
            update={"change": given.change, "strategy": given.strategy or self._status.spec.strategy}
        )
        self._set(spec=spec, request_id=given.request_id)
        workflow.upsert_memo({REQUEST_MEMO: given.request_id})
        return "llm-rw-next"

    @retarget.validator
    def _check_retarget(self, given: Retarget) -> None:
        self._check_not_over()

    def _check_not_over(self) -> None:
        if self._is_over:
            raise ApplicationError("the rollout has ended", type=OVER, non_retryable=True)

    @workflow.signal
    def be_over(self) -> None:
        self._is_over = True

    @workflow.signal
    def hold(self) -> None:
        self._holds = True

    @workflow.signal
    def go_on(self) -> None:
        self._stages = COMPLETED
        self._set(
            phase=Phase.COMPLETED, observation=AFTER, stage=COMPLETED[-1], steps=5, finished_at="2026-01-02T05:04:05Z"
        )

    @workflow.signal
    def break_down(self) -> None:
        raise RuntimeError("as a mistake in the code of a workflow does")

    @workflow.signal
    def lose_target(self) -> None:
        self._set(phase=Phase.DELETED)

    @workflow.signal
    def renew(self) -> None:
        self._renewed = True

    @workflow.query(name=STATUS)
    def status(self) -> RolloutStatus:
        return self._status

    @workflow.query(name=STAGES)
    def stages(self) -> StageTable:
        return StageTable(stages=self._stages)

    def _take(self, message: Message, given: Steering) -> None:
        phase, gate = PHASES[message], self._status.gate
        if message is Message.PROMOTE and gate and given.gate in (None, gate):
            gate = None if given.full or gate == self._status.gates else gate + 1
            phase = Phase.PROGRESSING if gate is None else Phase.GATED
        options = given.model_dump(include={"fast", "full", "gate", "side"}, exclude_defaults=True, mode="json")
        what = " ".join([message, *(f"{name}={value}" for name, value in options.items())])
        event = Event(at="2026-01-02T04:00:00Z", what=what, actor=given.actor, reason=given.reason)
        self._set(phase=phase, gate=gate, events=(*self._status.events, event))

    def _set(self, **update: object) -> None:
        self._status = self._status.model_copy(update=update)


def flags(name: str) -> list[str]:
    """Start a rollout of lws/NAME by flags, unchecked as there is no cluster."""
    change = ["--image", "model=llm:v2", "--max-surge", "2"]
    return ["start", "--target", f"lws/{name}", "-n", "inference", *change, "--no-check"]


def rollout(name: str) -> str:
    """The id of a rollout of lws/NAME."""
    return Target(name=name, namespace="inference").workflow_id


async def go_on(server: Client, name: str) -> None:
    """Let the played rollout complete, and wait until it has."""
    handle = server.get_workflow_handle(rollout(name))
    await handle.signal("go_on")
    await handle.result()
