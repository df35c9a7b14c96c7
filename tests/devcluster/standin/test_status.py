"""The status a LeaderWorkerSet shows, with the traits of LWS that mislead."""

from rollwright.devcluster.standin.formula import GroupState, Strategy
from rollwright.devcluster.standin.manifests import Manifest
from rollwright.devcluster.standin.status import count, is_complete, next_status

DONE = GroupState(ready=True, updated=True)
OLD = GroupState(ready=True, updated=False)
STARTING = GroupState(ready=False, updated=True)
FOUR = Strategy(replicas=4, max_unavailable=1, max_surge=0, partition=0)


def _reconciled(lws: Manifest, groups: list[GroupState], strategy: Strategy = FOUR) -> Manifest:
    counts = count(dict(enumerate(groups)), strategy)
    status = next_status(lws, leaders=len(groups), counts=counts, strategy=strategy)
    return {**lws, "status": status}


def _conditions(lws: Manifest) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in lws["status"]["conditions"]}


def _lws(generation: int, status: Manifest | None = None) -> Manifest:
    return {"metadata": {"name": "m", "generation": generation}, "status": status or {}}


def test_ready_counts_old_groups_and_updated_counts_unready_ones() -> None:
    status = _reconciled(_lws(1), [OLD, OLD, OLD, STARTING])["status"]
    assert (status["replicas"], status["readyReplicas"], status["updatedReplicas"]) == (4, 3, 1)


def test_a_number_that_is_zero_is_not_there() -> None:
    assert "updatedReplicas" not in _reconciled(_lws(1), [OLD] * 4)["status"]


def test_a_set_is_available_with_a_partition_that_holds_old_groups() -> None:
    held = FOUR._replace(partition=2)
    assert _conditions(_reconciled(_lws(1), [OLD, OLD, DONE, DONE], held)) == {"Available": "True"}


def test_an_update_takes_two_reconciliations_to_show_as_progressing() -> None:
    available = _reconciled(_lws(1), [DONE] * 4)
    first = _reconciled(_lws(2, available["status"]), [OLD] * 4)
    assert _conditions(first) == {"Available": "False", "UpdateInProgress": "True"}
    second = _reconciled(first, [OLD] * 4)
    assert _conditions(second) == {"Available": "False", "UpdateInProgress": "True", "Progressing": "True"}


def test_an_update_shows_as_in_progress_until_the_set_is_available() -> None:
    updating = _reconciled(_reconciled(_lws(1), [OLD] * 4), [OLD] * 4)
    starting = _reconciled(updating, [STARTING] * 4)
    assert _conditions(starting) == {"UpdateInProgress": "True", "Progressing": "True"}
    assert _conditions(_reconciled(starting, [DONE] * 4)) == {
        "UpdateInProgress": "False",
        "Progressing": "False",
        "Available": "True",
    }


def test_a_status_that_says_the_same_is_the_same() -> None:
    lws = _reconciled(_lws(1), [DONE] * 4)
    assert _reconciled(lws, [DONE] * 4) == lws


def test_every_condition_tells_the_newest_generation() -> None:
    lws = _reconciled(_lws(7, _reconciled(_lws(1), [STARTING] * 4)["status"]), [DONE] * 4)
    assert {condition["observedGeneration"] for condition in lws["status"]["conditions"]} == {7}
    assert lws["status"]["observedGeneration"] == 7


def test_surge_groups_make_no_update_complete() -> None:
    groups = dict(enumerate([OLD, DONE, DONE, DONE, DONE]))
    assert not is_complete(count(groups, FOUR), FOUR)


def test_a_held_update_is_never_complete() -> None:
    held = FOUR._replace(partition=1)
    assert not is_complete(count(dict(enumerate([DONE] * 4)), held), held)
    assert is_complete(count(dict(enumerate([DONE] * 4)), FOUR), FOUR)
