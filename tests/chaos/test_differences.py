"""What is left on a target whose groups are held back is judged as closely as what is put back."""

import json
from typing import Any

import pytest

from rollwright.workflows.contract import Phase
from tests.chaos.differences import Past, differences, gone_through
from tests.chaos.expectation import End
from tests.chaos.promise import RECORD
from tests.chaos.story import Story
from tests.chaos.test_plan import plan
from tests.devcluster.standin.namespace import Json
from tests.e2e.scene import USERS

ABORTED, BACK, CANARY = End(Phase.ABORTED, 0), End(Phase.ROLLED_BACK, 0), End(Phase.COMPLETED, 1)
PAST = Past(images=("model:1", "model:2"), wishes=(4,), groups_max=5)
SPLIT = ("model:1", "model:1", "model:2", "model:2")
HELD = {"partition": 2, "maxUnavailable": 2, "maxSurge": 0}
"""The user's 50 % of 4 come to 2."""
TOLD = {**USERS, "version": 1, "replicas": 4, "groups": 4}


def lws(settings: Json, record: Json | None, *, image: str = "model:2", replicas: int = 4) -> Json:
    pod = {"spec": {"containers": [{"name": "model", "image": image}]}}
    return {
        "metadata": {"annotations": {RECORD: json.dumps(record)} if record else {}},
        "spec": {
            "replicas": replicas,
            "rolloutStrategy": {"rollingUpdateConfiguration": settings},
            "leaderWorkerTemplate": {"workerTemplate": pod},
        },
    }


def pods(*images: str) -> list[Json]:
    return [
        {
            "metadata": {"labels": {"leaderworkerset.sigs.k8s.io/group-index": str(ordinal)}},
            "spec": {"containers": [{"name": "model", "image": image}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }
        for ordinal, image in enumerate(images)
    ]


def held(record: Json | None = TOLD, /, **settings: Any) -> Json:
    return lws({**HELD, **settings}, record)


def test_an_abort_at_the_split_with_the_users_settings_written_down_is_right() -> None:
    assert differences(plan(), ABORTED, PAST, held(), pods(*SPLIT)) == []


def test_where_all_groups_were_released_an_abort_puts_the_settings_back() -> None:
    assert differences(plan(), ABORTED, PAST, lws(USERS, None), pods(*["model:2"] * 4)) == []
    assert differences(plan(), ABORTED, PAST, lws(USERS, None), pods(*SPLIT)) != []


@pytest.mark.parametrize(
    ("target", "found"),
    [
        pytest.param(held(None), "no annotation", id="the user's settings are nowhere"),
        pytest.param(held({**TOLD, "maxUnavailable": 2}), "tells", id="another maxUnavailable is written down"),
        pytest.param(held({**TOLD, "replicas": 3}), "replicas 3", id="other replicas are written down"),
        pytest.param(held(maxUnavailable=99), "maxUnavailable is 99", id="more than the user's maxUnavailable"),
        pytest.param(held(maxUnavailable="50%"), "maxUnavailable is 50%", id="the user's own, but no whole number"),
        pytest.param(held(maxUnavailable=0), "maxUnavailable is 0", id="nothing could be repaired"),
        pytest.param(held(maxSurge=1), "maxSurge is 1", id="LWS would surge by itself"),
        pytest.param(held(partition=2147483647), "more than 5 groups", id="far above all groups"),
        pytest.param(held(partition=1), "group 1 runs ['model:1']", id="a group is still to be updated"),
        pytest.param(held(partition=3), "group 2 runs ['model:2']", id="a group would come back old"),
    ],
)
def test_what_is_wrong_about_a_held_target_is_found(target: Json, found: str) -> None:
    assert found in "; ".join(differences(plan(), ABORTED, PAST, target, pods(*SPLIT)))


def test_replicas_the_user_has_written_since_count_and_so_does_the_budget_from_before() -> None:
    past = PAST._replace(wishes=(4, 3))
    target = lws(HELD, TOLD, replicas=3)
    assert differences(plan(), ABORTED, past, target, pods(*SPLIT[:3])) == []
    assert differences(plan(), ABORTED, PAST._replace(wishes=(3,)), target, pods(*SPLIT[:3])) != []


def test_an_image_nobody_rolled_out_is_found_after_an_abort() -> None:
    assert differences(plan(), ABORTED, PAST, held(), pods("model:3", *SPLIT[1:])) != []


def test_a_pod_too_few_or_a_group_too_many_is_found() -> None:
    assert differences(plan(), ABORTED, PAST, held(), pods(*SPLIT[:3])) != []
    assert differences(plan(), ABORTED, PAST, held(), pods(*SPLIT, "model:2")) != []


@pytest.mark.parametrize(("fails", "fine"), [("crash-loop", True), ("image-pull", False), ("", False)])
def test_only_a_group_that_crashes_may_be_about_to_be_made_anew(fails: str, *, fine: bool) -> None:
    found = differences(plan(fails), ABORTED, PAST, held(), pods(*SPLIT[:3]))
    assert (found == []) is fine


def test_on_an_aborted_way_back_groups_that_never_were_updated_may_be_below_the_partition() -> None:
    past = PAST._replace(images=("model:1", "model:2", "model:1"))
    target = lws({**HELD, "partition": 3}, TOLD, image="model:1")
    assert differences(plan(), ABORTED, past, target, pods("model:1", "model:1", "model:2", "model:1")) == []


@pytest.mark.parametrize(("partition", "fine"), [(2, True), (3, False), (0, False)])
def test_a_canary_is_held_where_it_was_configured(partition: int, *, fine: bool) -> None:
    found = differences(plan(partition=2), CANARY, PAST, held(partition=partition), pods(*SPLIT))
    assert (found == []) is fine


def test_after_a_rollback_nothing_is_held() -> None:
    assert differences(plan(), BACK, PAST, lws(USERS, None, image="model:1"), pods(*["model:1"] * 4)) == []
    assert differences(plan(), BACK, PAST, lws(HELD, TOLD, image="model:1"), pods(*["model:1"] * 4)) != []


def test_what_a_rollout_went_through_is_read_off_its_frames() -> None:
    story = Story(4)
    story.write(image="model:2", partition=4, replicas=5)
    story.scale(3)
    decided = story.frames[-1].change.at + 0.5
    story.scale(2)
    assert gone_through(story.frames, decided) == Past(("model:1", "model:2"), wishes=(3, 2), groups_max=5)
