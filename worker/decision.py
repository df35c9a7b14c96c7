"""What to do about a followed target: from what is seen of it, its policy, and its latest rollout. Pure."""

from enum import StrEnum
from typing import NamedTuple, Self

from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import BY_PODS
from rollwright.worker.policies import Policy, Unusable
from rollwright.workflows.contract import Phase

_PREFIX = "follow"


class Seen(NamedTuple):
    """A followed target at one moment."""

    word: str
    """What people call it by within its namespace, as in lws/llm."""
    namespace: str
    uid: str
    template: str
    """Digest of the template that stands."""
    pending: bool = False
    """Groups don't run that template, and the controllers have seen it."""
    frozen: bool = True
    """Nothing moves by itself: the partition is above all groups, or a rollout holds it."""
    disputed: bool = False
    """A rollout has found another template than it has asked for, and is frozen until somebody says whose holds."""


class Request(NamedTuple):
    """What a rollout was started for: its request id says so, whoever reads it later."""

    uid: str
    template: str
    policy: str
    """Digest of the policy."""

    def __str__(self) -> str:
        return ":".join((_PREFIX, *self))

    @classmethod
    def parse(cls, request_id: str) -> Self | None:
        """What a request id says; None if it isn't one of these."""
        prefix, *parts = request_id.split(":")
        return cls(*parts) if prefix == _PREFIX and len(parts) == len(cls._fields) else None


class Latest(NamedTuple):
    """The latest rollout of a target."""

    request: Request | None
    """None: somebody else has started it, or set it another target."""
    is_open: bool
    course: Course | None = None
    """Where an open one is going, if that is known."""
    before: str = ""
    """Digest of the template that an open one goes back to, if that is known."""
    ended: Phase | None = None
    """How it ended; None while it is open, and if it ended without a result."""
    refused: bool = False
    """Whether it failed before anything was touched."""


class Kept(NamedTuple):
    """What the ledger says of the template that stands."""

    rejection: str = ""
    """By whom and why it was rejected, and how to allow it again; empty if it wasn't."""
    turned_away: str = ""
    """How its rollout ended, if that was an abort or a way back and nothing else was rolled out since."""


class Why(StrEnum):
    """Why nothing is started, as the reason of an Event has it."""

    POLICY = "PolicyUnusable"
    NOT_FROZEN = "NotFrozen"
    REJECTED = "TemplateRejected"
    HELD_BACK = "HeldBack"
    PUT_BACK = "TemplatePutBack"
    REFUSED = "TemplateNotTaken"


class Tell(NamedTuple):
    """Say why nothing is started, once."""

    why: Why
    message: str


class Start(NamedTuple):
    """Start a rollout to the template that stands."""

    policy: Policy
    request: Request


class Retarget(NamedTuple):
    """Set the open rollout the template that stands as its target."""

    policy: Policy
    request: Request


class Nothing(NamedTuple):
    """All is as it should be, or somebody is at it."""


Decision = Start | Retarget | Tell | Nothing


def decide(seen: Seen, policy: Policy | Unusable, latest: Latest | None, kept: Kept) -> Decision:
    """What to do. `latest` and `kept` matter only where a change is pending or disputed."""
    if isinstance(policy, Unusable):
        return Tell(Why.POLICY, f"Nothing is started: {policy.why}")
    if not seen.pending and not seen.disputed:
        return Nothing()
    if latest and latest.is_open:
        return _while_open(seen, policy, latest, kept)
    return _at_rest(seen, policy, latest, kept) if seen.pending else Nothing()


def _while_open(seen: Seen, policy: Policy, latest: Latest, kept: Kept) -> Decision:
    """Whoever has started it answers for it; what was started here follows the template."""
    if latest.request is None or not seen.disputed:
        return Nothing()
    if _is_of(latest.request, seen):
        if latest.course in (None, Course.FORWARD):
            return Nothing()  # it is being taken up
        return Tell(
            Why.PUT_BACK,
            "The template that is being rolled back was put in place again. Revert the change where it comes from, or "
            f"go on with it: rollwright resume {seen.word} -n {seen.namespace} --theirs",
        )
    if kept.rejection:
        return Tell(Why.REJECTED, kept.rejection)
    wanted = _back(policy) if latest.before == seen.template else policy
    return Retarget(wanted, _request(seen, policy))


def _back(policy: Policy) -> Policy:
    """To where it has begun no gate stands in the way, and nothing is asked for that came with the new version.

    As in a rollback: what was there before may know neither Service nor path.
    """
    way_back = {"steps": (), "partition": 0, "readiness": BY_PODS, "on_stall": OnFailure.PAUSE}
    return policy._replace(strategy=policy.strategy.model_copy(update=way_back))


def _at_rest(seen: Seen, policy: Policy, latest: Latest | None, kept: Kept) -> Decision:
    if not seen.frozen:
        return Tell(
            Why.NOT_FROZEN,
            "A new template is rolled out without rollwright: set the partition of the target to 2147483647, and "
            "rollwright follows the next one",
        )
    if kept.rejection:
        return Tell(Why.REJECTED, kept.rejection)
    if latest and latest.request and _is_of(latest.request, seen):
        if latest.ended is Phase.COMPLETED:
            return Nothing()
        if not latest.refused or latest.request.policy == policy.digest:
            return _held_back(seen, _how_it_ended(latest))
    elif kept.turned_away:
        return _held_back(seen, kept.turned_away)
    return Start(policy, _request(seen, policy))


def _held_back(seen: Seen, ended: str) -> Tell:
    again = f"rollwright start --target {seen.word} -n {seen.namespace}"
    return Tell(Why.HELD_BACK, f"The rollout of this template has ended ({ended}), and isn't started again: {again}")


def _how_it_ended(latest: Latest) -> str:
    return "refused" if latest.refused else latest.ended or "without a result"


def _request(seen: Seen, policy: Policy) -> Request:
    return Request(seen.uid, seen.template, policy.digest)


def _is_of(request: Request, seen: Seen) -> bool:
    return (request.uid, request.template) == (seen.uid, seen.template)
