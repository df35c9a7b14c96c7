"""`rollwright watch` on a terminal: what is seen, keys that steer, and the terminal afterwards."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from rollwright.activities.messages import ActivityName
from rollwright.rollout.simulator import World
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import STATUS, WORKFLOW_TYPE, Message, Phase, RolloutInput, RolloutStatus
from rollwright.workflows.rollout import RolloutWorkflow
from tests.cli.played import flags, go_on, rollout
from tests.support.played import PATIENCE_SECONDS, PlayedCluster
from tests.support.pseudoterminal import ROLLWRIGHT, SHELL, PseudoTerminal, terminal

if TYPE_CHECKING:
    from tests.cli.conftest import Run

pytestmark = pytest.mark.real

KEYS = "p pause  r resume  n promote  a abort  b rollback  A approve  q leave  ? help"


@dataclass
class Played:
    """A rollout of 4 groups whose cluster is played, and its worker."""

    client: Client
    target: Target
    cluster: PlayedCluster
    queue: str = field(default_factory=lambda: str(uuid.uuid4()))

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        async with Worker(
            self.client,
            task_queue=self.queue,
            workflows=[RolloutWorkflow],
            activities=self.cluster.activities(),
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield

    async def start(self, strategy: Strategy) -> None:
        spec = RolloutSpec(target=self.target, change=Change(images={"model": "m:new"}), strategy=strategy)
        given = RolloutInput(spec=spec, task_queue=self.queue)
        await self.client.start_workflow(WORKFLOW_TYPE, given, id=self.target.workflow_id, task_queue=self.queue)

    async def status(self) -> RolloutStatus:
        handle = self.client.get_workflow_handle(self.target.workflow_id)
        answer: RolloutStatus = await handle.query(STATUS, result_type=RolloutStatus)
        return answer

    async def events(self) -> list[tuple[str, str]]:
        """What people did, and who."""
        return [(event.what.partition(":")[0], event.actor) for event in (await self.status()).events]


@pytest.fixture(autouse=True)
def quickly() -> Iterator[None]:
    """A played cluster tells of news at once."""
    with (
        patch("rollwright.activities.waiting._PATIENCE_SECONDS", PATIENCE_SECONDS),
        patch("rollwright.activities.waiting._LOOK_EVERY_SECONDS", PATIENCE_SECONDS),
    ):
        yield


@asynccontextmanager
async def watching(
    server: Client, name: str, *, lines: int = 30, keyboard: bool = True, **settings: str
) -> AsyncIterator[PseudoTerminal]:
    """The command in a terminal, watching the rollout of a target."""
    command = (*ROLLWRIGHT, "watch", f"lws/{name}", "-n", "inference", "--actor", "ann@ops")
    async with terminal(*command, env={**reaching(server), **settings}, lines=lines, keyboard=keyboard) as opened:
        yield opened


def reaching(server: Client) -> dict[str, str]:
    """The settings of somebody who reaches the server, and no cluster."""
    return {"TEMPORAL_ADDRESS": server.service_client.config.target_host, "KUBECONFIG": "no-such-kubeconfig"}


async def test_a_rollout_is_paused_and_resumed_and_a_gate_promoted_by_keys(server: Client) -> None:
    played = Played(server, Target(name="keys", namespace="inference"), PlayedCluster(World(4)))
    await played.start(Strategy(max_unavailable=2, max_surge=1, steps=(GatedStep(until=1),)))
    async with played.worker(), watching(server, "keys") as shown:
        await shown.shows(
            "lws/keys in namespace inference  progressing", "groups 4: 1 new not ready, 3 old ready", KEYS
        )
        shown.press("p")
        await shown.shows("pause: no new step; groups already released go on loading, by ann@ops. y/N")
        shown.press("n")
        await shown.shows("pause: not sent")
        assert await played.events() == []
        shown.press("p")
        await shown.shows("y/N")
        shown.press("y")
        await shown.shows("inference  paused", "sent pause to rollout/lws/inference/keys, by ann@ops: ")
        assert (await played.status()).phase is Phase.PAUSED
        shown.press("n")
        await shown.shows("promote is of no use now: no gate waits now")
        shown.press("r")
        await shown.shows("resume: goes on, by ann@ops. y/N")
        shown.press("y")
        await shown.shows("inference  progressing", "sent resume to")
        played.cluster.become_ready(everything=True)
        await shown.shows("inference  gated", "step 1 of 1, up to 1 of 4 groups: waits to be promoted")
        shown.press("n")
        await shown.shows("promote: passes the gate, by ann@ops. y/N")
        shown.press("Y")
        await shown.shows("sent promote to", "inference  progressing")
        assert [what for what, who in await played.events() if who == "ann@ops"] == ["pause", "resume", "promote"]
        shown.press("q")
        assert await shown.ends() == 130
        assert shown.is_as_before
        assert "the rollout goes on; follow it: rollwright watch rollout/lws/inference/keys" in shown.written
        assert (await played.status()).phase is Phase.PROGRESSING


async def test_what_has_become_wrong_since_it_was_asked_is_refused_in_the_words_of_the_rollout(server: Client) -> None:
    played = Played(server, Target(name="late", namespace="inference"), PlayedCluster(World(4)))
    played.cluster.held.add(ActivityName.RESTORE)
    await played.start(Strategy(max_unavailable=2, max_surge=1, steps=(GatedStep(until=1),)))
    async with played.worker(), watching(server, "late") as shown:
        await shown.shows("groups 4: 1 new not ready, 3 old ready")
        played.cluster.become_ready(everything=True)
        await shown.shows("inference  gated")
        shown.press("n")
        await shown.shows("promote: passes the gate, by ann@ops. y/N")
        await server.get_workflow_handle(played.target.workflow_id).signal(Message.ABORT)
        await shown.shows("inference  restoring")
        shown.press("y")
        await shown.shows("rollout/lws/inference/late does not promote: ")
        played.cluster.held.clear()
        assert await shown.ends() == 4


async def test_a_rollout_that_is_terminated_is_told_of_with_the_terminal_put_back(server: Client, run: "Run") -> None:
    await run(*flags("terminated"))
    async with watching(server, "terminated") as shown:
        await shown.shows("inference  progressing")
        await server.get_workflow_handle(rollout("terminated")).terminate("by a test")
        assert await shown.ends() == 1
        assert shown.is_as_before
        assert "rollout/lws/inference/terminated ended without a result: terminated" in shown.screen


async def test_a_worker_that_is_away_is_told_of_with_the_age_of_the_picture_and_it_goes_on_by_itself(
    server: Client,
) -> None:
    played = Played(server, Target(name="away", namespace="inference"), PlayedCluster(World(4)))
    await played.start(Strategy(max_unavailable=2, max_surge=1))
    async with watching(server, "away") as shown:
        async with played.worker():
            await shown.shows("inference  progressing", "groups 5")
        await shown.shows("no worker answers; start one: rollwright worker; what you see is", " s old; trying again")
        assert "inference  progressing" in shown.screen
        async with played.worker():
            async with asyncio.timeout(60):
                while "trying again" in shown.screen or KEYS not in shown.screen:
                    await asyncio.sleep(0.05)


async def test_its_end_is_told_by_the_exit_code_and_the_whole_table_stays(server: Client, run: "Run") -> None:
    await run(*flags("seen"))
    async with watching(server, "seen") as shown:
        await shown.shows("inference  progressing")
        await go_on(server, "seen")
        assert await shown.ends() == 0
        assert shown.is_as_before
        left = shown.written.rpartition("\x1b[?1049l")[2]
        assert left.index("Rolling update started") < left.index("Rolling update completed")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_the_terminal_is_put_back_when_a_signal_ends_it(
    server: Client, run: "Run", number: signal.Signals, code: int
) -> None:
    await run(*flags(f"signal-{number}"))
    async with watching(server, f"signal-{number}") as shown:
        await shown.shows(KEYS)
        assert not shown.is_as_before
        shown.process.send_signal(number)
        assert await shown.ends() == code
        assert shown.is_as_before


async def test_ctrl_c_leaves_and_the_rollout_goes_on(server: Client, run: "Run") -> None:
    await run(*flags("left-by-key"))
    async with watching(server, "left-by-key") as shown:
        await shown.shows(KEYS)
        shown.press("\x03")
        assert await shown.ends() == 130
        assert shown.is_as_before
        assert "the rollout goes on; follow it: rollwright watch rollout/lws/inference/left-by-key" in shown.written
    assert (await server.get_workflow_handle(rollout("left-by-key")).describe()).close_time is None


async def test_in_a_shell_it_is_suspended_with_the_terminal_put_back_and_goes_on_in_the_foreground(
    server: Client, run: "Run"
) -> None:
    await run(*flags("suspended"))
    command = " ".join(f"'{word}'" for word in (ROLLWRIGHT[0], "-m", "rollwright.cli.main", "watch"))
    async with terminal(*SHELL, env={**reaching(server), "PS1": "$ "}) as shell:
        await shell.shows("$ ")
        shell.press(f"{command} {rollout('suspended')}\n")
        await shell.shows(KEYS)
        shell.press("\x1a")
        await shell.shows("Stopped")
        shell.press("stty --all | tr ' ' '_'\n")
        await shell.shows("_icanon_", "_echo_")
        assert shell.written.rpartition("\x1b[?1049")[2].startswith("l")
        shell.press("fg\n")
        await shell.shows("suspended in namespace inference  progressing", KEYS)
        shell.press("q")
        await shell.shows("the rollout goes on")


@pytest.mark.parametrize("keyboard", ["", "< /dev/null"], ids=["keys", "no keys"])
async def test_what_is_suspended_writes_nothing_when_it_goes_on_in_the_background_or_is_ended(
    server: Client, run: "Run", keyboard: str
) -> None:
    await run(*flags(f"background-{len(keyboard)}"))
    command = " ".join(f"'{word}'" for word in (ROLLWRIGHT[0], "-m", "rollwright.cli.main", "watch"))
    async with terminal(*SHELL, env={**reaching(server), "PS1": "$ "}) as shell:
        await shell.shows("$ ")
        shell.press(f"{command} {rollout(f'background-{len(keyboard)}')} {keyboard}\n")
        await shell.shows("in namespace inference  progressing")
        shell.press("\x1a")
        await shell.shows("Stopped")
        shell.press("bg; until [ \"$(jobs -s)\" ]; do :; done; echo stands a''gain\n")
        await shell.shows("stands again")
        assert shell.written.rpartition("\x1b[?1049")[2].startswith("l")
        shell.press("pid=$(jobs -p); kill %1; while kill -0 $pid 2> /dev/null; do :; done; echo has e''nded\n")
        await shell.shows("has ended")
        assert shell.written.rpartition("\x1b[?1049")[2].startswith("l")


async def test_scrolling_help_and_another_size(server: Client, run: "Run") -> None:
    await run(*flags("scrolled"))
    async with watching(server, "scrolled", lines=7) as shown:
        await shown.shows("❎ 0-3", "… 2 below")
        shown.press("\x1b[B")
        await shown.shows("⏳ 4", "… 1 above, 1 below")
        shown.press("\x1b[6~")
        await shown.shows("⏳ 5", "… 2 above")
        shown.press("?")
        await shown.shows("pause     no new step")
        shown.press("\x1b")
        await shown.shows("… 2 above")
        shown.resize(100, 40)
        await shown.shows("groups 6", "❎ 0", "⏳ 5", KEYS)


async def test_pasted_letters_are_no_keys(server: Client, run: "Run") -> None:
    await run(*flags("pasted"))
    async with watching(server, "pasted") as shown:
        await shown.shows("inference  progressing", KEYS)
        shown.press("ay")
        async with asyncio.timeout(60):
            while shown.process.returncode is None:
                shown.press("q")  # alone, once the others are read
                await asyncio.sleep(0.2)
        assert await shown.ends() == 130, "it has left, and before that sent what was to be sent"
    status: RolloutStatus = await server.get_workflow_handle(rollout("pasted")).query(STATUS, result_type=RolloutStatus)
    assert status.events == ()


async def test_without_a_keyboard_there_are_no_keys(server: Client, run: "Run") -> None:
    await run(*flags("mute"))
    async with watching(server, "mute", keyboard=False) as shown:
        await shown.shows("inference  progressing", "Ctrl-C leaves; the rollout goes on")
        assert "p pause" not in shown.screen


async def test_a_dumb_terminal_gets_lines_as_a_pipe_does(server: Client, run: "Run") -> None:
    await run(*flags("dumb"))
    async with watching(server, "dumb", TERM="dumb") as shown:
        await shown.shows("stage 2   partition 4   replicas 6   ❎❎❎❎⏳⏳  Rolling update started")
        await go_on(server, "dumb")
        assert await shown.ends() == 0
        assert "\x1b" not in shown.written


async def test_no_color_leaves_out_colours_alone(server: Client, run: "Run") -> None:
    await run(*flags("grey"))
    async with watching(server, "grey", NO_COLOR="1") as shown:
        await shown.shows("inference  progressing", KEYS)
        assert "\x1b[1m" in shown.written
        assert not any(f"\x1b[{code}m" in shown.written for code in ("31", "33", "32", "1;32", "1;33", "1;31"))
