"""Who asks for something, and why: said alike to every verb, and kept by the rollout."""

import getpass
import os
import socket
from typing import Annotated

import typer
from pydantic import ValidationError

from rollwright.cli import ci
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.workflows.contract import Intervention

Reason = Annotated[str, typer.Option("--reason", help="Why; the rollout keeps it.")]
Actor = Annotated[
    str,
    typer.Option(
        "--actor",
        help="Who; the rollout keeps it. Without it, whoever has started the CI job, or your login name and host.",
    ),
]


def read_intervention(actor: str, reason: str) -> Intervention:
    """Who it is and why. Raises CommandError if it is more than a rollout keeps."""
    try:
        return Intervention(actor=actor or ci.actor(os.environ) or _login_name(), reason=reason)
    except ValidationError as refused:
        what = "; ".join(f"--{error['loc'][0]}: {error['msg']}" for error in refused.errors())
        raise CommandError(what, code=ExitCode.BAD_INPUT) from refused


def _login_name() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        return f"unknown@{socket.gethostname()}"
