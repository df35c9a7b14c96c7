"""What the shell completes: targets, rollouts and namespaces that Temporal knows, contexts, and kept revisions.

Whoever presses TAB wants an answer at once or none: after a short while, or if anything can't be asked, there are no
suggestions, and nothing is said about why.
"""

import asyncio
import contextlib
import io
import re
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

import typer

from rollwright.cli.failure import CommandError
from rollwright.rollout.spec import Target

_PATIENCE_SECONDS = 1.5
_MOST = 1000
"""Rollouts looked at, the newest first."""
Suggestions = list[tuple[str, str]]
"""Words with what they stand for, which some shells show."""
Result = TypeVar("Result")
# Shells run some of what a program suggests: zsh evaluates all of it, bash puts it unquoted onto the line. Brackets are
# markup to typer.
_WORD = re.compile(r"[\w./:@,=+-]+")
_NOT_OF_TEXT = re.compile(r"[^\w ./:@,=+-]")


@dataclass(frozen=True)
class _Known:
    """A rollout that Temporal knows."""

    target: Target
    phase: str


def targets(context: typer.Context, incomplete: str) -> Suggestions:
    """Targets that have had a rollout, in the namespace if one is given; and, where it isn't, the ids of rollouts."""
    namespace = context.params.get("namespace")
    found = [one for one in _known() if namespace in (None, one.target.namespace)]
    words = {one.target.word: f"namespace {one.target.namespace}, {one.phase}" for one in reversed(found)}
    ids = {} if namespace else {one.target.workflow_id: one.phase for one in reversed(found)}
    return _fitting(words | ids, incomplete)


def namespaces(context: typer.Context, incomplete: str) -> Suggestions:
    """Namespaces in which rollouts were; of the target, if one is given."""
    target = context.params.get("target")
    found = [one.target for one in _known()]
    return _fitting({one.namespace: "" for one in found if target in (None, "", one.word)}, incomplete)


def contexts(context: typer.Context, incomplete: str) -> Suggestions:
    """Those of the kubeconfig."""
    from rollwright.cli.kubeconfig import read_contexts  # noqa: PLC0415 - only now is it wanted

    async def read() -> dict[str, str]:
        return read_contexts(context.params.get("kubeconfig")).namespaces

    found = _at_once(read, dict[str, str]())
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
    return [
        (word, _as_text(what)) for word, what in found.items() if word.startswith(incomplete) and _WORD.fullmatch(word)
    ]


def _as_text(what: str) -> str:
    return " ".join(_NOT_OF_TEXT.sub(" ", what).split())


def _known() -> list[_Known]:
    """The latest rollout of each target, the newest first."""
    from rollwright.cli import temporal  # noqa: PLC0415 - as above
    from rollwright.workflows.contract import PHASE_ATTRIBUTE, WORKFLOW_TYPE  # noqa: PLC0415

    async def read() -> list[_Known]:
        client = await temporal.connect()
        found: dict[str, _Known] = {}
        async for execution in client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}'", limit=_MOST):
            if target := _target_of(execution.id):
                phase = execution.typed_search_attributes.get(PHASE_ATTRIBUTE) or ""
                found.setdefault(execution.id, _Known(target, phase))
        return list(found.values())

    return _at_once(read, [])


def _target_of(rollout: str) -> Target | None:
    from rollwright.cli import options  # noqa: PLC0415 - as above

    try:
        return options.read_target(rollout, None) if rollout.startswith("rollout/") else None
    except CommandError:  # anybody may start a workflow by any id
        return None


def _at_once(ask: Callable[[], Coroutine[Any, Any, Result]], otherwise: Result) -> Result:
    """In a thread that nobody waits for: asyncio waits for its own ones, which may hang in a name's resolution."""
    answers = SimpleQueue[Result]()

    async def answer() -> None:
        answers.put(await ask())

    def run() -> None:
        try:
            asyncio.run(answer())
        except Exception:  # noqa: BLE001 - whatever it is, there is nothing to suggest
            answers.put(otherwise)

    with _silence():
        Thread(target=run, daemon=True).start()
        try:
            return answers.get(timeout=_PATIENCE_SECONDS)
        except Empty:
            return otherwise


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """What would be said on stderr would stand in the middle of the line that somebody writes."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
