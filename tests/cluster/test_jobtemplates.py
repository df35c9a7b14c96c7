"""What is made of the template of a Job, and which templates are refused."""

import copy
import re

import pytest

from rollwright.cluster.errors import RefusedError
from rollwright.cluster.jobtemplates import Backstop, job
from rollwright.rollout.gates.job import job_name
from rollwright.rollout.gates.questions import JobRun
from tests.cluster.objects import Json, lws

SPEC: Json = {
    "template": {
        "metadata": {"labels": {"app": "probe"}},
        "spec": {
            "initContainers": [{"name": "fetch", "image": "f:1"}],
            "containers": [
                {
                    "name": "probe",
                    "image": "p:1",
                    "env": [{"name": "URL", "value": "http://$(GROUP)"}, {"name": "GROUP", "value": "theirs"}],
                }
            ],
        },
    }
}
RUN = JobRun(name="llm-1", environment={"GROUP": "llm-3"})


def made(template: Json, run: JobRun = RUN) -> Json:
    return job(lws(), template, run, gate="g", backstop=Backstop(deadline_seconds=60, kept_seconds=600))


def test_a_job_goes_with_the_target_and_says_whose_it_is() -> None:
    found = made(SPEC)

    assert (found["apiVersion"], found["kind"]) == ("batch/v1", "Job")
    labels = {"rollwright.io/gate": "g", "rollwright.io/target-uid": "u-lws"}
    owner = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "name": "llm", "uid": "u-lws"}
    assert found["metadata"] == {"name": "llm-1", "namespace": "default", "labels": labels, "ownerReferences": [owner]}
    assert found["spec"]["template"]["metadata"]["labels"] == {"app": "probe", **labels}


def test_our_variables_are_in_every_container_before_its_own_and_win() -> None:
    pod = made(SPEC)["spec"]["template"]["spec"]

    ours = {"name": "GROUP", "value": "llm-3"}
    assert pod["initContainers"][0]["env"] == [ours]
    assert pod["containers"][0]["env"] == [ours, {"name": "URL", "value": "http://$(GROUP)"}]


def test_a_job_is_tried_once_and_ends_by_itself_unless_the_template_says_otherwise() -> None:
    usual = made(SPEC)["spec"]
    assert (usual["backoffLimit"], usual["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert (usual["activeDeadlineSeconds"], usual["ttlSecondsAfterFinished"]) == (60, 600)

    given = {"backoffLimit": 2, "activeDeadlineSeconds": 5, "ttlSecondsAfterFinished": 0}
    template = copy.deepcopy(SPEC) | given
    template["template"]["spec"]["restartPolicy"] = "OnFailure"
    own = made(template)["spec"]
    assert {name: own[name] for name in given} == given
    assert own["template"]["spec"]["restartPolicy"] == "OnFailure"


def test_a_whole_job_is_as_good_as_its_spec_and_keeps_what_it_says() -> None:
    metadata = {"namespace": "default", "labels": {"team": "a"}, "annotations": {"note": "x"}}
    found = made({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": SPEC})

    assert found["spec"] == made(SPEC)["spec"]
    assert found["metadata"]["annotations"] == {"note": "x"}
    assert found["metadata"]["labels"] == {"team": "a", **made(SPEC)["metadata"]["labels"]}


def test_the_template_itself_stays_as_it_was() -> None:
    before = copy.deepcopy(SPEC)
    made(SPEC)
    assert before == SPEC


def whole(**changes: object) -> Json:
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": SPEC, **changes}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (whole(kind="CronJob"), "it has kind CronJob; give the spec of a Job, or a whole Job of batch/v1"),
        (whole(apiVersion="batch/v2"), "it has apiVersion batch/v2;"),
        ({"spec": SPEC}, "it has apiVersion None, kind None;"),
        (whole(metadata={"name": "mine"}), "it has the name mine; remove metadata.name"),
        (whole(metadata={"namespace": "other"}), "it names the namespace other; remove it"),
        (whole(metadata={"ownerReferences": [{"uid": "u"}]}), "it has owners; remove metadata.ownerReferences"),
        ({"template": {"metadata": {"namespace": "other"}}}, "it names the namespace other; remove it"),
        ({"template": ["x"]}, "its template is ['x']; write an object with fields"),
        ({"template": {"spec": {"containers": {"name": "a"}}}}, "its containers is {'name': 'a'}; write a list"),
        ({"template": {"spec": {"containers": [{"env": ["A=1"]}]}}}, "its env is ['A=1']; write a list"),
    ],
)
def test_a_template_that_says_what_is_ours_to_say_is_refused_with_what_to_change(template: Json, words: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(f"the template of the Job can't be used: {words}")):
        made(template)


@pytest.mark.parametrize("target", ["llm", "a" * 63, "a" * 40 + "-" + "b" * 20])
def test_a_job_name_is_a_label_of_its_own_for_each_key_of_a_target(target: str) -> None:
    names = {job_name(target, key) for key in ("gate 1 group 3", "gate 1 group 4", "gate 1 group 3")}

    assert len(names) == 2
    for name in names:
        assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name)
        assert "--" not in name
        assert len(name) <= 63
