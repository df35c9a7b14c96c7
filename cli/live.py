"""`watch` on a terminal: the tree, drawn again with every look at the rollout, and keys that steer it."""

import asyncio
import time
from contextlib import suppress
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.text import Text

from rollwright.cli import following, footlines, screen, tree, treelines
from rollwright.cli.dialogue import Dialogue
from rollwright.cli.following import Look, Patience
from rollwright.cli.footlines import Foot
from rollwright.cli.nodes import Nodes
from rollwright.cli.outputs import Snapshot
from rollwright.cli.temporal import Run
from rollwright.cli.terminal import Keyboard
from rollwright.cli.text import one_line
from rollwright.workflows.contract import Intervention

_TICK_SECONDS = 1.0
_OLD_SECONDS = 4.0
"""A picture that is older is said to be so."""
_LINES = {"up": -1, "down": 1}
_PAGES = {"page up": -1, "page down": 1}


class Watching:
    """One rollout, watched until it has ended or whoever watches leaves."""

    def __init__(self, run: Run, by: Intervention, nodes: Nodes, console: Console) -> None:
        """`by`: who steers."""
        self._run = run
        self._nodes = nodes
        self._console = console
        self._woken = asyncio.Event()
        self._dialogue = Dialogue(run, by, self._woken.set)
        self._keyboard = Keyboard(self._press) if Keyboard.is_there() else None
        self._look = Look(None)
        self._seen_at = time.monotonic()
        self._offset = 0
        self._drawn = treelines.Drawn(())

    async def watch(self, link: str, patience: Patience | None) -> Snapshot | None:
        """Show it; how it ended, or None if whoever watches has left. Raises CommandError, Ended."""
        with screen.whole(self._console, self._keyboard, self._woken.set) as live:
            followed = asyncio.create_task(self._follow(link, patience))
            followed.add_done_callback(lambda _: self._woken.set())
            placing = asyncio.create_task(self._nodes.keep())
            try:
                while not (self._dialogue.left or followed.done()):
                    live.update(self._screen(), refresh=True)
                    await self._wake()
                await self._dialogue.sent()
                return followed.result() if followed.done() else None
            finally:
                self._dialogue.end()
                for task in (followed, placing):
                    task.cancel()
                await asyncio.gather(followed, placing, return_exceptions=True)

    def last(self) -> RenderableType:
        """What was seen last, without what is asked and said."""
        return Group(*self._drawn.lines)

    async def _wake(self) -> None:
        """Wait for something new; ages go on without."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK_SECONDS):
                await self._woken.wait()
        self._woken.clear()

    async def _follow(self, link: str, patience: Patience | None) -> Snapshot:
        async for look in following.follow(self._run, link):
            self._take(look)
            if look.ended and look.snapshot:
                return look.snapshot
            if patience:
                patience.check(self._run.rollout, look)
        raise AssertionError("following ends with the result")

    def _take(self, look: Look) -> None:
        self._look, self._dialogue.seen = look, look.told
        if not look.trouble:
            self._seen_at = time.monotonic()
        if look.told and look.told.observation:
            self._nodes.uid = look.told.observation.uid
        self._woken.set()

    def _press(self, key: str) -> None:
        self._woken.set()
        if self._dialogue.press(key):
            return
        by = _LINES.get(key, 0) + _PAGES.get(key, 0) * self._drawn.page
        ends = {"home": 0, "end": self._drawn.furthest}
        self._offset = ends.get(key, min(max(0, self._offset + by), self._drawn.furthest))

    def _screen(self) -> RenderableType:
        width, height = self._console.size
        answers = self._dialogue.answers() if self._keyboard else None
        if self._dialogue.helps and answers:
            return Group(*footlines.help_lines(answers, width))
        foot = footlines.draw(Foot(self._trouble(), self._dialogue.said, answers), width)
        if self._look.snapshot is None:
            return Group(Text(f"{self._run.rollout}: not seen yet"), *foot)
        view = tree.tree(self._look.snapshot.status, self._nodes.places, datetime.now().astimezone())
        self._drawn = treelines.draw(view, width, max(1, height - len(foot)), self._offset)
        self._offset = min(self._offset, self._drawn.furthest)
        return Group(*self._drawn.lines, *foot)

    def _trouble(self) -> str:
        age = time.monotonic() - self._seen_at
        if not self._look.trouble and age < _OLD_SECONDS:
            return ""
        why = one_line(self._look.trouble) or "no answer yet"
        picture = f"; what you see is {age:.0f} s old" if self._look.snapshot else ""
        return f"{why}{picture}; trying again"
