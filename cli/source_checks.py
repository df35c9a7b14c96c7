"""Checks of what gates ask over HTTP, before a rollout: with the workers' connections, from here."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rollwright.activities.connections import Reach
from rollwright.activities.fetching import fetch
from rollwright.cli.outputs import Checked, Verdict
from rollwright.rollout.gates.gate import Context, Finding, GroupSeen, Progress
from rollwright.rollout.gates.prometheus import PrometheusGate
from rollwright.rollout.gates.questions import Fetch, Source
from rollwright.rollout.gates.webhook import WebhookGate
from rollwright.rollout.spec import RolloutSpec

_ANSWER_SECONDS = 10.0
_REFUSES = (401, 403)
_NOTHING_BEHIND = (502, 503, 504)


class Asked(NamedTuple):
    """What gates are told they are about."""

    spec: RolloutSpec
    replicas: int
    revision: str
    """The name that the new template would be kept under."""

    def context(self, step: int) -> Context:
        """As if the groups there are were on the new revision."""
        target = self.spec.target
        return Context(
            kind=target.kind,
            namespace=target.namespace,
            name=target.name,
            rollout=target.workflow_id,
            revision=self.revision,
            step=step,
            groups=tuple(GroupSeen(ordinal=ordinal, updated=True) for ordinal in range(self.replicas)),
            now=time.time(),
        )


async def check(asked: Asked, connections: Path | None) -> list[Checked]:
    """Each gate that asks something; without connections, that they weren't asked."""
    gates = list(_gates(asked.spec))
    if not gates:
        return []
    if connections is None:
        names = ", ".join(_named(step, gate) for step, gate in gates)
        what = f"what these ask is reached by the workers, with their connections: {names}"
        todo = "To ask it from here: --connections DIR, as workers have it."
        return [Checked(about="gates", verdict=Verdict.NOT_CHECKED, what=what, todo=todo)]
    reach = Reach(connections=connections)
    return list(await asyncio.gather(*(_check(asked.context(step), gate, reach) for step, gate in gates)))


def _gates(spec: RolloutSpec) -> Iterator[tuple[int, PrometheusGate | WebhookGate]]:
    """Those that ask over HTTP, with the numbers of their steps."""
    for number, step in enumerate(spec.strategy.steps, start=1):
        for gate in step.gates:
            if isinstance(gate, PrometheusGate | WebhookGate):
                yield number, gate


def _named(step: int, gate: PrometheusGate | WebhookGate) -> str:
    return f"{gate.title} of step {step}"


async def _check(context: Context, gate: PrometheusGate | WebhookGate, reach: Reach) -> Checked:
    if isinstance(gate, PrometheusGate):
        verdict, what = await _ask_prometheus(context, gate, reach)
    else:
        verdict, what = await _ask_service(gate, reach)
    todo = _todo(gate) if verdict is Verdict.FAILED else ""
    return Checked(about=_named(context.step, gate), verdict=verdict, what=what, todo=todo)


def _todo(gate: Source) -> str:
    if gate.connection:
        return f"Mend the connection {gate.connection}, or the gate."
    return "Mend the gate; or name a connection in it, which may also lead to the workers' own host."


async def _ask_prometheus(context: Context, gate: PrometheusGate, reach: Reach) -> tuple[Verdict, str]:
    """One reading of the groups there are: by it, a query is also seen to be one."""
    once = gate.model_copy(update={"compare_to_old": None, "delay": 0, "readings": 1, "failure_limit": 0})
    progress = Progress(since=context.now)
    question = next(iter(once.ask(context, progress)), None)
    if not isinstance(question, Fetch):
        return Verdict.NOT_CHECKED, "there is no group to ask about"
    answer = await fetch(question, reach)
    reading = once.judge(context, progress, (answer,))
    found = reading.message.rpartition("; ")[0]  # without the count of readings, of which this is none
    if answer.status is None or not 200 <= answer.status < 300:
        return Verdict.FAILED, found
    if reading.finding is Finding.INCONCLUSIVE:
        return Verdict.WARNING, f"answers, and tells nothing of the groups there are: {found}"
    if gate.compare_to_old:
        return Verdict.OK, "answers the query"
    verdict = Verdict.WARNING if reading.finding is Finding.FAILED else Verdict.OK
    return verdict, f"answers; of the groups there are: {found}"


async def _ask_service(gate: WebhookGate, reach: Reach) -> tuple[Verdict, str]:
    """By a GET, which asks for no decision: any answer shows that it is there."""
    question = Fetch(url=gate.url, connection=gate.connection, path=gate.path or "", timeout_seconds=_ANSWER_SECONDS)
    answer = await fetch(question, reach)
    if answer.status is None:
        return Verdict.FAILED, answer.error
    if answer.status in _REFUSES:
        return Verdict.FAILED, f"does not take the credentials: it answers {answer.status}"
    if answer.status in _NOTHING_BEHIND:
        return Verdict.FAILED, f"nothing is behind it: it answers {answer.status}"
    return Verdict.OK, f"answers ({answer.status} to a GET); what it decides was not asked"
