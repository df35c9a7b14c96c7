"""What `doctor` finds: targets left half way, and open rollouts that can't go on."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from rollwright.cli import options, temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.outputs import Finding, Trouble
from rollwright.cli.temporal import ANSWER, NoAnswerError, Run, explained
from rollwright.cluster import doctor, names
from rollwright.cluster.api import Api
from rollwright.cluster.errors import MissingError
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import WORKFLOW_TYPE, activity_queue

_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Set by the server once workflow tasks of a run have failed a few times one after the other."""
_POLLS_AGAIN_WITHIN = timedelta(minutes=2)
"""A worker asks anew for tasks each minute; the server goes on naming one that is gone for five."""

_ELSEWHERE = (
    "Is it in another namespace (-n), or cluster (--kubeconfig, --context)? `rollwright doctor -A` looks in all."
)


@dataclass(frozen=True)
class Scope:
    """Where to look. In words: what stands after "nothing found"."""

    namespace: str
    """Empty: everywhere."""
    target: Target | None
    """The one that is named; None: all."""
    task_queue: str
    """Rollouts on other queues have their targets in other clusters."""
    cluster: str | None = None
    """So have those of other names."""

    def __str__(self) -> str:
        if self.target:
            return f"of {self.target}"
        return f"in namespace {self.namespace}" if self.namespace else "in all namespaces"

    def covers(self, target: Target) -> bool:
        """Whether a target is to be looked at."""
        return self.namespace in ("", target.namespace) and self.target in (None, target)

    def reaches(self, run: WorkflowExecution, target: Target) -> bool:
        """Whether a rollout has its target in the cluster that is looked at."""
        return run.task_queue == self.task_queue and target.cluster == self.cluster


async def examine(client: Client, api: Api, scope: Scope) -> tuple[Finding, ...]:
    """All that is found. Raises CommandError, ClusterError."""
    with explained("rollouts can't be listed"):
        running = client.list_workflows(f"WorkflowType = '{WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'")
        listed = [(run, _target(run)) async for run in running]
    covered = [(run, target) for run, target in listed if target and scope.covers(target)]
    return (
        *await _left(client, api, scope),
        *await _gone(api, [target for run, target in covered if scope.reaches(run, target)]),
        *(_failing(run) for run, _ in covered if run.typed_search_attributes.get(_PROBLEMS)),
        *await _unserved(client, covered),
    )


def _target(run: WorkflowExecution) -> Target | None:
    try:
        return options.read_target(run.id, None)
    except CommandError:
        return None  # not started by rollwright, which makes the id of the target


def live(api: Api, target: Target) -> LiveTarget:
    """The target in the cluster."""
    return LiveTarget(api, Watches(api), target)


async def _left(client: Client, api: Api, scope: Scope) -> list[Finding]:
    findings = []
    for target in await _recorded(client, api, scope):
        described = await temporal.look_up(client, target)
        if not _is_open(described):
            findings.append(await _left_behind(client, api, target, described))
    return findings


async def _recorded(client: Client, api: Api, scope: Scope) -> list[Target]:
    """The targets with a record. Raises CommandError if the one that is named is neither there nor being rolled out."""
    target = scope.target
    if target is None:
        return [found.of_cluster(scope.cluster) for found in await doctor.list_recorded(api, scope.namespace)]
    try:
        return [target] if doctor.is_recorded(await live(api, target).read_object()) else []
    except MissingError as error:
        described = await temporal.look_up(client, target)
        if _is_open(described):
            return []
        raise CommandError(f"{error}; {await _last(client, described)}", todo=_ELSEWHERE) from error


def _is_open(described: WorkflowExecutionDescription | None) -> bool:
    return described is not None and described.status is WorkflowExecutionStatus.RUNNING


async def _left_behind(
    client: Client, api: Api, target: Target, described: WorkflowExecutionDescription | None
) -> Finding:
    last, left = await _last(client, described), await doctor.examine(live(api, target))
    if left is None:
        what = f"{last}; its annotation {names.RECORD} can't be read: mend it, or remove it"
        remove = f"kubectl annotate {target.kind.lower()} {target.name} -n {target.namespace} {names.RECORD}-"
        return Finding(trouble=Trouble.LEFT, rollout=target.workflow_id, what=what, next=(remove,))
    repair = f"rollwright doctor {target.word} -n {target.namespace} --repair"
    ways = ["settings", "resume", *(["rollback"] if left.before else [])]
    return Finding(
        trouble=Trouble.LEFT,
        rollout=target.workflow_id,
        what=last,
        left=left,
        next=tuple(f"{repair} {way}" for way in ways),
    )


async def _last(client: Client, described: WorkflowExecutionDescription | None) -> str:
    """How the last rollout ended."""
    if described is None or described.status is None:
        return "Temporal knows of no rollout of it"
    how = described.status.name.lower().replace("_", " ")
    if described.status is WorkflowExecutionStatus.COMPLETED:
        try:
            how = (await Run(client, described.id, temporal.first_run_id(described)).result()).phase.value
        except NoAnswerError:
            how = "ended"
    return f"its last rollout: {how}"


async def _gone(api: Api, targets: list[Target]) -> list[Finding]:
    findings = []
    for target in targets:
        try:
            await live(api, target).read_object()
        except MissingError:
            findings.append(
                Finding(
                    trouble=Trouble.GONE,
                    rollout=target.workflow_id,
                    what="the rollout is open, and this cluster has no such target",
                    next=(f"rollwright abort {target.workflow_id}",),
                )
            )
    return findings


def _failing(run: WorkflowExecution) -> Finding:
    problems = run.typed_search_attributes.get(_PROBLEMS) or ()
    return Finding(
        trouble=Trouble.FAILING,
        rollout=run.id,
        what=f"the rollout is open, and its workflow code fails: {', '.join(problems)}",
        next=(
            f"temporal workflow show --workflow-id {run.id}",
            f"temporal workflow reset --workflow-id {run.id} --type LastWorkflowTask --reason ...",
        ),
    )


async def _unserved(client: Client, runs: list[tuple[WorkflowExecution, Target]]) -> list[Finding]:
    asked = {(run.task_queue, target.cluster) for run, target in runs}
    served = {one: await is_served(client, *one) for one in asked}
    return [
        Finding(
            trouble=Trouble.UNSERVED,
            rollout=run.id,
            what=f"the rollout is open, and no worker takes tasks from its queue "
            f"{activity_queue(run.task_queue, target.cluster)}",
            next=(worker_command(run.task_queue, target.cluster),),
        )
        for run, target in runs
        if not served[run.task_queue, target.cluster]
    ]


def worker_command(task_queue: str, cluster: str | None) -> str:
    """What starts a worker of a cluster."""
    return f"rollwright worker --task-queue {task_queue}" + (f" --cluster {cluster}" if cluster else "")


async def is_served(client: Client, task_queue: str, cluster: str | None) -> bool:
    """Whether a worker of a cluster is there. Raises CommandError.

    In a queue of a cluster's own there are activities only; who takes them takes workflows, too.
    """
    queue = activity_queue(task_queue, cluster)
    kind = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY if cluster else TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=kind,
    )
    with explained(f"the task queue {queue} can't be looked up"):
        answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER)
    oldest = datetime.now(UTC) - _POLLS_AGAIN_WITHIN
    return any(poller.last_access_time.ToDatetime(UTC) >= oldest for poller in answer.pollers)
