"""rollwright, loaded once: each command is run by a process of its own that is forked from this one.

A line of stdin asks for one, a line of stdout tells its exit code.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from rollwright.cli.main import VERBS, main, module_of


def serve() -> None:
    """Run what is asked for, one after the other."""
    for verb in VERBS:
        import_module(module_of(verb))
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            run(**asked)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def run(folder: str, log: str, words: list[Any]) -> None:
    """Run a command in a folder; it ends the process."""
    os.chdir(folder)
    with Path(os.devnull).open() as nothing, Path(log).open("w") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.argv = ["rollwright", *words]
    main()


if __name__ == "__main__":
    serve()
