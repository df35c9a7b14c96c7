"""What watches keep: little of a pod, and all of what is a target itself."""

import json

from rollwright.cluster import names
from rollwright.cluster.api import ENDPOINT_SLICES, LEADER_WORKER_SETS, PODS, STATEFUL_SETS
from rollwright.cluster.pruning import pruned
from tests.cluster.objects import Json, as_watched, lws

CONTROLLER = {"kind": "LeaderWorkerSet", "name": "llm", "uid": "u-lws", "controller": True}
CONTAINER = {
    "name": "model",
    "image": "registry.example/model:2",
    "imageID": f"registry.example/model@sha256:{64 * '0'}",
    "containerID": f"containerd://{64 * '0'}",
    "ready": True,
    "restartCount": 0,
    "started": True,
    "state": {"running": {"startedAt": "2026-01-01T11:00:00Z"}},
    "lastState": {},
}


def whole_pod() -> Json:
    return {
        "metadata": {
            "name": "llm-0",
            "uid": "u-0",
            "resourceVersion": "7",
            "generation": 1,
            "labels": {names.NAME: "llm", names.GROUP_INDEX: "0", "app": "llm"},
            "annotations": {"checksum/config": 64 * "0", names.FENCE: "1 lws/llm"},
            "ownerReferences": [CONTROLLER | {"kind": "StatefulSet", "blockOwnerDeletion": True}],
            "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:conditions": 400 * "x"}}}],
        },
        "spec": {
            "nodeName": "gpu-03",
            "containers": [{"name": "model", "env": [{"name": f"PARAMETER_{n}", "value": "1"} for n in range(50)]}],
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"}],
            "containerStatuses": [CONTAINER],
        },
    }


def test_of_a_pod_only_what_is_read_of_it_is_kept() -> None:
    (kept,) = as_watched([whole_pod()])
    assert kept == {
        "metadata": {
            "name": "llm-0",
            "uid": "u-0",
            "resourceVersion": "7",
            "generation": 1,
            "labels": {names.NAME: "llm", names.GROUP_INDEX: "0"},
            "annotations": {names.FENCE: "1 lws/llm"},
            "ownerReferences": [{"name": "llm", "uid": "u-lws", "controller": True}],
        },
        "spec": {"nodeName": "gpu-03"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:00:00Z"}],
            "containerStatuses": [
                {name: CONTAINER[name] for name in ("name", "ready", "started", "state", "lastState", "restartCount")}
            ],
        },
    }
    assert 5 * len(json.dumps(kept)) < len(json.dumps(whole_pod()))


def test_that_a_pod_has_other_annotations_is_not_forgotten() -> None:
    """A patch of its annotations must know whether there are any."""
    pod = whole_pod()
    pod["metadata"]["annotations"] = {"checksum/config": "0"}
    assert pruned(PODS, pod)["metadata"]["annotations"] == {}
    del pod["metadata"]["annotations"]
    assert "annotations" not in pruned(PODS, pod)["metadata"]


def test_of_lws_s_own_stateful_sets_the_template_goes() -> None:
    spec = {"replicas": 4, "updateStrategy": {"rollingUpdate": {"partition": 2}}, "template": {"spec": {}}}
    item: Json = {"metadata": {"name": "llm", "ownerReferences": [CONTROLLER]}, "spec": spec, "status": {}}
    assert pruned(STATEFUL_SETS, item)["spec"] == {name: spec[name] for name in ("replicas", "updateStrategy")}


def test_of_an_endpoint_slice_it_is_kept_which_pods_are_ready_in_it_and_whose_it_is() -> None:
    endpoint = {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "llm-0", "uid": "u-0"}}
    item: Json = {
        "addressType": "IPv4",
        "metadata": {"name": "llm-x", "labels": {names.SERVICE_NAME: "llm", "app": "llm"}, "managedFields": []},
        "endpoints": [{**endpoint, "addresses": ["10.0.0.1"], "nodeName": "gpu-03", "zone": "a"}],
        "ports": [{"port": 8000}],
    }
    assert pruned(ENDPOINT_SLICES, item) == {
        "metadata": {"name": "llm-x", "labels": {names.SERVICE_NAME: "llm"}},
        "endpoints": [endpoint],
    }
    assert pruned(ENDPOINT_SLICES, {**item, "endpoints": None})["endpoints"] == []


def test_a_target_is_kept_whole_but_for_who_manages_which_field() -> None:
    item: Json = {"metadata": {"name": "web", "managedFields": []}, "spec": {"replicas": 4, "template": {"spec": {}}}}
    assert pruned(STATEFUL_SETS, item) == {"metadata": {"name": "web"}, "spec": item["spec"]}
    assert pruned(LEADER_WORKER_SETS, lws().manifest) == lws().manifest
