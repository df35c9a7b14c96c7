"""The build, with a Go that only pretends to compile."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rollwright.devcluster import DevClusterError, build
from rollwright.devcluster.build import (
    CONTROL_PLANE,
    EXTRAS,
    PINS,
    Binary,
    Programs,
    cache_folder,
    cache_key,
    ensure_binaries,
    seconds_left,
)
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


@pytest.mark.parametrize("programs", [CONTROL_PLANE, EXTRAS], ids=lambda programs: programs.name)
async def test_a_build_puts_every_binary_of_a_group_and_no_other_into_its_folder(programs: Programs) -> None:
    await ensure_binaries(programs, lambda _: None)

    built = {path.name: path.read_text() for path in cache_folder(programs).iterdir()}
    assert {binary.name: f"{binary.package}\n" for binary in programs.binaries} == built


async def test_the_control_plane_is_built_without_the_extras() -> None:
    await ensure_binaries(CONTROL_PLANE, lambda _: None)

    assert not cache_folder(EXTRAS).exists()


async def test_a_build_says_what_it_builds_and_how_long_its_group_will_take() -> None:
    lines: list[str] = []

    await ensure_binaries(CONTROL_PLANE, lines.append)

    assert re.fullmatch(r"building etcd \(1 of 6\), about \d+ min left for the control plane", lines[0])


def test_ahead_of_time_all_is_built() -> None:
    command = [sys.executable, "-m", "rollwright.devcluster.build"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    assert [str(cache_folder(programs)) for programs in (CONTROL_PLANE, EXTRAS)] == printed
    assert (cache_folder(CONTROL_PLANE) / "kubectl").exists()
    assert (cache_folder(EXTRAS) / "prometheus").exists()


async def test_what_is_built_is_not_built_again() -> None:
    folder = await ensure_binaries(CONTROL_PLANE, lambda _: None)
    (folder / "etcd").write_text("built before")
    lines: list[str] = []

    await ensure_binaries(CONTROL_PLANE, lines.append)

    assert (folder / "etcd").read_text() == "built before"
    assert lines == []


async def test_a_build_that_broke_does_not_count_and_the_next_one_goes_on_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FAIL_AT", "kube-apiserver")
    with pytest.raises(DevClusterError, match=r"building kube-apiserver from .* failed(.|\n)*it broke"):
        await ensure_binaries(CONTROL_PLANE, lambda _: None)
    finished = {path.name for path in cache_folder(CONTROL_PLANE).iterdir()}
    assert {"etcd", "kwok"} == finished

    monkeypatch.delenv("FAIL_AT")
    lines: list[str] = []
    await ensure_binaries(CONTROL_PLANE, lines.append)

    assert "building kube-apiserver (1 of 4)" in lines[0]


async def test_what_a_killed_build_has_left_is_cleared_away() -> None:
    left = cache_folder(CONTROL_PLANE) / ".draft-of-a-killed-build"
    left.mkdir(parents=True)
    (left / "etcd").write_text("half")

    folder = await ensure_binaries(CONTROL_PLANE, lambda _: None)

    assert not left.exists()
    assert (folder / "etcd").read_text() != "half"


async def test_a_go_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRETENDED_VERSION", "go1.20.1")
    installed = tmp_path / "cache/rollwright/devcluster/go-1.26.6/go/bin/go"
    installed.parent.mkdir(parents=True)
    installed.write_text(PRETENDED_GO.replace('echo "$3" >', 'echo "by the newer Go" >'))
    installed.chmod(0o755)

    folder = await ensure_binaries(CONTROL_PLANE, lambda _: None)

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


@pytest.mark.parametrize(("pin", "of_control_plane", "of_extras"), [("kwok", True, False), ("prometheus", False, True)])
def test_the_cache_key_of_a_group_changes_with_its_own_pins_only(
    pin: str, tmp_path: Path, *, of_control_plane: bool, of_extras: bool
) -> None:
    pins = tmp_path / "pins"
    shutil.copytree(PINS, pins)
    assert cache_key(CONTROL_PLANE, PINS) == cache_key(CONTROL_PLANE, pins)

    with (pins / pin / "go.sum").open("a") as file:
        file.write("one more line\n")

    assert of_control_plane == (cache_key(CONTROL_PLANE, PINS) != cache_key(CONTROL_PLANE, pins))
    assert of_extras == (cache_key(EXTRAS, PINS) != cache_key(EXTRAS, pins))


def test_every_pin_is_of_a_group() -> None:
    """What nothing is built from is a file left behind; what has no files can't be built."""
    assert CONTROL_PLANE.pins | EXTRAS.pins == {path.parent.name for path in PINS.glob("*/go.mod")}


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


@pytest.mark.parametrize("pin", sorted(CONTROL_PLANE.pins | EXTRAS.pins))
def test_no_pin_wants_a_newer_go_than_the_one_that_is_looked_for(pin: str) -> None:
    assert is_new_enough("go" + build._required_go(), build._pinned(r"^go (\S+)", pin))
