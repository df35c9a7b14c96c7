"""Flags that are put over a strategy: over that of a file, or of the last rollout. Alike in each verb but for where."""

from typing import Any

import typer

from rollwright.rollout.spec import Pacing, Reclaim


def count(panel: str) -> Any:
    """Of maxSurge and maxUnavailable. `panel`: heading of the help under which it stands."""
    return typer.Option(help="Groups, or a percentage of replicas.", rich_help_panel=panel)


def pacing(panel: str) -> Any:
    """Of the pacing."""
    return typer.Option(help="By ordinal, or never leaving budget idle.", rich_help_panel=panel)


def reclaim(panel: str) -> Any:
    """Of when the surge is given back."""
    return typer.Option(help="The surge: one by one, or as early as possible.", rich_help_panel=panel)


def partition(panel: str) -> Any:
    """Of the partition."""
    return typer.Option(help="Ordinals below it keep their revision.", rich_help_panel=panel)


def strategy(
    *,
    max_surge: str | None,
    max_unavailable: str | None,
    pacing: Pacing | None,
    reclaim: Reclaim | None,
    partition: int | None,
) -> dict[str, Any]:
    """As a file would say them; None for what isn't given."""
    return {
        "maxSurge": max_surge,
        "maxUnavailable": max_unavailable,
        "pacing": pacing,
        "reclaim": reclaim,
        "partition": partition,
    }


def given(flags: dict[str, Any]) -> dict[str, Any]:
    """Those that are to be put over something."""
    return {field: value for field, value in flags.items() if value is not None}
