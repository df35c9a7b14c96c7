"""A rollout from flags, from a file, and from a file changed by flags."""

from pathlib import Path
from typing import Any

import pytest

from rollwright.cli.failure import CommandError
from rollwright.cli.specs import Where, read_file, read_spec
from rollwright.rollout.spec import Change, RolloutSpec, Strategy, Target


def read(file: str = "", **flags: Any) -> RolloutSpec:
    where = Where(*(flags.pop(name, None) for name in ("namespace", "kubeconfig", "context", "cluster")))
    given: dict[str, Any] = {"target": "", "images": [], "restart": False, "strategy": {}}
    return read_spec(file, where=where, **(given | flags))


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rollout.yaml"
    path.write_text(
        "target: {name: llm, namespace: inference, replicas: 4}\n"
        "change: {patch: {size: 4}}\n"
        "strategy: {maxSurge: 1, maxUnavailable: 2}\n"
    )
    return str(path)


def test_flags_alone_make_a_rollout() -> None:
    spec = read(
        target="lws/llm",
        namespace="inference",
        images=["model=r.example.com:5000/llm:v2", "proxy=p@sha256:abc"],
        strategy={"maxSurge": "25%", "maxUnavailable": None, "partition": 3},
    )
    assert spec == RolloutSpec(
        target=Target(name="llm", namespace="inference"),
        change=Change(images={"model": "r.example.com:5000/llm:v2", "proxy": "p@sha256:abc"}),
        strategy=Strategy(max_surge="25%", partition=3),
    )


def test_flags_override_the_file_and_leave_the_rest(file: str) -> None:
    spec = read(file, strategy={"maxSurge": "3", "pacing": None}, namespace="staging")
    assert spec == RolloutSpec(
        target=Target(name="llm", namespace="staging", replicas=4),
        change=Change(patch={"size": 4}),
        strategy=Strategy(max_surge=3, max_unavailable=2),
    )


@pytest.mark.parametrize(
    ("flags", "cluster"),
    [
        ({}, "east"),
        ({"cluster": "west"}, "west"),
        ({"target": "lws/llm@west"}, "west"),
        ({"target": "lws/llm"}, "east"),
    ],
)
def test_the_cluster_is_the_files_unless_a_flag_or_the_target_names_another(
    tmp_path: Path, flags: dict[str, Any], cluster: str
) -> None:
    file = tmp_path / "rollout.yaml"
    file.write_text("target: {name: llm, namespace: inference, cluster: east}\nchange: {restart: true}\n")
    assert read(str(file), **flags, namespace="inference").target.cluster == cluster


def test_a_change_given_by_flags_takes_the_place_of_the_files(file: str) -> None:
    assert read(file, images=["model=m:2"]).change == Change(images={"model": "m:2"})
    assert read(file, restart=True).change == Change(restart=True)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({}, "there is nothing to roll out"),
        ({"target": "lws/llm", "images": ["model"]}, "--image 'model': write CONTAINER=IMAGE"),
        ({"target": "lws/llm", "images": ["=m:2"]}, "--image '=m:2': write CONTAINER=IMAGE"),
        ({"target": "lws/llm", "images": ["model=a", "model=b"]}, "--image is given twice for container model"),
        ({"target": "lws/llm", "images": ["model=a"], "restart": True}, "--image and --restart are both given"),
        ({"target": "lws/llm", "strategy": {"maxSurge": "-1"}}, "flags: strategy.maxSurge: '-1' is neither"),
        ({"target": "llm"}, "'llm' names no target"),
        ({"target": "lws/llm@"}, "'lws/llm@' names no target"),
        ({"target": "lws/llm@East", "namespace": "default"}, "'lws/llm@East' in namespace 'default' names no target"),
        ({"target": "lws/llm@east", "cluster": "west"}, "lws/llm@east is not in cluster west"),
        ({"target": "lws/llm", "cluster": "E"}, "flags: target.cluster: "),
    ],
)
def test_bad_flags_are_refused(flags: dict[str, Any], says: str) -> None:
    with pytest.raises(CommandError) as refused:
        read(**flags)
    assert refused.value.what.startswith(says)
    assert refused.value.code == 2


def test_a_bad_flag_over_a_good_file_is_told_as_such(file: str) -> None:
    with pytest.raises(CommandError) as refused:
        read(file, strategy={"maxSurge": "lots"})
    assert refused.value.what.startswith(f"{file} with flags:3: strategy.maxSurge: 'lots' is neither")


def test_where_nothing_says_the_namespace_it_is_that_of_the_kubeconfig(tmp_path: Path) -> None:
    kubeconfig, file = tmp_path / "config", tmp_path / "rollout.yaml"
    kubeconfig.write_text("current-context: gpu\ncontexts: [{name: gpu, context: {namespace: inference}}]")
    file.write_text("target: {name: llm}\nchange: {restart: true}")
    written = tmp_path / "placed.yaml"
    written.write_text("target: {name: llm, namespace: written}\nchange: {restart: true}")
    where = Where(None, str(kubeconfig), None)
    given = Where("given", str(kubeconfig), None)
    found = [
        read(target="lws/llm", restart=True, kubeconfig=str(kubeconfig)),
        read(str(file), kubeconfig=str(kubeconfig)),
        read_file(str(file), where),
        read(str(written), kubeconfig=str(kubeconfig)),
        read_file(str(written), where),
        read_file(str(written), given),
    ]
    assert [spec.target.namespace for spec in found] == ["inference"] * 3 + ["written"] * 2 + ["given"]
