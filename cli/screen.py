"""A terminal as one screen with keys, and put back as it was, whatever ends it."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.live import Live

from rollwright.cli.terminal import Keyboard


class Ended(Exception):  # noqa: N818 - no error: somebody has ended it from outside
    """By a signal."""

    def __init__(self, number: int) -> None:
        """`number`: of the signal."""
        super().__init__(number)
        self.number = number


@contextmanager
def whole(console: Console, keyboard: Keyboard | None, changed: Callable[[], None]) -> Iterator[Live]:
    """All of the terminal. `changed` is called when it has another size, or has to be drawn anew.

    Raises Ended for a signal that would end the process, with the terminal put back.
    """
    ended_by: list[int] = []
    live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    try:
        with live, _keys(keyboard), _nothing_logged(), _signals(live, keyboard, changed, ended_by):
            yield live
    except asyncio.CancelledError:
        if ended_by:
            raise Ended(ended_by[0]) from None
        raise


@contextmanager
def _keys(keyboard: Keyboard | None) -> Iterator[None]:
    if keyboard is None:
        yield
        return
    with keyboard:
        yield


@contextmanager
def _nothing_logged() -> Iterator[None]:
    """Warnings, as of a cluster that isn't there, would be written over the screen."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _signals(live: Live, keyboard: Keyboard | None, changed: Callable[[], None], ended_by: list[int]) -> Iterator[None]:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def suspend() -> None:
        if keyboard:
            keyboard.stop()
        live.stop()
        ignore()  # what ends it while it stands ends it at once: there is nothing to put back
        _stand(live.console)
        listen()
        if keyboard:
            keyboard.start()
        live.start()
        changed()

    def end(number: int) -> None:
        ended_by.append(number)
        if task:
            task.cancel()

    handlers: dict[int, Callable[[], None]] = {signal.SIGWINCH: changed, signal.SIGTSTP: suspend}
    handlers |= {number: partial(end, number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)}

    def listen() -> None:
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)

    def ignore() -> None:
        for number in handlers:
            loop.remove_signal_handler(number)

    listen()
    try:
        yield
    finally:
        ignore()


def _stand(console: Console) -> None:
    """Until it is in the foreground again; whoever only lets it go on in the background has it stand again."""
    signal.raise_signal(signal.SIGTSTP)
    while not _is_in_foreground(console):
        signal.raise_signal(signal.SIGSTOP)  # SIGTSTP stops nobody who has no shell left


def _is_in_foreground(console: Console) -> bool:
    try:
        return os.tcgetpgrp(console.file.fileno()) == os.getpgrp()
    except (OSError, ValueError):  # the terminal is gone, or not ours
        return True
