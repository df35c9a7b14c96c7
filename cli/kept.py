"""The ledger of a target, for the verbs that show it, choose from it, or write to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from rollwright.cli import completing
from rollwright.cli.failure import CommandError, ExitCode
from rollwright.cli.outputs import Rejected, Revision
from rollwright.cli.reaching import reached
from rollwright.cluster.api import Manifest
from rollwright.cluster.ledger import KeptTemplate, Ledger
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.templates import kept_name
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Target

Number = Annotated[
    int,
    typer.Argument(
        metavar="REV",
        min=1,
        help="Number of a revision, from `rollwright history`.",
        autocompletion=completing.revisions,
    ),
]


@dataclass(frozen=True)
class OpenLedger:
    """The ledger of a target as read, with the target itself."""

    target: Target
    ledger: Ledger
    item: TargetObject
    entries: tuple[KeptTemplate, ...]
    """By number."""

    @property
    def template(self) -> Manifest:
        """The template that stands on the target."""
        return self.item.template

    @property
    def standing(self) -> KeptTemplate | None:
        """The entry of the template that stands; None if it was never kept."""
        name = kept_name(self.item, self.template)
        return next((kept for kept in self.entries if kept.name == name), None)

    def numbered(self, number: int) -> KeptTemplate:
        """The entry of this number. Raises CommandError if there is none."""
        for kept in self.entries:
            if kept.number == number:
                return kept
        numbers = ", ".join(str(kept.number) for kept in self.entries)
        raise CommandError(
            f"{self.target} has no revision {number}; it has {numbers or 'none'}",
            todo=self.see,
            code=ExitCode.BAD_INPUT,
        )

    def before_standing(self) -> KeptTemplate:
        """The newest entry before the one that stands that isn't given up. Raises CommandError if there is none."""
        standing = self.standing
        older = [
            kept
            for kept in self.entries
            if not kept.is_given_up and (standing is None or kept.number < standing.number)
        ]
        if older:
            return older[-1]
        stands = f"revision {standing.number}, which stands" if standing else "what stands"
        raise CommandError(
            f"{self.target} has no revision before {stands}, or each was rejected, or replaced on its way",
            todo=f"{self.see} Choose one: --to-revision REV.",
        )

    @property
    def see(self) -> str:
        """Where the numbers are."""
        return f"`rollwright history {self.target.workflow_id}` shows them."

    def revisions(self) -> tuple[Revision, ...]:
        """All entries, for people and programs."""
        return tuple(_revision(kept, stands=kept == self.standing) for kept in self.entries)


def _revision(kept: KeptTemplate, *, stands: bool) -> Revision:
    no = kept.rejection
    return Revision(
        revision=kept.number,
        name=kept.name,
        kept_at=kept.kept_at,
        actor=kept.actor,
        reason=kept.reason,
        images=kept.images,
        outcome=kept.outcome,
        stands=stands,
        rejected=Rejected(actor=no.actor, reason=no.reason, at=no.at) if no else None,
    )


@asynccontextmanager
async def opened(target: Target, kubeconfig: str | None, context: str | None) -> AsyncIterator[OpenLedger]:
    """Read the ledger of a target; it may be written to meanwhile. Raises CommandError for what goes wrong."""
    async with reached(kubeconfig, context) as api:
        found = LiveTarget(api, Watches(api), target)
        item = await found.read_object()
        yield OpenLedger(target, found.ledger, item, tuple(await found.ledger.entries(item)))
