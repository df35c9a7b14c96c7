"""What `doctor` finds: targets left half way, and open rollouts that can't go on."""

from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from rollwright.cli import options, temporal
from rollwright.cli.failure import CommandError
from rollwright.cli.outputs import Finding, Trouble
from rollwright.cli.polling import Needed, are_there
from rollwright.cli.temporal import NoAnswerError, Run, explained
from rollwright.cluster import doctor, names
from rollwright.cluster.api import Api
from rollwright.cluster.errors import MissingError, RefusedError
from rollwright.cluster.target import LiveTarget
from rollwright.cluster.watching import Watches
from rollwright.rollout.spec import Target
from rollwright.workflows.contract import WORKFLOW_TYPE

_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")
"""Set by the server once workflow tasks of a run have failed a few times one after the other."""
_BUILD = SearchAttributeKey.for_keyword("TemporalWorkerDeploymentVersion")
"""Set by the server where a run is pinned to a build: DEPLOYMENT:ID."""

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
    last = await _last(client, described)
    try:
        left = await doctor.examine(live(api, target))
    except RefusedError as refused:  # as by a format that isn't known here; the others are told of all the same
        return Finding(trouble=Trouble.LEFT, rollout=target.workflow_id, what=f"{last}; {refused}", next=())
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
        except (NoAnswerError, CommandError):  # as where it is sealed by a key that isn't here
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
    needed = {
        run.id: Needed(run.task_queue, target.cluster, run.typed_search_attributes.get(_BUILD) or "")
        for run, target in runs
    }
    there = {one: await are_there(client, one) for one in dict.fromkeys(needed.values())}
    return [without_workers(rollout, one) for rollout, one in needed.items() if not there[one]]


def without_workers(rollout: str, needed: Needed) -> Finding:
    """That nobody carries an open rollout out."""
    what, ways = f"no worker takes tasks from its queue {needed.queue}", [needed.command]
    if not needed.build:
        what = f"the rollout is open, and {what}"
    else:
        what = f"the rollout is open on build {needed.build.partition(':')[2]}, and {what} for that"
        update = f"temporal workflow update-options --workflow-id {rollout} --versioning-override-behavior"
        ways += [
            f"{update} auto_upgrade",  # it goes on under the current build
            f"{update} unspecified",  # and stays there
        ]
    return Finding(trouble=Trouble.UNSERVED, rollout=rollout, what=what, next=tuple(ways))
