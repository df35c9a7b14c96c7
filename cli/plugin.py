"""`kubectl rollwright`: the same verbs as a plugin of kubectl, which finds it by the name of its program.

kubectl hands everything after the name on, so its own flags are rollwright's: --context, --kubeconfig, -n. Without -n,
both use the namespace of the kubeconfig's context.
"""

import contextlib
import io
import os
import shlex
import sys

from typer.main import get_command

from rollwright.cli import main as command_line

_NO_FILES = ":4"
"""To a shell: there is nothing but these words (ShellCompDirectiveNoFileComp of cobra, kubectl's library)."""
_FILES = ":0"
"""To a shell: try names of files (ShellCompDirectiveDefault)."""


def main() -> None:
    """Run the command line; the entry point `kubectl-rollwright`."""
    command = command_line.without_installing(get_command(command_line.app))  # kubectl completes by itself
    with command_line.left():
        command(prog_name="kubectl rollwright")


def complete() -> None:
    """Suggest words for the last argument; the entry point `kubectl_complete-rollwright`, which kubectl asks."""
    os.environ |= {
        "_ROLLWRIGHT_COMPLETE": "complete_fish",  # the one with a word a line, and what it stands for behind a tab
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": shlex.join(["rollwright", *sys.argv[1:]]),
    }
    said = io.StringIO()
    with command_line.left():
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            command_line.app(prog_name="rollwright")
        lines = said.getvalue().strip().splitlines()
        print(*lines, _NO_FILES if lines else _FILES, sep="\n")
        sys.exit(0)
