"""Contexts and namespaces of kubeconfigs, as kubectl takes them."""

import os
from errno import EACCES
from pathlib import Path

import pytest
import yaml

from rollwright.cli import kubeconfig
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.kubeconfig import namespace_in_use, read_contexts


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(kubeconfig, "_POD_NAMESPACE", tmp_path / "not-mounted")


def write(path: Path, current: str, **namespaces: str) -> str:
    contexts = [
        {"name": name, "context": {"cluster": "c"} | ({"namespace": namespace} if namespace else {})}
        for name, namespace in namespaces.items()
    ]
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"current-context": current, "contexts": contexts}))
    return str(path)


def test_the_namespace_is_that_of_the_context_in_use_or_of_the_one_given(tmp_path: Path) -> None:
    file = write(tmp_path / "config", "gpu", gpu="inference", other="training", bare="")
    assert [namespace_in_use(file, context) for context in (None, "other", "bare")] == [
        "inference",
        "training",
        "default",
    ]


def test_without_any_kubeconfig_it_is_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert namespace_in_use(None, None) == "default"
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "not-there"))
    assert namespace_in_use(None, None) == "default"


def test_the_file_in_the_home_folder_is_taken_unless_the_environment_names_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / ".kube" / "config", "home", home="at-home")
    assert namespace_in_use(None, None) == "at-home"
    monkeypatch.setenv("KUBECONFIG", write(tmp_path / "other", "work", work="at-work"))
    assert namespace_in_use(None, None) == "at-work"


def test_of_several_files_the_first_to_say_something_is_right(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = [
        write(tmp_path / "first", "", shared="first"),
        str(tmp_path / "not-there"),
        write(tmp_path / "second", "shared", shared="second", own="second"),
        write(tmp_path / "third", "own", own="third"),
    ]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(files))
    found = read_contexts(None)
    assert (found.current, found.namespaces) == ("shared", {"shared": "first", "own": "second"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "is no YAML"),
        ("[]", "is no kubeconfig"),
        ("contexts: 3", "is no kubeconfig"),
        ("contexts: [3]", "is no ku"),
    ],
)
def test_a_file_that_can_not_be_read_is_named_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(CommandError, match=says) as refused:
        namespace_in_use(str(tmp_path / "config"), None)
    assert str(tmp_path / "config") in refused.value.what
    assert refused.value.todo == "Give -n NAMESPACE."


def test_a_file_or_context_that_is_given_must_be_there(tmp_path: Path) -> None:
    file = write(tmp_path / "config", "gpu", gpu="inference", other="training")
    with pytest.raises(CommandError, match="no context 'cpu'; it has gpu, other"):
        namespace_in_use(file, "cpu")
    with pytest.raises(CommandError, match="not-there can't be read: No such file"):
        namespace_in_use(str(tmp_path / "not-there"), None)


def test_an_empty_kubeconfig_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("")
    assert namespace_in_use(str(tmp_path / "config"), None) == "default"


def test_in_a_pod_without_a_kubeconfig_it_is_that_of_the_service_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounted = tmp_path / "namespace"
    mounted.write_text("inference\n")
    monkeypatch.setattr(kubeconfig, "_POD_NAMESPACE", mounted)
    assert namespace_in_use(None, None) == "inference"
    write(tmp_path / ".kube" / "config", "bare", bare="")
    assert namespace_in_use(None, None) == "default"


def test_who_has_no_home_has_no_kubeconfig_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert namespace_in_use(None, None) == "default"


def test_a_file_in_a_folder_that_is_closed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # As pathlib and the system have it for a folder of root's; root, as which tests may run, enters any.
    def closed(path: Path) -> bytes:
        raise PermissionError(EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", closed)
    monkeypatch.setattr(Path, "read_bytes", closed)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(CommandError, match="config can't be read: Permission denied") as refused:
        namespace_in_use(None, None)
    assert (refused.value.todo, refused.value.code) == ("Give -n NAMESPACE.", ExitCode.BAD_INPUT)
