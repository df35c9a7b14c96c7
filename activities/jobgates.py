"""What job gates need of a cluster: their Jobs run, and their templates are tried before anything is touched."""

from rollwright.cluster import jobs
from rollwright.cluster.api import Api
from rollwright.cluster.errors import ClusterError, PermanentError, RefusedError
from rollwright.cluster.jobtemplates import Backstop
from rollwright.cluster.objects import TargetObject
from rollwright.cluster.target import LiveTarget
from rollwright.rollout.gates.job import JobGate
from rollwright.rollout.gates.questions import JobsSeen, RunJobs
from rollwright.rollout.spec import Strategy

_KEPT_SECONDS = 24 * 3600
"""One that goes before its end is read would be run again: no outage of the workers should last so long."""


async def run(api: Api, target: LiveTarget, asked: RunJobs) -> JobsSeen:
    """The Jobs as they stand, each made if it isn't there."""
    backstop = Backstop(deadline_seconds=asked.deadline_seconds, kept_seconds=_KEPT_SECONDS)
    try:
        item = await target.read_object()
        seen = await jobs.run(
            api, item, dict(asked.template), asked.runs, gate=jobs.gate_of(asked.rollout), backstop=backstop
        )
    except RefusedError as error:
        return JobsSeen(refused=str(error))
    except ClusterError as error:
        return JobsSeen(error=str(error))
    return JobsSeen(jobs=tuple(seen))


async def check_templates(api: Api, item: TargetObject, strategy: Strategy) -> None:
    """Have the API server try the template of each job gate. Raises the ClusterError that comes of it, and of which."""
    for number, step in enumerate(strategy.steps, 1):
        for gate in step.gates:
            if not isinstance(gate, JobGate):
                continue
            try:
                await jobs.check(api, item, gate.template)
            except PermanentError as error:
                raise type(error)(f"gate {gate.title} of step {number}: {error}") from error
