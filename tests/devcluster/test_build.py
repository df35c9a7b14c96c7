"""The build, with a Go that only pretends to compile."""

import shutil
from pathlib import Path

import pytest

from rollwright.devcluster import DevClusterError, build
from rollwright.devcluster.build import BINARIES, PINS, Binary, cache_folder, cache_key, ensure_binaries, seconds_left
from rollwright.devcluster.golang import is_new_enough

# Writes what it is asked to build into the file it is told to; fails when asked for the word in FAIL_AT.
PRETENDED_GO = """#!/bin/sh
if [ "$1" = env ]; then echo "${PRETENDED_VERSION:-go1.99.0}"; exit; fi
while [ "$1" != -o ]; do shift; done
echo "$3" > "$2"
case "$3" in *"${FAIL_AT:-nothing}") echo "it broke" >&2; exit 1;; esac
"""


@pytest.fixture(autouse=True)
def pretended_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    go.write_text(PRETENDED_GO)
    go.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(go.parent), prepend=":")


async def test_a_build_puts_every_binary_into_the_folder_of_the_pins() -> None:
    lines: list[str] = []

    folder = await ensure_binaries(lines.append)

    assert cache_folder() == folder
    assert {binary.name for binary in BINARIES} == {path.name for path in folder.iterdir()}
    assert (folder / "kubectl").read_text() == "k8s.io/kubernetes/cmd/kubectl\n"
    assert f"building {BINARIES[0].name} (1 of 6), about" in lines[0]


async def test_what_is_built_is_not_built_again() -> None:
    folder = await ensure_binaries(lambda _: None)
    (folder / "etcd").write_text("built before")
    lines: list[str] = []

    await ensure_binaries(lines.append)

    assert (folder / "etcd").read_text() == "built before"
    assert lines == []


async def test_a_build_that_broke_does_not_count_and_the_next_one_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAIL_AT", "kube-apiserver")
    with pytest.raises(DevClusterError, match=r"building kube-apiserver from .* failed(.|\n)*it broke"):
        await ensure_binaries(lambda _: None)
    finished = {path.name for path in cache_folder().iterdir()}
    assert {"etcd", "kwok"} == finished

    monkeypatch.delenv("FAIL_AT")
    lines: list[str] = []
    await ensure_binaries(lines.append)

    assert "building kube-apiserver (1 of 4)" in lines[0]


async def test_what_a_killed_build_has_left_is_cleared_away() -> None:
    left = cache_folder() / ".draft-of-a-killed-build"
    left.mkdir(parents=True)
    (left / "etcd").write_text("half")

    folder = await ensure_binaries(lambda _: None)

    assert not left.exists()
    assert (folder / "etcd").read_text() != "half"


async def test_a_go_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRETENDED_VERSION", "go1.20.1")
    installed = tmp_path / "cache/rollwright/devcluster/go-1.26.6/go/bin/go"
    installed.parent.mkdir(parents=True)
    installed.write_text(PRETENDED_GO.replace('echo "$3" >', 'echo "by the newer Go" >'))
    installed.chmod(0o755)

    folder = await ensure_binaries(lambda _: None)

    assert (folder / "etcd").read_text() == "by the newer Go\n"


@pytest.mark.parametrize(
    ("version", "required", "expected"),
    [
        ("go1.26.0", "1.26.0", True),
        ("go1.26.8 X:nocoverageredesign", "1.26.0", True),
        ("go1.27rc1", "1.26.0", True),
        ("go1.25.9", "1.26.0", False),
        ("go1.9", "1.26.0", False),
        ("devel", "1.26.0", False),
    ],
)
def test_versions_of_go_are_compared_by_their_numbers(version: str, required: str, *, expected: bool) -> None:
    assert expected == is_new_enough(version, required)


def test_the_cache_key_changes_with_any_pin(tmp_path: Path) -> None:
    pins = tmp_path / "pins"
    shutil.copytree(PINS, pins)
    before = cache_key(pins)

    with (pins / "kwok" / "go.sum").open("a") as file:
        file.write("one more line\n")

    assert before == cache_key(PINS)
    assert before != cache_key(pins)


def test_the_estimate_goes_by_cores_first_and_by_the_pace_so_far_then() -> None:
    quick, slow = Binary("quick", "", "", seconds=10), Binary("slow", "", "", seconds=100)

    assert seconds_left([quick, slow], [], 0.0, cores=2) == 110
    assert seconds_left([quick, slow], [], 0.0, cores=4) == 55
    assert seconds_left([slow], [quick], 30.0, cores=2) == 300


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (89.4, "89 s"), (90, "2 min"), (725, "12 min")])
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert build.duration(seconds) == text


def test_the_pins_say_which_kubernetes_and_go_they_want() -> None:
    assert build._kubernetes_version().startswith("v1.")
    assert is_new_enough("go" + build._required_go(), "1.26.0")
