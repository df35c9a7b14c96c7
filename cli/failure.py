"""How a verb says that it could not do what was asked: what happened, to which object, and what to do next."""

from enum import IntEnum

from rollwright.cli.text import plain


class ExitCode(IntEnum):
    """What the shell gets."""

    DONE = 0
    COULD_NOT = 1
    BAD_INPUT = 2
    ROLLED_BACK = 3
    """The rollout that was waited for has gone back."""
    ABORTED = 4
    """The rollout that was waited for was aborted."""
    STANDS = 5
    """The rollout that was waited for has been paused, stalled or at a gate for longer than allowed."""
    SUPERSEDED = 6
    """Another change is in the place of the one that was waited for."""
    INTERRUPTED = 130
    """By Ctrl-C."""
    TERMINATED = 143
    """By SIGTERM."""


class CommandError(Exception):
    """Ends the command: `what` happened goes to stderr, with what to do next."""

    def __init__(self, what: str, *, todo: str = "", code: ExitCode = ExitCode.COULD_NOT) -> None:
        """Both texts may hold what a cluster or a file says; they are made plain when shown."""
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.code = code


def report(error: CommandError) -> None:
    """Print a failure to stderr."""
    from rich.console import Console  # noqa: PLC0415 - importing it takes longer than most failures do
    from rich.text import Text  # noqa: PLC0415

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(Text.assemble(("error: ", "bold red"), plain(error.what)))
    if error.todo:
        console.print(Text(plain(error.todo)))
