"""The groups of a target in full, for `status -o wide`: what the rollout knows of them, and where they are."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import typer

from rollwright.cli.failure import CommandError
from rollwright.cli.outputs import Status
from rollwright.cli.text import one_line
from rollwright.cli.views import UNKNOWN, Table
from rollwright.rollout.observation import Group
from rollwright.rollout.spec import Target
from rollwright.workflows import expecting

if TYPE_CHECKING:
    from rollwright.cluster.places import Place

_ANSWER_SECONDS = 5.0


async def ask_cluster(target: Target, uid: str, kubeconfig: str | None, context: str | None) -> Mapping[int, "Place"]:
    """Where each group is; nothing, with a note on stderr, where the cluster can't be asked from here."""
    from rollwright.cli.reaching import reached  # noqa: PLC0415 - the Kubernetes client takes longer to load than a status
    from rollwright.cluster.places import places  # noqa: PLC0415

    try:
        async with asyncio.timeout(_ANSWER_SECONDS), reached(kubeconfig, context) as api:
            return await places(api, target, uid)
    except (CommandError, TimeoutError) as error:
        why = one_line(str(error)) or f"no answer within {_ANSWER_SECONDS:.0f} s"
        typer.echo(f"note: nodes and ages of groups are not known: {why}", err=True)
        return {}


def table(status: Status, places: Mapping[int, "Place"], now: datetime) -> Table:
    """A row a group; what isn't known is a dash."""
    rows = []
    for group in status.groups:
        place = places.get(group.ordinal)
        revision = "new" if group.updated else "older"
        cells = (
            str(group.ordinal),
            f"{revision} ({place.revision})" if place and place.revision else revision,
            _state(group),
            place.node if place else "",
            expecting.roughly(max(0.0, (now - place.since).total_seconds())) if place else "",
            group.reason,
        )
        rows.append(tuple(one_line(cell) or UNKNOWN for cell in cells))
    return Table(("GROUP", "REVISION", "STATE", "NODE", "AGE", "REASON"), tuple(rows))


def _state(group: Group) -> str:
    if group.terminating:
        return "leaving"
    if group.ready:
        return "serving"
    cause = f" ({group.cause})" if group.cause else ""
    return f"failed{cause}" if group.failed else f"not ready{cause}"
