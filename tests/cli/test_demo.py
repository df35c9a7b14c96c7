"""`rollwright demo` as a user runs it: a process of its own that leaves nothing behind."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from itertools import groupby
from pathlib import Path

import pytest

Start = Callable[..., Awaitable[asyncio.subprocess.Process]]

STEPS = [(0, 4), (4, 6), (2, 6), (0, 6), (0, 5), (0, 4)]
"""Partition and replicas in the stage table of the LWS documentation."""


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start it with a state folder of its own, beside a demo that somebody may be looking at."""

    async def start(*arguments: str, **env: str) -> asyncio.subprocess.Process:
        given = ("KUBECONFIG", "TEMPORAL_")
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rollwright.cli.main", "demo", *arguments),
            env={name: value for name, value in os.environ.items() if not name.startswith(given)}
            | {"XDG_STATE_HOME": str(tmp_path)}
            | env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return start


def left_over(state: Path) -> list[str]:
    """The command lines of all processes that were started from a demo with this state folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                if f"XDG_STATE_HOME={state}\0".encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
    return found


def files(state: Path) -> list[Path]:
    """What a demo has left in its state folder."""
    return [path for path in state.rglob("*") if path.is_file()]


@pytest.mark.real
async def test_a_worker_killed_on_the_way_changes_nothing(start: Start, tmp_path: Path) -> None:
    """The documented steps are taken, each group is replaced once, the budget is kept, and nothing is left behind."""
    demo = await start("--json", "--kill-worker")
    stdout, stderr = await demo.communicate()

    assert demo.returncode == 0, stderr.decode()
    [line] = stdout.decode().splitlines()
    shown = json.loads(line)
    assert shown["result"] == "completed"
    assert shown["workflow_id"] == "rollout/lws/default/demo"
    assert shown["worker_killed"] is True
    assert (shown["available_min"], shown["groups_max"]) == (2, 6)
    assert shown["leaders"] == {"0": 2, "1": 2, "2": 2, "3": 2, "4": 1, "5": 1}
    assert [tuple(step) for step in shown["partition_replicas"]] == STEPS
    told = [(stage["partition"], stage["replicas"]) for stage in shown["stages"]]
    assert [step for step, _ in groupby(told)] == STEPS
    assert shown["stages"][-1]["groups"] == ["updated"] * 4
    assert 10 < shown["duration_seconds"] < 120
    assert (left_over(tmp_path), files(tmp_path)) == ([], [])


@pytest.mark.real
async def test_a_signal_ends_the_demo_with_all_it_has_started(start: Start, tmp_path: Path) -> None:
    """SIGTERM while cluster, Temporal and worker run: they end, and the exit code says why."""
    demo = await start()
    assert demo.stderr
    while b"waiting for the 4 groups" not in (line := await demo.stderr.readline()):
        assert line, "it ended before it had started everything"
    assert any("worker" in command for command in left_over(tmp_path))

    demo.send_signal(signal.SIGTERM)
    await demo.communicate()

    assert demo.returncode == 128 + signal.SIGTERM
    assert (left_over(tmp_path), files(tmp_path)) == ([], [])


async def test_what_an_earlier_demo_has_left_is_not_touched(start: Start, tmp_path: Path) -> None:
    """A kept demo is named, with the command that ends it."""
    (tmp_path / "rollwright" / "devcluster" / "demo").mkdir(parents=True)

    demo = await start("--json")
    stdout, stderr = await demo.communicate()

    assert (demo.returncode, stdout) == (1, b"")
    assert "dev down --name demo" in stderr.decode()
    assert (tmp_path / "rollwright" / "devcluster" / "demo").exists()
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        pytest.param(["--worker"], 2, "No such option", id="an unknown option"),
        pytest.param(["lws/llm"], 2, "unexpected extra argument", id="a target, which it brings along"),
        pytest.param(["--temporal", "127.0.0.1:1"], 1, "Temporal at 127.0.0.1:1", id="a server that isn't there"),
        pytest.param(["--kubeconfig", "nowhere"], 1, "the cluster can't be used", id="a kubeconfig that isn't there"),
    ],
)
async def test_what_it_cannot_use_is_refused_before_anything_is_started(
    start: Start, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    """An error on stderr, nothing on stdout, nothing left behind."""
    demo = await start(*arguments, COLUMNS="200")
    stdout, stderr = await demo.communicate()

    assert (demo.returncode, stdout) == (code, b"")
    assert said in stderr.decode()
    assert (left_over(tmp_path), files(tmp_path)) == ([], [])
