"""Keys of a terminal as they are pressed, and the terminal as it was before."""

import asyncio
import codecs
import os
import re
import sys
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

_CHUNK = 1024
_REST_OF_A_SEQUENCE_SECONDS = 0.05
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;]*|O)?")
_NAMES = {
    "A": "up",
    "B": "down",
    "5~": "page up",
    "6~": "page down",
    "H": "home",
    "F": "end",
    "1~": "home",
    "4~": "end",
}


class Keyboard:
    """While it is entered, `pressed` is called with each key: a letter, or the name of another one.

    Letters that arrive together were pasted, or typed blindly while nothing was shown: they are passed over.
    """

    def __init__(self, pressed: Callable[[str], None]) -> None:
        self._pressed = pressed
        self._input = sys.stdin.fileno()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._before: list[Any] | None = None

    @staticmethod
    def is_there() -> bool:
        """Whether somebody can press keys: not in the background, where whoever reads is stopped."""
        try:
            return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
        except (OSError, ValueError):  # no stdin at all, or a terminal that is not ours
            return False

    def start(self) -> None:
        """Take the keys, each as it is pressed, and have none of them shown."""
        self._before = termios.tcgetattr(self._input)
        tty.setcbreak(self._input, termios.TCSADRAIN)
        asyncio.get_running_loop().add_reader(self._input, self._read)

    def stop(self) -> None:
        """Leave the terminal as it was."""
        asyncio.get_running_loop().remove_reader(self._input)
        if self._before is not None:
            # What was typed and not read is dropped: it was not meant for the shell.
            termios.tcsetattr(self._input, termios.TCSAFLUSH, self._before)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _read(self) -> None:
        try:
            read = os.read(self._input, _CHUNK)
        except OSError:
            read = b""
        if not read:  # the terminal is gone
            asyncio.get_running_loop().remove_reader(self._input)
            return
        text = self._rest + self._decoder.decode(read)
        self._rest = text[_complete(text) :]
        if self._rest:
            asyncio.get_running_loop().call_later(_REST_OF_A_SEQUENCE_SECONDS, self._give_up, self._rest)
        self._press(text[: len(text) - len(self._rest)])

    def _give_up(self, rest: str) -> None:
        """The Escape key alone looks like the beginning of a sequence."""
        if self._rest == rest:
            self._rest = ""
            self._pressed("escape")

    def _press(self, text: str) -> None:
        for sequence in _SEQUENCE.findall(text):
            if name := _NAMES.get(sequence[2:]):
                self._pressed(name)
        letters = _SEQUENCE.sub("", text)
        if len(letters) == 1:
            self._pressed(letters)


def _complete(text: str) -> int:
    """Where the beginning of a sequence stands at the end of what was read; its length if none does."""
    begun = text.rfind("\x1b")
    return begun if begun >= 0 and _BEGUN.fullmatch(text, begun) else len(text)
