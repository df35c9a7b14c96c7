"""Words for people: summaries, refusals, ways to go on. Pure."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from pydantic import ValidationError
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError, TimeoutType

from rollwright.activities.messages import Side
from rollwright.rollout.aim import Course
from rollwright.rollout.observation import Group, Observation
from rollwright.rollout.planner import Action, Step
from rollwright.workflows.approving import asked
from rollwright.workflows.contract import (
    DEFAULT_TASK_QUEUE,
    OVER,
    Message,
    OpenGate,
    Phase,
    Retarget,
    RolloutInput,
    RolloutState,
    RolloutStatus,
    Steering,
)
from rollwright.workflows.steering import Situation, Taken, answer

_NO_OBJECT = 'must be one JSON object, as in {"actor": "you"}'
_MOST_SUMMARY = 200
"""Bytes."""
_FORWARD, _BACK = "rollwright doctor {} --repair resume", "rollwright rollback {}"


def step(seen: Observation, taken: Step) -> str:
    """One line for a step, as in "partition 4 -> 2"."""
    changes = []
    if taken.action is Action.PREPARE:
        changes.append(f"new template, frozen at partition {taken.partition}")
    elif taken.partition != seen.partition:
        changes.append(f"partition {seen.partition} -> {taken.partition}")
    if taken.groups != seen.groups_asked:
        changes.append(f"replicas {seen.groups_asked} -> {taken.groups}")
    if taken.delete:
        changes.append(f"{taken.action} {ordinals(taken.delete)}")
    return ", ".join(changes) or str(taken.action)


def ordinals(numbers: Sequence[int]) -> str:
    """Ordinals in short, as in "0-2, 5"."""
    runs = [list(run) for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return ", ".join(f"{run[0][1]}-{run[-1][1]}" if len(run) > 1 else str(run[0][1]) for run in runs)


def ending(seen: Observation, course: Course, note: str) -> str:
    """How it ended, as far as the phase doesn't tell."""
    parts = [note] if note else []
    if course is Course.STOP or seen.partition > 0:
        parts.append(split(seen))
    if seen.partition > 0:
        parts.append(f"held at partition {seen.partition}, so that LWS updates nothing by itself")
    if seen.failed:
        parts.append(f"failed: {_groups(seen.failed)}")
    return "; ".join(parts)


def split(seen: Observation) -> str:
    """Which ordinals run what."""
    new = [group for group in seen.asked if group.updated]
    old = [group for group in seen.asked if not group.updated]
    return f"new revision on {_groups(new)}; older one on {_groups(old)}"


def _groups(groups: Sequence[Group]) -> str:
    """As in "group 5", "groups 0-2, 5" or "no group"."""
    if not groups:
        return "no group"
    return f"group{'s' if len(groups) > 1 else ''} {ordinals([group.ordinal for group in groups])}"


def next_commands(status: RolloutStatus, state: RolloutState) -> tuple[str, ...]:
    """The commands that go on from here, and would be taken; none while it goes on by itself."""
    target = f"{status.spec.target.word} -n {status.spec.target.namespace}"
    if status.phase.is_final:
        return tuple(command.format(target) for command in _after_the_end(status, state))
    strategy = status.spec.strategy
    now = Situation(status.phase, state, strategy, asked(state, strategy))
    return tuple(
        f"rollwright {message} {target}{_flags(given)}"
        for message, given in _ways_on(status)
        if isinstance(answer(message, given, now), Taken)
    )


def _flags(given: Steering) -> str:
    step = f" --step {given.step} --seen {given.seen}" if given.step else ""
    return step + (f" --{given.side}" if given.side else "")


def _after_the_end(status: RolloutStatus, state: RolloutState) -> list[str]:
    """Forward where the target is held half way; back from an abort, where there is anything to go back from."""
    held = status.observation is not None and status.observation.partition > 0
    match status.phase:
        case Phase.ABORTED if state.prepared:
            ways = {_FORWARD: held, _BACK: state.before not in ("", state.template)}
        case Phase.COMPLETED:
            ways = {_FORWARD: held}
        case _:
            ways = {}
    return [command for command, is_open in ways.items() if is_open]


def _ways_on(status: RolloutStatus) -> list[tuple[Message, Steering]]:
    """What somebody may say to a rollout that waits for people."""
    disputed = bool(status.observation and status.observation.dispute)
    resume, back, abort = ((message, Steering()) for message in (Message.RESUME, Message.ROLLBACK, Message.ABORT))
    match status.phase:
        case Phase.GATED if status.seen:
            approve = Steering(step=status.gate, seen=status.seen, actor="")
            return [(Message.APPROVE, approve), back]
        case Phase.GATED:
            return [(Message.PROMOTE, Steering()), back]
        case Phase.PAUSED | Phase.STALLED if disputed:
            return [*((Message.RESUME, Steering(side=side)) for side in (Side.OURS, Side.THEIRS)), abort]
        case Phase.PAUSED:
            return [resume]
        case Phase.STALLED:
            others = {Course.FORWARD: [back, abort], Course.STOP: [back], Course.BACK: []}
            return [resume, *others[status.course]]
        case _:
            return []


def gates(found: Sequence[OpenGate]) -> str:
    """How the gates stand, on one line."""
    return "; ".join(
        f"{gate.name} {gate.progress.finding}" + (f" ({gate.progress.message})" if gate.progress.message else "")
        for gate in found
    )


def short_line(text: str) -> str:
    """Text as a summary, for which there is little room: 200 bytes."""
    flat = " ".join(text.split())
    encoded = flat.encode()
    return flat if len(encoded) <= _MOST_SUMMARY else f"{encoded[: _MOST_SUMMARY - 3].decode(errors='ignore')}…"


def waiting(seen: Observation | None, reason: str) -> str:
    """What a wait waits for."""
    if reason or seen is None:
        return reason or "look at the target"
    starting = [group for group in seen.asked if not group.available]
    return f"wait until {_groups(starting)} can serve" if starting else "watch the target"


def line(status: RolloutStatus) -> str:
    """The state of a rollout in one line."""
    seen = status.observation
    counts = f", {sum(group.done for group in seen.asked)} of {seen.replicas} groups done" if seen else ""
    return f"{status.phase}{counts}" + (f": {status.reason}" if status.reason else "")


def steering(given: Sequence[Any]) -> Steering:
    """What somebody sent along with a signal; whatever it is, it must not stop the rollout."""
    first = given[0] if given and given[0] is not None else {}
    try:
        return Steering.model_validate(first)
    except ValidationError:
        return Steering(**_who_and_why(first))


def _who_and_why(given: object) -> dict[str, str]:
    """What can be kept of an input that can't be read: no more, as the rest may be private."""
    if isinstance(given, str):
        return {"reason": given[:200]}
    fields = given if isinstance(given, dict) else {}
    return {name: str(fields[name])[:200] for name in ("actor", "reason") if isinstance(fields.get(name), str)}


def message(given: Any) -> tuple[Message, Steering]:
    """The message in an update's input. Raises ApplicationError that says what may be sent."""
    try:
        steer = Steering.model_validate({} if given is None else given)
    except ValidationError as error:
        raise refusal(short(error)) from error
    if steer.message is None:
        raise refusal(f"say which message: one of {', '.join(Message)}")
    return steer.message, steer


def retarget(given: Any) -> Retarget:
    """The change that somebody asks for. Raises ValidationError, which `short` says in words."""
    return Retarget.model_validate({} if given is None else given)


def refusal(why: str, *, over: bool = False) -> ApplicationError:
    """What an update is refused with. `over`: as the rollout is done, so that whoever asks may start another one."""
    return ApplicationError(why, type=OVER if over else "Refused", non_retryable=True)


def short(error: ValidationError | ApplicationError) -> str:
    """What is wrong, on one line."""
    if isinstance(error, ApplicationError):
        return error.message
    parts = ((".".join(map(str, part["loc"])) or "the data", part["type"], part["msg"]) for part in error.errors())
    told = (f"{where}: {_NO_OBJECT if kind == 'model_type' else what}" for where, kind, what in parts)
    return "; ".join(told)[:500]


def is_permanent(error: ActivityError) -> bool:
    """Whether trying again won't help until somebody changes something. A worker without a key is one of several."""
    return isinstance(error.cause, ApplicationError) and error.cause.non_retryable and not _missing_key(error)


def is_worth_trying_again(error: ActivityError) -> bool:
    """Whether the very same may succeed later: not where the target has changed, or something is refused."""
    conflict = isinstance(error.cause, ApplicationError) and error.cause.type == "ConflictError"
    return not conflict and not is_permanent(error)


def failure(error: ActivityError, given: RolloutInput) -> str:
    """Why an activity failed, for people."""
    cause = error.cause
    if missing := _missing_key(error):
        return missing
    if isinstance(cause, ApplicationError):
        return cause.message
    if isinstance(cause, TimeoutError) and cause.type == TimeoutType.SCHEDULE_TO_START:
        return _without_worker(given)
    return f"{error.activity_type} failed: {cause}"


def _missing_key(error: BaseException) -> str:
    """What a worker says that has no key for what was sealed; empty if that isn't the cause."""
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, ApplicationError) and cause.type == "KeysError":
            return cause.message
        cause = cause.__cause__
    return ""


def _without_worker(given: RolloutInput) -> str:
    cluster, queue = given.spec.target.cluster, given.task_queue
    own = "" if queue == DEFAULT_TASK_QUEUE else f" --task-queue {queue}"
    if cluster:
        return f"no worker of cluster {cluster} takes tasks; start one with: rollwright worker --cluster {cluster}{own}"
    return f"no worker takes tasks from the queue {queue}; start one with: rollwright worker{own}"
