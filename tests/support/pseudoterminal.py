"""The command line on a pseudo-terminal, as somebody at a keyboard has it."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

WITHIN_SECONDS = 60
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_NOT_OF_THE_TERMINAL = ("NO_COLOR", "COLUMNS", "LINES")
_HOME = "\x1b[H"
# The terminal becomes that of the process, so that Ctrl-C gets there; and it isn't ignored, as it is where the tests
# themselves run in the background.
_OWN_TERMINAL = (
    "import fcntl, signal, termios; fcntl.ioctl(1, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGINT, signal.default_int_handler)"
)
ROLLWRIGHT = (sys.executable, "-c", f"{_OWN_TERMINAL}; from rollwright.cli.main import main; main()")
SHELL = (sys.executable, "-c", f"{_OWN_TERMINAL}; import os; os.execlp('bash', 'bash', '--norc', '-i')")


class PseudoTerminal:
    """A terminal, and the process in it."""

    def __init__(self, process: asyncio.subprocess.Process, ours: int, its: int) -> None:
        self.process = process
        self.written = ""
        """All that it was told to show."""
        self._ours, self._its = ours, its
        self._modes = termios.tcgetattr(its)
        asyncio.get_running_loop().add_reader(ours, self._read)

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def screen(self) -> str:
        """What it shows since the screen was last drawn, as far as that has come."""
        return _CONTROL.sub("", self.written.rpartition(_HOME)[2])

    @property
    def is_as_before(self) -> bool:
        """Whether lines are edited and shown as they were at first, and the usual screen and the cursor are back."""
        modes = termios.tcgetattr(self._its) == self._modes
        back = {"\x1b[?1049": "l", "\x1b[?25": "h"}
        return modes and all(self.written.rpartition(what)[2][:1] in ("", state) for what, state in back.items())

    async def shows(self, *texts: str) -> None:
        """Wait until all of these are on the screen."""
        try:
            async with asyncio.timeout(WITHIN_SECONDS):
                while not all(text in self.screen for text in texts):
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"{texts} did not come; there is:\n{self.screen}") from None

    async def ends(self) -> int:
        """Wait for its end and for all it has written; its exit code."""
        code = await asyncio.wait_for(self.process.wait(), WITHIN_SECONDS)
        self._read()
        return code

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._ours)
        os.close(self._ours)
        os.close(self._its)

    def _read(self) -> None:
        try:
            while read := os.read(self._ours, 65536):
                self.written += read.decode(errors="replace")
        except BlockingIOError:
            return


@asynccontextmanager
async def terminal(
    *command: str, env: Mapping[str, str], columns: int = 100, lines: int = 30, keyboard: bool = True
) -> AsyncIterator[PseudoTerminal]:
    """Start a command on a terminal of this size; without a `keyboard` its stdin is none. It is ended at the end."""
    ours, its = os.openpty()
    os.set_blocking(ours, False)
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in _NOT_OF_THE_TERMINAL}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=its if keyboard else asyncio.subprocess.DEVNULL,
        stdout=its,
        stderr=its,
        env={**inherited, "TERM": "xterm-256color", "TZ": "UTC", **env},
        start_new_session=True,
    )
    opened = PseudoTerminal(process, ours, its)
    try:
        yield opened
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        opened.close()
