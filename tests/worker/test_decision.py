"""What a follower makes of a target, its policy, and its latest rollout."""

import pytest

from rollwright.rollout.aim import Course
from rollwright.rollout.gates.gate import OnFailure
from rollwright.rollout.spec import GatedStep, Strategy
from rollwright.worker.decision import (
    Decision,
    Kept,
    Latest,
    Nothing,
    Request,
    Retarget,
    Seen,
    Start,
    Stood,
    Tell,
    Why,
    decide,
)
from rollwright.worker.policies import Policy, Unusable
from rollwright.workflows.contract import Phase

UID = "2f0d"
OLD, NEW, NEXT = "0ld", "n3w", "n3xt"
"""Digests of templates."""
STRATEGY = Strategy(max_surge=2, partition=1, steps=(GatedStep(until=1),), on_stall=OnFailure.ABORT)
POLICY = Policy("careful", STRATEGY, "p0")
ANEW = Policy("careful", STRATEGY, "p1")
"""The same, written anew."""
KEPT_OLD, KEPT_NEW = f"llm-rw-{UID}-{OLD}", f"llm-rw-{UID}-{NEW}"
"""Names of kept templates."""
AT_REST = Seen("lws/llm", "inference", UID, NEW, KEPT_NEW)
PENDING = AT_REST._replace(pending=True)
LOOSE = PENDING._replace(frozen=False)
DISPUTED = PENDING._replace(disputed=True)
NONE = Kept()
KLINGON = Kept(rejection="ann has rejected it")
AT = "2026-01-01T00:00:00+00:00"
KEPT_ABORTED, KEPT_COMPLETED, KEPT_REFUSED = (
    Kept(outcome=f"{how} {AT}") for how in ("aborted", "completed", "refused")
)
KEPT_WITHOUT_END = Kept(outcome="")
START, RETARGET = Start(POLICY, Request(UID, NEW, "p0")), Retarget(POLICY, Request(UID, NEW, "p0"))


def going(template: str, course: Course | None = Course.FORWARD, *, before: str = OLD) -> Latest:
    """One that is open, started by a follower."""
    return Latest(Request(UID, template, "p0"), is_open=True, course=course, before=before)


def over(template: str, ended: Phase | None, *, uid: str = UID, refused: bool = False) -> Latest:
    """One that has ended, started by a follower."""
    return Latest(Request(uid, template, "p0"), is_open=False, ended=ended, refused=refused)


def by_people(*, is_open: bool) -> Latest:
    return Latest(None, is_open=is_open, course=Course.FORWARD if is_open else None, ended=None)


def over_by_people(revision: str, ended: Phase, stood: str) -> Latest:
    return Latest(None, is_open=False, revision=revision, ended=ended, stood=Stood(UID, stood))


CASES = [
    pytest.param(AT_REST, None, NONE, Nothing(), id="all run what stands"),
    pytest.param(PENDING, None, NONE, START, id="a change"),
    pytest.param(PENDING, over(OLD, Phase.COMPLETED), NONE, START, id="a change after another"),
    pytest.param(PENDING, over(OLD, Phase.ABORTED), NONE, START, id="a change after one that was aborted"),
    pytest.param(PENDING, by_people(is_open=False), NONE, START, id="a change after a rollout by people"),
    pytest.param(PENDING, over(NEW, Phase.ABORTED, uid="0ther"), NONE, START, id="an object made anew"),
    pytest.param(LOOSE, None, NONE, Why.NOT_FROZEN, id="nothing holds it back"),
    pytest.param(PENDING, None, KLINGON, Why.REJECTED, id="a rejected template"),
    pytest.param(PENDING, over(NEW, Phase.COMPLETED), NONE, Nothing(), id="done, but for what is held or has failed"),
    pytest.param(PENDING, over(NEW, Phase.ABORTED), NONE, Why.HELD_BACK, id="aborted"),
    pytest.param(PENDING, over(NEW, Phase.ROLLED_BACK), NONE, Why.HELD_BACK, id="rolled back"),
    pytest.param(PENDING, over(NEW, None), NONE, Why.HELD_BACK, id="terminated"),
    pytest.param(PENDING, over(NEW, None, refused=True), NONE, Why.HELD_BACK, id="refused"),
    pytest.param(
        PENDING,
        over_by_people(KEPT_NEW, Phase.COMPLETED, NEW),
        KEPT_COMPLETED,
        Nothing(),
        id="by people, completed, held",
    ),
    pytest.param(
        PENDING, over_by_people(KEPT_NEW, Phase.ABORTED, NEW), KEPT_ABORTED, Why.HELD_BACK, id="by people, aborted"
    ),
    pytest.param(PENDING, by_people(is_open=False), KEPT_WITHOUT_END, Why.HELD_BACK, id="by people, terminated"),
    pytest.param(PENDING, over_by_people(KEPT_OLD, Phase.ABORTED, OLD), NONE, START, id="changed after an abort"),
    pytest.param(
        PENDING, over_by_people(KEPT_OLD, Phase.ABORTED, NEW), NONE, Why.HELD_BACK, id="changed before an abort"
    ),
    pytest.param(
        PENDING,
        over(OLD, Phase.ROLLED_BACK)._replace(stood=Stood(UID, NEW)),
        KEPT_WITHOUT_END,
        Why.HELD_BACK,
        id="changed before the end of a way back",
    ),
    pytest.param(
        PENDING,
        over(OLD, Phase.ABORTED)._replace(stood=Stood("0ther", NEW)),
        NONE,
        START,
        id="changed before an abort, of an object that is gone",
    ),
    pytest.param(
        PENDING,
        over(NEW, Phase.COMPLETED)._replace(revision=KEPT_OLD),
        NONE,
        START,
        id="asked for, but another template was found and rolled out",
    ),
    pytest.param(
        PENDING,
        over(OLD, Phase.COMPLETED)._replace(revision=KEPT_NEW),
        NONE,
        Nothing(),
        id="found in place of what was asked for, and rolled out",
    ),
    pytest.param(PENDING, None, KEPT_COMPLETED, Nothing(), id="completed, and forgotten by Temporal"),
    pytest.param(PENDING, None, KEPT_WITHOUT_END, Why.HELD_BACK, id="terminated, and forgotten by Temporal"),
    pytest.param(PENDING, None, KEPT_REFUSED, START, id="refused, and forgotten by Temporal"),
    pytest.param(PENDING, None, KEPT_ABORTED, Why.HELD_BACK, id="aborted, and forgotten by Temporal"),
    pytest.param(PENDING, going(NEW), NONE, Nothing(), id="under way"),
    pytest.param(PENDING, going(OLD), NONE, Nothing(), id="not frozen by the rollout yet"),
    pytest.param(PENDING, by_people(is_open=True), NONE, Nothing(), id="people are at it"),
    pytest.param(DISPUTED, going(OLD, before=NEXT), NONE, RETARGET, id="a change in the middle"),
    pytest.param(DISPUTED, going(OLD, Course.BACK, before=NEXT), NONE, RETARGET, id="a change on the way back"),
    pytest.param(DISPUTED, going(OLD, Course.STOP), NONE, Nothing(), id="a change while it is aborted"),
    pytest.param(
        DISPUTED,
        going(OLD)._replace(request=Request("0ther", OLD, "p0")),
        NONE,
        Nothing(),
        id="it is of an object that is gone, and ends",
    ),
    pytest.param(
        DISPUTED, going(NEW)._replace(stands=True), NONE, Why.DISPUTED, id="the change was taken, and it stands"
    ),
    pytest.param(
        DISPUTED, going(NEW)._replace(revision=KEPT_OLD), NONE, RETARGET, id="another template was found and taken"
    ),
    pytest.param(DISPUTED, going(OLD), KLINGON, Why.REJECTED, id="a rejected template in the middle"),
    pytest.param(DISPUTED, going(NEW), NONE, Nothing(), id="the change is being taken up"),
    pytest.param(DISPUTED, going(NEW, Course.BACK), NONE, Why.PUT_BACK, id="put back while it is rolled back"),
    pytest.param(DISPUTED, by_people(is_open=True), NONE, Nothing(), id="people are asked"),
    pytest.param(DISPUTED, over(OLD, None), NONE, START, id="left disputed by one that was terminated"),
    pytest.param(
        DISPUTED, over(OLD, None), KEPT_WITHOUT_END, START, id="left disputed, frozen, by one that was terminated"
    ),
]


@pytest.mark.parametrize(("seen", "latest", "kept", "expected"), CASES)
def test_the_decision(seen: Seen, latest: Latest | None, kept: Kept, expected: Decision | Why) -> None:
    decision = decide(seen, POLICY, latest, kept)
    assert (decision.why if isinstance(decision, Tell) else decision) == expected


@pytest.mark.parametrize("seen", [AT_REST, PENDING, DISPUTED])
def test_without_a_policy_nothing_is_done_and_the_reason_told(seen: Seen) -> None:
    decision = decide(seen, Unusable("its policy 'x' is missing"), going(OLD), NONE)
    assert decision == Tell(Why.POLICY, "Nothing is started: its policy 'x' is missing")


def test_what_was_refused_is_tried_again_with_another_policy() -> None:
    decision = decide(PENDING, ANEW, over(NEW, None, refused=True), NONE)
    assert decision == Start(ANEW, Request(UID, NEW, "p1"))


def test_what_was_aborted_is_not_tried_again_with_another_policy() -> None:
    assert isinstance(decide(PENDING, ANEW, over(NEW, Phase.ABORTED), NONE), Tell)


def test_back_to_where_it_began_no_gate_is_in_the_way() -> None:
    decision = decide(DISPUTED, POLICY, going(OLD, before=NEW), NONE)
    assert isinstance(decision, Retarget)
    assert decision.request == Request(UID, NEW, "p0")
    strategy = decision.policy.strategy
    assert (strategy.steps, strategy.partition, strategy.on_stall) == ((), 0, OnFailure.PAUSE)
    assert strategy.max_surge == 2


def test_who_holds_a_rollout_back_says_how_to_start_it() -> None:
    decision = decide(PENDING, POLICY, over(NEW, Phase.ABORTED), NONE)
    assert decision == Tell(
        Why.HELD_BACK,
        "The rollout of this template has ended (aborted), and isn't started again: "
        "rollwright start --target lws/llm -n inference",
    )


def test_a_request_is_read_as_it_was_written() -> None:
    request = Request("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "0123456789", "abcdef0123")
    assert Request.parse(str(request)) == request
    assert len(str(request)) <= 200  # the longest request id


@pytest.mark.parametrize("text", ["", "ci-4711", "follow", "follow:uid:template", "follow:a:b:c:d", "other:a:b:c"])
def test_other_requests_are_no_followers(text: str) -> None:
    assert Request.parse(text) is None
