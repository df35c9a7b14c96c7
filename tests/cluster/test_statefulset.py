"""A StatefulSet as a target: what is read of it, what is written to it, and what of it can't be rolled out."""

from datetime import UTC, datetime
from typing import Any

import pytest

from rollwright.cluster import names
from rollwright.cluster.api import PODS
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.objects import Settings
from rollwright.cluster.record import Asked, Record
from rollwright.cluster.statefulset import StatefulSet, StatefulSetSnapshot
from rollwright.cluster.templates import kept_name, render
from rollwright.rollout.observation import Observation
from rollwright.rollout.planner import Action, Step, plan
from rollwright.rollout.spec import Change, Strategy
from tests.cluster.objects import as_watched

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEMPLATE = {"spec": {"containers": [{"name": "model", "image": "m:1"}]}}
SURGING = Strategy(max_surge=1)
Json = dict[str, Any]


def sts(*, partition: int = 0, observed: int = 3, **spec: Any) -> StatefulSet:
    """A StatefulSet of three pods at generation 3, whose update revision is "new"."""
    return StatefulSet(
        {
            "metadata": {"name": "web", "namespace": "default", "uid": "u-web", "generation": 3},
            "spec": {
                "replicas": 3,
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": {"tier": "front", "app": "web"}},
                "template": TEMPLATE,
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"partition": partition, "maxUnavailable": 2},
                },
                **spec,
            },
            "status": {"observedGeneration": observed, "currentRevision": "old", "updateRevision": "new"},
        }
    )


def pod(
    ordinal: int, *, revision: str = "old", owner: str = "u-web", ready_since: str = "2026-01-01T11:00:00Z"
) -> Json:
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"},
        {"type": "Ready", "status": str(bool(ready_since)), "lastTransitionTime": ready_since},
    ]
    return {
        "metadata": {
            "name": f"web-{ordinal}",
            "uid": f"u-{ordinal}",
            "resourceVersion": "1",
            "labels": {"controller-revision-hash": revision},
            "ownerReferences": [{"kind": "StatefulSet", "name": "web", "uid": owner, "controller": True}],
        },
        "spec": {"nodeName": "node-1"},
        "status": {"conditions": conditions if ready_since else conditions[:1]},
    }


def read(item: StatefulSet, *pods: Json) -> StatefulSetSnapshot:
    return StatefulSetSnapshot(item, {PODS: as_watched(pods)})


def observe(item: StatefulSet, *pods: Json) -> Observation:
    return read(item, *pods).observe(None, 30, NOON)


def test_each_pod_is_a_group() -> None:
    seen = observe(sts(partition=2), pod(0), pod(1, ready_since=""), pod(2, revision="new"))
    assert [group.available for group in seen.groups] == [True, False, True]
    assert [group.updated for group in seen.groups] == [False, False, True]
    assert (seen.replicas, seen.groups_asked, seen.partition, seen.settled) == (3, 3, 2, True)


def test_a_pod_that_is_not_there_runs_what_the_partition_gives_it() -> None:
    seen = observe(sts(partition=2), pod(0))
    assert [group.updated for group in seen.groups] == [False, False, True]
    assert [group.unscheduled for group in seen.groups] == [False, True, True]


def test_it_is_not_settled_until_its_controller_has_seen_the_last_write() -> None:
    assert not observe(sts(observed=2), pod(0), pod(1), pod(2)).settled


def test_pods_of_others_with_the_same_labels_are_not_its_own() -> None:
    assert sorted(read(sts(), pod(0), pod(1, owner="u-other")).leaders) == [0]


def test_pods_are_asked_for_by_the_labels_of_its_selector() -> None:
    assert StatefulSetSnapshot.selector(sts()) == "statefulset.kubernetes.io/pod-name,app=web,tier=front"


def test_released_pods_of_another_revision_are_to_be_replaced() -> None:
    released = read(sts(partition=1), pod(0), pod(1), pod(2, revision="new")).released_leaders()
    assert [leader["metadata"]["name"] for leader in released] == ["web-1"]


@pytest.mark.parametrize(("since", "ready"), [("2026-01-01T11:59:31Z", False), ("2026-01-01T11:59:30Z", True)])
def test_a_pod_counts_once_it_has_been_ready_for_min_ready_seconds(since: str, ready: bool) -> None:
    (group,) = observe(sts(replicas=1, minReadySeconds=30), pod(0, ready_since=since)).groups
    assert group.ready is ready


def test_ready_again_and_not_for_long_enough_is_a_blip_and_not_free_to_be_taken_down() -> None:
    (group,) = observe(sts(replicas=1, minReadySeconds=30), pod(0, ready_since="2026-01-01T11:59:59Z")).groups
    assert (group.available, group.blip) == (False, True)


def test_while_an_update_of_its_own_is_under_way_it_is_frozen_first_and_nothing_taken_down() -> None:
    """To its controller all pods are released, one after another: they must not be replaced at once."""
    seen = observe(sts(), pod(0), pod(1), pod(2, revision="new"))
    assert [group.updated for group in seen.groups] == [False, False, True]
    assert plan(Strategy(), seen) == Step(action=Action.PREPARE, partition=3, groups=3)


def test_what_is_released_under_a_record_of_ours_is_replaced() -> None:
    item = sts(partition=1)
    asked = Asked(partition=1, max_unavailable=1, template=kept_name(item, item.template))
    record = Record.first(item).model_copy(update={"asked": asked, "partition": 0})
    item.manifest["metadata"]["annotations"] = {names.RECORD: record.model_dump_json(by_alias=True, exclude_none=True)}
    verdict = plan(Strategy(), observe(item, pod(0), pod(1), pod(2, revision="new")))
    assert verdict == Step(action=Action.REPLACE, partition=1, groups=3, delete=(1,))


def test_a_null_that_older_api_servers_write_into_a_template_makes_no_other_template() -> None:
    older = sts(template={**TEMPLATE, "metadata": {"creationTimestamp": None}})
    assert older.template == sts().template
    labelled = sts(template={**TEMPLATE, "metadata": {"creationTimestamp": None, "labels": {"app": "web"}}})
    assert labelled.template["template"]["metadata"] == {"labels": {"app": "web"}}


@pytest.mark.parametrize(("policy", "in_turn"), [("Parallel", False), ("OrderedReady", True)])
def test_only_ordered_ready_starts_them_in_turn(policy: str, in_turn: bool) -> None:
    assert observe(sts(podManagementPolicy=policy), pod(0)).starts_in_turn is in_turn


def test_of_its_strategy_only_the_partition_is_set() -> None:
    (operation,) = sts().pace(Settings(partition=3, max_unavailable=1, max_surge=1))
    assert operation["path"] == "/spec/updateStrategy"
    assert operation["value"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 3, "maxUnavailable": 2}}


def test_its_own_max_unavailable_is_nobody_elses_edit() -> None:
    assert sts().settings == Settings()


def test_changes_are_made_to_its_pod_template() -> None:
    by_image = render(Change(images={"model": "m:2"}), sts(), "")
    by_patch = render(Change(patch={"spec": {"priority": 1}}), sts(), "")
    assert by_image["template"]["spec"]["containers"] == [{"name": "model", "image": "m:2"}]
    assert by_patch["template"]["spec"] == {**TEMPLATE["spec"], "priority": 1}


def test_a_manifest_must_be_of_the_same_kind() -> None:
    manifest = {"kind": "LeaderWorkerSet", "metadata": {"name": "web"}}
    with pytest.raises(RefusedError, match="is a LeaderWorkerSet web; it must be StatefulSet web"):
        render(Change(manifest=manifest), sts(), "")


def test_its_templates_are_kept_under_its_name_and_uid() -> None:
    assert kept_name(sts(), sts().template).startswith("web-rw-u-web-")


@pytest.mark.parametrize(
    ("item", "words"),
    [
        pytest.param(sts(updateStrategy={"type": "OnDelete"}), "OnDelete", id="no partition"),
        pytest.param(sts(selector={"matchExpressions": [{}]}), "no matchLabels", id="a selector of anything else"),
        pytest.param(sts(ordinals={"start": 1}), "ordinals.start", id="ordinals from elsewhere on"),
        pytest.param(sts(volumeClaimTemplates=[{}]), "give maxSurge 0, or surgeVolumes true", id="volumes of a surge"),
    ],
)
def test_what_can_not_be_rolled_out_is_refused_with_what_to_change(item: StatefulSet, words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        item.check(SURGING)


def test_what_belongs_to_another_is_refused_with_its_name() -> None:
    item = sts()
    item.manifest["metadata"]["ownerReferences"] = [{"kind": "LeaderWorkerSet", "name": "llm", "controller": True}]
    with pytest.raises(RefusedError, match="belongs to the LeaderWorkerSet llm; roll that out"):
        item.check(SURGING)


def test_volumes_stand_in_the_way_of_a_surge_alone_and_only_unless_allowed() -> None:
    sts(volumeClaimTemplates=[{}]).check(Strategy())
    sts(volumeClaimTemplates=[{}]).check(SURGING.model_copy(update={"surge_volumes": True}))
    sts().check(SURGING)
