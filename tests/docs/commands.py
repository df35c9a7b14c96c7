"""What a block of a page has to be run, and how, as the comment above it says.

<!-- run: -->                       each command in a state in which somebody would say it (so it is without a comment)
<!-- run: story -->                 on what the blocks before it on the page have left, as a reader would go on
<!-- run: story after="A; B" -->    the same, once these commands, which the page doesn't show, have been run besides
<!-- run: state=aborted -->         the same, from this state on
<!-- run: until="taking tasks" -->  the last command runs until it says so, and is ended then
<!-- run: exit=3 -->                the last command ends with this code
<!-- run by: tests/cli/test_demo.py -->
<!-- not run: why -->
"""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from tests.docs.pages import SHELL, Block, all_blocks

_VERB = re.compile(r"\brollwright (\w+)")


class State(StrEnum):
    """Of the target, before a command is run."""

    IDLE = "idle"
    """No rollout is open."""
    COMPLETED = "completed"
    """The last rollout has completed."""
    GATED = "gated"
    """One group is updated, and an approval is waited for."""
    PAUSED = "paused"
    """The same, and paused."""
    ABORTED = "aborted"
    """The same, and aborted."""


STATES = {
    "start": State.IDLE,
    "undo": State.COMPLETED,
    "watch": State.COMPLETED,
    "pause": State.GATED,
    "status": State.GATED,
    "promote": State.GATED,
    "approve": State.GATED,
    "reject": State.GATED,
    "rollback": State.GATED,
    "abort": State.GATED,
    "resume": State.PAUSED,
}


@dataclass(frozen=True)
class Order:
    """How the commands of a block are run."""

    block: Block
    story: bool = False
    after: str = ""
    state: State | None = None
    until: str = ""
    exit: int = 0
    run_by: str = ""
    not_run: str = ""

    @property
    def commands(self) -> list[str]:
        """Line by line, those that go on over several in one."""
        lines = [*self.after.split(";"), *self.block.text.replace("\\\n", " ").splitlines()]
        return [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def state_before(self, command: str) -> State | None:
        """What the target has to be brought into; None where it is left as it stands."""
        verb = verb_of(command)
        return None if self.story or self.state else STATES.get(verb)


def verb_of(command: str) -> str:
    """What rollwright is asked for, if it is asked."""
    found = _VERB.search(command)
    return found[1] if found else ""


def order_of(block: Block) -> Order:
    """Read the comment."""
    word, _, said = block.said.partition(":")
    match word:
        case "not run":
            assert said.strip(), f"{block}: say why it is not run"
            return Order(block, not_run=said.strip())
        case "run by":
            return Order(block, run_by=said.strip())
    given = {name: value for name, _, value in (part.partition("=") for part in shlex.split(said))}
    unknown = given.keys() - {"story", "after", "state", "until", "exit"}
    assert not unknown, f"{block}: there is no {', '.join(unknown)}"
    state = State(given["state"]) if "state" in given else None
    return Order(
        block,
        story="story" in given,
        after=given.get("after", ""),
        state=state,
        until=given.get("until", ""),
        exit=int(given.get("exit", 0)),
    )


def orders() -> list[Order]:
    """All blocks with commands, page by page."""
    return [order_of(block) for block in all_blocks(*SHELL)]
