"""What LWS does by itself with its own maxSurge, held against the formula the stand-in is held to."""

from itertools import product

import pytest

from rollwright.cluster.native import keeps_available, max_unavailable_needed, own_surge
from rollwright.devcluster.standin import formula
from rollwright.rollout.observation import Group, Observation


@pytest.mark.parametrize("replicas", [1, 2, 3, 5])
def test_lws_keeps_up_as_much_of_its_surge_as_is_reckoned(replicas: int) -> None:
    for unfinished, surge, unavailable in product(range(1, replicas + 1), range(replicas + 1), range(replicas + 1)):
        done = [formula.GroupState(ready=True, updated=True)] * (replicas - unfinished)
        groups = [formula.GroupState(ready=True, updated=False)] * unfinished + done
        leader = formula.Leader(replicas=replicas + surge, partition=replicas, wanted_then=replicas)
        missing = [formula.GroupState(ready=False, updated=False)] * surge
        strategy = formula.Strategy(replicas, max_unavailable=unavailable, max_surge=surge, partition=replicas)
        target = formula.next_target(strategy, leader, groups + missing, template_changed=False)
        assert target.replicas == replicas + own_surge(unfinished, surge, unavailable)


def seen(marks: str, *, replicas: int, partition: int) -> Observation:
    """D done, L on the target revision and loading, O old and available, B old and broken."""
    groups = tuple(
        Group(ordinal=ordinal, updated=mark in "DL", ready=mark in "DO") for ordinal, mark in enumerate(marks)
    )
    return Observation(replicas=replicas, groups_asked=len(marks), partition=partition, groups=groups)


@pytest.mark.parametrize(
    ("marks", "replicas", "partition"),
    [("OOOODD", 4, 2), ("OOOODD", 4, 0), ("OOOOLD", 4, 3), ("OBOODD", 4, 2), ("OOODDD", 6, 1), ("OOOLDD", 6, 0)],
)
def test_lws_comes_down_to_the_partition_with_what_is_reckoned_and_with_no_less(
    marks: str, replicas: int, partition: int
) -> None:
    states = [formula.GroupState(ready=mark in "DO", updated=mark in "DL") for mark in marks]
    surge = len(marks) - replicas
    leader = formula.Leader(replicas=len(marks), partition=len(marks), wanted_then=replicas)

    def reached(max_unavailable: int) -> int:
        strategy = formula.Strategy(replicas, max_unavailable, surge, partition)
        return formula.next_target(strategy, leader, states, template_changed=False).partition

    looked = seen(marks, replicas=replicas, partition=len(marks))
    needed = max_unavailable_needed(looked, replicas, partition, more_to_come=False)
    assert reached(max(0, needed)) == partition
    assert needed <= 0 or reached(needed - 1) > partition


@pytest.mark.parametrize(
    ("marks", "partition", "max_unavailable", "keeps"),
    [
        pytest.param("OOOODD", 2, 2, True, id="more to do than maxSurge covers: LWS gives nothing back"),
        pytest.param("OODDDD", 1, 0, True, id="with maxUnavailable 0 it gives nothing back"),
        pytest.param("OODDDD", 1, 1, True, id="one back, and as many as replicas are left"),
        pytest.param("OODDDD", 0, 1, False, id="one back, and fewer are left"),
        pytest.param("OLLDDD", 0, 1, True, id="one back for one that gets ready"),
        pytest.param("OLLDDD", 0, 2, False, id="two back for one that gets ready"),
        pytest.param("OLDDDD", 0, 1, False, id="one back, and fewer are left than the release leaves"),
        pytest.param("OOLDLL", 1, 1, True, id="what isn't available is no loss"),
        pytest.param("OOLDDD", 0, 3, False, id="it gives more back once the loading one is ready"),
    ],
)
def test_a_release_must_not_have_lws_give_back_surge_groups_that_are_needed(
    marks: str, partition: int, max_unavailable: int, keeps: bool
) -> None:
    looked = seen(marks, replicas=4, partition=4)
    assert keeps_available(looked, partition, 4, 2, max_unavailable) is keeps
