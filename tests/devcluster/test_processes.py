"""A process is a cluster's own only by the mark in its environment."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from rollwright.devcluster import processes


@pytest_asyncio.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    yield tmp_path
    await processes.kill(tmp_path)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def start(folder: Path, part: str, *command: str) -> int:
    return processes.start(command or ("/bin/sleep", "600"), folder=folder, part=part, log=folder / f"{part}.log")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_started_part_is_found_by_folder_and_name(folder: Path) -> None:
    pid = start(folder, "etcd")

    assert [processes.PartProcess(pid=pid, part="etcd", frozen=False)] == processes.find(folder)
    assert processes.find(folder, "kwok") == []


def test_a_part_outlives_the_session_it_was_started_from(folder: Path) -> None:
    pid = start(folder, "etcd")

    assert pid == os.getsid(pid) != os.getsid(0)


async def test_what_a_part_writes_is_appended_to_its_log(folder: Path) -> None:
    for word in ("first", "second"):
        start(folder, "etcd", "/bin/sh", "-c", f"echo {word}; echo {word} >&2")
        await until(lambda: not processes.find(folder))

    assert (folder / "etcd.log").read_text().split() == ["first", "first", "second", "second"]


async def test_kill_ends_one_part_and_leaves_the_others(folder: Path) -> None:
    start(folder, "etcd")
    start(folder, "kwok")

    await processes.kill(folder, "etcd")

    assert [process.part for process in processes.find(folder)] == ["kwok"]


async def test_kill_ends_the_children_of_parts_too(folder: Path) -> None:
    start(folder, "etcd", "/bin/sh", "-c", "sleep 600 & sleep 600 & wait")
    await until(lambda: len(processes.find(folder)) == 3)

    await processes.kill(folder)

    assert processes.find(folder) == []


async def test_kill_ends_a_frozen_part(folder: Path) -> None:
    start(folder, "etcd")
    processes.send(folder, "etcd", signal.SIGSTOP)
    await until(lambda: processes.find(folder)[0].frozen)

    await processes.kill(folder)

    assert processes.find(folder) == []


async def test_kill_leaves_a_cluster_whose_folder_starts_with_the_same_words(folder: Path) -> None:
    longer = folder.with_name(folder.name + "-2")
    longer.mkdir()
    pid = start(longer, "etcd")

    await processes.kill(folder)

    assert [pid] == [process.pid for process in processes.find(longer)]
    await processes.kill(longer)


async def test_a_stranger_that_got_the_process_id_of_a_part_is_not_touched(
    folder: Path, stranger: subprocess.Popen[bytes]
) -> None:
    believed = processes.PartProcess(pid=stranger.pid, part="etcd", frozen=False)

    await asyncio.wait_for(processes._kill(believed, folder), 5)

    assert stranger.poll() is None
