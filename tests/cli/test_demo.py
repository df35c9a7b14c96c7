"""`rollwright demo` as a user runs it: a process of its own that leaves nothing behind; and how it judges."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import pytest

from rollwright.cli.demo_report import exit_code
from rollwright.cli.demo_stories import EXAMPLE, BadCanary, NewImage
from rollwright.cli.failure import ExitCode
from rollwright.cli.outputs import Canary, Demonstrated, Snapshot, Status, Story
from rollwright.cli.temporal import NoAnswerError, Run
from rollwright.devcluster.history import Change, Pod, Spec, Watched
from rollwright.devcluster.watcher import Frame, Leader, Watcher
from rollwright.rollout.gates.bake import Bake
from rollwright.rollout.gates.gate import OnFailure, Progress
from rollwright.workflows.contract import Event, OpenGate, Phase, RolloutStatus

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
async def test_a_bad_canary_costs_one_group_also_where_its_worker_dies(start: Start, tmp_path: Path) -> None:
    """Its bake goes on with another worker and takes it back; the other 23 groups serve all the time."""
    demo = await start("--json", "--story", "bad-canary", "--kill-worker")
    stdout, stderr = await demo.communicate()

    assert demo.returncode == 0, stdout.decode() + stderr.decode()
    shown = json.loads(stdout)
    assert (shown["story"], shown["result"], shown["differences"]) == ("bad-canary", "rolled back", [])
    assert (shown["available_min"], shown["worker_killed"]) == (23, True)
    assert shown["groups_max"] <= 26
    assert [shown["leaders"][str(ordinal)] for ordinal in range(23)] == [1] * 23
    canary = shown["canary"]
    assert canary["why"].startswith("gate bake failed: group 23 ")
    assert (canary["ordinal"], canary["missing_most"], canary["never_touched"]) == (23, 1, 23)
    assert 0 < canary["missing_seconds"] < shown["duration_seconds"]
    assert canary["same_bake"] is True
    told = stderr.decode()
    assert EXAMPLE.read_text() in told
    assert told.index("killing the worker") < told.index("gate bake failed")
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
        pytest.param(["--story", "cinderella"], 2, "bad-canary", id="a story that there isn't"),
        pytest.param(
            ["--story", "bad-canary", "--kubeconfig", "mine"],
            2,
            "embedded Kubernetes only",
            id="pods that can't be told",
        ),
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


def test_the_file_of_the_bad_canary_is_the_example_and_fits_its_groups() -> None:
    told = BadCanary()
    assert Path(__file__).parents[2] / "examples" / "bad-canary.yaml" == EXAMPLE.resolve()
    assert told.spec.target.replicas == told.fleet.replicas == 24
    assert told.spec.strategy.budget(24).unavailable == 1
    [step] = told.spec.strategy.steps
    [gate] = step.gates
    assert isinstance(gate, Bake)
    assert (step.until, gate.on_failure) == (1, OnFailure.ROLLBACK)


def serving(at: float, *ordinals: int) -> Frame:
    """A moment of groups of one."""
    change = Change(1, at, Watched.PODS, "demo-0", None)
    pods = {f"demo-{ordinal}": Pod(f"{ordinal}", "", ordinal, True, "", 1, serves=True) for ordinal in ordinals}
    return Frame(change, True, Spec(partition=0, replicas=24), None, {}, pods)


class Seen(Watcher):
    """A watcher that has seen just this."""

    def __init__(self, *frames: Frame, replaced: tuple[int, ...]) -> None:
        super().__init__("", "default", "demo")
        self._frames, self._replaced = frames, replaced

    def frames(self) -> Iterator[Frame]:
        return iter(self._frames)

    @property
    def leaders(self) -> dict[int, list[Leader]]:
        return {ordinal: [Leader("", "")] * (2 if ordinal in self._replaced else 1) for ordinal in range(24)}


def ended(*events: Event) -> Snapshot:
    status = RolloutStatus(rollout="", phase=Phase.ROLLED_BACK, spec=BadCanary().spec, events=events)
    return Snapshot(status=Status.of(status), stages=())


def test_what_was_missing_is_told_by_who_served_and_why_by_what_rollwright_did() -> None:
    """A group that was replaced, and one that failed by itself, were touched; a surge group makes up for none."""
    all_but = [ordinal for ordinal in range(24) if ordinal not in (5, 23)]
    seen = Seen(
        serving(10.0, *range(24)),
        serving(11.0, *range(23), 24),
        serving(12.5, *all_but, 24),
        serving(13.0, *range(24)),
        serving(14.0, *all_but, 23),
        serving(15.0, *range(24)),
        serving(20.0, *range(23)),
        serving(22.0, *range(24)),
        replaced=(7, 23),
    )
    end = ended(
        Event(at="", what="pause", actor="ada"), Event(at="", what="rollback", actor="rollwright", reason="bad")
    )

    assert BadCanary().canary(end, seen, kill=False) == Canary(
        ordinal=23, why="bad", replicas=24, missing_most=2, missing_seconds=4.0, never_touched=21, same_bake=None
    )


class Answers:
    """A rollout that stands at a bake since one moment after the other; None: nobody answers."""

    def __init__(self, *since: float | None) -> None:
        self._since = iter(since)

    async def status(self) -> RolloutStatus:
        since = next(self._since)
        if since is None:
            raise NoAnswerError
        gate = OpenGate(name="bake", kind="bake", progress=Progress(since=since, memory={"23": "uid 0"}))
        return RolloutStatus(rollout="", phase=Phase.GATED, spec=BadCanary().spec, open_gates=(gate,))


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        pytest.param((5.0, 5.0), (None, 5.0), True, id="it went on"),
        pytest.param((5.0,), (9.0,), False, id="begun anew"),
        pytest.param((5.0,), (5.0, 9.0), False, id="begun anew later"),
        pytest.param((5.0,), (None,), False, id="not seen again"),
        pytest.param((None,), (5.0,), False, id="killed before it"),
    ],
)
async def test_a_bake_is_the_same_if_both_workers_were_seen_at_it_since_one_moment(
    before: tuple[float | None, ...], after: tuple[float | None, ...], *, same: bool
) -> None:
    told, seen = BadCanary(), Seen(serving(10.0, *range(24)), replaced=())
    run = cast("Run", Answers(*before, *after))
    killed = [False] * len(before) + [True] * len(after)
    moments = [await told.look(run, seen, killed=now) for now in killed]
    assert moments == [since is not None for since in (*before, *after)]
    assert told.canary(ended(), seen, kill=True).same_bake is same


CANARY = Canary(
    ordinal=23,
    why="gate bake failed: group 23 has restarted",
    replicas=24,
    missing_most=1,
    missing_seconds=9.0,
    never_touched=23,
    same_bake=True,
)
AS_TOLD = Demonstrated(
    story=Story.BAD_CANARY,
    result=Phase.ROLLED_BACK,
    workflow_id="",
    ui="",
    duration_seconds=30.0,
    stages=(),
    available_min=23,
    available_least=23,
    groups_max=26,
    groups_most=26,
    promise_held=True,
    partition_replicas=(),
    as_planned=None,
    leaders={},
    replaced_once=False,
    worker_killed=True,
    canary=CANARY,
)


def test_a_story_that_went_as_told_differs_in_nothing() -> None:
    completed = AS_TOLD.model_copy(update={"result": Phase.COMPLETED, "replaced_once": True, "canary": None})
    assert BadCanary().differences(AS_TOLD) == NewImage().differences(completed) == []


@pytest.mark.parametrize(
    ("shown", "canary", "said"),
    [
        ({"result": Phase.COMPLETED}, {}, "it ended as completed, not rolled back"),
        ({}, {"why": ""}, "not the bake has taken it back: nobody"),
        ({}, {"why": "group 23 failed"}, "not the bake has taken it back: group 23 failed"),
        ({"promise_held": False}, {}, "the promise was broken"),
        ({"available_min": 24}, {}, "the fewest available were 24, not 23"),
        ({}, {"missing_most": 2}, "2 groups were missing at once, not 1"),
        ({}, {"never_touched": 22}, "22 of 24 groups were never touched, not 23"),
        ({}, {"missing_seconds": 0.0}, "group 23 was never missing"),
        ({}, {"same_bake": False}, "the bake was not seen to go on with another worker"),
    ],
)
def test_what_a_bad_canary_had_otherwise_is_said(shown: dict[str, Any], canary: dict[str, Any], said: str) -> None:
    happened = AS_TOLD.model_copy(update={"canary": CANARY.model_copy(update=canary), **shown})
    assert BadCanary().differences(happened) == [said]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"result": Phase.ABORTED}, "it ended as aborted, not completed"),
        ({"promise_held": False}, "the promise was broken"),
        ({"replaced_once": False}, "not every group was replaced once"),
    ],
)
def test_what_a_new_image_had_otherwise_is_said(shown: dict[str, Any], said: str) -> None:
    happened = AS_TOLD.model_copy(update={"result": Phase.COMPLETED, "replaced_once": True, "canary": None, **shown})
    assert NewImage().differences(happened) == [said]


def test_a_story_that_went_otherwise_fails() -> None:
    assert exit_code(AS_TOLD) is ExitCode.DONE
    assert exit_code(AS_TOLD.model_copy(update={"differences": ("the promise was broken",)})) is ExitCode.COULD_NOT
