"""Whatever a change says, it is a template of the target or refused: nothing else of the object is written."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollwright.cluster import patches
from rollwright.cluster.errors import RefusedError
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.statefulset import StatefulSet
from rollwright.cluster.templates import render
from rollwright.rollout.spec import Change
from tests.cluster.objects import lws

pytestmark = pytest.mark.fuzz

KEYS = (
    *("metadata", "spec", "status", "name", "namespace", "finalizers", "ownerReferences", "kind", "apiVersion"),
    *("leaderWorkerTemplate", "workerTemplate", "leaderTemplate", "template", "networkConfig", "size", "replicas"),
    *("../../metadata", "..", "~1", "~0", "/metadata/finalizers", "a~1b", "-", ""),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["llm", "LeaderWorkerSet", "StatefulSet", "../.."]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
documents = st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=5)
NAMED = {"kind": "LeaderWorkerSet", "metadata": {"name": "llm", "namespace": "elsewhere", "finalizers": ["x"]}}


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(["patch", "manifest"]), documents | documents.map(lambda document: NAMED | document))
@example("manifest", {"kind": "LeaderWorkerSet", "metadata": "llm"})
@example("manifest", NAMED | {"spec": ["leaderWorkerTemplate"]})
@example("manifest", NAMED | {"spec": {"leaderWorkerTemplate": {"size": 1}, "replicas": 0}})
@example("patch", {"../../metadata": {"finalizers": ["x"]}, "a~1b": 1})
def test_whatever_a_patch_says_only_the_template_is_written(kind: str, document: dict[str, Any]) -> None:
    for item in (lws(), _stateful_set()):
        before = json.dumps(item.manifest)
        try:
            template = render(Change.model_validate({kind: document}), item, "")
        except RefusedError:
            continue
        written = [change["path"] for change in patches.template(template, item)]
        assert set(written) <= {f"/spec/{part}" for part in item.TEMPLATE_PARTS}
        assert json.dumps(item.manifest) == before


def _stateful_set() -> TargetObject:
    spec = {"replicas": 2, "template": {"spec": {"containers": [{"name": "model", "image": "m:1"}]}}}
    return StatefulSet(
        {"kind": "StatefulSet", "metadata": {"name": "llm", "namespace": "default", "uid": "u"}, "spec": spec}
    )
