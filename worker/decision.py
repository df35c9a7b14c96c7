"""What to do about a followed target: from what is seen of it, its policy, and its latest rollout. Pure."""

from enum import StrEnum
from typing import NamedTuple, Self

from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import BY_PODS
from rollwright.worker.policies import Policy, Unusable
from rollwright.workflows.contract import Phase

_PREFIX = "follow"
_TURNED_AWAY = (Phase.ABORTED, Phase.ROLLED_BACK)
_UNKNOWN = "without a result"


class Seen(NamedTuple):
    """A followed target at one moment."""

    word: str
    """What people call it by within its namespace, as in lws/llm."""
    namespace: str
    uid: str
    template: str
    """Digest of the template that stands."""
    revision: str = ""
    """Name under which that template is kept, if it is."""
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


class Stood(NamedTuple):
    """The template that an object had at one moment."""

    uid: str
    template: str
    """Its digest."""


class Latest(NamedTuple):
    """The latest rollout of a target."""

    request: Request | None
    """None: somebody else has started it, or set it another target."""
    is_open: bool
    run: str = ""
    """Id of its run in Temporal."""
    revision: str = ""
    """Name of the kept template that it rolls out, or did, if that is known."""
    asked_at: str = ""
    """When an open one was last set another target, if that is known."""
    stands: bool = False
    """Whether an open one waits for people to say whose change of the target holds."""
    course: Course | None = None
    """Where an open one is going, if that is known."""
    before: str = ""
    """Digest of the template that an open one goes back to, if that is known."""
    ended: Phase | None = None
    """How it ended; None while it is open, and if it ended without a result."""
    stood: Stood | None = None
    """What it has last seen in place, if that is known."""
    refused: bool = False
    """Whether it failed before anything was touched."""


class Kept(NamedTuple):
    """What the ledger says of the template that stands."""

    rejection: str = ""
    """By whom and why it was rejected, and how to allow it again; empty if it wasn't."""
    outcome: str | None = None
    """How its rollout ended, empty if that isn't known; None if it was never rolled out, or another one was since."""


class Why(StrEnum):
    """Why nothing is started, as the reason of an Event has it."""

    POLICY = "PolicyUnusable"
    NOT_FROZEN = "NotFrozen"
    REJECTED = "TemplateRejected"
    HELD_BACK = "HeldBack"
    PUT_BACK = "TemplatePutBack"
    REFUSED = "TemplateNotTaken"
    DISPUTED = "TemplateDisputed"


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
    run: str = ""
    """Of that rollout."""
    asked_at: str = ""
    """When it was set another target before this."""


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
    request = latest.request
    if request is None or request.uid != seen.uid or not seen.disputed or latest.course is Course.STOP:
        return Nothing()
    if _is_of(latest, seen):
        return _once_taken(seen, latest)
    if kept.rejection:
        return Tell(Why.REJECTED, kept.rejection)
    wanted = _back(policy) if latest.before == seen.template else policy
    return Retarget(wanted, _request(seen, policy), latest.run, latest.asked_at)


def _once_taken(seen: Seen, latest: Latest) -> Decision:
    resume = f"rollwright resume {seen.word} -n {seen.namespace} --theirs"
    if latest.course is Course.BACK:
        return Tell(
            Why.PUT_BACK,
            "The template that is being rolled back was put in place again. Revert the change where it comes from, or "
            f"go on with it: {resume}",
        )
    if latest.stands:
        return Tell(
            Why.DISPUTED, f"The rollout goes towards this template, and waits to be told that it holds: {resume}"
        )
    return Nothing()  # it is being taken up


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
    ended = _how_it_ended(seen, policy, latest, kept)
    if ended is None:
        return Start(policy, _request(seen, policy))
    if ended.startswith(Phase.COMPLETED):
        return Nothing()  # the rest is held, or has failed
    again = f"rollwright start --target {seen.word} -n {seen.namespace}"
    return Tell(Why.HELD_BACK, f"The rollout of this template has ended ({ended}), and isn't started again: {again}")


def _how_it_ended(seen: Seen, policy: Policy, latest: Latest | None, kept: Kept) -> str | None:
    """How the rollout of the template that stands has ended; None if there was none that stands against another.

    Temporal forgets rollouts, and knows of those that people have terminated no template: the ledger does.
    """
    if latest and _is_of(latest, seen):
        if latest.refused:
            is_known = latest.request is not None and latest.request.policy == policy.digest
            return "refused" if is_known else None
        return latest.ended or _UNKNOWN
    if latest and latest.ended in _TURNED_AWAY and latest.stood == (seen.uid, seen.template):
        return f"{latest.ended} while it stood"
    if latest is None:
        return _as_kept(kept)
    ended_unseen = latest.ended is None and not latest.refused
    return _UNKNOWN if latest.request is None and ended_unseen and kept.outcome is not None else None


def _as_kept(kept: Kept) -> str | None:
    if kept.outcome is None or kept.outcome.startswith((Phase.COMPLETED, *_TURNED_AWAY)):
        return kept.outcome
    return None if kept.outcome else _UNKNOWN


def _request(seen: Seen, policy: Policy) -> Request:
    return Request(seen.uid, seen.template, policy.digest)


def _is_of(latest: Latest, seen: Seen) -> bool:
    """Whether it is of the template that stands. What was kept counts: it may have changed since it was asked for."""
    if latest.revision:
        return latest.revision == seen.revision
    request = latest.request
    return request is not None and (request.uid, request.template) == (seen.uid, seen.template)
