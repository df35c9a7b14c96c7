"""What the commands of the pages are run on: a Temporal server, a cluster with lws/llm in `inference`, and a worker."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import ClassVar

from temporalio.client import Client
from temporalio.service import RPCError

from rollwright.rollout.gates.approval import ApprovalGate
from rollwright.rollout.spec import Change, GatedStep, RolloutSpec, Strategy, Target
from rollwright.workflows.contract import DEFAULT_TASK_QUEUE, Message, Phase, RolloutInput, RolloutStatus
from tests.devcluster.standin.namespace import until
from tests.docs.commands import Order, State, verb_of
from tests.docs.pages import ROOT, Block
from tests.e2e.processes import Process, TemporalServer
from tests.e2e.scene import CAPTAIN, Scene
from tests.support.starting import Handle, started

NAMESPACE = "inference"
TARGET = Target(namespace=NAMESPACE, name="llm")
DEADLINE_SECONDS = 90.0
QUICK = Strategy(max_unavailable="100%")
CANARY = Strategy(max_unavailable=1, steps=(GatedStep(until=1, gates=(ApprovalGate(),)), GatedStep(until="50%")))
_EXPORT = re.compile(r"(\w+)=\S+")
_SEEN = re.compile(r"(?<=--seen )\w+")
_IMAGES = count(2)
_FOR_THE_SHELL = set("|<>;&$`*~")


def is_plain(words: list[str]) -> bool:
    """Whether it is rollwright alone, with nothing for a shell to do."""
    return words[0] == "rollwright" and not any(_FOR_THE_SHELL & set(word) for word in words)


@dataclass
class Stand:
    """Runs commands as somebody would who reads a page, in a folder with the files that it shows."""

    PROGRAM: ClassVar = (sys.executable, "-m", "rollwright.cli.main")

    scene: Scene
    server: TemporalServer
    client: Client
    worker: Process
    loaded: asyncio.subprocess.Process
    """Of `loaded`."""
    folder: Path = field(default_factory=Path)
    _passed: tuple[object, ...] = ()
    """Where a gate was passed last: until it has moved on from there, the status may show it still."""

    @property
    def environment(self) -> dict[str, str]:
        """What a reader has exported."""
        return {
            "KUBECONFIG": str(self.scene.cluster.kubeconfig),
            "TEMPORAL_ADDRESS": self.server.address,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    async def begin_page(self, folder: Path, *, story: bool) -> None:
        """The examples are at hand, and, for a story, a version that no page asks for runs everywhere."""
        self.folder, self._passed = folder, ()
        for example in (ROOT / "examples").glob("*.yaml"):
            (folder / example.name).write_bytes(example.read_bytes())
        if story:
            await self.complete()

    def write(self, block: Block) -> None:
        """A file that the page shows. One of an absolute path gets one in the folder."""
        path = self.folder / block.title.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._at_home(block.text), encoding="utf-8")

    async def run(self, order: Order) -> None:
        """Run the commands of a block; they must end as the page says."""
        if order.state:
            await self.bring(order.state)
        for number, command in enumerate(order.commands, start=1):
            is_last = number == len(order.commands)
            if command.startswith("export "):
                assert set(_EXPORT.findall(command)) <= self.environment.keys(), command
                continue
            if state := order.state_before(command):
                await self.bring(state)
            elif verb_of(command) not in ("", "start", "watch", "plan"):
                await self._stands()
            if is_last and order.until:
                await self._until(command, order.until)
            else:
                await self._ends(command, order.exit if is_last else 0)

    async def bring(self, state: State) -> None:
        """Bring the target into a state, by a rollout if need be."""
        status = await self._status()
        if status and self._is(state, status):
            if status.phase.is_final:
                await self._end()
            return
        await self._end()
        if state is State.COMPLETED:
            await self.complete()
        elif state is not State.IDLE:
            handle = await self._start(CANARY)
            await until(self._status, lambda status: status and status.seen, DEADLINE_SECONDS)
            if state is State.PAUSED:
                await handle.signal(Message.PAUSE, {"actor": CAPTAIN})
                await until(self._status, lambda status: status and self._is(state, status), DEADLINE_SECONDS)
            elif state is State.ABORTED:
                await self._end()

    def told(self) -> str:
        """What the worker has logged last, for whoever has to find out why a test failed."""
        return self.worker.log.read_text()[-2000:]

    def _is(self, state: State, status: RolloutStatus) -> bool:
        match state:
            case State.IDLE:
                return status.phase.is_final
            case State.COMPLETED | State.PAUSED | State.ABORTED:
                return status.phase.value == state.value
            case State.GATED:
                return status.phase is Phase.GATED and bool(status.seen) and not status.open_gates[0].progress.approvals

    async def complete(self) -> None:
        """Roll a version out that no page asks for."""
        await self._end()
        result = await (await self._start(QUICK)).result()
        assert result.phase is Phase.COMPLETED, result

    async def _end(self) -> None:
        """Have no rollout open: one whose phase is final may still have something to do."""
        status = await self._status()
        if status and not status.phase.is_final:
            with suppress(RPCError):  # it may have ended meanwhile
                await self._handle.signal(Message.ABORT, {"actor": CAPTAIN})
        if status:
            await asyncio.wait_for(self._handle.result(), DEADLINE_SECONDS)

    async def _start(self, strategy: Strategy) -> Handle:
        spec = RolloutSpec(target=TARGET, change=Change(images={"model": f"model:{next(_IMAGES)}"}), strategy=strategy)
        return await started(self.client, RolloutInput(spec=spec, task_queue=DEFAULT_TASK_QUEUE))

    @property
    def _handle(self) -> Handle:
        return self.client.get_workflow_handle(TARGET.workflow_id, result_type=RolloutStatus)

    async def _status(self) -> RolloutStatus | None:
        try:
            status: RolloutStatus = await self._handle.query("status", result_type=RolloutStatus)
        except RPCError:
            return None
        return status

    async def _stands(self) -> None:
        """Wait, as a reader does, until the rollout waits for somebody or has ended."""

        def stands(status: RolloutStatus | None) -> bool:
            if not status or status.phase.is_final:
                return True
            return not status.phase.goes_on and self._place(status) != self._passed

        await until(self._status, stands, DEADLINE_SECONDS)

    def _place(self, status: RolloutStatus) -> tuple[object, ...]:
        return status.started_at, status.revision, status.gate

    async def _ends(self, command: str, code: int) -> None:
        if verb_of(command) in ("promote", "approve") and (status := await self._status()):
            self._passed = self._place(status)
        elif verb_of(command) == "start":
            self._passed = ()  # gates begin anew, with a retarget too
        asked = await self._as_it_stands(command)
        words = shlex.split(asked, comments=True)
        try:
            run = self._run_loaded(words[1:]) if is_plain(words) else self._run_by_shell(asked)
            ended, output = await asyncio.wait_for(run, DEADLINE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{command}\nhas not ended within {DEADLINE_SECONDS:.0f} s") from None
        # What doctor finds besides, other tests of the same cluster have left.
        codes = (0, 1) if verb_of(command) == "doctor" else (code,)
        assert ended in codes, f"{command}\nended with {ended}:\n{output}"

    async def _run_loaded(self, words: list[str]) -> tuple[int, str]:
        """In a process of its own that has rollwright loaded already."""
        assert self.loaded.stdin
        assert self.loaded.stdout
        log = self.folder / "command.log"
        asked = {"folder": str(self.folder), "log": str(log), "words": words}
        self.loaded.stdin.write(f"{json.dumps(asked)}\n".encode())
        return int(await self.loaded.stdout.readline()), log.read_text(encoding="utf-8")

    async def _run_by_shell(self, command: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", command),
            cwd=self.folder,
            env={**os.environ, "USER": os.environ.get("USER", "nobody"), **self.environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode is not None
        return process.returncode, output.decode()

    async def _until(self, command: str, words: str) -> None:
        log = self.folder / "running.log"
        log.unlink(missing_ok=True)  # what one before has said doesn't count
        bash = ("bash", "-euc", f"cd {self.folder} && exec {self._at_home(command)}")
        process = await Process.start(*bash, log=log, **self.environment)
        try:
            await process.says(words)
            assert await process.terminate() == 0, log.read_text()
        finally:
            await process.kill()

    async def _as_it_stands(self, command: str) -> str:
        """With what is another each time in place of what the page shows."""
        status = await self._status()
        return _SEEN.sub(status.seen if status else "", self._at_home(command))

    def _at_home(self, text: str) -> str:
        return text.replace("/etc/rollwright", f"{self.folder}/etc/rollwright")


KEPT = json.dumps({"metadata": {"annotations": {"rollwright.io/history-limit": "100"}}})
"""So many rollouts are run that the templates that pages speak of would be gone."""
