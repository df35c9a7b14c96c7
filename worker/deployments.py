"""What is asked of Temporal about the builds of the workers, and which of them is to be current."""

from collections.abc import Sequence
from datetime import UTC, timedelta

from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.deployment.v1 import WorkerDeploymentVersion as DeploymentVersion
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    DescribeWorkerDeploymentVersionRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode

from rollwright.worker.builds import Build, Deployment, Standing

_ANSWER = timedelta(seconds=10)
"""For each try: the server lets a deployment be asked about only so often, by all who do, and may be asked again."""


_STANDINGS = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: Standing.CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: Standing.RAMPING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: Standing.DRAINING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: Standing.DRAINED,
}


async def describe(client: Client, name: str) -> Deployment | None:
    """What Temporal knows of a deployment; None if no worker of it was ever there. Raises RPCError."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        found = await client.workflow_service.describe_worker_deployment(request, retry=True, timeout=_ANSWER)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return _read(name, found.worker_deployment_info)


async def unserved(client: Client, version: WorkerDeploymentVersion, known: Deployment | None) -> Sequence[str]:
    """The task queues on which the current build has workers, or had, and this one has none. Raises RPCError.

    Clusters have queues of their own, which the server itself passes over while they are idle: what waits for people
    in such a cluster would go on nowhere.
    """
    if known is None or not known.current:
        return ()
    current = await _queues_of(client, WorkerDeploymentVersion(version.deployment_name, known.current))
    return sorted(current - await _queues_of(client, version))


async def _queues_of(client: Client, version: WorkerDeploymentVersion) -> frozenset[str]:
    request = DescribeWorkerDeploymentVersionRequest(
        namespace=client.namespace,
        deployment_version=DeploymentVersion(deployment_name=version.deployment_name, build_id=version.build_id),
    )
    found = await client.workflow_service.describe_worker_deployment_version(request, retry=True, timeout=_ANSWER)
    return frozenset(queue.name for queue in found.version_task_queues)


async def make_current(client: Client, version: WorkerDeploymentVersion) -> None:
    """Have what is started go to this build from now on, and open rollouts move to it. Raises RPCError.

    Refused while it has no workers, or none on a task queue that the current build serves.
    """
    await client.workflow_service.set_worker_deployment_current_version(
        SetWorkerDeploymentCurrentVersionRequest(
            namespace=client.namespace,
            deployment_name=version.deployment_name,
            build_id=version.build_id,
            identity=client.identity,
        ),
        retry=True,
        timeout=_ANSWER,
    )


def _read(name: str, info: WorkerDeploymentInfo) -> Deployment:
    newest_first = sorted(info.version_summaries, key=lambda found: found.create_time.ToNanoseconds(), reverse=True)
    return Deployment(name, info.routing_config.current_deployment_version.build_id, tuple(map(_build, newest_first)))


def _build(found: WorkerDeploymentInfo.WorkerDeploymentVersionSummary) -> Build:
    drained = found.drainage_info.last_changed_time if found.HasField("drainage_info") else None
    since = drained or found.routing_update_time
    return Build(
        build_id=found.deployment_version.build_id,
        standing=_STANDINGS.get(found.status, Standing.INACTIVE),
        since=since.ToDatetime(UTC) if since.ToNanoseconds() else None,
        was_current=found.HasField("last_current_time") or found.HasField("current_since_time"),
    )
