"""What the shell completes: targets, rollouts and namespaces that Temporal knows, contexts, and kept revisions.

Whoever presses TAB wants an answer at once or none: after a short while, or if anything can't be asked, there are no
suggestions, and nothing is said about why.
"""

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import typer

from rollwright.cli.failure import CommandError
from rollwright.cli.text import one_line

_PATIENCE_SECONDS = 1.5
_MOST = 1000
"""Rollouts looked at, the newest first."""
Suggestions = list[tuple[str, str]]
"""Words with what they stand for, which some shells show."""
Result = TypeVar("Result")


@dataclass(frozen=True)
class _Known:
    """A rollout that Temporal knows."""

    kind: str
    namespace: str
    name: str
    phase: str

    @property
    def id(self) -> str:
        return f"rollout/{self.kind}/{self.namespace}/{self.name}"

    @property
    def word(self) -> str:
        return f"{self.kind}/{self.name}"


def targets(context: typer.Context, incomplete: str) -> Suggestions:
    """Targets that have had a rollout, in the namespace if one is given; and, where it isn't, the ids of rollouts."""
    namespace = context.params.get("namespace")
    found = [one for one in _known() if namespace in (None, one.namespace)]
    words = {one.word: f"namespace {one.namespace}, {one.phase}" for one in reversed(found)}
    ids = {} if namespace else {one.id: one.phase for one in reversed(found)}
    return _fitting(words | ids, incomplete)


def namespaces(context: typer.Context, incomplete: str) -> Suggestions:
    """Namespaces in which rollouts were; of the target, if one is given."""
    target = context.params.get("target")
    return _fitting({one.namespace: "" for one in _known() if target in (None, "", one.word)}, incomplete)


def contexts(context: typer.Context, incomplete: str) -> Suggestions:
    """Those of the kubeconfig."""
    from rollwright.cli.kubeconfig import read_contexts  # noqa: PLC0415 - only now is it wanted

    try:
        found = read_contexts(context.params.get("kubeconfig")).namespaces
    except CommandError:
        return []
    return _fitting(
        {name: f"namespace {namespace}" if namespace else "" for name, namespace in found.items()}, incomplete
    )


def revisions(context: typer.Context, incomplete: str) -> Suggestions:
    """Numbers of the templates that are kept of the target."""
    from rollwright.cli import kept, options  # noqa: PLC0415 - as above

    given = context.params
    cluster = given.get("kubeconfig"), given.get("context")

    async def read() -> dict[str, str]:
        named = options.read_target(str(given.get("target")), given.get("namespace"), *cluster)
        async with kept.opened(named, *cluster) as ledger:
            return {str(one.revision): ", ".join(one.images) for one in reversed(ledger.revisions())}

    return _fitting(_at_once(read, {}), incomplete)


def _fitting(found: dict[str, str], incomplete: str) -> Suggestions:
    return [(one_line(word), one_line(what)) for word, what in found.items() if word.startswith(incomplete)]


def _known() -> list[_Known]:
    """The latest rollout of each target, the newest first."""
    from rollwright.cli import temporal  # noqa: PLC0415 - as above
    from rollwright.workflows.contract import PHASE_ATTRIBUTE, WORKFLOW_TYPE  # noqa: PLC0415

    async def read() -> list[_Known]:
        client = await temporal.connect()
        found: dict[str, _Known] = {}
        async for execution in client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'", limit=_MOST):
            parts = execution.id.split("/")
            if len(parts) == 4 and parts[0] == "rollout":
                phase = execution.typed_search_attributes.get(PHASE_ATTRIBUTE) or ""
                found.setdefault(execution.id, _Known(parts[1], parts[2], parts[3], phase))
        return list(found.values())

    return _at_once(read, [])


def _at_once(ask: Callable[[], Awaitable[Result]], otherwise: Result) -> Result:
    from temporalio.service import RPCError  # noqa: PLC0415 - as above

    async def within_patience() -> Result:
        return await asyncio.wait_for(ask(), _PATIENCE_SECONDS)

    with _silence():
        try:
            return asyncio.run(within_patience())
        except (CommandError, RPCError, TimeoutError, OSError, RuntimeError, ValueError):
            return otherwise


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What would be said on stderr would stand in the middle of the line that somebody writes."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
