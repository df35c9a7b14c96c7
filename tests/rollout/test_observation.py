"""An observation travels through a workflow's history, so it is small and comes back as it was."""

from hypothesis import given
from hypothesis import strategies as st

from rollwright.rollout.observation import Group, Observation

groups = st.lists(
    st.builds(
        Group,
        ordinal=st.just(0),
        updated=st.booleans(),
        ready=st.booleans(),
        terminating=st.booleans(),
        reason=st.sampled_from(["", "image can't be pulled"]),
        blip=st.booleans(),
        unscheduled=st.booleans(),
        misplaced=st.booleans(),
    ),
    max_size=40,
).map(lambda drawn: tuple(group.model_copy(update={"ordinal": i}) for i, group in enumerate(drawn)))


@given(groups)
def test_it_comes_back_as_it_was(drawn: tuple[Group, ...]) -> None:
    observation = Observation(replicas=4, groups_asked=4, partition=2, groups=drawn)
    assert Observation.model_validate_json(observation.model_dump_json()) == observation


def test_two_thousand_groups_fit_in_three_kilobytes() -> None:
    many = tuple(Group(ordinal=i, updated=True, ready=False) for i in range(2000))
    assert len(Observation(replicas=2000, groups_asked=2000, partition=0, groups=many).model_dump_json()) < 3000
