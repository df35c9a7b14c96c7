"""An observation travels through a workflow's history, so it is small and comes back as it was."""

from hypothesis import given
from hypothesis import strategies as st

from rollwright.rollout.observation import Cause, Group, Observation

MOST_TOLD = 50
told = st.one_of(st.just(("", None)), st.tuples(st.just("image can't be pulled"), st.none() | st.sampled_from(Cause)))


@st.composite
def group_tuples(draw: st.DrawFn, most: int) -> tuple[Group, ...]:
    groups = []
    for ordinal in range(draw(st.integers(0, most))):
        flags = {
            flag: draw(st.booleans())
            for flag in ("updated", "ready", "terminating", "blip", "unscheduled", "misplaced")
        }
        reason, cause = draw(told)
        groups.append(Group(ordinal=ordinal, reason=reason, cause=cause, failed=draw(st.booleans()), **flags))
    return tuple(groups)


def there_and_back(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    observation = Observation(replicas=4, groups_asked=4, partition=2, groups=groups)
    packed = observation.model_dump_json(by_alias=True)
    return Observation.model_validate_json(packed).groups


@given(group_tuples(40))
def test_it_comes_back_as_it_was(groups: tuple[Group, ...]) -> None:
    assert there_and_back(groups) == groups


def test_of_many_reasons_those_of_failed_groups_are_told() -> None:
    groups = tuple(
        Group(ordinal=i, updated=True, ready=False, reason=f"reason {i}", cause=Cause.CRASH, failed=i >= 100)
        for i in range(130)
    )
    back = there_and_back(groups)
    assert [group.failed for group in back] == [group.failed for group in groups]
    assert back[100:] == groups[100:]
    assert sum(1 for group in back if group.reason) == sum(1 for group in back if group.cause) == MOST_TOLD


def test_what_an_older_version_packed_is_still_read() -> None:
    packed = {"replicas": 1, "groupsAsked": 1, "partition": 0, "groups": {"flags": "A", "reasons": {"0": "starting"}}}
    assert Observation.model_validate(packed).groups == (
        Group(ordinal=0, updated=False, ready=False, reason="starting"),
    )


def test_two_thousand_groups_fit_in_three_kilobytes() -> None:
    many = tuple(Group(ordinal=i, updated=True, ready=False) for i in range(2000))
    assert len(Observation(replicas=2000, groups_asked=2000, partition=0, groups=many).model_dump_json()) < 3000


def test_failed_groups_that_are_not_asked_for_any_more_do_not_count() -> None:
    groups = tuple(Group(ordinal=i, updated=True, ready=False, failed=True) for i in range(3))
    seen = Observation(replicas=2, groups_asked=2, partition=0, groups=groups)
    assert [group.ordinal for group in seen.failed] == [0, 1]
