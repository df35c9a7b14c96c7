"""Kinds that tests define themselves."""

from rollwright.devcluster import DevClusterError
from rollwright.devcluster.cluster import DevCluster
from tests.devcluster.standin.namespace import until


async def until_served(cluster: DevCluster, *kinds: str) -> None:
    """Wait until the API server serves kinds that were just defined, and says so.

    `kubectl wait` fails at once on a definition that has no conditions yet.
    """

    async def refusal() -> str:
        try:
            await cluster.kubectl("get", ",".join(kinds), "--all-namespaces")
        except DevClusterError as error:
            return str(error)
        return ""

    await until(refusal, "".__eq__, within_seconds=30)
