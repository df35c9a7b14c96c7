"""Whether a rollout still stands for what was asked for."""

import pytest

from rollwright.cli.failure import ExitCode
from rollwright.cli.outputs import Status
from rollwright.cli.superseding import Claim, SupersededError
from rollwright.rollout.spec import Change, RolloutSpec, Target
from rollwright.workflows.contract import Event, Phase, RolloutInput, RolloutStatus

V2, V3 = Change(images={"model": "llm:v2"}), Change(images={"model": "llm:v3"})
PATCH = Change(patch={"size": 2})
TARGET = Target(name="llm")


def claim(change: Change = V2, request_id: str = "") -> Claim:
    return Claim(RolloutInput(spec=RolloutSpec(target=TARGET, change=change), request_id=request_id))


def status(change: Change = V2, revision: str = "", request_id: str = "", *events: Event) -> Status:
    return Status.of(
        RolloutStatus(
            rollout="rollout/lws/default/llm",
            phase=Phase.PROGRESSING,
            spec=RolloutSpec(target=TARGET, change=change),
            revision=revision,
            request_id=request_id,
            events=events,
        )
    )


def stands(claim: Claim, *seen: Status) -> bool:
    """Whether it still stands after the last look; it must at each before."""
    for earlier in seen[:-1]:
        claim.check(earlier)
    try:
        claim.check(seen[-1])
    except SupersededError:
        return False
    return True


@pytest.mark.parametrize("request_id", ["", "build-7"])
def test_another_change_supersedes(request_id: str) -> None:
    mine = status(V2, "t2", request_id)
    assert stands(claim(V2, request_id), mine, mine)
    assert not stands(claim(V2, request_id), mine, status(V3, "t3", "build-8"))
    assert not stands(claim(V2, request_id), mine, status(V3, "t3"))
    assert not stands(claim(V2, request_id), status(V3, "t3", "build-8"))


def test_a_retarget_that_is_not_taken_up_yet_supersedes_nothing() -> None:
    assert stands(claim(V2), status(V2), status(V2, "t2", ""))


def test_somebody_elses_retarget_to_the_same_change_supersedes_nothing() -> None:
    assert stands(claim(V2, "build-7"), status(V2, "t2", "build-7"), status(V2, "t2", "build-8"))
    assert stands(claim(V2, "build-7"), status(V2, "", "build-8"))


def test_a_job_that_is_run_again_stands_by_its_request_whatever_the_change_is_called_by_now() -> None:
    named = status(Change(revision="t-patch"), "t-patch", "build-7")
    assert stands(claim(PATCH, "build-7"), named)


def test_a_patch_that_has_got_the_name_of_its_template_is_the_same_change() -> None:
    named = status(Change(revision="t-patch"), "t-patch")
    assert stands(claim(PATCH), status(PATCH, "t-patch"), named)
    assert stands(claim(PATCH), named)  # looked at late


def test_somebody_elses_template_supersedes() -> None:
    theirs = status(Change(revision="t-theirs"), "t-theirs")
    assert not stands(claim(V2), status(V2, "t2"), theirs)
    assert not stands(claim(PATCH), status(PATCH, "t-patch"), theirs)
    assert not stands(claim(V2, "build-7"), status(V2, "t2", "build-7"), theirs)
    assert not stands(claim(PATCH), status(Change(revision="t-theirs"), "t-theirs", "build-8"))


def test_it_stands_again_once_somebody_sets_it_back_and_was_never_seen_elsewhere() -> None:
    assert stands(claim(V2), status(V2, "t2"), status(Change(revision="t2"), "t2", "undo"))


def test_it_says_who_has_put_what_in_its_place_and_ends_with_6() -> None:
    events = (
        Event(at="2026-01-02T03:04:05Z", what="pause: no new step", actor="bob"),
        Event(at="2026-01-02T03:04:05Z", what="retarget: goes on", actor="ann", reason="hotfix"),
        Event(at="2026-01-02T03:05:05Z", what="resume: goes on", actor="bob"),
    )
    with pytest.raises(SupersededError) as raised:
        claim(V2).check(status(V3, "t3", "", *events))
    assert (raised.value.code, int(raised.value.code)) == (ExitCode.SUPERSEDED, 6)
    assert raised.value.what == (
        "superseded: ann has put another change in the place of the one that was waited for (hotfix); "
        "rollout/lws/default/llm goes to model=llm:v3 now"
    )
    assert raised.value.todo == "Follow what is rolled out now: rollwright watch rollout/lws/default/llm"
